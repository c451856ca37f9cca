//! Sessions made shorter: what a summary stands for is passed over from then on. The file keeps everything.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::session::{Meta, Sessions, Tail};
use crate::error::{Context, Error, Result};
use crate::limits::{FRESH_SESSION_BYTES, SESSION_LINE_BYTES, SESSION_TAIL_BYTES};
use crate::message::Message;
use crate::proto::text;
use crate::sys::beneath::File;

/// The part of a session that still counts and is in reach.
#[derive(Debug, Default)]
pub struct Live {
    /// Where each message begins in the file, and the message.
    pub messages: Vec<(u64, Message)>,
    /// As it was when this was read.
    pub meta: Meta,
}

impl Sessions {
    /// Reads what counts: at most [`SESSION_TAIL_BYTES`] from the end.
    ///
    /// # Errors
    /// The disk's, a broken meta file. A session that is not there is empty.
    pub fn live(&self, key: &str) -> Result<Live> {
        let meta = self.meta(key)?;
        let name = Self::file_name(key)?;
        let Some(mut file) = self.open(&name)? else {
            return Ok(Live { meta, ..Live::default() });
        };
        let name = || self.cannot_read(&name);
        let end = file.metadata().with_context(name)?.len();
        let first = self.first(&mut file, &meta, end).with_context(name)?;
        let from = first.max(end.saturating_sub(SESSION_TAIL_BYTES));
        let mut bytes = vec![0; (end - from) as usize];
        file.read_exact_at(&mut bytes, from).with_context(name)?;
        let (mut at, mut messages) = (from, Vec::new());
        for (n, line) in bytes.split(|b| *b == b'\n').enumerate() {
            // The first line may be a piece of one.
            let whole = n > 0 || from == first;
            if whole && !line.is_empty() && line.len() <= SESSION_LINE_BYTES {
                if let Ok(message) = text::utf8(line).and_then(Message::parse) {
                    messages.push((at, message));
                }
            }
            at += line.len() as u64 + 1;
        }
        Ok(Live { messages, meta })
    }

    /// Lets `summary` stand for everything before byte `at`, unless the session was cleared or cut since `seen`:
    /// then nothing is changed, and the answer is false. The file is old or new, whenever the power goes.
    ///
    /// # Errors
    /// The disk's.
    pub fn cut(&self, key: &str, seen: &Meta, at: u64, summary: &str) -> Result<bool> {
        let mut meta = self.meta(key)?;
        if (meta.skip, meta.skip_bytes) != (seen.skip, seen.skip_bytes)
            || meta.summary != seen.summary
        {
            return Ok(false);
        }
        let name = Self::file_name(key)?;
        let gone = || Error::new(format!("session {key} is gone"));
        let mut file = self.open(&name)?.ok_or_else(gone)?;
        let name = || self.cannot_read(&name);
        let end = file.metadata().with_context(name)?.len();
        let first = self.first(&mut file, &meta, end).with_context(name)?;
        let gone = newlines(&mut file, first, at).with_context(name)?;
        let kept = newlines(&mut file, at, end).with_context(name)?;
        meta.skip += gone;
        meta.count = meta.skip + kept;
        meta.skip_bytes = Some(at);
        meta.summary = summary.to_owned();
        meta.updated_at = crate::proto::date::rfc3339(crate::sys::clock::unix_now());
        // The journal holds lines that are not safe in the file yet, and puts them back after a power cut.
        // Lost in a cut, the summary is made again: it is not worth a folder's way to the card each few messages.
        self.put_meta(key, &meta, false)?;
        Ok(true)
    }

    /// A session whose history does not count: where the next line goes. A file of more than [`FRESH_SESSION_BYTES`] is
    /// emptied.
    ///
    /// # Errors
    /// The disk's.
    pub fn start_over(&self, key: &str) -> Result<Tail> {
        let name = Self::file_name(key)?;
        let result = (|| {
            let Some(folder) = self.folder()? else { return Ok(None) };
            let Some(file) = folder.change(&name)? else { return Ok(None) };
            let end = file.metadata()?.len();
            if end <= FRESH_SESSION_BYTES {
                return Ok(Some(end));
            }
            file.set_len(0).map(|()| Some(0)).map_err(Error::from)
        })();
        Ok(match result.with_context(|| self.cannot_read(&name))? {
            // A crash may have left half a line; an empty one does no harm.
            Some(end) => Tail { end, torn: end > 0, ..Tail::default() },
            None => Tail::default(),
        })
    }

    /// Deletes a session's files; one that is not there is fine.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, key: &str) -> Result<()> {
        let Some(folder) = self.folder()? else { return Ok(()) };
        for name in [Self::file_name(key)?, Self::meta_name(key)?] {
            folder.remove(&name).with_context(|| self.cannot_read(&name))?;
        }
        Ok(())
    }
}

/// Line ends between two places of a file.
fn newlines(file: &mut File, from: u64, to: u64) -> std::io::Result<u64> {
    file.seek(SeekFrom::Start(from))?;
    let (mut left, mut count) = (to.saturating_sub(from), 0);
    let mut buffer = [0; 4096];
    while left > 0 {
        let want = left.min(buffer.len() as u64) as usize;
        let n = file.read(&mut buffer[..want])?;
        if n == 0 {
            break;
        }
        count += buffer[..n].iter().filter(|b| **b == b'\n').count() as u64;
        left -= n as u64;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::{Held, Scratch};

    fn session(name: &str, lines: usize) -> Held<Sessions> {
        let sessions = Scratch::named(name).hold(Sessions::new);
        std::fs::create_dir_all(sessions.dir()).expect("folder");
        let line = |n| format!("{{\"role\":\"user\",\"content\":\"m{n}\"}}\n");
        let text: String = (0..lines).map(line).collect();
        std::fs::write(sessions.dir().join("k.jsonl"), text).expect("write");
        sessions
    }

    fn texts(sessions: &Sessions) -> Vec<String> {
        sessions.tail("k").expect("tail").messages.into_iter().map(|m| m.content).collect()
    }

    #[test]
    fn a_cut_hides_what_the_summary_stands_for() {
        let s = session("cut", 10);
        let live = s.live("k").expect("live");
        assert_eq!(live.messages.len(), 10);
        assert!(s.cut("k", &live.meta, live.messages[7].0, "what was").expect("cut"));
        assert_eq!(texts(&s), ["m7", "m8", "m9"]);
        let meta = s.meta("k").expect("meta");
        assert_eq!((meta.skip, meta.count, meta.summary.as_str()), (7, 10, "what was"));
        // Again from there.
        let live = s.live("k").expect("live");
        assert_eq!((live.messages.len(), live.meta.summary.as_str()), (3, "what was"));
        assert!(s.cut("k", &live.meta, live.messages[2].0, "more").expect("cut"));
        assert_eq!((texts(&s), s.meta("k").expect("meta").skip), (vec!["m9".to_owned()], 9));
        assert_eq!(
            std::fs::read_to_string(s.dir().join("k.jsonl")).expect("kept").lines().count(),
            10
        );
    }

    #[test]
    fn a_cut_gives_way_to_a_clear() {
        let s = session("cut-clear", 10);
        let live = s.live("k").expect("live");
        s.clear("k").expect("cleared");
        assert!(!s.cut("k", &live.meta, live.messages[7].0, "old").expect("no cut"));
        assert_eq!(s.meta("k").expect("meta").summary, "");
        assert_eq!(texts(&s), Vec::<String>::new());
    }

    #[test]
    fn a_long_session_is_cut_from_its_reach() {
        let s = session("cut-long", 5_000);
        let live = s.live("k").expect("live");
        assert!(live.messages.len() < 5_000);
        let at = live.messages.len() - 4;
        assert!(s.cut("k", &live.meta, live.messages[at].0, "x").expect("cut"));
        assert_eq!((texts(&s).len(), s.meta("k").expect("meta").skip), (4, 4_996));
    }

    #[test]
    fn sessions_without_history_start_over() {
        let s = session("fresh", 3);
        let tail = s.start_over("k").expect("there");
        assert!(tail.end > 0 && tail.torn && tail.messages.is_empty());
        let s = session("fresh-long", 5_000);
        assert_eq!(s.start_over("k").expect("there").end, 0);
        assert_eq!(s.start_over("new").expect("absent").end, 0);
        s.remove("k").expect("gone");
        s.remove("k").expect("gone already");
        assert!(!s.dir().join("k.jsonl").exists());
    }
}
