//! How a stranger becomes a user: a code that the owner reads on the device and writes to the bot.
//!
//! A state machine without I/O: `now` is in seconds of a monotonic clock, random bytes are arguments, answers are return
//! values. Must never tell a stranger the code, and strangers must never keep the owner out: limits are each sender's own,
//! and a right generated code counts whatever was tried before (32^8 codes that live a quarter of an hour need no limit).
//! A code that the owner chose may be easy to guess, so there a sender has [`limits::PAIRING_TRIES_SENDER`] tries an hour.

use crate::channel::paired::{self, Paired};
use crate::config::Secret;
use crate::limits;

/// Digits and capitals without 0, 1, I and O; 32 of them, so that five random bits choose one without bias.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const HOUR: u64 = 3600;

/// Random bytes for one code.
pub type Entropy = [u8; limits::PAIRING_CODE_CHARS];

/// The reaction to a stranger's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrangerReply {
    /// Already told how to pair; a stranger must not make us send without end.
    Ignored,
    /// Tell how to pair ([`HOW_TO_PAIR`]).
    Tell,
}

/// The result of a `/pair`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairingResult {
    /// The sender is a user from now on; the list is to be saved.
    Paired,
    /// Wrong or expired; this sender has so many tries left.
    Wrong(u32),
    /// This was the last try of this sender for an hour.
    Last,
    /// Ignored without an answer.
    Refused,
}

/// The one answer to a stranger.
pub const HOW_TO_PAIR: &str = "I do not know you yet. If I am yours, send /pair CODE with the code that picoclaw status \
and my log show (or the one in your configuration).";

struct Stranger {
    id: String,
    /// Wrong codes since `since`.
    tries: u32,
    since: u64,
    told: bool,
    seen: u64,
}

/// The pairing of one bot.
pub struct Pairing {
    channel: String,
    chosen: Secret,
    code: Option<([u8; limits::PAIRING_CODE_CHARS], u64)>,
    strangers: Vec<Stranger>,
}

impl Pairing {
    /// For the bot `channel`; `chosen` is the owner's own code or empty.
    pub fn new(channel: &str, chosen: Secret) -> Pairing {
        Pairing { channel: channel.into(), chosen, code: None, strangers: Vec::new() }
    }

    /// The code in force and its remaining seconds, for console and status; `None` before [`Pairing::renew`] made one, after it
    /// was used or has expired, and if the owner chose one (it is never shown, because the owner knows it).
    pub fn code_for_status(&self, now: u64) -> Option<(String, u64)> {
        let (code, born) = self.code.as_ref()?;
        let left = limits::PAIRING_LIFE.as_secs().saturating_sub(now.saturating_sub(*born));
        (left > 0).then(|| (code.iter().map(|byte| char::from(*byte)).collect(), left))
    }

    /// Creates a code unless one is valid; `Some` if it is new.
    #[must_use = "a new code is logged, for strangers are told to look for it there"]
    pub fn renew(&mut self, now: u64, paired: &Paired, entropy: Entropy) -> Option<String> {
        if self.owner_code(paired).is_some() || self.code_for_status(now).is_some() {
            return None;
        }
        self.code = Some((entropy.map(|byte| ALPHABET[usize::from(byte & 31)]), now));
        self.code_for_status(now).map(|(code, _)| code)
    }

    /// A stranger wrote something in a private chat. [`Pairing::renew`] comes first.
    pub fn on_message(&mut self, id: &str, now: u64) -> StrangerReply {
        let told = std::mem::replace(&mut self.stranger(id, now).told, true);
        if told { StrangerReply::Ignored } else { StrangerReply::Tell }
    }

    /// A stranger wrote `/pair code` in a private chat; on success `paired` holds the user.
    pub fn attempt(
        &mut self,
        id: &str,
        code: &str,
        now: u64,
        paired: &mut Paired,
    ) -> PairingResult {
        let given = code.trim();
        let chosen = self.owner_code(paired);
        let (by_owner, right) = match chosen {
            Some(chosen) => (true, paired::constant_time_eq(chosen, given)),
            None => {
                let now = self.code_for_status(now);
                let same = |(code, _): (String, _)| {
                    paired::constant_time_eq(&code, &given.to_ascii_uppercase())
                };
                (false, now.is_some_and(same))
            }
        };
        let stranger = self.stranger(id, now);
        if now.saturating_sub(stranger.since) >= HOUR {
            (stranger.tries, stranger.since) = (0, now);
        }
        let used_up = stranger.tries >= limits::PAIRING_TRIES_SENDER;
        if used_up && (by_owner || !right) {
            return PairingResult::Refused;
        }
        stranger.told = true;
        if !right {
            stranger.tries += 1;
            let left = limits::PAIRING_TRIES_SENDER - stranger.tries;
            return if left == 0 { PairingResult::Last } else { PairingResult::Wrong(left) };
        }
        if !paired.add(&self.channel, id) {
            return PairingResult::Refused;
        }
        if let Some(chosen) = self.owner_code(paired) {
            let hash = paired::hash(chosen);
            paired.spend(&self.channel, hash);
        }
        self.code = None;
        self.strangers.retain(|stranger| stranger.id != id);
        PairingResult::Paired
    }

    /// The owner's code while it has not been used.
    fn owner_code(&self, paired: &Paired) -> Option<&str> {
        let code = self.chosen.expose().trim();
        (!code.is_empty() && !paired.is_spent(&self.channel, code)).then_some(code)
    }

    /// The entry of `id`; where the table is full, the one that was silent the longest gives way.
    fn stranger(&mut self, id: &str, now: u64) -> &mut Stranger {
        let known = self.strangers.iter().position(|stranger| stranger.id == id);
        let at = known.unwrap_or_else(|| {
            let new = Stranger { id: id.into(), tries: 0, since: now, told: false, seen: now };
            if self.strangers.len() < limits::PAIRING_STRANGERS {
                self.strangers.push(new);
                return self.strangers.len() - 1;
            }
            let oldest = self.strangers.iter().enumerate().min_by_key(|(_, s)| s.seen);
            let at = oldest.map_or(0, |(at, _)| at);
            self.strangers[at] = new;
            at
        });
        let stranger = &mut self.strangers[at];
        stranger.seen = now;
        stranger
    }
}

#[cfg(test)]
mod tests;
