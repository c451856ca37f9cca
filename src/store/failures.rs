//! Sessions whose files cannot be written: told once, their lines kept within a bound.

use super::jsonl::Lines;
use crate::limits::UNSAVED_BYTES;

/// Session files that the last job could not write, and why.
#[derive(Default)]
pub struct Failures(Vec<(String, String)>);

impl Failures {
    /// Takes in what the last job could not write. What is new is logged once; what has gone, too.
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

    /// Why the session's file cannot be written at the moment.
    pub fn why(&self, session: &str) -> Option<&str> {
        self.0.iter().find(|(failing, _)| failing == session).map(|(_, why)| why.as_str())
    }

    /// Names of the session files that cannot be written.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(session, _)| session.as_str())
    }

    /// Of a session that cannot be written the oldest lines go when there are too many; all others are on their way, and as
    /// many as their turns have made.
    pub fn bound(&self, lines: &mut Vec<Lines>) {
        for session in self.names() {
            let bytes = |lines: &[Lines]| {
                let own = lines.iter().filter(|l| l.session == session);
                own.map(|l| l.bytes.len()).sum::<usize>()
            };
            while bytes(lines) > UNSAVED_BYTES {
                let Some(at) = lines.iter().position(|l| l.session == session) else { break };
                let lost = lines.remove(at);
                crate::log::error!("{} bytes of {session} had no room", lost.bytes.len());
            }
        }
    }
}
