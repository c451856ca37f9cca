//! The fake Bot API (<https://core.telegram.org/bots/api>): what a bot of ours uses, checked as the real one does.

mod markup;
pub(crate) mod messages;
pub(crate) mod params;
pub mod say;
pub mod sent;
mod updates;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::faults::{Kind, Side};
use crate::http::{Outcome, Request, Response};
use crate::world::{Shared, World};
use params::Params;
use sent::Sent;

/// What the bot calls itself.
pub const BOT_ID: i64 = 4242;
/// Its user name.
pub const BOT_NAME: &str = "peer_bot";
/// getFile refuses larger files (Bot API, getFile).
const FILE_BYTES: usize = 20 * 1024 * 1024;

/// What a chat does to those who write into it.
#[derive(Debug, Default, Clone)]
pub struct ChatState {
    /// The user blocked the bot, or the group threw it out.
    pub blocked: bool,
    /// There is no such chat.
    pub missing: bool,
    /// The group became this supergroup.
    pub migrated_to: Option<i64>,
}

/// The server's side of one bot.
pub struct Telegram {
    /// The bot's token; empty takes any.
    pub token: String,
    /// The token was revoked.
    pub revoked: bool,
    next_update: i64,
    next_message: i64,
    /// Not yet confirmed, with their numbers.
    pub updates: VecDeque<(i64, Value)>,
    allowed: Option<Vec<String>>,
    /// Number of the newest getUpdates; an older one that still waits has lost.
    poll: u64,
    /// How many getUpdates wait for updates.
    pub polling: u64,
    conflicts: u64,
    pub chats: BTreeMap<i64, ChatState>,
    /// Texts of messages by chat and id, for edits and replies; the oldest go first.
    messages: BTreeMap<(i64, i64), String>,
    pub sent: VecDeque<Sent>,
    sent_total: u64,
    files: BTreeMap<String, (String, Vec<u8>)>,
    callbacks: BTreeSet<String>,
    /// The last setMyCommands.
    pub commands: Value,
}

/// A call that is refused.
#[derive(Debug)]
pub struct Refusal {
    code: u16,
    description: String,
    parameters: Value,
}

impl Refusal {
    fn new(code: u16, description: impl Into<String>) -> Refusal {
        Refusal { code, description: description.into(), parameters: Value::Null }
    }
    fn bad(description: impl std::fmt::Display) -> Refusal {
        Refusal::new(400, format!("Bad Request: {description}"))
    }
    fn response(&self) -> Response {
        let mut body = json!({
            "ok": false, "error_code": self.code, "description": self.description,
        });
        if !self.parameters.is_null() {
            body["parameters"] = self.parameters.clone();
        }
        Response::json(self.code, &body)
    }
}

impl Telegram {
    /// `first` begins the numbering of updates and messages; it must grow from run to run, as the
    /// real numbers do: a bot that remembers its offset would take small ones for old news.
    pub fn new(token: String, first: i64) -> Telegram {
        Telegram {
            token,
            revoked: false,
            next_update: first,
            next_message: first % 100_000_000,
            updates: VecDeque::new(),
            allowed: None,
            poll: 0,
            polling: 0,
            conflicts: 0,
            chats: BTreeMap::new(),
            messages: BTreeMap::new(),
            sent: VecDeque::new(),
            sent_total: 0,
            files: BTreeMap::new(),
            callbacks: BTreeSet::new(),
            commands: Value::Null,
        }
    }

    pub fn reset_counts(&mut self) {
        self.sent.clear();
        self.sent_total = 0;
        self.conflicts = 0;
    }

    pub fn report(&self, all: &mut Value) {
        all["sent"] = json!(self.sent_total);
        all["getupdates_conflicts"] = json!(self.conflicts);
        all["pending_updates"] = json!(self.updates.len());
    }

    /// Offers a file for getFile; returns its id.
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> String {
        let id = format!("file{:04}", self.files.len() + 1);
        self.files.insert(id.clone(), (format!("documents/{id}_{name}"), bytes));
        id
    }

    /// The id of a callback query that may be answered once.
    pub fn open_callback(&mut self) -> String {
        let id = format!("cb{}", self.callbacks.len() + 1);
        self.callbacks.insert(id.clone());
        id
    }

    fn token_refusal(&self, token: &str) -> Option<Refusal> {
        let (id, secret) = token.split_once(':').unwrap_or(("", ""));
        let shaped = !secret.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        if self.token.is_empty() && !self.revoked {
            None
        } else if !shaped || id.is_empty() {
            Some(Refusal::new(404, "Not Found"))
        } else if token != self.token || self.revoked {
            Some(Refusal::new(401, "Unauthorized"))
        } else {
            None
        }
    }
}

/// Serves `/bot<token>/<method>` and `/file/bot<token>/<path>`; `None` for other paths.
pub fn serve(shared: &Shared, request: &Request, alive: &dyn Fn() -> bool) -> Option<Outcome> {
    if let Some(rest) = request.path.strip_prefix("/file/bot") {
        let (token, path) = rest.split_once('/')?;
        let fault = shared.look(|w| {
            w.count("tg.file".to_owned());
            w.faults.strike(Side::Telegram, "file")
        });
        let give = || Outcome::Reply(shared.look(|w| download(&w.telegram, token, path)));
        return Some(crate::serve::with_fault(fault, shared, alive, refuse_by_fault, give));
    }
    let (token, method) = request.path.strip_prefix("/bot")?.split_once('/')?;
    let fault = shared.look(|w| {
        w.count(format!("tg.{method}"));
        w.faults.strike(Side::Telegram, method)
    });
    Some(crate::serve::with_fault(fault, shared, alive, refuse_by_fault, || {
        let reply = match shared.look(|w| w.telegram.token_refusal(token)) {
            Some(refusal) => Err(refusal),
            None => Params::read(request).and_then(|p| call(shared, method, &p, alive)),
        };
        match reply {
            Ok(result) => {
                let body = format!("{{\"ok\":true,\"result\":{result}}}");
                Outcome::Reply(Response::text(200, "application/json", body))
            }
            // The client is gone: there is nobody to tell.
            Err(refusal) if refusal.code == 0 => Outcome::Close,
            Err(refusal) => Outcome::Reply(refusal.response()),
        }
    }))
}

fn refuse_by_fault(kind: Kind) -> Response {
    let Kind::Status { code, retry_after } = kind else {
        return Refusal::new(500, "Internal Server Error").response();
    };
    if code != 429 {
        let description = if code < 500 { "Bad Request: fault" } else { "Internal Server Error" };
        return Refusal::new(code, description).response();
    }
    let mut refusal = Refusal::new(429, format!("Too Many Requests: retry after {retry_after}"));
    refusal.parameters = json!({ "retry_after": retry_after });
    let mut response = refusal.response();
    response.headers.push(("Retry-After", retry_after.to_string()));
    response
}

fn download(telegram: &Telegram, token: &str, path: &str) -> Response {
    if let Some(refusal) = telegram.token_refusal(token) {
        return refusal.response();
    }
    match telegram.files.values().find(|(p, _)| p == path) {
        Some((_, bytes)) => Response::text(200, "application/octet-stream", bytes.clone()),
        None => Refusal::new(404, "Not Found").response(),
    }
}

/// One call; its result as JSON text.
fn call(
    shared: &Shared,
    method: &str,
    params: &Params,
    alive: &dyn Fn() -> bool,
) -> Result<String, Refusal> {
    match method {
        "getUpdates" => updates::get(shared, params, alive),
        "sendMessage" | "editMessageText" | "deleteMessage" | "sendPhoto" | "sendDocument"
        | "sendVoice" | "sendAudio" | "sendVideo" | "sendMediaGroup" => {
            shared.change(|w| messages::call(w, method, params)).map(|v| v.to_string())
        }
        _ => shared.look(|w| small(w, method, params)).map(|v| v.to_string()),
    }
}

/// The calls that are answered in a line or two.
fn small(world: &mut World, method: &str, params: &Params) -> Result<Value, Refusal> {
    let telegram = &mut world.telegram;
    match method {
        "getMe" => Ok(bot()),
        "sendChatAction" => {
            let actions = [
                "typing",
                "upload_photo",
                "record_video",
                "upload_video",
                "record_voice",
                "upload_voice",
                "upload_document",
                "choose_sticker",
                "find_location",
            ];
            messages::chat(telegram, params)?;
            match params.text("action") {
                Some(a) if actions.contains(&a.as_str()) => Ok(json!(true)),
                _ => Err(Refusal::bad("wrong parameter action in request")),
            }
        }
        "setMyCommands" => {
            telegram.commands = commands(params)?;
            Ok(json!(true))
        }
        "getMyCommands" => Ok(telegram.commands.clone()),
        "deleteWebhook" | "setMessageReaction" => Ok(json!(true)),
        "getWebhookInfo" => Ok(json!({
            "url": "", "has_custom_certificate": false,
            "pending_update_count": telegram.updates.len(),
        })),
        "getChat" => {
            let chat = messages::chat(telegram, params)?;
            Ok(say::chat_object(chat, "someone"))
        }
        "getFile" => {
            let id = params.text("file_id").unwrap_or_default();
            let Some((path, bytes)) = telegram.files.get(&id) else {
                return Err(Refusal::bad("invalid file_id"));
            };
            if bytes.len() > FILE_BYTES {
                return Err(Refusal::bad("file is too big"));
            }
            Ok(json!({
                "file_id": id, "file_unique_id": format!("u{id}"),
                "file_size": bytes.len(), "file_path": path,
            }))
        }
        "answerCallbackQuery" => {
            let id = params.text("callback_query_id").unwrap_or_default();
            if telegram.callbacks.remove(&id) {
                return Ok(json!(true));
            }
            Err(Refusal::bad(
                "query is too old and response timeout expired or query ID is invalid",
            ))
        }
        _ => {
            world.unknown(format!("tg.{method}"));
            Err(Refusal::new(404, "Not Found"))
        }
    }
}

/// The bot as getMe describes it.
pub fn bot() -> Value {
    json!({
        "id": BOT_ID, "is_bot": true, "first_name": "Peer", "username": BOT_NAME,
        "can_join_groups": true, "can_read_all_group_messages": false,
        "supports_inline_queries": false,
    })
}

fn commands(params: &Params) -> Result<Value, Refusal> {
    let list = params.json("commands").unwrap_or_default();
    let commands = list.as_array().filter(|c| c.len() <= 100);
    let Some(commands) = commands else {
        return Err(Refusal::bad("can't parse commands list"));
    };
    for c in commands {
        let name = c["command"].as_str().unwrap_or("");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
            return Err(Refusal::bad("BOT_COMMAND_INVALID"));
        }
        let description = c["description"].as_str().unwrap_or("").chars().count();
        if !(1..=256).contains(&description) {
            return Err(Refusal::bad("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
    }
    Ok(list)
}
