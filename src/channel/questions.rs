//! Questions on a channel without buttons: each has a number, and the answer is a message, `yes 42` or `no 42`.
//!
//! Must never take an answer for another question than the one it was written for: a bare yes or no counts only where
//! there is nothing to confuse.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use smol::channel::{Receiver, Sender};
use smol::future::or;

use crate::bus::{Question, Verdict};
use crate::limits::{APPROVAL_WAIT, APPROVALS};

struct Open {
    number: u32,
    chat: String,
    answer: Sender<bool>,
}

/// The open questions of a channel.
#[derive(Default)]
pub struct Questions {
    open: RefCell<Vec<Open>>,
    /// When a question was last withdrawn: a bare yes may still be meant for it.
    withdrawn: Cell<Option<Instant>>,
}

/// A question that waits; withdrawn when dropped.
pub struct PendingQuestion<'a> {
    questions: &'a Questions,
    number: u32,
    answer: Receiver<bool>,
}

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// A message for the agent.
    NoAnswer,
    /// The answer to a question, which has it.
    Accepted,
    /// An answer that fits no question; what its author is told.
    Unclear(String),
}

impl Questions {
    /// A question that is about to be asked in `chat`; `None` while too many are open.
    pub fn open(&self, chat: &str, question: &Question) -> Option<PendingQuestion<'_>> {
        let mut open = self.open.borrow_mut();
        if open.len() >= APPROVALS {
            return None;
        }
        let (sender, answer) = smol::channel::bounded(1);
        let number = question.number;
        open.push(Open { number, chat: chat.to_owned(), answer: sender });
        Some(PendingQuestion { questions: self, number, answer })
    }

    /// Takes a person's message in `chat` if it answers a question.
    pub fn accept(&self, chat: &str, text: &str) -> Reply {
        let Some((yes, number)) = parse(text) else { return Reply::NoAnswer };
        let open = self.open.borrow();
        let here: Vec<&Open> = open.iter().filter(|o| o.chat == chat).collect();
        let found = match (number, &here[..]) {
            (_, []) => return Reply::NoAnswer,
            (Some(number), _) => here.iter().find(|o| o.number == number),
            (None, [only]) if self.is_clear() => Some(only),
            (None, _) => None,
        };
        if let Some(found) = found {
            // Full: it was answered just before.
            let _ = found.answer.try_send(yes);
            return Reply::Accepted;
        }
        let mut told = match number {
            Some(number) => format!("Question {number} is closed; it counted as no."),
            None => "Which question is that for?".to_owned(),
        };
        for open in here {
            told.push_str(&format!(" Question {0} is open: yes {0} or no {0}.", open.number));
        }
        Reply::Unclear(told)
    }

    /// No question was withdrawn in the time in which a person may still answer it.
    fn is_clear(&self) -> bool {
        self.withdrawn.get().is_none_or(|at| at.elapsed() > APPROVAL_WAIT)
    }
}

impl PendingQuestion<'_> {
    /// How a question says how it is answered.
    pub fn how(&self) -> String {
        format!("Answer yes {0} or no {0}.", self.number)
    }

    /// The answer, or that none came in [`APPROVAL_WAIT`].
    pub async fn verdict(&self) -> Verdict {
        let given = async {
            match self.answer.recv().await {
                Ok(true) => Verdict::Yes,
                _ => Verdict::No,
            }
        };
        let late = async {
            async_io::Timer::after(APPROVAL_WAIT).await;
            Verdict::TimedOut
        };
        let verdict = or(given, late).await;
        if verdict != Verdict::TimedOut {
            self.close();
        }
        verdict
    }

    /// True when it was open.
    fn close(&self) -> bool {
        let mut open = self.questions.open.borrow_mut();
        let before = open.len();
        open.retain(|o| o.number != self.number);
        open.len() < before
    }
}

impl Drop for PendingQuestion<'_> {
    fn drop(&mut self) {
        if self.close() {
            self.questions.withdrawn.set(Some(Instant::now()));
        }
    }
}

/// Yes or no, and the question's number if it is there; `None` for a text that says anything else.
fn parse(text: &str) -> Option<(bool, Option<u32>)> {
    let mut words = text.split_whitespace();
    let word = words.next()?;
    let is = |names: [&str; 3]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    let yes = match () {
        () if is(["yes", "y", "/yes"]) => true,
        () if is(["no", "n", "/no"]) => false,
        () => return None,
    };
    let number = match words.next() {
        Some(number) => Some(number.trim_start_matches('#').parse().ok()?),
        None => None,
    };
    words.next().is_none().then_some((yes, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: u32) -> Question {
        Question { number, text: "?".into() }
    }

    #[test]
    fn an_answer_is_nothing_but_yes_or_no_and_a_number() {
        for (text, want) in [
            ("yes", Some((true, None))),
            (" Yes 42 ", Some((true, Some(42)))),
            ("n #7", Some((false, Some(7)))),
            ("/no 7", Some((false, Some(7)))),
            ("yes please", None),
            ("no 5 is enough", None),
            ("yes 99999999999", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
    }

    #[test]
    fn the_number_decides_and_a_bare_yes_counts_only_for_the_only_question() {
        smol::block_on(async {
            let questions = Questions::default();
            assert_eq!(questions.accept("a", "yes"), Reply::NoAnswer);
            let first = questions.open("a", &question(41)).expect("room");
            let other = questions.open("b", &question(42)).expect("room");
            assert_eq!(questions.accept("a", "hello"), Reply::NoAnswer);
            let second = questions.open("a", &question(43)).expect("room");
            let Reply::Unclear(told) = questions.accept("a", "yes") else { panic!("it counted") };
            assert!(told.contains("yes 41 or no 41") && told.contains("yes 43"), "{told}");
            assert!(
                matches!(questions.accept("a", "yes 42"), Reply::Unclear(_)),
                "of another chat"
            );
            assert_eq!(questions.accept("a", "yes 43"), Reply::Accepted);
            assert_eq!(second.verdict().await, Verdict::Yes);
            assert_eq!(questions.accept("a", "no"), Reply::Accepted);
            assert_eq!(first.verdict().await, Verdict::No);
            assert_eq!(questions.accept("b", "y"), Reply::Accepted);
            assert_eq!(other.verdict().await, Verdict::Yes);
            assert!(questions.open.borrow().is_empty());
        });
    }

    #[test]
    fn a_yes_that_comes_late_does_not_answer_the_next_question() {
        smol::block_on(async {
            let questions = Questions::default();
            drop(questions.open("a", &question(1)).expect("room"));
            let next = questions.open("a", &question(2)).expect("room");
            assert!(matches!(questions.accept("a", "yes"), Reply::Unclear(_)));
            assert!(matches!(questions.accept("a", "yes 1"), Reply::Unclear(_)));
            assert_eq!(questions.accept("a", "yes 2"), Reply::Accepted);
            assert_eq!(next.verdict().await, Verdict::Yes);
            // Answered in time, it confuses nothing: only withdrawn questions do.
            questions.withdrawn.set(None);
            let third = questions.open("a", &question(3)).expect("room");
            assert_eq!(questions.accept("a", "no"), Reply::Accepted);
            assert_eq!(third.verdict().await, Verdict::No);
            drop((next, third));
            let _fourth = questions.open("a", &question(4)).expect("room");
            assert_eq!(questions.accept("a", "yes"), Reply::Accepted);
        });
    }

    #[test]
    fn more_than_a_few_are_not_asked() {
        let questions = Questions::default();
        let all: Vec<_> =
            (0..APPROVALS as u32).map(|n| questions.open("a", &question(n))).collect();
        assert!(all.iter().all(Option::is_some));
        assert!(questions.open("b", &question(99)).is_none());
    }
}
