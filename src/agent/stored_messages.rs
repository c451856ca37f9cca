//! How much of a conversation a request has room for: what is on the card, named by its place, and what is in memory. Pure.

use std::fs::File;
use std::sync::Arc;

use super::history::turn_starts;
use crate::limits::SHORT_RESULT_BYTES;
use crate::message::{Message, Role};
use crate::proto::excerpt::keep_ends;
use crate::provider::Stored;
use crate::provider::stored::{StoredPosition, shorten};
use crate::provider::tokens::of_message as tokens;

/// A message of an earlier turn that stays on the card.
#[derive(Clone, Copy, Debug)]
pub struct StoredMessage {
    /// Its line's first byte in the file.
    pub at: u64,
    /// Bytes of the line.
    pub length: u32,
    /// Guessed tokens.
    pub tokens: u32,
    /// The same when it is shortened; only results of tools have fewer.
    pub short: u32,
    /// A turn begins with it.
    pub begins: bool,
    /// The assistant says it.
    pub answer: bool,
}

impl StoredMessage {
    /// Of a message, and where it is.
    pub fn of(message: &Message, at: u64, length: usize) -> StoredMessage {
        let whole = tokens(message);
        let short = if message.role == Role::Tool && message.content.len() > SHORT_RESULT_BYTES {
            let mut short = message.clone();
            shorten(&mut short);
            tokens(&short)
        } else {
            whole
        };
        let least = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        StoredMessage {
            at,
            length: least(length),
            tokens: least(whole),
            short: least(short.min(whole)),
            begins: message.role == Role::User,
            answer: message.role == Role::Assistant,
        }
    }
}

/// The part of a conversation that stays on the card until a request is written, oldest first.
#[derive(Default)]
pub struct StoredMessages {
    /// The session's file.
    pub file: Option<Arc<File>>,
    /// Messages that can be sent.
    pub items: Vec<StoredMessage>,
    /// How many of them, from the oldest on, are sent shortened.
    shortened: usize,
    /// As it was sent last.
    sent: Option<Arc<Stored>>,
}

impl StoredMessages {
    /// Messages of a file that are to be sent.
    pub fn new(file: Option<Arc<File>>, items: Vec<StoredMessage>) -> StoredMessages {
        StoredMessages { file, items, ..StoredMessages::default() }
    }

    /// Guessed tokens of what is sent of it.
    pub fn tokens(&self) -> usize {
        let (short, whole) = self.items.split_at(self.shortened);
        let short = short.iter().map(|i| i.short as usize);
        short.chain(whole.iter().map(|i| i.tokens as usize)).sum()
    }

    /// What is sent of it; `None` where nothing is.
    pub fn stored(&mut self) -> Option<Arc<Stored>> {
        let file = self.file.clone().filter(|_| !self.items.is_empty())?;
        let sent = self.sent.take().unwrap_or_else(|| {
            let place = |(n, item): (usize, &StoredMessage)| StoredPosition {
                at: item.at,
                length: item.length,
                short: n < self.shortened && item.short < item.tokens,
                answer: item.answer,
            };
            let places = self.items.iter().enumerate().map(place).collect();
            Arc::new(Stored { file, places, tokens: self.tokens() })
        });
        self.sent = Some(sent.clone());
        Some(sent)
    }

    fn drop_first(&mut self, count: usize) {
        self.items.drain(..count);
        self.shortened = self.shortened.saturating_sub(count);
        self.sent = None;
    }
}

/// Messages that are left out: how many on the card, how many in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dropped {
    /// Of [`StoredMessages::items`].
    pub past: usize,
    /// Of the messages in memory.
    pub recent: usize,
}

/// Where turns begin, counted over what is on the card and then what is in memory; none after the running one.
fn starts(past: &StoredMessages, messages: &[Message], running: usize) -> Vec<usize> {
    let stored = past.items.iter().enumerate().filter(|(_, i)| i.begins).map(|(n, _)| n);
    let recent = turn_starts(messages).filter(|n| *n <= running);
    stored.chain(recent.map(|n| n + past.items.len())).collect()
}

/// Leaves out the first `count`, counted over both.
fn leave_out(past: &mut StoredMessages, messages: &mut Vec<Message>, count: usize) -> Dropped {
    let dropped = Dropped {
        past: count.min(past.items.len()),
        recent: count.saturating_sub(past.items.len()),
    };
    if dropped.past > 0 {
        past.drop_first(dropped.past);
    }
    messages.drain(..dropped.recent);
    dropped
}

/// Makes a conversation fit into `budget` guessed tokens. First long results of earlier turns are shortened, the oldest first;
/// only then whole turns are left out, the oldest first. The running turn, which begins at `running` in `messages`, always
/// stays as it is.
pub fn fit(
    past: &mut StoredMessages,
    messages: &mut Vec<Message>,
    running: usize,
    budget: usize,
) -> Dropped {
    let mut total = past.tokens() + messages.iter().map(tokens).sum::<usize>();
    while let Some(item) = past.items.get(past.shortened).filter(|_| total > budget) {
        total -= (item.tokens - item.short) as usize;
        past.shortened += 1;
        past.sent = None;
    }
    for message in messages.iter_mut().take(running).filter(|m| m.role == Role::Tool) {
        if total <= budget {
            break;
        }
        total -= tokens(message);
        shorten(message);
        total += tokens(message);
    }
    let stored = past.items.len();
    let size = |n: usize| match past.items.get(n) {
        Some(item) => item.short as usize,
        None => messages.get(n - stored).map_or(0, tokens),
    };
    let mut from = 0;
    for next in starts(past, messages, running).into_iter().filter(|next| *next > 0) {
        if total <= budget {
            break;
        }
        total -= (from..next).map(size).sum::<usize>();
        from = next;
    }
    leave_out(past, messages, from)
}

/// Drops the oldest half of the turns, never the running one.
pub fn halve(past: &mut StoredMessages, messages: &mut Vec<Message>, running: usize) -> Dropped {
    let starts = starts(past, messages, running);
    let cut = match starts.len() {
        0 | 1 => 0,
        n => starts[n.div_ceil(2).min(n - 1)],
    };
    leave_out(past, messages, cut)
}

/// Shortens the results of tools, for a running turn that alone is too long; true when that changed anything.
pub fn shorten_results(messages: &mut [Message]) -> bool {
    let mut any = false;
    for message in messages.iter_mut().filter(|m| m.role == Role::Tool) {
        if message.content.len() > SHORT_RESULT_BYTES {
            message.content = keep_ends(std::mem::take(&mut message.content), SHORT_RESULT_BYTES);
            any = true;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::{history, spec};
    use super::*;

    #[track_caller]
    fn check_fit(before: &str, budget: usize, after: &str) {
        let mut messages = history(before);
        let running = turn_starts(&messages).last().unwrap_or(0);
        fit(&mut StoredMessages::default(), &mut messages, running, budget);
        assert_eq!(spec(&messages), after);
    }

    #[test]
    fn the_oldest_turns_go_first_and_the_last_stays() {
        let one = tokens(&history("u")[0]);
        check_fit("u a u a", 4 * one, "u a u a");
        check_fit("u a u a", 3 * one, "u a");
        check_fit("u a u c1 r1 a", 0, "u c1 r1 a");
        check_fit("a a u", 0, "u");
        check_fit("", 0, "");
    }

    #[test]
    fn halving_keeps_the_running_turn() {
        let halved = |s: &str| {
            let mut m = history(s);
            let running = turn_starts(&m).last().unwrap_or(0);
            halve(&mut StoredMessages::default(), &mut m, running);
            spec(&m)
        };
        assert_eq!(halved("u a u a u a u a"), "u a u a");
        assert_eq!(halved("u a u c1 r1"), "u c1 r1");
        assert_eq!(halved("u c1 r1"), "u c1 r1");
        // What steers a running turn belongs to it.
        let mut steered = history("u a u c1 r1 u c2 r2");
        let past = &mut StoredMessages::default();
        assert_eq!(fit(past, &mut steered, 2, 0), Dropped { past: 0, recent: 2 });
        assert_eq!(halve(past, &mut steered, 0), Dropped::default());
    }

    #[test]
    fn long_results_are_shortened_last() {
        let mut messages = history("u c1 r1");
        assert!(!shorten_results(&mut messages));
        messages[2].content = "x".repeat(3 * SHORT_RESULT_BYTES);
        assert!(shorten_results(&mut messages));
        assert!(messages[2].content.len() <= SHORT_RESULT_BYTES);
        assert!(!shorten_results(&mut messages));
    }

    /// What is on the card: a turn a word, its tokens and what it has shortened; `u` first, then a result.
    fn past(turns: &[(u32, u32)]) -> StoredMessages {
        let item = |tokens, short, begins| StoredMessage {
            at: 0,
            length: 1,
            tokens,
            short,
            begins,
            answer: false,
        };
        let turn = |&(tokens, short): &(u32, u32)| [item(1, 1, true), item(tokens, short, false)];
        StoredMessages::new(None, turns.iter().flat_map(turn).collect())
    }

    #[test]
    fn results_are_shortened_before_anything_is_left_out() {
        let one = tokens(&history("u")[0]);
        let check = |budget: usize, left: (usize, usize, usize)| {
            let mut past = past(&[(100, 10), (100, 10), (100, 10)]);
            let mut messages = history("u");
            let dropped = fit(&mut past, &mut messages, 0, budget + one);
            assert_eq!((dropped.past, past.shortened, past.tokens()), left, "{budget}");
            assert_eq!(messages.len(), 1);
        };
        check(303, (0, 0, 303));
        // The oldest first, and no more than are needed.
        check(302, (0, 2, 213));
        check(213, (0, 2, 213));
        check(212, (0, 4, 123));
        check(33, (0, 6, 33));
        check(32, (2, 4, 22));
        check(21, (4, 2, 11));
        check(0, (6, 0, 0));
    }

    #[test]
    fn turns_are_counted_over_the_card_and_memory() {
        let mut both = past(&[(9, 9), (9, 9)]);
        let mut messages = history("u a u a u");
        let dropped = halve(&mut both, &mut messages, 4);
        assert_eq!((dropped, messages.len()), (Dropped { past: 4, recent: 2 }, 3));
        assert!(both.stored().is_none());
    }
}
