//! How a turn asks a person: a question with a number, through the channel of the person's message.

use std::rc::Rc;

use super::within::within;
use crate::bus::{Inbound, Question, Verdict};
use crate::channel::AnyChannel;
use crate::config::redact;
use crate::limits::DISK_WAIT;
use crate::store::audit::{self, Who};
use crate::store::frame::Frame;
use crate::store::writer::Journal;
use crate::tool::Asker;

/// The number of the last question, as the offset of a channel of this name.
const QUESTIONS: &str = "(questions)";

/// Asks who wrote `message`, where it was written; without a channel nobody can be asked.
pub fn asker(channel: Option<Rc<AnyChannel>>, journal: Rc<Journal>, message: &Inbound) -> Asker {
    let (to, user) = (message.from.clone(), message.sender.id.clone());
    Rc::new(move |text| {
        let (channel, journal) = (channel.clone(), journal.clone());
        let (to, user) = (to.clone(), user.clone());
        Box::pin(async move {
            let Some(channel) = channel else { return Verdict::Unreachable };
            let question = numbered(&journal, &text).await;
            let number = question.number;
            crate::log::info!("question {number} goes to user {user} of {}", to.channel);
            let verdict = channel.ask(&to, &user, &question).await;
            crate::log::info!("question {number}: {verdict:?}");
            let who = Who { channel: &to.channel, chat: &to.chat, user: &user };
            record(who, &question, verdict);
            verdict
        })
    })
}

/// The question and the answer, in the audit log; a call that it was about follows with its result.
fn record(who: Who<'_>, question: &Question, verdict: Verdict) {
    let answer = match verdict {
        Verdict::Yes => "yes",
        Verdict::No => "no",
        Verdict::TimedOut => "no answer",
        Verdict::Unreachable => "not asked",
    };
    // The number is a field of its own.
    let text = question.text.split_once('\n').map_or("", |(_, text)| text);
    let asked = redact(text, &crate::log::secrets(), 0);
    let number = question.number.to_string();
    audit::record(who, &[("question", &number), ("result", answer), ("asked", &asked)]);
}

/// A question with the next number. The number is on the card before anybody sees it, so that no answer to an old question fits
/// a new one after a restart; a card that takes nothing is not waited for.
async fn numbered(journal: &Journal, text: &str) -> Question {
    let number = journal.ledger(|l| l.offset(QUESTIONS)).saturating_add(1);
    let ticket = journal.record(&Frame::Skipped { channel: QUESTIONS.into(), event: number });
    within(DISK_WAIT, journal.synced(ticket)).await;
    let number = u32::try_from(number).unwrap_or_default();
    Question { number, text: format!("Question {number}\n{text}") }
}
