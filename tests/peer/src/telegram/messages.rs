//! Sending, editing and deleting, with the checks that a bot meets in the field.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::params::Params;
use super::sent::Sent;
use super::{Refusal, Telegram, bot, markup, say};
use crate::world::World;

/// UTF-16 units of a text after its entities are parsed (Bot API, sendMessage).
const TEXT_UNITS: usize = 4096;
/// The same for a caption (Bot API, sendPhoto).
const CAPTION_UNITS: usize = 1024;
/// Texts that are remembered for edits, and messages that are kept for tests.
const REMEMBERED: usize = 20_000;

/// One call of the family.
pub fn call(world: &mut World, method: &str, params: &Params) -> Result<Value, Refusal> {
    let chat = chat(&world.telegram, params)?;
    match method {
        "deleteMessage" => {
            let id = params.int("message_id").unwrap_or(0);
            world
                .telegram
                .messages
                .remove(&(chat, id))
                .ok_or_else(|| Refusal::bad("message to delete not found"))?;
            world.ledger.deleted(id);
            Ok(json!(true))
        }
        "sendMessage" | "editMessageText" => {
            let body = text(params, "text", TEXT_UNITS)?;
            if body.text.is_empty() {
                return Err(Refusal::bad("message text is empty"));
            }
            if method == "sendMessage" {
                return record(world, method, chat, body, params, None);
            }
            edit(world, chat, body, params)
        }
        "sendMediaGroup" => {
            let media = params.json("media").unwrap_or_default();
            let items = media.as_array().map_or(&[][..], Vec::as_slice);
            if !(1..=10).contains(&items.len()) {
                return Err(Refusal::bad("group send failed: wrong number of media"));
            }
            let mut messages = Vec::new();
            for item in items {
                let name = item["media"].as_str().unwrap_or("");
                let upload = match name.strip_prefix("attach://") {
                    Some(part) => params.upload(part).map(|u| (u.name.clone(), u.bytes)),
                    None => (!name.is_empty()).then(|| (name.to_owned(), 0)),
                };
                let upload = upload.ok_or_else(|| Refusal::bad("wrong file identifier"))?;
                let body = styled(
                    item["caption"].as_str().unwrap_or(""),
                    item["parse_mode"].as_str().unwrap_or(""),
                    CAPTION_UNITS,
                )?;
                messages.push(record(world, method, chat, body, params, Some(upload))?);
            }
            Ok(Value::Array(messages))
        }
        _ => {
            let field = method.trim_start_matches("send").to_ascii_lowercase();
            let upload = match params.upload(&field) {
                Some(upload) => {
                    world.last_upload.clone_from(&upload.content);
                    Some((upload.name.clone(), upload.bytes))
                }
                None => params.text(&field).filter(|f| !f.is_empty()).map(|f| (f, 0)),
            };
            let upload = upload
                .ok_or_else(|| Refusal::bad(format!("there is no {field} in the request")))?;
            let body = text(params, "caption", CAPTION_UNITS)?;
            record(world, method, chat, body, params, Some(upload))
        }
    }
}

/// The chat a call goes to, if it may go there.
pub fn chat(telegram: &Telegram, params: &Params) -> Result<i64, Refusal> {
    if params.text("chat_id").unwrap_or_default().is_empty() {
        return Err(Refusal::bad("chat_id is empty"));
    }
    let id = params.int("chat_id").filter(|id| *id != 0);
    let id = id.ok_or_else(|| Refusal::bad("chat not found"))?;
    let Some(state) = telegram.chats.get(&id) else { return Ok(id) };
    if state.missing {
        return Err(Refusal::bad("chat not found"));
    }
    if state.blocked {
        let what = if id > 0 {
            "Forbidden: bot was blocked by the user"
        } else {
            "Forbidden: bot was kicked from the group chat"
        };
        return Err(Refusal::new(403, what));
    }
    if let Some(to) = state.migrated_to {
        let mut refusal = Refusal::bad("group chat was upgraded to a supergroup chat");
        refusal.parameters = json!({ "migrate_to_chat_id": to });
        return Err(refusal);
    }
    Ok(id)
}

/// A text with its markup taken apart.
struct Body {
    text: String,
    raw: String,
    parse_mode: String,
    entities: Vec<Value>,
}

fn text(params: &Params, key: &str, limit: usize) -> Result<Body, Refusal> {
    let mut body = styled(
        &params.text(key).unwrap_or_default(),
        &params.text("parse_mode").unwrap_or_default(),
        limit,
    )?;
    if let Some(Value::Array(entities)) = params.json("entities") {
        body.entities = entities;
    }
    Ok(body)
}

fn styled(raw: &str, parse_mode: &str, limit: usize) -> Result<Body, Refusal> {
    let (text, entities) = match parse_mode.to_ascii_lowercase().as_str() {
        "html" => markup::parse_html(raw)
            .map_err(|e| Refusal::bad(format!("can't parse entities: {e}")))?,
        "" | "markdown" | "markdownv2" => (raw.to_owned(), Vec::new()),
        _ => return Err(Refusal::bad("unsupported parse_mode")),
    };
    if text.encode_utf16().count() > limit {
        let what =
            if limit == TEXT_UNITS { "message is too long" } else { "message caption is too long" };
        return Err(Refusal::bad(what));
    }
    Ok(Body {
        text: text.trim().to_owned(),
        raw: raw.to_owned(),
        parse_mode: parse_mode.to_owned(),
        entities,
    })
}

fn edit(world: &mut World, chat: i64, body: Body, params: &Params) -> Result<Value, Refusal> {
    let id = params.int("message_id").unwrap_or(0);
    match world.telegram.messages.get(&(chat, id)) {
        None => return Err(Refusal::bad("message to edit not found")),
        Some(old) if *old == fingerprint(&body) => {
            return Err(Refusal::bad(
                "message is not modified: specified new message content and reply markup are \
                 exactly the same as a current content and reply markup of the message",
            ));
        }
        Some(_) => {}
    }
    keep(world, "editMessageText", chat, id, body, params, None)
}

fn record(
    world: &mut World,
    method: &str,
    chat: i64,
    body: Body,
    params: &Params,
    upload: Option<(String, usize)>,
) -> Result<Value, Refusal> {
    let reply = params.json("reply_parameters").unwrap_or_default();
    let reply_to = reply["message_id"].as_i64().or(params.int("reply_to_message_id")).unwrap_or(0);
    let lenient = reply["allow_sending_without_reply"] == true
        || params.text("allow_sending_without_reply").as_deref() == Some("true");
    if reply_to != 0 && !lenient && !world.telegram.messages.contains_key(&(chat, reply_to)) {
        return Err(Refusal::bad("message to be replied not found"));
    }
    let id = world.telegram.new_message_id();
    keep(world, method, chat, id, body, params, upload)
}

/// Two texts are the same message only if their formatting is the same too.
fn fingerprint(body: &Body) -> String {
    format!("{}\u{0}{}", body.text, Value::Array(body.entities.clone()))
}

fn keep(
    world: &mut World,
    method: &str,
    chat: i64,
    id: i64,
    body: Body,
    params: &Params,
    upload: Option<(String, usize)>,
) -> Result<Value, Refusal> {
    let telegram = &mut world.telegram;
    telegram.remember(chat, id, fingerprint(&body));
    telegram.sent_total += u64::from(method != "editMessageText");
    if telegram.sent.len() == REMEMBERED {
        telegram.sent.pop_front();
    }
    let reply = params.json("reply_parameters").unwrap_or_default();
    let sent = Sent {
        method: method.to_owned(),
        chat,
        message_id: id,
        text: body.text,
        raw: body.raw,
        parse_mode: body.parse_mode,
        entities: body.entities,
        topic: params.int("message_thread_id").unwrap_or(0),
        reply_to: reply["message_id"].as_i64().or(params.int("reply_to_message_id")).unwrap_or(0),
        upload,
        buttons: buttons(params)?,
        at: Instant::now(),
    };
    world.ledger.replied(id, &sent.text);
    let mut message = json!({
        "message_id": id, "from": bot(), "date": unix_now(), "chat": say::chat_object(chat, "someone"),
    });
    let field = if sent.upload.is_some() { "caption" } else { "text" };
    message[field] = json!(sent.text);
    if !sent.entities.is_empty() {
        message["entities"] = json!(sent.entities);
    }
    if sent.topic != 0 {
        message["message_thread_id"] = json!(sent.topic);
    }
    telegram.sent.push_back(sent);
    Ok(message)
}

/// Buttons with data, as an inline keyboard has them (Bot API, InlineKeyboardMarkup).
fn buttons(params: &Params) -> Result<Vec<(String, String)>, Refusal> {
    let markup = params.json("reply_markup").unwrap_or_default();
    let Some(rows) = markup["inline_keyboard"].as_array() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for button in rows.iter().flat_map(|row| row.as_array().into_iter().flatten()) {
        let text = button["text"].as_str().unwrap_or_default();
        let data = button["callback_data"].as_str().unwrap_or_default();
        if text.is_empty() {
            return Err(Refusal::bad(
                "can't parse inline keyboard button: Text buttons are unallowed",
            ));
        }
        if data.is_empty() || data.len() > 64 {
            return Err(Refusal::bad("BUTTON_DATA_INVALID"));
        }
        found.push((text.to_owned(), data.to_owned()));
    }
    Ok(found)
}

impl Telegram {
    /// Notes a message so that it can be edited or replied to.
    pub fn remember(&mut self, chat: i64, id: i64, text: String) {
        if self.messages.len() == REMEMBERED {
            self.messages.pop_first();
        }
        self.messages.insert((chat, id), text);
    }
}

/// Seconds since 1970 by the host's clock.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
