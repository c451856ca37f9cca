//! The audit log: which tool calls ran for whom, what was asked, answered and refused, as JSON lines in the home's `state/`.
//!
//! Never holds up a turn: lines are queued, within bounds, and written on the blocking thread without a sync. A power cut loses
//! the last seconds. The journal, not this log, decides what a restart continues with.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

#[cfg(feature = "audit")]
use super::bounded_read::{self, FileEnd};
use super::dir::Dir;
use crate::limits::{AUDIT_BYTES, AUDIT_LINE_BYTES, AUDIT_QUEUE};
use crate::proto::date;
use crate::proto::text::truncate;
use crate::sys::clock;
use crate::sys::{BlockingTask, spawn_blocking};

const NAME: &str = "state/audit.jsonl";
/// What [`NAME`] was before it was full.
const OLD: &str = "state/audit.old.jsonl";

/// Who a line is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who<'a> {
    /// Name of the channel.
    pub channel: &'a str,
    /// Id of the chat as its channel knows it.
    pub chat: &'a str,
    /// Id of the user as the channel knows it; not the name, which can change.
    pub user: &'a str,
}

struct Queue {
    home: Option<PathBuf>,
    lines: Vec<String>,
    lost: u64,
    /// Dropped, it would not run.
    writing: Option<BlockingTask<()>>,
    busy: bool,
}

static QUEUE: Mutex<Queue> =
    Mutex::new(Queue { home: None, lines: Vec::new(), lost: 0, writing: None, busy: false });

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on lines go to the audit log of `home`; before, they go nowhere.
pub fn start(home: &Path) {
    queue().home = Some(home.to_path_buf());
}

/// Records `fields` (texts, already without secrets) of `who`. When the queue is full the line is counted instead.
pub fn record(who: Who<'_>, fields: &[(&str, &str)]) {
    let mut queue = queue();
    if queue.home.is_none() {
        return;
    }
    push(&mut queue, line(clock::unix_now(), who, fields));
    if !queue.busy {
        queue.busy = true;
        queue.writing = Some(spawn_blocking(write_queued));
    }
}

fn push(queue: &mut Queue, line: String) {
    if queue.lines.len() < AUDIT_QUEUE {
        queue.lines.push(line);
    } else {
        queue.lost += 1;
    }
}

/// Queues a line that says how many were lost, if any were.
fn note_lost(queue: &mut Queue) {
    let lost = std::mem::take(&mut queue.lost);
    if lost > 0 {
        let text = format!("lost: {lost} lines, the queue was full");
        queue.lines.push(line(clock::unix_now(), Who::default(), &[("result", &text)]));
    }
}

/// Writes until nothing is queued.
fn write_queued() {
    loop {
        let (home, lines) = {
            let mut queue = queue();
            note_lost(&mut queue);
            match (&queue.home, queue.lines.is_empty()) {
                (Some(home), false) => (home.clone(), std::mem::take(&mut queue.lines)),
                _ => {
                    queue.busy = false;
                    return;
                }
            }
        };
        if let Err(e) = append(&home, &lines.concat()) {
            crate::log::warn!("cannot write the audit log: {e}");
        }
    }
}

/// Appends to the log, after it was renamed if it has no room for `lines`.
fn append(home: &Path, lines: &str) -> io::Result<()> {
    let dir = Dir::make(home)?;
    let size = dir.meta(NAME)?.map_or(0, |meta| meta.length);
    if size > 0 && size + lines.len() as u64 > AUDIT_BYTES {
        dir.rename(NAME, OLD, true)?;
    }
    dir.append(NAME, 0o600)?.write_all(lines.as_bytes())
}

/// One line with its end, at most [`AUDIT_LINE_BYTES`]: the longest text is cut until it fits.
fn line(unix: i64, who: Who<'_>, fields: &[(&str, &str)]) -> String {
    let mut entry = Map::new();
    entry.insert("time".into(), date::rfc3339(unix).into());
    let known = [("channel", who.channel), ("chat", who.chat), ("user", who.user)];
    for (key, text) in known.iter().chain(fields).filter(|(_, text)| !text.is_empty()) {
        entry.insert((*key).to_owned(), truncate(text, AUDIT_LINE_BYTES).into());
    }
    let mut entry = Value::Object(entry);
    loop {
        let text = entry.to_string();
        if text.len() < AUDIT_LINE_BYTES {
            return text + "\n";
        }
        let texts = entry.as_object_mut().into_iter().flat_map(Map::values_mut);
        let longest = texts.max_by_key(|text| text.as_str().map_or(0, str::len));
        match longest {
            Some(longest) => {
                let cut = longest
                    .as_str()
                    .map_or(String::new(), |t| truncate(t, t.chars().count() * 3 / 4));
                *longest = json!(cut);
            }
            None => return "\n".to_owned(),
        }
    }
}

/// Every line of the log, oldest first, also while a gateway writes.
///
/// # Errors
/// The kernel's.
#[cfg(feature = "audit")]
pub fn read(home: &Path) -> io::Result<Vec<Map<String, Value>>> {
    let Some(dir) = Dir::find(home)? else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    for name in [OLD, NAME] {
        let piece = bounded_read::below(&dir, name, AUDIT_BYTES as usize, FileEnd::Tail)?;
        let text = piece.map(|piece| piece.text).unwrap_or_default();
        entries.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_full_log_is_renamed_and_the_older_one_goes() {
        let home = Scratch::new();
        let text = |name: &str| home.text(name);
        append(home.path(), &"a".repeat(AUDIT_BYTES as usize - 1)).expect("below");
        append(home.path(), "b").expect("at");
        assert_eq!(text(NAME).len() as u64, AUDIT_BYTES);
        append(home.path(), "c").expect("above");
        assert_eq!((text(OLD).len() as u64, text(NAME)), (AUDIT_BYTES, "c".to_owned()));
        append(home.path(), &"d".repeat(AUDIT_BYTES as usize)).expect("again");
        assert_eq!((text(OLD), text(NAME).len() as u64), ("c".to_owned(), AUDIT_BYTES));
    }

    #[test]
    fn a_line_is_cut_where_it_is_longest() {
        let who = Who { channel: "telegram", chat: "7", user: "8" };
        let of = |n: usize| line(0, who, &[("tool", "exec"), ("arguments", &"é".repeat(n))]);
        let empty = of(1).len() - 2;
        let fits = (AUDIT_LINE_BYTES - empty) / 2;
        for (n, cut) in [(fits - 1, false), (fits, false), (fits + 1, true), (100_000, true)] {
            let line = of(n);
            assert!(line.len() <= AUDIT_LINE_BYTES && line.ends_with("}\n"), "{n}");
            assert_eq!(line.contains("..."), cut, "{n}");
            assert!(line.contains(r#""user":"8""#) && line.contains(r#""tool":"exec""#), "{line}");
        }
        let escaped = line(0, who, &[("arguments", &"\u{1}".repeat(9000))]);
        assert!(escaped.len() <= AUDIT_LINE_BYTES, "{escaped}");
    }

    #[test]
    fn a_full_queue_counts() {
        let mut queue = Queue { home: None, lines: Vec::new(), lost: 0, writing: None, busy: true };
        for n in 0..=AUDIT_QUEUE {
            assert_eq!((queue.lines.len(), queue.lost), (n, 0));
            push(&mut queue, String::new());
        }
        assert_eq!((queue.lines.len(), queue.lost), (AUDIT_QUEUE, 1));
        note_lost(&mut queue);
        assert!(queue.lines[AUDIT_QUEUE].contains("lost: 1 lines"), "{:?}", queue.lines);
        note_lost(&mut queue);
        assert_eq!((queue.lines.len(), queue.lost), (AUDIT_QUEUE + 1, 0));
    }

    #[cfg(feature = "audit")]
    #[test]
    fn what_is_written_is_read_and_broken_lines_are_not() {
        let home = Scratch::new();
        assert!(read(&home.path().join("none")).expect("no home").is_empty());
        append(home.path(), &line(1, Who::default(), &[("tool", "a")])).expect("a line");
        append(home.path(), "{\"tool\":\n").expect("a broken line");
        append(home.path(), &line(2, Who::default(), &[("tool", "b")])).expect("a line");
        let tools: Vec<_> =
            read(home.path()).expect("lines").iter().map(|e| e["tool"].clone()).collect();
        assert_eq!(tools, ["a", "b"]);
    }
}
