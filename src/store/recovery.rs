//! How the journal of the last run is opened.

use std::path::Path;

use super::frame::Frame;
use super::journal::Files;
use super::jsonl::{self, SessionLines};
use super::ledger::TORN;
use super::writer::Journal;
use crate::limits::RECOVERY_NOTES;

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
        recovered.lines(&mut |session, offset, bytes| {
            // What is there may not have reached the card yet, and the journal is about to give it up.
            if !dirty.contains(&session) {
                dirty.push(session.clone());
            }
            let lines = SessionLines { session, offset, bytes, sync: false };
            let note = match jsonl::repair(sessions, &lines) {
                Ok(true) => format!("session {} was completed from the journal", lines.session),
                Ok(false) => return,
                Err(e) => e.to_string(),
            };
            // One for a session, and few in all: the log is for people.
            if notes.len() < RECOVERY_NOTES && !notes.contains(&note) {
                notes.push(note);
            }
        });
        (Journal::recovered(recovered.files, recovered.ledger, sessions, dirty), notes)
    }
}
