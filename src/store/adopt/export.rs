//! Conversations of the home written into the workspace as the Go original keeps them: the way back.
//!
//! A conversation that already has an append-only Go file there is written into that file. Any other becomes a JSON
//! session under the names that the first Go versions read; newer Go versions convert it when they start.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::record::{AdoptedFile, Record};
use super::{Adoption, merge, source};
use crate::error::{Context, Result};
use crate::limits::{ADOPT_LINES, SESSION_V0_BYTES, TREE_NAMES};
use crate::message::Message;
use crate::proto::{date, text};
use crate::registry::CLI;
use crate::store::SESSIONS;
use crate::store::bounded_read::stamp;
use crate::store::dir::Dir;
use crate::store::jsonl::count_lines;
use crate::store::session::{SessionMeta, file_stem};
use crate::sys::beneath::File;
use crate::sys::clock;

/// Bytes kept from the end of a session when it is written as a JSON session.
const JSON_BYTES: u64 = SESSION_V0_BYTES / 2;

impl Adoption {
    /// Writes every conversation into the workspace and records it as adopted; calls `each` with each file's name. Everything
    /// in the workspace must have been adopted before.
    ///
    /// # Errors
    /// The disk's. A second call writes everything again.
    pub fn export(&mut self, each: &mut dyn FnMut(&str)) -> Result<()> {
        let Some(sessions) = self.sessions.folder()? else { return Ok(()) };
        let Some(folder) = self.workspace.folder(SESSIONS, true)? else { return Ok(()) };
        let theirs = files_of_go(&folder)?;
        let mut names = Vec::new();
        sessions.each(TREE_NAMES, &mut |name, _| {
            names.extend(name.strip_suffix(".jsonl").map(str::to_owned));
        })?;
        names.sort_unstable();
        for stem in names {
            let Some(file) = sessions.read(&[&*stem, ".jsonl"].concat()).ok().flatten() else {
                continue;
            };
            let meta_name = [&*stem, ".meta.json"].concat();
            let meta = source::read_meta(&sessions, &meta_name).unwrap_or_default();
            for name in write(&folder, &stem, (file, meta), theirs.get(&stem))? {
                self.remember(&folder, &name)?;
                each(&["sessions/", &name].concat());
            }
        }
        Ok(())
    }

    /// Records a file's current state.
    fn remember(&mut self, folder: &Dir, name: &str) -> Result<()> {
        let mut content = source::open(folder, name)?;
        let survey = merge::scan(&mut *content.lines, ADOPT_LINES)?;
        self.record.note(AdoptedFile {
            name: ["sessions/", name].concat(),
            stamp: stamp(folder.meta(name)?),
            length: survey.length,
            hash: survey.hash,
            last: survey.last,
        });
        Ok(())
    }
}

/// Go's files that can be appended to, by their session's file stem; the newest format where there are several.
fn files_of_go(folder: &Dir) -> Result<HashMap<String, String>> {
    let mut found: HashMap<String, String> = HashMap::new();
    let (sources, _) = source::list(folder, &Record::default(), &mut |_, _| ())?;
    for source in sources.into_iter().filter(|s| s.name.ends_with(".jsonl")) {
        let Some(stem) = source.key.and_then(|key| file_stem(&key).ok()) else { continue };
        let newer = found.get(&stem).is_none_or(|known| form(known) <= form(&source.name));
        if newer {
            found.insert(stem, source.name);
        }
    }
    Ok(found)
}

fn form(name: &str) -> u8 {
    u8::from(name.starts_with("agent_")) + 2 * u8::from(name.starts_with("sk_v1_"))
}

/// Writes one conversation; returns the names of its files.
fn write(
    folder: &Dir,
    stem: &str,
    (mut file, ours): (File, SessionMeta),
    theirs: Option<&String>,
) -> Result<Vec<String>> {
    if let Some(name) = theirs {
        let meta_name = [source::stem(name), ".meta.json"].concat();
        let mut meta = source::read_meta(folder, &meta_name).unwrap_or_default();
        (meta.skip, meta.summary) = (ours.skip, ours.summary);
        meta.count = count_lines(&mut file)?.0;
        meta.updated_at = date::rfc3339(clock::unix_now());
        if meta.created_at.is_empty() {
            meta.created_at.clone_from(&meta.updated_at);
        }
        (meta.skip_bytes, meta.untrusted_bytes) = (None, 0);
        let bytes = serde_json::to_vec_pretty(&meta).context("session meta")?;
        file.seek(SeekFrom::Start(0))?;
        folder.replace(name, 0o600, &mut |out| io::copy(&mut file, out).map(drop))?;
        folder.save(&meta_name, &bytes, 0o600)?;
        return Ok(vec![name.clone()]);
    }
    let mut names = Vec::new();
    for key in keys(stem, &ours.key) {
        let name = [&*file_stem(&key)?, ".json"].concat();
        let json = session_json(&key, &mut file, &ours)?;
        folder.save(&name, json.as_bytes(), 0o600)?;
        names.push(name);
    }
    Ok(names)
}

/// The session's name in the first versions, then in v0.2.0, which newer versions also read. Empty for a session in which
/// nobody talked.
fn keys(stem: &str, key: &str) -> Vec<String> {
    let internal = ["cron-", "heartbeat", "consolidation", "subagent"];
    if internal.iter().any(|name| stem.starts_with(name)) {
        return Vec::new();
    }
    // Without a meta file only the file's name identifies the chat.
    let known = key.split_once(':').map(|(channel, chat)| (channel, chat.to_owned()));
    let named = || {
        let (channel, chat) = stem.split_once('_')?;
        let topic = if chat.starts_with('-') { "/" } else { "_" };
        Some((channel, chat.replace('_', topic)))
    };
    let Some((channel, chat)) = known.or_else(named) else { return vec![stem.to_owned()] };
    let mut keys = vec![format!("{channel}:{chat}")];
    if channel != CLI && !chat.contains('@') {
        let kind = if chat.starts_with('-') { "group" } else { "direct" };
        keys.push(format!("agent:main:{channel}:{kind}:{}", chat.to_lowercase()));
    }
    keys
}

/// A JSON session of the current messages, at most the last [`JSON_BYTES`].
fn session_json(key: &str, file: &mut File, ours: &SessionMeta) -> Result<String> {
    let end = file.metadata()?.len();
    let skipped = match ours.skip_bytes {
        _ if ours.skip == 0 => 0,
        Some(at) => at.min(end),
        None => crate::store::jsonl::skip_lines(file, ours.skip)?,
    };
    let from = skipped.max(end.saturating_sub(JSON_BYTES));
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    Read::take(file, end - from).read_to_end(&mut bytes)?;
    let mut messages = String::new();
    for line in bytes.split(|b| *b == b'\n').skip(usize::from(from > skipped)) {
        let Ok(line) = text::utf8(line) else { continue };
        if Message::parse(line).is_ok() {
            messages.push_str(if messages.is_empty() { "\n    " } else { ",\n    " });
            messages.push_str(line.trim_end());
        }
    }
    let [key, summary] = [key, &ours.summary].map(|text| serde_json::Value::from(text).to_string());
    let now = date::rfc3339(clock::unix_now());
    Ok(format!(
        "{{\n  \"key\": {key},\n  \"messages\": [{messages}\n  ],\n  \"summary\": {summary},\n  \"created\": \"{now}\",\n  \"updated\": \"{now}\"\n}}\n"
    ))
}
