//! Sessions of the Go original that stand under names of its own: `sk_v1_<hash>`, `agent_<id>_<channel>_<kind>_<chat>`
//! (behaviour.md 3B.5). Their meta files say whose they are; at a start the lines become those of our session of the chat.
//! Go's own files stay as they are.

use std::io;

use serde_json::{Value, json};

use super::dir::Dir;
use super::jsonl::count_lines;
use super::session::{Meta, Sessions};
use crate::error::{Context, Result};
use crate::limits::{GO_SESSIONS, SESSION_META_BYTES, TREE_NAMES};
use crate::proto::text;

/// Where our meta file lists what was taken over.
const FROM: &str = "taken_from";

/// Takes over what has not been yet; says how many. Blocks on the disk.
///
/// # Errors
/// The disk's, with what was taken over before in place. A broken meta file is passed over.
pub fn adopt(sessions: &Sessions) -> Result<usize> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    let Some(folder) = sessions.folder()? else { return Ok(0) };
    folder.each(TREE_NAMES, &mut |name, _| {
        let Some(stem) = name.strip_suffix(".meta.json") else { return };
        if found.len() == GO_SESSIONS || !(stem.starts_with("sk_v1_") || stem.starts_with("agent_"))
        {
            return;
        }
        let Some(meta) = read_meta(&folder, name) else { return };
        if let Some(key) = our_key(&meta) {
            found.push((meta.updated_at, stem.to_owned(), key));
        }
    })?;
    // The older first, so that lines end up in the order of their time.
    found.sort_unstable();
    let mut taken = 0;
    for (_, stem, key) in found {
        let done = take(sessions, &folder, &stem, &key);
        taken += usize::from(done.with_context(|| format!("cannot take over session {stem}"))?);
    }
    Ok(taken)
}

fn read_meta(folder: &Dir, name: &str) -> Option<Meta> {
    let bytes = folder.bytes(name, SESSION_META_BYTES).ok()??;
    text::utf8(&bytes).and_then(Meta::parse).ok()
}

/// `channel:chat`, `channel:chat/topic`, `channel:chat@sender`, as `app::session_key` makes them.
fn our_key(meta: &Meta) -> Option<String> {
    if let Some(channel) = meta.rest.get("scope").and_then(|s| s["channel"].as_str()) {
        let value = |name: &str| {
            let text = meta.rest["scope"]["values"][name].as_str()?;
            Some(text.split_once(':').map_or(text, |(_, id)| id))
        };
        let mut key = channel.to_owned();
        for (mark, name) in [(':', "chat"), ('/', "topic"), ('@', "sender")] {
            if let Some(value) = value(name) {
                key.push(mark);
                key.push_str(value);
            }
        }
        return match &*key {
            "cli:direct" => Some("cli:default".into()),
            key if key.len() > channel.len() => Some(key.to_owned()),
            _ => None,
        };
    }
    // agent:ID:CHANNEL[:ACCOUNT]:KIND:CHAT
    let parts: Vec<&str> = meta.key.split(':').collect();
    match parts[..] {
        ["agent", _, channel, _, chat] | ["agent", _, channel, _, _, chat] => {
            Some([channel, ":", chat].concat())
        }
        _ => None,
    }
}

fn take(sessions: &Sessions, folder: &Dir, stem: &str, key: &str) -> Result<bool> {
    let Some(go) = read_meta(folder, &format!("{stem}.meta.json")) else { return Ok(false) };
    // Not one that a command has put there in place of a file: what it stands for is no conversation.
    let Ok(Some(mut lines)) = folder.read(&format!("{stem}.jsonl")) else { return Ok(false) };
    let mut meta = sessions.meta(key)?;
    let mut from = meta.rest.get(FROM).and_then(Value::as_array).cloned().unwrap_or_default();
    let ours = Sessions::file_name(key)?;
    let mut old = folder.read(&ours)?;
    // What is newer than Go's is not mixed with it. Ours alone have no time.
    let older = !meta.updated_at.is_empty() && meta.updated_at <= go.updated_at;
    if from.iter().any(|f| f == stem) || (old.is_some() && !older) {
        return Ok(false);
    }
    let before = match &mut old {
        Some(file) => count_lines(file)?.0,
        None => 0,
    };
    if go.skip > 0 {
        meta.skip = before + go.skip;
        meta.skip_bytes = None;
    }
    if !go.summary.is_empty() {
        meta.summary = go.summary;
    }
    let count = count_lines(&mut lines)?.0;
    meta.count = before + count;
    meta.updated_at = go.updated_at;
    from.push(json!(stem));
    meta.rest.insert(FROM.into(), from.into());
    io::Seek::rewind(&mut lines)?;
    if let Some(old) = &mut old {
        io::Seek::rewind(old)?;
    }
    folder.replace(&ours, 0o600, &mut |out| {
        if let Some(old) = &mut old {
            io::copy(old, out)?;
        }
        io::copy(&mut lines, out).map(drop)
    })?;
    sessions.save_meta(key, &meta)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::sys::scratch::Scratch;

    fn write(dir: &Path, name: &str, text: impl ToString) {
        fs::create_dir_all(dir.join("sessions")).expect("a folder");
        fs::write(dir.join("sessions").join(name), text.to_string()).expect("a file");
    }

    fn line(text: &str) -> String {
        format!("{{\"role\":\"user\",\"content\":\"{text}\"}}\n")
    }

    fn scope(chat: &str, extra: Value) -> Value {
        let mut values = json!({ "chat": chat });
        values.as_object_mut().expect("values").extend(extra.as_object().expect("more").clone());
        json!({"key": "sk_v1_x", "scope": {"channel": "telegram", "values": values}, "updated_at": "2026-05-02T00:00:00Z"})
    }

    #[test]
    fn keys() {
        let key = |v: Value| our_key(&Meta::parse(&v.to_string()).expect("a meta"));
        assert_eq!(key(scope("direct:7", json!({}))), Some("telegram:7".into()));
        assert_eq!(key(scope("group:-5/9", json!({}))), Some("telegram:-5/9".into()));
        assert_eq!(
            key(scope("group:-5", json!({"topic": "topic:9"}))),
            Some("telegram:-5/9".into())
        );
        assert_eq!(
            key(scope("group:-5", json!({"sender": "ann"}))),
            Some("telegram:-5@ann".into())
        );
        assert_eq!(key(json!({"key": "agent:main:telegram:direct:7"})), Some("telegram:7".into()));
        assert_eq!(
            key(json!({"key": "agent:main:telegram:acc:direct:7"})),
            Some("telegram:7".into())
        );
        assert_eq!(key(json!({"key": "agent:main:main"})), None);
        assert_eq!(
            key(json!({"scope": {"channel": "cli", "values": {"chat": "direct:direct"}}})),
            Some("cli:default".into())
        );
        assert_eq!(key(json!({"scope": {"channel": "telegram"}})), None);
    }

    #[test]
    fn lines_are_taken_over_once_and_in_order() {
        let dir = Scratch::named("go-sessions");
        let sessions = Sessions::new(&dir);
        assert_eq!(adopt(&sessions).expect("nothing"), 0);
        // Of v0.1.2, then of the first versions with JSONL, then of the newest.
        write(&dir, "telegram_7.jsonl", line("first"));
        write(
            &dir,
            "telegram_7.meta.json",
            r#"{"key":"telegram:7","summary":"s","updated_at":"2026-03-01T00:00:00Z"}"#,
        );
        write(&dir, "agent_main_telegram_direct_7.jsonl", line("second"));
        write(
            &dir,
            "agent_main_telegram_direct_7.meta.json",
            r#"{"key":"agent:main:telegram:direct:7","updated_at":"2026-04-01T00:00:00Z"}"#,
        );
        let mut newest = scope("direct:7", json!({}));
        newest["skip"] = 1.into();
        newest["summary"] = "all before".into();
        write(&dir, "sk_v1_x.jsonl", line("skipped") + &line("third"));
        write(&dir, "sk_v1_x.meta.json", newest);
        write(&dir, "sk_v1_broken.meta.json", "{");
        assert_eq!(adopt(&sessions).expect("taken"), 2);
        let opened = sessions.look("telegram:7").expect("taken over");
        assert_eq!(opened.meta.summary, "all before");
        let all = fs::read_to_string(dir.join("sessions/telegram_7.jsonl")).expect("a file");
        assert_eq!(all, line("first") + &line("second") + &line("skipped") + &line("third"));
        assert_eq!(all[opened.first as usize..], line("third"));
        assert_eq!(adopt(&sessions).expect("again"), 0);
        assert!(dir.join("sessions/sk_v1_x.jsonl").exists());
        // A chat that has gone on here is left alone.
        write(&dir, "telegram_8.jsonl", line("ours"));
        write(&dir, "sk_v1_y.jsonl", line("old"));
        write(&dir, "sk_v1_y.meta.json", scope("direct:8", json!({})));
        assert_eq!(adopt(&sessions).expect("none"), 0);
    }

    #[test]
    fn there_is_a_bound() {
        let dir = Scratch::named("go-many");
        for n in 0..=GO_SESSIONS {
            write(&dir, &format!("sk_v1_{n}.meta.json"), scope(&format!("direct:{n}"), json!({})));
            fs::write(dir.join(format!("sessions/sk_v1_{n}.jsonl")), line("x")).expect("a file");
        }
        assert_eq!(adopt(&Sessions::new(&dir)).expect("taken"), GO_SESSIONS);
    }
}
