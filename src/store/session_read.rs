//! Reads a session's file in pieces: backwards, so that a turn finds the latest messages first, or forwards. However long the
//! file is, only one line is in memory.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::session::{SessionMeta, Sessions};
use crate::error::{Context, Result};
use crate::limits::{SESSION_LINE_BYTES, SESSION_READ_BYTES};
use crate::message::Message;
use crate::proto::text;
use crate::sys::beneath::File;

/// A session opened for reading.
#[derive(Debug, Default)]
pub struct OpenSession {
    /// Its file; `None` if there is none yet.
    pub file: Option<Arc<File>>,
    /// Byte offset of the first current line.
    pub first: u64,
    /// Length of the file: the offset of the next line.
    pub end: u64,
    /// The file does not end with a newline: the next line must start with one.
    pub torn: bool,
    /// Its meta, with the summary of the messages before `first`.
    pub meta: SessionMeta,
}

impl Sessions {
    /// Opens a session to read it.
    ///
    /// # Errors
    /// An unreadable folder or key.
    pub fn open_session(&self, key: &str) -> Result<OpenSession> {
        let name = Self::file_name(key)?;
        let Some(mut file) = self.open(&name)? else {
            self.forget_mark(key, self.meta(key).unwrap_or_default());
            return Ok(OpenSession::default());
        };
        let name = || self.cannot_read(&name);
        let end = file.metadata().with_context(name)?.len();
        // Its marks are lost for this turn: nothing is trusted.
        let meta = self.meta(key).unwrap_or_else(|e| {
            crate::log::error!("{e}; what was said before counts as untrusted");
            SessionMeta { untrusted_bytes: end, ..SessionMeta::default() }
        });
        let first = self.first(&mut file, &meta, end).with_context(name)?;
        let meta = if first == 0 { self.forget_mark(key, meta) } else { meta };
        let mut last = [b'\n'];
        if end > 0 {
            file.read_exact_at(&mut last, end - 1).with_context(name)?;
        }
        Ok(OpenSession { file: Some(Arc::new(file)), first, end, torn: last != [b'\n'], meta })
    }

    /// Takes the mark of a file that is gone out of the meta: lines of the next one would be hidden until it is as long.
    fn forget_mark(&self, key: &str, mut meta: SessionMeta) -> SessionMeta {
        if meta.skip > 0 {
            (meta.skip, meta.count, meta.skip_bytes) = (0, 0, None);
            match self.put_meta(key, &meta, false) {
                Ok(()) => {
                    crate::log::warn!("session {key} is shorter than it was: all of it counts")
                }
                Err(e) => crate::log::error!("{e}"),
            }
        }
        meta
    }
}

/// Parses a line; `None` if it is damaged or too long.
pub fn parse_line(line: &[u8]) -> Option<Message> {
    if line.len() > SESSION_LINE_BYTES {
        return None;
    }
    text::utf8(line).ok().and_then(|text| Message::parse(text).ok())
}

/// Calls `each` with the lines between two offsets, last one first, each with its offset, until it returns false. `from` is
/// the start of a line. Empty lines are skipped; a line longer than [`SESSION_LINE_BYTES`] is cut to
/// one byte more, which is not a valid message.
///
/// # Errors
/// The disk's.
pub fn backwards(
    file: &File,
    from: u64,
    end: u64,
    each: &mut dyn FnMut(u64, &[u8]) -> bool,
) -> io::Result<()> {
    // The bytes from `at` to the end of the current line; the first `fresh` bytes were not searched yet.
    let (mut buf, mut at, mut fresh) = (Vec::new(), end, 0);
    loop {
        while let Some(n) = buf[..fresh].iter().rposition(|b| *b == b'\n') {
            if n + 1 < buf.len() && !each(at + n as u64 + 1, &buf[n + 1..]) {
                return Ok(());
            }
            buf.truncate(n);
            fresh = n;
        }
        if at <= from {
            if !buf.is_empty() {
                each(from, &buf);
            }
            return Ok(());
        }
        // The rest of an overlong line is not needed.
        buf.truncate(SESSION_LINE_BYTES + 1);
        fresh = (at - from).min(SESSION_READ_BYTES as u64) as usize;
        at -= fresh as u64;
        buf.splice(..0, std::iter::repeat_n(0, fresh));
        file.read_exact_at(&mut buf[..fresh], at)?;
    }
}

/// The same in file order.
///
/// # Errors
/// The disk's.
pub fn forwards(
    file: &File,
    from: u64,
    end: u64,
    each: &mut dyn FnMut(u64, &[u8]) -> bool,
) -> io::Result<()> {
    // The line that starts at `at`, as far as it was read.
    let (mut buf, mut at, mut read) = (Vec::<u8>::new(), from, from);
    while read < end {
        let (had, n) = (buf.len(), (end - read).min(SESSION_READ_BYTES as u64) as usize);
        buf.resize(had + n, 0);
        file.read_exact_at(&mut buf[had..], read)?;
        read += n as u64;
        let (mut begin, mut searched) = (0, had);
        while let Some(n) = buf[searched..].iter().position(|b| *b == b'\n') {
            let to = searched + n;
            if begin < to && !each(at, &buf[begin..to]) {
                return Ok(());
            }
            at += (to - begin) as u64 + 1;
            (begin, searched) = (to + 1, to + 1);
        }
        buf.drain(..begin);
        if buf.len() > SESSION_LINE_BYTES + SESSION_READ_BYTES {
            // Its start is enough to see that it is too long; its offset stays correct.
            at += (buf.len() - SESSION_LINE_BYTES - 1) as u64;
            buf.truncate(SESSION_LINE_BYTES + 1);
        }
    }
    if !buf.is_empty() {
        each(at, &buf);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    type Line = (u64, Vec<u8>);
    type Way = fn(&File, u64, u64, &mut dyn FnMut(u64, &[u8]) -> bool) -> io::Result<()>;

    fn lines(text: &[u8], from: u64, most: usize) -> (Vec<Line>, Vec<Line>) {
        let scratch = Scratch::named("session-read");
        scratch.file("s", text);
        let file = File::open(scratch.path().join("s")).expect("open");
        let end = text.len() as u64;
        let read = |way: Way| {
            let mut all = Vec::new();
            let done = way(&file, from, end, &mut |at, line| {
                all.push((at, line.to_vec()));
                all.len() < most
            });
            done.expect("read");
            all
        };
        (read(backwards), read(forwards))
    }

    #[test]
    fn lines_come_whole_from_both_ends_whatever_their_lengths() {
        let step = SESSION_READ_BYTES;
        let lengths = [0, 1, 2, 100, step - 2, step - 1, step, step + 1, 3 * step + 7];
        let mut text = Vec::new();
        let mut want = Vec::new();
        for (n, length) in lengths.iter().chain(&lengths).enumerate() {
            if *length > 0 {
                want.push((text.len() as u64, vec![b'a' + n as u8; *length]));
            }
            text.extend(vec![b'a' + n as u8; *length]);
            text.push(b'\n');
        }
        let (back, forth) = lines(&text, 0, 99);
        assert!(forth == want);
        assert!(back.iter().rev().eq(&want));
        // Without the last newline, and from the middle.
        let (back, forth) = lines(&text[..text.len() - 1], want[9].0, 99);
        assert!(forth == want[9..]);
        assert!(back.iter().rev().eq(&want[9..]));
        let (back, forth) = lines(&text, 0, 2);
        assert!(forth == want[..2] && back[0] == want[want.len() - 1] && back.len() == 2);
        assert_eq!(lines(b"", 0, 9), (Vec::new(), Vec::new()));
        assert_eq!(lines(b"\n\n", 0, 9), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_line_that_is_too_long_costs_no_memory_and_no_place() {
        let long = vec![b'x'; 3 * SESSION_LINE_BYTES];
        let text = [b"one\n", long.as_slice(), b"\ntwo\n"].concat();
        let (back, forth) = lines(&text, 0, 9);
        for all in [&back, &forth] {
            assert_eq!(all.len(), 3);
            let longest = all[1].1.len();
            assert!(longest > SESSION_LINE_BYTES && longest < SESSION_LINE_BYTES + 3 * 16 * 1024);
            assert!(parse_line(&all[1].1).is_none());
        }
        let two = (text.len() as u64 - 4, b"two".to_vec());
        assert_eq!((&back[0], &forth[2]), (&two, &two));
        assert_eq!((&back[2].1, &forth[0].1), (&b"one".to_vec(), &b"one".to_vec()));
    }
}
