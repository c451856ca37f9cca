//! Sessions whose files cannot be written: each is logged once, and its lines are kept within a limit.

use super::jsonl::SessionLines;
use crate::limits::{UNSAVED_ALL_BYTES, UNSAVED_BYTES};

/// Session files that the last job could not write, and why.
#[derive(Default)]
pub struct Failures(Vec<(String, String)>);

impl Failures {
    /// Replaces the list after a job. Logs new failures and recoveries once.
    pub fn note(&mut self, failures: Vec<(String, String)>) {
        for (session, why) in &failures {
            if self.why(session).is_none() {
                crate::log::error!("session {session}: {why}; it is tried again");
            }
        }
        for (session, _) in &self.0 {
            if !failures.iter().any(|(failing, _)| failing == session) {
                crate::log::warn!("session {session} is written again");
            }
        }
        self.0 = failures;
    }

    /// Adds a session whose file could not be completed at the start. Logs it once.
    pub fn add(&mut self, session: &str, why: &str) {
        if self.why(session).is_none() {
            crate::log::error!("session {session}: {why}; it is tried again");
            self.0.push((session.to_owned(), why.to_owned()));
        }
    }

    /// Why the session's file cannot be written at the moment.
    pub fn why(&self, session: &str) -> Option<&str> {
        self.0.iter().find(|(failing, _)| failing == session).map(|(_, why)| why.as_str())
    }

    /// The first `most` of the files, `NAME: why`, and how many are left out.
    pub fn list(&self, most: usize) -> (Vec<String>, usize) {
        let lines = self.0.iter().take(most).map(|(name, why)| [name, ": ", why].concat());
        (lines.collect(), self.0.len().saturating_sub(most))
    }

    /// Drops the oldest lines of a failing session when there are too many, and of all such sessions together
    /// likewise. Lines of other sessions are about to be written and bounded by their turns.
    pub fn bound(&self, lines: &mut Vec<SessionLines>) {
        let failing = |l: &SessionLines| self.why(&l.session).is_some();
        for (session, _) in &self.0 {
            drop_oldest(lines, UNSAVED_BYTES, |l| l.session == *session);
        }
        drop_oldest(lines, UNSAVED_ALL_BYTES, failing);
    }
}

/// Drops the oldest lines that `is` picks until they take at most `limit` bytes.
fn drop_oldest(lines: &mut Vec<SessionLines>, limit: usize, is: impl Fn(&SessionLines) -> bool) {
    let mut bytes: usize = lines.iter().filter(|l| is(l)).map(|l| l.bytes.len()).sum();
    while bytes > limit {
        let Some(at) = lines.iter().position(&is) else { break };
        let lost = lines.remove(at);
        bytes -= lost.bytes.len();
        crate::log::error!(
            "{} bytes of {} are lost: more cannot wait for the card",
            lost.bytes.len(),
            lost.session
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_cannot_be_written_are_bounded_however_many_sessions_fail() {
        let sessions = || (0..100).map(|n| n.to_string());
        let mut failures = Failures::default();
        failures.note(sessions().map(|session| (session, "a folder".into())).collect());
        let line = |session: String| SessionLines {
            session,
            offset: 0,
            bytes: vec![b'x'; 8000],
            sync: false,
        };
        let mut lines: Vec<SessionLines> = sessions().chain(sessions()).map(line).collect();
        lines.push(line("well".into()));
        failures.bound(&mut lines);
        let kept: usize = lines.iter().filter(|l| l.session != "well").map(|l| l.bytes.len()).sum();
        assert!(kept <= UNSAVED_ALL_BYTES && kept + 8000 > UNSAVED_ALL_BYTES, "{kept}");
        assert!(lines.iter().any(|l| l.session == "well"), "the others' stay");
        assert_eq!(lines[0].session, sessions().nth(100 - (kept / 8000) % 100).expect("one"));
    }
}
