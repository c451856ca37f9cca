//! Shortens sessions: messages that a summary replaces are skipped from then on. The file keeps everything.

use std::io::{Read, Seek, SeekFrom};

use super::session::{SessionMeta, Sessions};
use super::session_read::OpenSession;
use crate::error::{Context, Error, Result};
use crate::limits::FRESH_SESSION_BYTES;
use crate::sys::beneath::File;

impl Sessions {
    /// Replaces everything before byte `at` by a summary, which holds `untrusted` text or not, unless the session was cleared
    /// or cut since `seen`: then nothing changes and the result is `None`; otherwise it is the new meta. A power cut leaves
    /// the old or the new one.
    ///
    /// # Errors
    /// The disk's.
    pub fn cut(
        &self,
        key: &str,
        seen: &SessionMeta,
        at: u64,
        (summary, untrusted): (&str, bool),
    ) -> Result<Option<SessionMeta>> {
        let mut meta = self.meta(key)?;
        if (meta.skip, meta.skip_bytes) != (seen.skip, seen.skip_bytes)
            || meta.summary != seen.summary
        {
            return Ok(None);
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
        if untrusted {
            meta.untrusted_bytes = meta.untrusted_bytes.max(at).max(1);
        }
        meta.updated_at = crate::proto::date::rfc3339(crate::sys::clock::unix_now());
        // The journal contains lines that the file may lack, and restores them after a power cut.
        // A summary lost in a power cut is made again: it is not worth syncing the folder every few messages.
        self.put_meta(key, &meta, false)?;
        Ok(Some(meta))
    }

    /// Opens a session without its history. A file of more than [`FRESH_SESSION_BYTES`] is
    /// emptied.
    ///
    /// # Errors
    /// The disk's.
    pub fn start_over(&self, key: &str) -> Result<OpenSession> {
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
            // A crash may have left half a line; an empty line does no harm.
            Some(end) => OpenSession { end, torn: end > 0, ..OpenSession::default() },
            None => OpenSession::default(),
        })
    }

    /// Deletes a session's files, if there are any.
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

/// Number of newlines between two offsets of a file.
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
    use super::super::session_read::{forwards, parse_line};
    use super::*;
    use crate::sys::scratch::{InScratch, Scratch};

    fn session(name: &str, lines: usize) -> InScratch<Sessions> {
        let sessions = Scratch::named(name).hold(Sessions::new);
        std::fs::create_dir_all(sessions.dir()).expect("folder");
        let line = |n| format!("{{\"role\":\"user\",\"content\":\"m{n}\"}}\n");
        let text: String = (0..lines).map(line).collect();
        std::fs::write(sessions.dir().join("k.jsonl"), text).expect("write");
        sessions
    }

    /// The messages that count, each with its place.
    fn live(sessions: &Sessions) -> Vec<(u64, String)> {
        let opened = sessions.open_session("k").expect("look");
        let file = opened.file.expect("a file");
        let mut all = Vec::new();
        forwards(&file, opened.first, opened.end, &mut |at, line| {
            all.push((at, parse_line(line).expect("a message").content));
            true
        })
        .expect("read");
        all
    }

    fn texts(sessions: &Sessions) -> Vec<String> {
        live(sessions).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_cut_hides_what_the_summary_stands_for() {
        let s = session("cut", 10);
        let all = live(&s);
        assert_eq!(all.len(), 10);
        let seen = s.meta("k").expect("meta");
        let meta =
            s.cut("k", &seen, all[7].0, ("what was", false)).expect("cut").expect("not cleared");
        assert_eq!(texts(&s), ["m7", "m8", "m9"]);
        assert_eq!(meta, s.meta("k").expect("meta"));
        assert_eq!((meta.skip, meta.count, meta.summary.as_str()), (7, 10, "what was"));
        // Again from there.
        assert!(s.cut("k", &meta, live(&s)[2].0, ("more", false)).expect("cut").is_some());
        assert_eq!((texts(&s), s.meta("k").expect("meta").skip), (vec!["m9".to_owned()], 9));
        assert_eq!(
            std::fs::read_to_string(s.dir().join("k.jsonl")).expect("kept").lines().count(),
            10
        );
    }

    #[test]
    fn a_cut_gives_way_to_a_clear() {
        let s = session("cut-clear", 10);
        let (all, seen) = (live(&s), s.meta("k").expect("meta"));
        s.clear("k").expect("cleared");
        assert!(s.cut("k", &seen, all[7].0, ("old", false)).expect("no cut").is_none());
        assert_eq!(s.meta("k").expect("meta").summary, "");
        assert_eq!(texts(&s), Vec::<String>::new());
    }

    #[test]
    fn sessions_without_history_start_over() {
        let s = session("fresh", 3);
        let opened = s.start_over("k").expect("there");
        assert!(opened.end > 0 && opened.torn && opened.file.is_none());
        let s = session("fresh-long", 5_000);
        assert_eq!(s.start_over("k").expect("there").end, 0);
        assert_eq!(s.start_over("new").expect("absent").end, 0);
        s.remove("k").expect("gone");
        s.remove("k").expect("gone already");
        assert!(!s.dir().join("k.jsonl").exists());
    }
}
