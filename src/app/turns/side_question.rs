//! `/btw`: a question that the model is asked beside the turn, and that leaves nothing behind in the conversation.

use std::rc::Rc;

use smol::future::or;

use super::claimed::Claimed;
use crate::agent::{Agent, Answer, Turn};
use crate::app::outbox::Outbox;
use crate::app::session_key::session_key;
use crate::bus::Inbound;

/// Answers it, with the conversation so far.
pub(super) async fn answer(
    agent: &Agent,
    outbox: &Outbox,
    claimed: &Claimed,
    question: &str,
) -> String {
    let session = session_key(&agent.config.session, &claimed.message);
    let to = claimed.message.from.clone();
    let message = Inbound { text: question.to_owned(), ..claimed.message.clone() };
    let turn = Turn::plain(
        &session,
        &message,
        Rc::new(|_| Err(crate::Error::new("a side question sends nothing"))),
    );
    let typing = async {
        if let Some(channel) = outbox.channel(&to.channel) {
            channel.typing(&to).await;
        }
        std::future::pending().await
    };
    let answer = async {
        agent.answer_side_question(&turn).await.unwrap_or_else(|e| Answer {
            text: format!("Error processing message: {e}"),
            ..Answer::default()
        })
    };
    or(answer, typing).await.text
}
