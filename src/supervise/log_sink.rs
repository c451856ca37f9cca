//! Where log lines go: syslog or stderr, and the last few stay in memory for a crash report.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::limits::{LOG_LINE_BYTES, LOG_RING_LINES};

/// syslog's facility daemon (3), severity info (6) and notice (5).
const INFO: u8 = 3 * 8 + 6;
const NOTICE: u8 = 3 * 8 + 5;

/// The log of supervisor and daemon.
#[derive(Debug)]
pub struct LogSink {
    /// None: stderr.
    syslog: Option<UnixDatagram>,
    ring: VecDeque<Box<str>>,
    /// [`LogSink::publish`] has failed.
    unpublished: bool,
}

impl LogSink {
    /// `syslog`: use `/dev/log`.
    pub fn new(syslog: bool) -> LogSink {
        let socket = if syslog { UnixDatagram::unbound().ok() } else { None };
        if let Some(socket) = &socket {
            // A full log must not stop the supervisor.
            let _ = socket.set_nonblocking(true);
        }
        let ring = VecDeque::with_capacity(LOG_RING_LINES);
        LogSink { syslog: socket, ring, unpublished: false }
    }

    /// Writes a file for `picoclaw status`. The first failure is logged, until one succeeds.
    pub fn publish(&mut self, path: &Path, text: &str) {
        let done = std::fs::write(path, text);
        let known = std::mem::replace(&mut self.unpublished, done.is_err());
        if let Err(e) = done {
            if !known {
                self.write(&format!(
                    "{} cannot be written: {e}; `picoclaw status` shows an older state until there is room there (df)",
                    path.display()
                ));
            }
        }
    }

    /// A line of the supervisor's own.
    pub fn write(&mut self, text: &str) {
        self.put(NOTICE, "picoclaw-supervise", std::process::id(), text);
        self.remember(text);
    }

    /// A line of the daemon's.
    pub fn daemon(&mut self, pid: u32, text: &str) {
        self.put(INFO, "picoclaw", pid, text);
        self.remember(text);
    }

    /// The last lines, oldest first.
    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.ring.iter().map(|line| &**line)
    }

    fn remember(&mut self, text: &str) {
        if self.ring.len() == LOG_RING_LINES {
            self.ring.pop_front();
        }
        self.ring.push_back(text.into());
    }

    fn put(&self, priority: u8, tag: &str, pid: u32, text: &str) {
        let mut line = Vec::with_capacity(text.len() + 40);
        if let Some(socket) = &self.syslog {
            let _ = write!(line, "<{priority}>{tag}[{pid}]: {text}");
            // syslogd may not be up yet, or be restarted: then this line is lost, the ring has it.
            let _ = socket.send_to(&line, "/dev/log");
        } else {
            let _ = writeln!(line, "{tag}[{pid}]: {text}");
            let _ = io::stderr().write_all(&line);
        }
    }
}

/// Cuts a byte stream into lines of at most [`LOG_LINE_BYTES`]; the rest of a longer line is dropped.
#[derive(Debug, Default)]
pub struct LineSplitter(Vec<u8>);

impl LineSplitter {
    /// Takes bytes, gives each whole line to `sink`.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, whole) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LOG_LINE_BYTES - self.0.len();
            self.0.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                self.end(&mut sink);
            }
        }
    }

    /// What is left when the stream ends.
    pub fn end(&mut self, mut sink: impl FnMut(&str)) {
        if !self.0.is_empty() {
            sink(&clean(&self.0));
            self.0.clear();
        }
    }
}

/// Text without control characters, which would play with a terminal.
fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&[u8]], want: &[&str]) {
        let (mut lines, mut got) = (LineSplitter::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece, |line| got.push(line.to_owned()));
        }
        lines.end(|line| got.push(line.to_owned()));
        assert_eq!(got, want);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_once() {
        let s = crate::sys::scratch::Scratch::new();
        let mut log = LogSink::new(false);
        let path = s.path().join("run/limits.json");
        let lines = |log: &LogSink| log.last().filter(|l| l.contains("limits.json")).count();
        log.publish(&path, "1");
        log.publish(&path, "2");
        assert_eq!(lines(&log), 1);
        std::fs::create_dir(s.path().join("run")).expect("a folder");
        log.publish(&path, "3");
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), "3");
        std::fs::remove_dir_all(s.path().join("run")).expect("removed");
        log.publish(&path, "4");
        assert_eq!(lines(&log), 2);
    }

    #[test]
    fn streams() {
        check(&[b"a\nb\n"], &["a", "b"]);
        check(&[b"a", b"b\nc"], &["ab", "c"]);
        check(&[b"\n\n"], &[]);
        check(&[b"\x1b[31mred\xff\n"], &[" [31mred\u{fffd}"]);
        let long = vec![b'x'; LOG_LINE_BYTES + 5];
        check(&[&long, b"yy\nz\n"], &[&"x".repeat(LOG_LINE_BYTES), "z"]);
    }

    #[test]
    fn the_ring_keeps_the_last_lines() {
        let mut log = LogSink::new(true);
        for n in 0..LOG_RING_LINES + 5 {
            log.daemon(1, &n.to_string());
        }
        let last: Vec<_> = log.last().collect();
        assert_eq!((last.len(), last[0], last[LOG_RING_LINES - 1]), (LOG_RING_LINES, "5", "24"));
    }
}
