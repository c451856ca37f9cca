//! getUpdates: the queue of updates, long polling, offsets, and two pollers at one time.

use std::time::Duration;

use serde_json::Value;

use super::params::Params;
use super::{Refusal, Telegram};
use crate::world::{Shared, World};

/// The Bot API waits no longer than this, whatever `timeout` says.
const LONGEST_POLL: Duration = Duration::from_secs(50);
/// Updates of one answer.
const BATCH: usize = 100;
/// Kinds a bot chooses from with `allowed_updates`; kinds that are not in the list are always sent,
/// so that a test can bring one the bot has never heard of.
const KINDS: [&str; 8] = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "inline_query",
    "my_chat_member",
    "message_reaction",
];

impl Telegram {
    /// Puts an update into the queue and gives it its number.
    pub fn enqueue(&mut self, update: Value) -> i64 {
        let id = self.next_update;
        self.next_update += 1;
        self.updates.push_back((id, update));
        id
    }

    /// A number for the next message of any chat.
    pub fn new_message_id(&mut self) -> i64 {
        self.next_message += 1;
        self.next_message
    }

    fn confirm(&mut self, offset: i64) {
        if offset < 0 {
            let keep = usize::try_from(-offset).unwrap_or(usize::MAX).min(self.updates.len());
            self.updates.drain(..self.updates.len() - keep);
        } else {
            self.updates.retain(|(id, _)| *id >= offset);
        }
    }

    fn wanted(&self, update: &Value) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        let kind = KINDS.iter().find(|k| update.get(**k).is_some());
        kind.is_none_or(|k| allowed.iter().any(|a| a == k))
    }
}

/// One getUpdates. A refusal with code 0: the client went away meanwhile.
pub fn get(shared: &Shared, params: &Params, alive: &dyn Fn() -> bool) -> Result<String, Refusal> {
    let limit = params.int("limit").unwrap_or(0);
    let limit = if limit <= 0 { BATCH } else { (limit as usize).min(BATCH) };
    let seconds = u64::try_from(params.int("timeout").unwrap_or(0)).unwrap_or(0);
    let mine = shared.change(|w| {
        let telegram = &mut w.telegram;
        telegram.poll += 1;
        telegram.confirm(params.int("offset").unwrap_or(0));
        if let Some(Value::Array(kinds)) = params.json("allowed_updates") {
            let kinds: Vec<String> =
                kinds.iter().filter_map(|k| k.as_str().map(str::to_owned)).collect();
            telegram.allowed = (!kinds.is_empty()).then_some(kinds);
        }
        // What the bot does not want is dropped, not kept for a time when it might.
        let updates = std::mem::take(&mut telegram.updates);
        telegram.updates = updates.into_iter().filter(|(_, u)| telegram.wanted(u)).collect();
        telegram.polling += 1;
        telegram.poll
    });
    let time = Duration::from_secs(seconds).min(LONGEST_POLL);
    let found = shared.wait(time, alive, |w| {
        if w.telegram.poll != mine {
            w.telegram.conflicts += 1;
            return Some(Err(Refusal::new(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot \
                 instance is running",
            )));
        }
        let batch = batch(w, limit);
        (!batch.is_empty()).then(|| Ok(format!("[{}]", batch.join(","))))
    });
    shared.change(|w| w.telegram.polling -= 1);
    match found {
        // Somebody who died while he waited has not fetched anything.
        _ if !alive() => Err(Refusal::new(0, "")),
        Some(result) => result,
        None => Ok("[]".to_owned()),
    }
}

/// The next updates as JSON texts, each with its number in front, as the real server writes them.
fn batch(world: &mut World, limit: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for (id, update) in world.telegram.updates.iter().take(limit) {
        for kind in KINDS {
            for field in ["text", "caption"] {
                if let Some(text) = update[kind][field].as_str() {
                    world.ledger.delivered(text);
                }
            }
        }
        let text = update.to_string();
        texts.push(match text.strip_prefix('{') {
            Some("}") => format!("{{\"update_id\":{id}}}"),
            Some(fields) => format!("{{\"update_id\":{id},{fields}"),
            None => text,
        });
    }
    texts
}
