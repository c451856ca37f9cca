//! message: sends a message to a chat, by default the current one. Only queues it; the callback applies the
//! channel's rules (who may get messages).

use super::args::{Args, integer, text};
use super::context::MessageSender;
use super::result::ToolResult;
use super::spec::{Effect, ToolSpec};
use crate::bus::{Address, Outbound};

/// Sends a message outside of the answer.
pub static MESSAGE: ToolSpec = ToolSpec {
    name: "message",
    description: "Send a message to the user now, before the final answer, or to another chat.",
    schema: r#"{"type":"object","properties":{"content":{"type":"string","description":"Text (Markdown)"},"channel":{"type":"string","description":"Channel by name; this one if left out"},"chat_id":{"type":"string","description":"Chat; this one if left out"},"reply_to_message_id":{"type":["integer","string"],"description":"Message to reply to"}},"required":["content"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(async { call(&ctx.chat, ctx.send_message.as_ref(), args) }),
    asks: |ctx, args| is_elsewhere(&ctx.chat, args).then(|| ctx.trust.untrusted()).flatten(),
    ..ToolSpec::PLAIN
};

/// Whether the call names another chat than the current one.
fn is_elsewhere(chat: &Address, args: &Args) -> bool {
    let (channel, id) = (text(args, "channel"), text(args, "chat_id"));
    (!channel.is_empty() && channel != chat.channel) || (!id.is_empty() && id != chat.chat)
}

/// Sends through `sender`.
fn call(chat: &Address, sender: Option<&MessageSender>, args: &Args) -> ToolResult {
    let content = text(args, "content");
    if content.trim().is_empty() {
        return ToolResult::error("content is required");
    }
    let (channel, id) = (text(args, "channel"), text(args, "chat_id"));
    let to = if is_elsewhere(chat, args) {
        // A chat id of another channel is not one of ours.
        let same = channel.is_empty() || channel == chat.channel;
        Address {
            channel: if channel.is_empty() { &chat.channel } else { channel }.to_owned(),
            chat: if id.is_empty() && same { &chat.chat } else { id }.to_owned(),
            topic: String::new(),
        }
    } else {
        chat.clone()
    };
    if to.channel.is_empty() || to.chat.is_empty() {
        return ToolResult::error("No target channel/chat specified");
    }
    let Some(sender) = sender else { return ToolResult::error("Message sending not configured") };
    let reply_to = integer(args, "reply_to_message_id")
        .or_else(|| text(args, "reply_to_message_id").parse().ok())
        .unwrap_or(0);
    let sent = format!("Message sent to {}:{}", to.channel, to.chat);
    match sender(Outbound { to, text: content.to_owned(), reply_to }) {
        Ok(()) => ToolResult::silent(sent),
        Err(e) => ToolResult::error(format!("sending message: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    fn here() -> Address {
        Address { channel: "telegram".into(), chat: "42".into(), topic: "7".into() }
    }

    #[track_caller]
    fn check(args: &str, want: &str, to: (&str, &str, &str, i64)) {
        let sent = Rc::new(RefCell::new(None));
        let sender: MessageSender = {
            let sent = sent.clone();
            Rc::new(move |m| {
                *sent.borrow_mut() = Some(m);
                Ok(())
            })
        };
        let args = super::super::schema::parse("message", MESSAGE.schema, args).expect("arguments");
        let result = call(&here(), Some(&sender), &args);
        assert_eq!(result.for_model, want);
        assert_eq!(result.is_error, to.0.is_empty());
        if let Some(m) = sent.borrow().as_ref() {
            assert!(result.silent);
            assert_eq!((&*m.to.channel, &*m.to.chat, &*m.to.topic, m.reply_to), to);
        }
    }

    #[test]
    fn goes_to_the_running_chat_unless_told_otherwise() {
        let sent = "Message sent to telegram:42";
        check(r#"{"content":"x"}"#, sent, ("telegram", "42", "7", 0));
        check(r#"{"content":"x","chat_id":"42"}"#, sent, ("telegram", "42", "7", 0));
        check(r#"{"content":"x","reply_to_message_id":9}"#, sent, ("telegram", "42", "7", 9));
        check(r#"{"content":"x","reply_to_message_id":"9"}"#, sent, ("telegram", "42", "7", 9));
        check(
            r#"{"content":"x","chat_id":"5"}"#,
            "Message sent to telegram:5",
            ("telegram", "5", "", 0),
        );
        check(
            r#"{"content":"x","channel":"second","chat_id":"5"}"#,
            "Message sent to second:5",
            ("second", "5", "", 0),
        );
        check(
            r#"{"content":"x","channel":"second"}"#,
            "No target channel/chat specified",
            ("", "", "", 0),
        );
        check(r#"{"content":" "}"#, "content is required", ("", "", "", 0));
    }

    #[test]
    fn says_why_nothing_is_sent() {
        let args = Args::from_iter([("content".to_owned(), "x".into())]);
        let nowhere = call(&Address::default(), None, &args);
        assert_eq!(
            (nowhere.for_model.as_str(), nowhere.is_error),
            ("No target channel/chat specified", true)
        );
        let unset = call(&here(), None, &args);
        assert_eq!(
            (unset.for_model.as_str(), unset.is_error),
            ("Message sending not configured", true)
        );
        let full: MessageSender = Rc::new(|_| Err(crate::Error::new("queue full")));
        let refused = call(&here(), Some(&full), &args);
        assert_eq!(
            (refused.for_model.as_str(), refused.is_error),
            ("sending message: queue full", true)
        );
    }
}
