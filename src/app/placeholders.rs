//! Placeholders: messages that the first reply of an answer replaces, or that are removed where there is none.

use std::cell::RefCell;

use crate::limits::QUEUE;

/// Journal number of the message that is answered, and the channel's number of the placeholder; at most [`QUEUE`].
#[derive(Default)]
pub struct Placeholders(RefCell<Vec<(u64, i64)>>);

impl Placeholders {
    /// The first reply of `id` replaces `message`. The oldest is forgotten when there are too many.
    pub fn note(&self, id: u64, message: i64) {
        let mut all = self.0.borrow_mut();
        if all.len() == QUEUE {
            all.remove(0);
        }
        all.push((id, message));
    }

    /// The placeholder of `id`, 0 for none; it is forgotten.
    pub fn take(&self, id: u64) -> i64 {
        let mut all = self.0.borrow_mut();
        let at = all.iter().position(|(of, _)| *of == id);
        at.map_or(0, |at| all.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_taken_once_and_bounded() {
        let placeholders = Placeholders::default();
        for id in 0..=QUEUE as u64 {
            placeholders.note(id, 7 + id as i64);
        }
        assert_eq!((placeholders.take(1), placeholders.take(1)), (8, 0));
        assert_eq!(placeholders.take(0), 0, "the oldest had to go");
        assert_eq!(placeholders.0.borrow().len(), QUEUE - 1);
    }
}
