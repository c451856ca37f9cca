//! Sends a reply: parts, markup, plain text if markup is refused, the placeholder that it replaces.

use super::answer::{self, CallError};
use super::bot::Telegram;
use super::health::count;
use super::wire::{self, JsonObject};
use crate::bus::{Address, Outbound};
use crate::channel::{Delivery, SendError};
use crate::limits;
use crate::proto::{markdown, split};

/// Ends a reply that is cut after [`limits::TELEGRAM_PARTS`] parts.
const CUT: &str = "[The rest is too long for this chat.]";

/// How a part is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageFormat {
    /// Replaces the placeholder; otherwise a new message.
    pub edit: bool,
    /// As HTML, else as the Markdown it was.
    pub html: bool,
    /// In the topic it answers to, else in the group's general one.
    pub topic: bool,
}

/// The step after a refused attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It arrived, with this id.
    Done(i64),
    /// Another attempt at once, in this format.
    Again(MessageFormat),
    /// Give up; the caller decides.
    Fail(SendError),
}

/// Decides from the refusal alone. `placeholder` is the message being edited.
pub(super) fn next(form: MessageFormat, error: CallError, placeholder: i64) -> Next {
    if form.edit && error.is_unchanged() {
        return Next::Done(placeholder);
    }
    if form.edit && error.is_edit_impossible() {
        return Next::Again(MessageFormat { edit: false, ..form });
    }
    if form.topic && error.is_about_topic() {
        return Next::Again(MessageFormat { topic: false, ..form });
    }
    if form.html && error.is_about_markup() {
        return Next::Again(MessageFormat { html: false, ..form });
    }
    // A truncated success is a success; a second attempt would be a second message.
    if let CallError::Unreadable { status: 200, head, .. } = &error {
        let compact: Vec<u8> = head.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        if compact.starts_with(b"{\"ok\":true") {
            let id = wire::first_number(head, "message_id").unwrap_or(0);
            return Next::Done(if form.edit { placeholder } else { id });
        }
    }
    Next::Fail(error.for_send(form.edit))
}

fn request(
    message: &Outbound,
    part: &str,
    form: MessageFormat,
    first: bool,
    placeholder: i64,
) -> String {
    let object = JsonObject::new().chat(&message.to.chat);
    let object = if form.edit {
        object.int("message_id", placeholder)
    } else {
        let object = if form.topic { topic(object, &message.to) } else { object };
        if first && message.reply_to != 0 {
            let reply = JsonObject::new().int("message_id", message.reply_to);
            let reply = reply.raw("allow_sending_without_reply", "true").end();
            object.raw("reply_parameters", &reply)
        } else {
            object
        }
    };
    let object = object.raw("link_preview_options", r#"{"is_disabled":true}"#);
    if form.html {
        object.str("parse_mode", "HTML").str("text", &markdown::to_telegram_html(part)).end()
    } else {
        object.str("text", part).end()
    }
}

pub(super) fn topic(object: JsonObject, to: &Address) -> JsonObject {
    match to.topic.parse() {
        Ok(id) => object.int("message_thread_id", id),
        Err(_) => object,
    }
}

/// The messages a text becomes, at most [`limits::TELEGRAM_PARTS`] and a note that the rest is missing.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut parts = split::parts(text, limits::TELEGRAM_TEXT_UNITS);
    let mut list: Vec<String> =
        parts.by_ref().take(limits::TELEGRAM_PARTS).map(std::borrow::Cow::into_owned).collect();
    if parts.next().is_some() {
        list.push(CUT.into());
    }
    list
}

impl Telegram {
    pub(super) async fn deliver(
        &self,
        message: &Outbound,
        delivery: &mut Delivery,
    ) -> Result<(), SendError> {
        for (number, part) in split(&message.text).iter().enumerate().skip(delivery.parts) {
            let id = self.part(message, part, number == 0, delivery.placeholder).await?;
            delivery.parts = number + 1;
            delivery.message_ids.push(id);
        }
        if delivery.parts == 0 && delivery.placeholder != 0 {
            // Nothing to send: the placeholder must not stay. If it does, it does no harm.
            let body = JsonObject::new().chat(&message.to.chat);
            let body = body.int("message_id", delivery.placeholder).end();
            if let Err(e) = self.api.call("deleteMessage", &body).await {
                crate::log::debug!("{}: placeholder stays: {e}", self.name);
            }
        }
        Ok(())
    }

    async fn part(
        &self,
        message: &Outbound,
        part: &str,
        first: bool,
        placeholder: i64,
    ) -> Result<i64, SendError> {
        let mut form = MessageFormat { edit: first && placeholder != 0, html: true, topic: true };
        loop {
            let turn = self.api.turn_within(&message.to.chat, limits::DELIVERY_WAIT).await;
            turn.map_err(SendError::RateLimited)?;
            let body = request(message, part, form, first, placeholder);
            let method = if form.edit { "editMessageText" } else { "sendMessage" };
            let error = match self.api.call(method, &body).await {
                Ok(bytes) => match answer::message_id(&wire::text(&bytes)) {
                    Ok(id) => return Ok(id),
                    Err(e) => e,
                },
                Err(e) => e,
            };
            self.note_limit(&message.to.chat, &error);
            match next(form, error, placeholder) {
                Next::Done(id) => return Ok(id),
                // Each attempt clears one of three flags, so there are at most four.
                Next::Again(other) => form = other,
                Next::Fail(error) => {
                    if let SendError::Permanent(why) = &error {
                        count(&self.health.refused);
                        crate::log::warn!("{}: chat {}: {why}", self.name, message.to.chat);
                    }
                    return Err(error);
                }
            }
        }
    }

    pub(super) async fn show_placeholder(
        &self,
        to: &Address,
        reply_to: i64,
    ) -> Result<i64, SendError> {
        let texts = self.placeholders.len();
        let Some(text) = self.placeholders.get(super::bot::random() as usize % texts.max(1)) else {
            return Ok(0);
        };
        let message = Outbound { to: to.clone(), text: text.clone(), reply_to };
        self.part(&message, text, true, 0).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDIT: MessageFormat = MessageFormat { edit: true, html: true, topic: true };
    const NEW: MessageFormat = MessageFormat { edit: false, html: true, topic: true };

    #[track_caller]
    fn check(form: MessageFormat, status: u16, body: &str, want: Next) {
        let error = match answer::check(status, None, body.as_bytes()) {
            Ok(()) => answer::message_id(body).expect_err("an error"),
            Err(e) => e,
        };
        assert_eq!(next(form, error, 5), want, "{status} {body}");
    }

    fn why(text: &str) -> String {
        format!(r#"{{"ok":false,"description":"Bad Request: {text}"}}"#)
    }

    #[test]
    fn after_a_refusal() {
        let plain = |form: MessageFormat| Next::Again(MessageFormat { html: false, ..form });
        check(NEW, 400, &why("can't parse entities: x"), plain(NEW));
        check(EDIT, 400, &why("can't parse entities: x"), plain(EDIT));
        check(EDIT, 400, &why("message is not modified"), Next::Done(5));
        check(EDIT, 400, &why("message to edit not found"), Next::Again(NEW));
        let outside = MessageFormat { topic: false, ..NEW };
        check(NEW, 400, &why("message thread not found"), Next::Again(outside));
        let permanent = |s: &str| Next::Fail(SendError::Permanent(format!("Bad Request: {s}")));
        check(NEW, 400, &why("chat not found"), permanent("chat not found"));
        let refused_plain = MessageFormat { html: false, ..NEW };
        check(refused_plain, 400, &why("message is too long"), permanent("message is too long"));
        let gone = "message thread not found";
        check(outside, 400, &why(gone), permanent(gone));
        check(NEW, 500, "", Next::Fail(SendError::Temporary("status 500".into())));
    }

    #[test]
    fn after_an_unreadable_success() {
        let cut = r#"{"ok":true,"result":{"message_id":12,"from":{"#;
        check(NEW, 200, cut, Next::Done(12));
        check(EDIT, 200, cut, Next::Done(5));
        check(NEW, 200, r#"{"ok":true,"res"#, Next::Done(0));
        check(NEW, 200, "<html>", Next::Fail(SendError::Unknown("unreadable answer".into())));
        let again = SendError::Temporary("unreadable answer with status 200".into());
        check(EDIT, 200, "<html>", Next::Fail(again));
    }

    #[test]
    fn requests() {
        let mut message = Outbound { text: "**x**".into(), reply_to: 3, ..Outbound::default() };
        message.to.chat = "-4".into();
        message.to.topic = "8".into();
        assert_eq!(
            request(&message, "**x**", NEW, true, 0),
            r#"{"chat_id":-4,"message_thread_id":8,"reply_parameters":{"message_id":3,"allow_sending_without_reply":true},"link_preview_options":{"is_disabled":true},"parse_mode":"HTML","text":"<b>x</b>"}"#
        );
        assert_eq!(
            request(&message, "**x**", MessageFormat { html: false, ..EDIT }, true, 5),
            r#"{"chat_id":-4,"message_id":5,"link_preview_options":{"is_disabled":true},"text":"**x**"}"#
        );
        assert!(!request(&message, "y", NEW, false, 0).contains("reply_parameters"));
        let outside = MessageFormat { topic: false, ..NEW };
        assert!(!request(&message, "y", outside, true, 0).contains("thread"));
    }
}
