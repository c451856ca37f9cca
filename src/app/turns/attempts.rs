//! Attempts at a message: one that crashes the program is tried a few times, then quarantined so that the others are
//! answered.

use std::path::Path;

use serde_json::json;

use crate::error::{Context, Result};
use crate::limits::{ATTEMPTS, CRASH_WEIGHT};
use crate::store::dir::Dir;
use crate::store::frame::Frame;
use crate::store::ledger::{OpenMessage, Stage};
use crate::store::writer::Journal;

/// Counts an attempt; it is on the card before the attempt begins. Usually it gets there with the message itself.
pub async fn count(journal: &Journal, id: u64) {
    let count = journal.ledger(|l| l.get(id).map_or(0, |e| e.attempts)) + 1;
    let ticket = journal.record(&Frame::Attempt { id, count });
    // A card that takes no writes counts nothing; answering is worth more then.
    journal.synced(ticket).await;
}

/// Takes an attempt back that an orderly stop cut off.
pub fn take_back(journal: &Journal, id: u64) {
    let count = journal.ledger(|l| l.get(id).map_or(0, |e| e.attempts)).saturating_sub(1);
    journal.record(&Frame::Attempt { id, count });
}

/// The last run ended in a crash: every message that was being answered then may be the reason.
pub fn count_crash(journal: &Journal) {
    let tried: Vec<_> = journal.ledger(|l| {
        l.entries()
            .filter(|e| e.attempts > 0 && e.stage == Stage::Open)
            .map(|e| (e.id, e.attempts))
            .collect()
    });
    for (id, attempts) in tried {
        crate::log::warn!("message {id} was being answered when the program crashed");
        journal.record(&Frame::Attempt { id, count: attempts + CRASH_WEIGHT - 1 });
    }
}

/// Whether a message has had all its attempts.
pub fn are_used_up(attempts: u32) -> bool {
    attempts >= ATTEMPTS
}

/// Writes the message to `state/quarantine/` of `home` and returns what the chat is told.
pub async fn quarantine(journal: &Journal, home: &Path, id: u64) -> String {
    let Some(entry) = journal.ledger(|l| l.get(id).cloned()) else { return String::new() };
    let place = match write(home, &entry).await {
        Ok(path) => format!("It is kept in {path}."),
        // The journal lets go of it now, so the chat gets the whole story.
        Err(e) => format!("It could not be kept ({e})."),
    };
    crate::log::error!(
        "message {id} is given up: its attempts ended in a crash, or their record is gone. {place}"
    );
    format!(
        "⚠️ I set your message aside: each time I tried to answer it, I crashed or was cut off. Some of it may \
         be done. {place} Please say it differently."
    )
}

async fn write(home: &Path, entry: &OpenMessage) -> Result<String> {
    let m = &entry.message;
    let text = json!({
        "channel": m.from.channel, "chat": m.from.chat, "topic": m.from.topic,
        "sender": m.sender.id, "event": m.event, "message": m.message, "date": m.date,
        "attempts": entry.attempts, "text": m.text,
    });
    let home = home.to_path_buf();
    let name = format!("state/quarantine/{}-{}.json", m.date, entry.id);
    let path = home.join(&name);
    let text = text.to_string();
    let save = move || Dir::make(&home)?.save(&name, text.as_bytes(), 0o600);
    let saved = crate::sys::spawn_blocking(save).await;
    saved.with_context(|| format!("cannot save {}", path.display()))?;
    Ok(path.display().to_string())
}
