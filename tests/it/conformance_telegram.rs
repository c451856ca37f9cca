//! Conformance rows ([`crate::rows`]) about Telegram and access.
#![cfg(feature = "telegram")]

use picoclaw::bus::{Inbound, Sender};
use picoclaw::channel::telegram::{self, BotUser, TelegramEvent};
use picoclaw::channel::{SendError, access, command_of, group, media};
use picoclaw::config::GroupTrigger;
use picoclaw::proto::json::{Json, TypeMismatch};
use picoclaw::proto::{markdown, split};
use serde_json::Value;

use crate::rows::{rows, same, string as text, strings as list};

fn sender(value: &Value) -> Sender {
    let named = |platform: &str, id: &str, username: &str| Sender {
        platform: platform.into(),
        id: id.into(),
        username: username.into(),
        name: String::new(),
    };
    match value {
        Value::String(name) if name == "telegramSender" => named("telegram", "123456", "alice"),
        Value::String(_) => named("telegram", "999", ""),
        v => named(text(&v["platform"]), text(&v["platform_id"]), text(&v["username"])),
    }
}

#[test]
fn allow_list() {
    rows("allow_list", |test, name, input, want| match test {
        "TestBaseChannelIsAllowed" => {
            let (id, username) = text(&input["senderID"]).split_once('|').expect("id|user");
            let who = Sender { id: id.into(), username: username.into(), ..Sender::default() };
            same(
                name,
                Value::from(access::allows(&list(&input["allowList"]), &who)),
                want["want"].clone(),
            )
        }
        "TestIsAllowedSender" if name == "empty allowlist allows all" => {
            Err("an empty list is nobody".into())
        }
        "TestIsAllowedSender" => {
            let got = access::allows(&list(&input["allowList"]), &sender(&input["sender"]));
            same(name, Value::from(got), want["want"].clone())
        }
        "TestMatchAllowed" => {
            let got = access::matches(text(&input["allowed"]), &sender(&input["sender"]));
            same(name, Value::from(got), want["want"].clone())
        }
        "TestBuildCanonicalID" => {
            Err("ids are compared in their parts and never put together".into())
        }
        "TestParseCanonicalID" => {
            let got = access::split_canonical(text(&input["input"]));
            same(name, Value::from(got.is_some()), want["wantOk"].clone())?;
            let want = (text(&want["wantPlatform"]), text(&want["wantID"]));
            same(name, got.unwrap_or(("", "")), want)
        }
        "TestIsNumeric" => {
            let got = access::is_numeric(text(&input["input"]));
            same(name, Value::from(got), want["want"].clone())
        }
        other => panic!("a suite without a check: {other}"),
    });
}

#[test]
fn group_trigger() {
    rows("group_trigger", |_, name, input, want| {
        let rule = GroupTrigger {
            mention_only: input["gt"]["mention_only"].as_bool().unwrap_or(false),
            prefixes: list(&input["gt"]["prefixes"]),
        };
        let mentioned = input["isMentioned"].as_bool().expect("a bool");
        let got = group::trigger(&rule, mentioned, text(&input["content"]));
        same(name, Value::from(got.is_some()), want["wantRespond"].clone())?;
        same(name, got.unwrap_or(text(&input["content"])), text(&want["wantContent"]))
    });
}

#[test]
fn telegram_group() {
    rows("telegram_group", |_, name, input, want| {
        let me = BotUser { id: 1, username: "testbot".into() };
        let rule = GroupTrigger { mention_only: true, prefixes: Vec::new() };
        let words = text(&input["text"]);
        let update = serde_json::json!({"update_id": 1, "message": {
            "chat": {"id": -5, "type": "group"}, "from": {"id": 7}, "text": words,
            "entities": [{"type": "bot_command", "offset": 0, "length": words.len()}]}});
        let update = update.to_string();
        let mismatch = TypeMismatch::default();
        let update = Json::parse(&update, &mismatch).expect("JSON");
        let got = match telegram::update(update, "telegram", &me, &rule).expect("an update").1 {
            TelegramEvent::Message(message) => message.text,
            _ => String::new(),
        };
        same(name, Value::from(!got.is_empty()), want["wantForwarded"].clone())?;
        same(name, got.as_str(), text(&want["wantContent"]))
    });
}

#[test]
fn telegram_markdown_html() {
    rows("telegram_markdown_html", |_, name, input, want| {
        let got = markdown::to_telegram_html(text(&input["input"]));
        same(name, got.as_str(), text(&want["expected"]))
    });
}

#[test]
fn message_split() {
    rows("message_split", |test, name, input, want| {
        if test != "TestSplitMessage" {
            return Err("the original's inner step; ours cuts between blocks instead".into());
        }
        let content = match text(&input["content"]) {
            // The original's name for 2500 letters.
            "longText" => "a".repeat(2500),
            content => content.to_string(),
        };
        let limit = input["maxLen"].as_u64().expect("a number") as usize;
        let got = split::parts(&content, limit).count();
        same(name, Value::from(got), want["expectChunks"].clone())
    });
}

#[test]
fn commands() {
    rows("commands", |_, name, input, want| {
        let text = text(&input["input"]);
        if text == "!" {
            return Err("a mark alone is prose".into());
        }
        let message = Inbound { text: text.into(), ..Inbound::default() };
        let got = command_of(&message).is_some();
        same(name, Value::from(got), want["want"].clone())
    });
}

#[test]
fn channel_errors() {
    rows("channel_errors", |_, name, input, want| {
        let status = input["statusCode"].as_u64().expect("a number") as u16;
        let got = match SendError::of_status(status, "x") {
            SendError::RateLimited(_) => Some("ErrRateLimit"),
            SendError::Permanent(_) => Some("ErrSendFailed"),
            SendError::Temporary(_) => Some("ErrTemporary"),
            _ => None,
        };
        same(name, got, want["wantIs"].as_str())
    });
}

#[test]
fn files() {
    rows("media", |test, name, input, want| {
        let got = if test == "TestInferMediaType" {
            media::kind(text(&input["filename"]), text(&input["contentType"])).to_string()
        } else {
            media::inject(text(&input["content"]), text(&input["tag"]))
        };
        same(name, got.as_str(), text(&want["want"]))
    });
}
