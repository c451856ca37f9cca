//! How the journal of the last run is opened.

use std::path::Path;

use super::failures::Failures;
use super::frame::Frame;
use super::journal::Files;
use super::jsonl::{self, SessionLines};
use super::ledger::{OpenMessage, TORN};
use super::writer::Journal;
use crate::error::Error;
use crate::limits::RECOVERY_NOTES;

/// So many bytes tell a turn's first line from another's.
const FIRST_LINE_BYTES: usize = 256;

impl Journal {
    /// Reads the journal in `state` and repairs the session files in `sessions`. Second value: notes for the log, among them
    /// what could not be used and was set aside; there is no home that the daemon cannot start from.
    pub fn open(state: &Path, sessions: &Path) -> (Journal, Vec<String>) {
        let mut recovered = Files::recover(state);
        let mut notes = std::mem::take(&mut recovered.notes);
        if recovered.torn {
            // Kept by the first write, which begins a file.
            let event = recovered.ledger.offset(TORN) + 1;
            recovered.ledger.apply(&Frame::Offset { channel: TORN.into(), event });
            notes.push(format!(
                "the last journal write before the restart was cut short and is dropped ({event} so far)"
            ));
        }
        // Where that fails the sessions are read as they are.
        notes.extend(jsonl::trim(sessions).unwrap_or_else(|e| Some(e.to_string())));
        let mut dirty: Vec<String> = Vec::new();
        // What a file lacks that cannot be written now.
        let (mut failures, mut waiting) = (Failures::default(), Vec::new());
        // First lines of open turns, as recorded.
        let mut first: Vec<SessionLines> = Vec::new();
        let begins = |session: &String, offset: u64| {
            let at = |e: &OpenMessage| {
                e.progress.as_ref().is_some_and(|(s, o)| s == session && *o == offset)
            };
            recovered.ledger.entries().any(at)
        };
        recovered.lines(&mut |session, offset, bytes| {
            // What is there may not have reached the card yet, and the journal is about to give it up.
            if !dirty.contains(&session) {
                dirty.push(session.clone());
            }
            let lines = SessionLines { session, offset, bytes, sync: false };
            if begins(&lines.session, offset) {
                let bytes = lines.bytes[..lines.bytes.len().min(FIRST_LINE_BYTES)].to_vec();
                let session = lines.session.clone();
                first.push(SessionLines { session, offset, bytes, sync: false });
            }
            // Later lines must not overtake those that wait.
            let repaired = match failures.why(&lines.session) {
                Some(why) => Err(Error::new(why)),
                None => jsonl::repair(sessions, &lines),
            };
            let note = match repaired {
                Ok(true) => format!("session {} was completed from the journal", lines.session),
                Ok(false) => return,
                Err(e) => {
                    failures.add(&lines.session, e.as_str());
                    waiting.push(lines);
                    failures.bound(&mut waiting);
                    return;
                }
            };
            // One for a session, and few in all: the log is for people.
            if notes.len() < RECOVERY_NOTES && !notes.contains(&note) {
                notes.push(note);
            }
        });
        let gone = recovered.ledger.restart_turns(|session, offset| {
            let own = first.iter().find(|l| l.session == session && l.offset == offset);
            jsonl::first_line(sessions, session, offset, own.map_or(&[], |l| &l.bytes))
        });
        notes.extend(gone.iter().take(RECOVERY_NOTES).map(|session| {
            format!("session {session} is not the file it was: a turn of it begins again")
        }));
        let unwritten = (failures, waiting);
        (Journal::recovered(recovered.files, recovered.ledger, sessions, dirty, unwritten), notes)
    }
}
