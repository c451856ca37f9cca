//! Conversations in a workspace, under every name that a version of the Go original gave them (behaviour.md 3A.4, 3B.5):
//! `telegram_ID.json` of v0.1, `agent_main_telegram_direct_ID.json` of v0.2.0 and 1, JSONL with a meta file since then, at
//! last as `sk_v1_<hash>`. Commands could have written any of it.

use std::io::{Cursor, Read, Seek};

use super::record::Record;
use crate::error::{Context, Error, Result};
use crate::limits::{
    GO_SESSIONS, MIGRATE_FILE_BYTES, SESSION_META_BYTES, SESSION_V0_BYTES, TREE_NAMES,
};
use crate::message::Message;
use crate::proto::json::{Json, TypeMismatch};
use crate::proto::text;
use crate::store::bounded_read::stamp;
use crate::store::dir::Dir;
use crate::store::session::{SessionMeta, file_stem, push_line};

/// Text that is read more than once.
pub trait Text: Read + Seek {}
impl<T: Read + Seek> Text for T {}

/// A conversation that is new or has changed.
#[derive(Debug)]
pub struct ChangedSession {
    /// File name in the folder.
    pub name: String,
    /// The session it belongs to; `None` if it does not say.
    pub key: Option<String>,
    /// RFC 3339, or empty.
    pub updated: String,
    /// Changes when the file does.
    pub stamp: u64,
}

/// The content of a conversation's files.
pub struct SessionContent {
    /// Lines of the conversation (JSONL), read one at a time.
    pub lines: Box<dyn Text>,
    /// From its meta file, or from the head of a JSON session.
    pub meta: SessionMeta,
}

/// Conversations that are new or changed since `record`, oldest first, at most [`GO_SESSIONS`]; true if there are
/// more. `refused` is called with whatever else is in the folder.
///
/// # Errors
/// The kernel's.
pub fn list(
    folder: &Dir,
    record: &Record,
    refused: &mut dyn FnMut(&str, &str),
) -> Result<(Vec<ChangedSession>, bool)> {
    let (mut found, mut more) = (Vec::new(), false);
    folder.each(TREE_NAMES, &mut |name, _| {
        if !is_session(folder, name) {
            return;
        }
        let meta = match folder.meta(name) {
            Ok(Some(meta)) if meta.file => meta,
            Ok(Some(_)) => return refused(name, "not a regular file"),
            Ok(None) => return,
            Err(e) => return refused(name, &e.to_string()),
        };
        let stamp = stamp(Some(meta));
        if record.seen(&["sessions/", name].concat()).is_some_and(|seen| seen.stamp == stamp) {
            return;
        }
        if found.len() == GO_SESSIONS {
            more = true;
            return;
        }
        match open(folder, name) {
            Ok(SessionContent { meta, .. }) => {
                let key = key(name, &meta);
                found.push(ChangedSession {
                    name: name.to_owned(),
                    key,
                    updated: meta.updated_at,
                    stamp,
                });
            }
            Err(e) => refused(name, e.as_str()),
        }
    })?;
    // So that lines are appended in the order of time.
    found.sort_unstable_by(|a, b| (&a.updated, &a.name).cmp(&(&b.updated, &b.name)));
    Ok((found, more))
}

/// Whether a conversation has this name; a meta file counts if it is alone.
fn is_session(folder: &Dir, name: &str) -> bool {
    match name.strip_suffix(".meta.json") {
        Some(stem) => matches!(folder.exists(&[stem, ".jsonl"].concat()), Ok(false)),
        None => name.ends_with(".jsonl") || name.ends_with(".json"),
    }
}

/// A file name without the suffix of a session.
pub fn stem(name: &str) -> &str {
    let endings = [".meta.json", ".jsonl", ".json"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Whether only the Go original gives such a name.
pub fn is_go(name: &str) -> bool {
    name.starts_with("sk_v1_") || name.starts_with("agent_")
}

/// Opens a conversation.
///
/// # Errors
/// Not a regular file of ours, or too long; an invalid JSON session. A broken meta file is ignored.
pub fn open(folder: &Dir, name: &str) -> Result<SessionContent> {
    let gone = || Error::new("it is gone");
    if name.ends_with(".json") && !name.ends_with(".meta.json") {
        let bytes = folder.bytes(name, SESSION_V0_BYTES)?.ok_or_else(gone)?;
        let mut lines = Vec::with_capacity(bytes.len());
        let meta = text::utf8(&bytes).and_then(|text| read_v0(text, &mut lines));
        let meta = meta.context("no session")?;
        return Ok(SessionContent { lines: Box::new(Cursor::new(lines)), meta });
    }
    let meta = read_meta(folder, &[stem(name), ".meta.json"].concat()).unwrap_or_default();
    if name.ends_with(".meta.json") {
        return Ok(SessionContent { lines: Box::new(Cursor::new(Vec::new())), meta });
    }
    let file = folder.read(name)?.ok_or_else(gone)?;
    if file.metadata()?.len() > MIGRATE_FILE_BYTES {
        return Err(Error::new(format!("larger than {} MB", MIGRATE_FILE_BYTES >> 20)));
    }
    Ok(SessionContent { lines: Box::new(file), meta })
}

/// Reads a meta file; `None` if there is none or it is broken.
pub fn read_meta(folder: &Dir, name: &str) -> Option<SessionMeta> {
    let bytes = folder.bytes(name, SESSION_META_BYTES).ok()??;
    text::utf8(&bytes).and_then(SessionMeta::parse).ok()
}

/// Converts a JSON session's messages to session lines and the rest to a meta.
fn read_v0(text: &str, lines: &mut Vec<u8>) -> serde_json::Result<SessionMeta> {
    let mismatch = TypeMismatch::default();
    let old = Json::parse(text, &mismatch)?;
    for message in old.get("messages").items() {
        push_line(lines, &Message::read(message)?);
    }
    let meta = SessionMeta {
        key: old.get("key").string(),
        summary: old.get("summary").string(),
        created_at: old.get("created").string(),
        updated_at: old.get("updated").string(),
        ..SessionMeta::default()
    };
    match mismatch.get() {
        Some(_) => Err(serde::de::Error::custom("no session")),
        None => Ok(meta),
    }
}

/// `channel:chat`, `channel:chat/topic`, `channel:chat@sender`, as `app::session_key` makes them; a file's stem where that is
/// all there is; it leads to the same file.
fn key(name: &str, meta: &SessionMeta) -> Option<String> {
    if meta.rest.get("scope").is_some_and(|scope| scope["channel"].is_string()) {
        return of_scope(meta);
    }
    let stem = stem(name);
    if meta.key.starts_with("agent:") {
        return of_agent(&meta.key.split(':').collect::<Vec<_>>(), ":");
    }
    if meta.key.is_empty() || meta.key.starts_with("sk_v1_") {
        return match is_go(stem) {
            true => of_agent(&stem.split('_').collect::<Vec<_>>(), "_"),
            false => Some(stem.to_owned()),
        };
    }
    file_stem(&meta.key).is_ok().then(|| meta.key.clone())
}

fn of_scope(meta: &SessionMeta) -> Option<String> {
    let scope = &meta.rest["scope"];
    let channel = scope["channel"].as_str()?;
    let value = |name: &str| {
        let text = scope["values"][name].as_str()?;
        Some(text.split_once(':').map_or(text, |(_, id)| id))
    };
    let mut key = channel.to_owned();
    for (mark, name) in [(':', "chat"), ('/', "topic"), ('@', "sender")] {
        if let Some(value) = value(name) {
            key.push(mark);
            key.push_str(value);
        }
    }
    match &*key {
        "cli:direct" => Some("cli:default".into()),
        key if key.len() > channel.len() => file_stem(key).is_ok().then(|| key.to_owned()),
        _ => None,
    }
}

/// `agent:ID:CHANNEL[:ACCOUNT]:KIND:CHAT`, also as a file stem. A session that all chats share becomes the command line's.
fn of_agent(parts: &[&str], mark: &str) -> Option<String> {
    if let ["agent", _, "main"] = parts {
        return Some("cli:default".into());
    }
    let kinds = ["direct", "group", "channel"];
    let kind = (3..=4).find(|at| parts.get(*at).is_some_and(|part| kinds.contains(part)))?;
    let chat = parts.get(kind + 1..).filter(|chat| !chat.is_empty() && parts[0] == "agent")?;
    let key = [parts[2], ":", &chat.join(mark)].concat();
    file_stem(&key).is_ok().then_some(key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn scope(chat: &str, extra: Value) -> Value {
        let mut values = json!({ "chat": chat });
        values.as_object_mut().expect("values").extend(extra.as_object().expect("more").clone());
        json!({"key": "sk_v1_x", "scope": {"channel": "telegram", "values": values}})
    }

    #[track_caller]
    fn check(name: &str, meta: Value, want: Option<&str>) {
        let meta = SessionMeta::parse(&meta.to_string()).expect("a meta");
        assert_eq!(key(name, &meta).as_deref(), want, "{name} {meta:?}");
    }

    #[test]
    fn every_entry_is_used() {
        check("sk_v1_x.jsonl", scope("direct:7", json!({})), Some("telegram:7"));
        check("sk_v1_x.jsonl", scope("group:-5/9", json!({})), Some("telegram:-5/9"));
        let topic = scope("group:-5", json!({"topic": "topic:9"}));
        check("sk_v1_x.jsonl", topic, Some("telegram:-5/9"));
        let sender = scope("group:-5", json!({"sender": "ann"}));
        check("sk_v1_x.jsonl", sender, Some("telegram:-5@ann"));
        let cli = json!({"scope": {"channel": "cli", "values": {"chat": "direct:direct"}}});
        check("sk_v1_x.jsonl", cli, Some("cli:default"));
        check("sk_v1_x.jsonl", json!({"scope": {"channel": "telegram"}}), None);
        check("sk_v1_x.jsonl", json!({}), None);
        check("sk_v1_x.jsonl", json!({"key": "sk_v1_x"}), None);
        for (key, want) in [
            ("agent:main:telegram:direct:7", Some("telegram:7")),
            ("agent:main:telegram:acc:direct:7", Some("telegram:7")),
            ("agent:main:telegram:group:-5/9", Some("telegram:-5/9")),
            ("agent:main:main", Some("cli:default")),
            ("agent:main:direct:7", None),
            ("agent:cron-1-2", None),
        ] {
            check("x.json", json!({ "key": key }), want);
        }
        check("agent_main_telegram_direct_7.jsonl", json!({}), Some("telegram:7"));
        check("agent_main_telegram_group_-5_9.jsonl", json!({}), Some("telegram:-5_9"));
        check("telegram_7.jsonl", json!({}), Some("telegram_7"));
        check("telegram_7.json", json!({"key": "telegram:7"}), Some("telegram:7"));
        check("x.json", json!({"key": "..\0"}), None);
    }
}
