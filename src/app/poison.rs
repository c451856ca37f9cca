//! A message that kills the program is tried a few times, then set aside so that the others are answered.

use serde_json::json;

use super::hub::Hub;
use crate::error::{Context, Result};
use crate::limits::{ATTEMPTS, CRASH_WEIGHT};
use crate::store::dir::Dir;
use crate::store::frame::Frame;
use crate::store::ledger::{Entry, Stage};

/// Counts a try; it is on the card before the try begins. Usually it gets there with the message itself.
pub async fn count(hub: &Hub, id: u64) {
    let count = hub.journal.ledger(|l| l.get(id).map_or(0, |e| e.attempts)) + 1;
    let ticket = hub.journal.record(&Frame::Attempt { id, count });
    // A card that takes no writes counts nothing; answering is worth more then.
    hub.journal.synced(ticket).await;
}

/// Takes a try back that did not crash but was cut off by an orderly stop.
pub fn forgive(hub: &Hub, id: u64) {
    let count = hub.journal.ledger(|l| l.get(id).map_or(0, |e| e.attempts)).saturating_sub(1);
    hub.journal.record(&Frame::Attempt { id, count });
}

/// The last run ended in a crash: every message that was being tried then may be the reason.
pub fn blame(hub: &Hub) {
    let tried: Vec<_> = hub.journal.ledger(|l| {
        l.entries()
            .filter(|e| e.attempts > 0 && e.stage == Stage::Open)
            .map(|e| (e.id, e.attempts))
            .collect()
    });
    for (id, attempts) in tried {
        crate::log::warn!("message {id} was being answered when the program crashed");
        hub.journal.record(&Frame::Attempt { id, count: attempts + CRASH_WEIGHT - 1 });
    }
}

/// Has this message had its tries?
pub fn is_poison(entry: &Entry) -> bool {
    entry.attempts >= ATTEMPTS
}

/// Writes the message to `state/quarantine/` and returns what the chat is told.
pub async fn set_aside(hub: &Hub, id: u64) -> String {
    let Some(entry) = hub.journal.ledger(|l| l.get(id).cloned()) else { return String::new() };
    let place = match write(hub, &entry).await {
        Ok(path) => format!("It is kept in {path}."),
        // The journal lets go of it now, so the chat gets the whole story.
        Err(e) => format!("It could not be kept ({e})."),
    };
    crate::log::error!("message {id} is set aside: its tries ended in crashes. {place}");
    format!(
        "⚠️ I set your message aside: each time I tried to answer it, I crashed or was cut off. {place} Please say it \
         differently."
    )
}

async fn write(hub: &Hub, entry: &Entry) -> Result<String> {
    let m = &entry.message;
    let text = json!({
        "channel": m.from.channel, "chat": m.from.chat, "topic": m.from.topic,
        "sender": m.sender.id, "event": m.event, "message": m.message, "date": m.date,
        "attempts": entry.attempts, "text": m.text,
    });
    let home = hub.agent.config.home.clone();
    let name = format!("state/quarantine/{}-{}.json", m.date, entry.id);
    let path = home.join(&name);
    let text = text.to_string();
    let save = move || Dir::make(&home)?.save(&name, text.as_bytes(), 0o600);
    let saved = crate::sys::spawn_blocking(save).await;
    saved.with_context(|| format!("cannot save {}", path.display()))?;
    Ok(path.display().to_string())
}
