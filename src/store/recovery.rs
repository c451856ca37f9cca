//! How the journal of the last run is opened.

use std::path::Path;

use super::failures::Failures;
use super::frame::Frame;
use super::journal::{Files, Recovered};
use super::jsonl::{self, Repaired, SessionLines};
use super::ledger::{FirstLine, OpenMessage, TORN};
use super::session_read::parse_line;
use super::writer::Journal;
use crate::error::Error;
use crate::limits::RECOVERY_NOTES;
use crate::message::{Message, Role};

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
        let mut repair = Repair {
            sessions,
            notes,
            dirty: Vec::new(),
            failures: Failures::default(),
            waiting: Vec::new(),
            first: Vec::new(),
            behind: Vec::new(),
        };
        recovered.lines(&mut |session, offset, bytes| {
            let is_first = |e: &OpenMessage| {
                e.progress.as_ref().is_some_and(|(s, o)| *s == session && *o == offset)
            };
            let first = recovered.ledger.entries().any(is_first);
            repair.lines(SessionLines { session, offset, bytes, sync: false }, first);
        });
        let gone = recovered.ledger.restart_turns(|session, offset| {
            // Its lines, too, are no longer in one piece.
            if repair.behind.iter().any(|moved| moved == session) {
                return FirstLine::Gone;
            }
            let own = repair.first.iter().find(|l| l.session == session && l.offset == offset);
            jsonl::first_line(sessions, session, offset, own.map_or(&[], |l| &l.bytes))
        });
        let Repair { dirty, failures, waiting, mut notes, .. } = repair;
        for (id, message) in words_said(&recovered, &gone) {
            if !recovered.ledger.add_words(id, &message) {
                let bytes = message.content.len();
                notes
                    .push(format!("{bytes} bytes that were said to a running turn have no answer"));
            }
        }
        notes.extend(gone.iter().take(RECOVERY_NOTES).map(|(_, session, _)| {
            format!("session {session} is not the file it was: a turn of it begins again")
        }));
        let unwritten = (failures, waiting);
        (Journal::recovered(recovered.files, recovered.ledger, sessions, dirty, unwritten), notes)
    }
}

/// Sessions' files while what they lack is put back.
struct Repair<'a> {
    sessions: &'a Path,
    /// What is there may not have reached the card yet, and the journal is about to give it up.
    dirty: Vec<String>,
    /// Files that cannot be written now, and what they lack.
    failures: Failures,
    waiting: Vec<SessionLines>,
    /// Beginnings of the first lines of open turns, as recorded.
    first: Vec<SessionLines>,
    /// Files that were changed before what they lacked.
    behind: Vec<String>,
    /// For the log: what was put back, and what could not be.
    notes: Vec<String>,
}

impl Repair<'_> {
    /// Puts lines back that their file lacks. `first` says that a turn begins with them.
    fn lines(&mut self, lines: SessionLines, first: bool) {
        if !self.dirty.contains(&lines.session) {
            self.dirty.push(lines.session.clone());
        }
        if first {
            let bytes = lines.bytes[..lines.bytes.len().min(FIRST_LINE_BYTES)].to_vec();
            let session = lines.session.clone();
            self.first.push(SessionLines { session, offset: lines.offset, bytes, sync: false });
        }
        // Later lines must not overtake those that wait.
        let repaired = match self.failures.why(&lines.session) {
            Some(why) => Err(Error::new(why)),
            None => jsonl::repair(self.sessions, &lines),
        };
        match repaired {
            Ok(Repaired::Whole) => {}
            Ok(place) => {
                if place == Repaired::Behind {
                    self.behind.push(lines.session.clone());
                }
                let note = format!("session {} was completed from the journal", lines.session);
                // One for a session, and few in all: the log is for people.
                if self.notes.len() < RECOVERY_NOTES && !self.notes.contains(&note) {
                    self.notes.push(note);
                }
            }
            Err(e) => {
                self.failures.add(&lines.session, e.as_str());
                self.waiting.push(lines);
                self.failures.bound(&mut self.waiting);
            }
        }
    }
}

/// What was said to turns while they ran, as far as the journal has it: it is in their lines only.
fn words_said(recovered: &Recovered, turns: &[(u64, String, u64)]) -> Vec<(u64, Message)> {
    let mut words = Vec::new();
    recovered.steps(&mut |id, session, offset, lines| {
        let Some(turn) = turns.iter().find(|turn| turn.0 == id && turn.1 == session) else {
            return;
        };
        // Its own message is the first of them.
        let said = lines.split(|b| *b == b'\n').filter_map(parse_line);
        let said = said.filter(|m| m.role == Role::User).skip(usize::from(offset == turn.2));
        words.extend(said.map(|message| (id, message)));
    });
    words
}
