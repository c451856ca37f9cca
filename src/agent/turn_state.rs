//! A turn under way: what was said before it, what it has said itself, and where that is recorded.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::read_back::{ReadBack, read_back};
use super::stored_messages::{Dropped, StoredMessages};
use super::types::{Agent, Turn, UserContent};
use crate::error::Result;
use crate::limits::JOURNAL_LINES_BYTES;
use crate::message::{Message, Role};
use crate::proto::date;
use crate::provider::Picture;
use crate::store::frame::Frame;
use crate::store::session::{Sessions, push_line};
use crate::store::writer::Ticket;
use crate::sys::{clock, spawn_blocking};
use crate::tool::addresses::Addresses;
use crate::tool::subagent_handle::UnrecordedResults;

/// Behind the text of a message whose pictures the model refused.
const UNSEEN: &str = "\n(The model in use cannot see this picture.)";

/// A turn under way.
pub(super) struct TurnState<'a> {
    agent: &'a Agent,
    pub(super) turn: &'a Turn<'a>,
    /// File name of the session.
    file: String,
    /// Where the next line goes.
    end: u64,
    /// Lines not recorded yet.
    lines: Vec<u8>,
    /// The history's part on the card.
    pub(super) past: StoredMessages,
    /// The rest of the history, and this turn.
    pub(super) messages: Vec<Message>,
    /// What was said before the history.
    pub(super) summary: String,
    /// Messages left out because there was no room for them.
    pub(super) dropped: usize,
    /// Where the running turn begins in `messages`.
    pub(super) start: usize,
    /// Guessed tokens that the last request had for its messages.
    pub(super) room: usize,
    /// What the model has seen holds text of others.
    pub(super) untrusted: Rc<Cell<bool>>,
    /// The addresses that were in it.
    pub(super) addresses: Rc<RefCell<Addresses>>,
    /// Tokens used, as the provider counts them.
    pub(super) tokens: u64,
    /// Model calls made.
    pub(super) rounds: u32,
    /// What the model is shown, open while the turn runs.
    pub(super) pictures: Vec<Picture>,
}

impl TurnState<'_> {
    /// Takes a user's message in; from one that is untrusted on, the turn is.
    pub(super) fn push_user(&mut self, content: UserContent) {
        let UserContent { text, pictures, untrusted } = content;
        self.untrusted.set(self.untrusted.get() || untrusted);
        self.addresses.borrow_mut().learn(&text, "");
        self.add(Message { media: pictures, untrusted, ..Message::text(Role::User, text) });
    }

    /// Takes in what the model wrote or a tool returned. What comes from untrusted text may repeat it, and is untrusted, too.
    pub(super) fn push(&mut self, mut message: Message) {
        message.untrusted = self.untrusted.get();
        self.add(message);
    }

    /// Into the conversation and into the lines to record.
    fn add(&mut self, mut message: Message) {
        message.created_at = Some(date::rfc3339(clock::unix_now()));
        push_line(&mut self.lines, &message);
        self.messages.push(message);
    }

    /// Opens the pictures that the turn's messages name; those of earlier turns are words by now.
    pub(super) async fn open_pictures(&mut self) {
        let own = self.messages[self.start..].iter().filter(|m| m.role == Role::User);
        let paths: Vec<String> = own.flat_map(|m| m.media.iter().cloned()).collect();
        if cfg!(feature = "media") && !paths.is_empty() {
            let agent = &self.agent.config.agent;
            let (workspace, most) = (agent.workspace.clone(), agent.max_media_size);
            let open = move || Picture::open_all(&workspace, &paths, most.into());
            self.pictures = spawn_blocking(Box::new(open)).await;
        }
    }

    /// The model in use cannot take pictures: it is told so, and asked again without them.
    pub(super) fn drop_pictures(&mut self) {
        self.pictures.clear();
        for message in self.messages[self.start..].iter_mut().filter(|m| !m.media.is_empty()) {
            // Only for this turn: the session has the picture's path.
            message.content.push_str(UNSEEN);
            message.media.clear();
        }
    }

    /// What was pushed is too long to be carried by the journal.
    pub(super) fn recorded_apart(&self) -> bool {
        self.lines.len() > JOURNAL_LINES_BYTES
    }

    /// Records what was pushed; `started` are the calls that begin now.
    pub(super) fn record(&mut self, started: Vec<String>) -> Option<Ticket> {
        if self.lines.is_empty() && started.is_empty() {
            return None;
        }
        let lines = std::mem::take(&mut self.lines);
        let offset = self.end;
        self.end += lines.len() as u64;
        Some(self.agent.journal.record_lines(self.turn.id, &self.file, offset, lines, started))
    }

    /// Records results, and with them the end of what they were handed by.
    pub(super) async fn record_results(&mut self, handed: Option<&UnrecordedResults>) {
        if let (Some(ticket), true) = (self.record(Vec::new()), self.turn.id != 0) {
            // A kill while the model is asked must not make an outcome unknown that was known, and the journal must not
            // let go of a result's source before the result is there.
            self.agent.journal.written(ticket).await;
        }
        let Some(handed) = handed.filter(|h| !h.borrow().is_empty()) else { return };
        for entry in handed.take() {
            self.agent.journal.record(&Frame::Finished { id: entry.id });
        }
    }

    /// Messages of the history were left out.
    pub(super) fn note_dropped(&mut self, dropped: Dropped) {
        self.dropped += dropped.past + dropped.recent;
        self.start = self.start.saturating_sub(dropped.recent);
    }
}

impl Agent {
    /// Reads the session and what a restart left of the turn.
    pub(super) async fn begin<'a>(&'a self, turn: &'a Turn<'a>) -> Result<TurnState<'a>> {
        let file = Sessions::file_name(turn.session)?;
        let sessions = self.sessions.clone();
        let key = turn.session.to_string();
        // What begins by itself has no history: its file holds the running turn, for a restart.
        let fresh = turn.message.is_fresh();
        let resumed = turn.resumed;
        let anew = fresh && turn.resumed.is_none();
        // Looked at before the file is read: what is written meanwhile is told apart by its place.
        let unsaved = self.journal.unsaved(&file);
        let (calibration, agent) = (self.models.calibration(), &self.config.agent);
        let window = calibration.guess(agent.context_window as usize);
        let most = window.saturating_sub(calibration.guess(agent.max_tokens as usize));
        // Without the file: behind what waits for it.
        let end = unsaved.iter().map(|(end, _)| *end).max().unwrap_or_default();
        let read = crate::sys::spawn_blocking(move || match anew {
            true => sessions.start_over(&key).map(|opened| {
                let end = opened.end;
                ReadBack { opened, end, ..ReadBack::default() }
            }),
            false => read_back(&sessions, &key, resumed, &unsaved, most),
        })
        .await;
        let mut read = read.unwrap_or_else(|e| {
            crate::log::warn!("{e}; the conversation continues without its history");
            ReadBack { end, ..ReadBack::default() }
        });
        if read.corrupt > 0 {
            crate::log::warn!(
                "session {}: {} damaged lines passed over",
                turn.session,
                read.corrupt
            );
        }
        let lines = if read.opened.torn { vec![b'\n'] } else { Vec::new() };
        if fresh {
            let (opened, end, running) = (read.opened, read.end, read.running);
            read = ReadBack { opened, end, running, ..ReadBack::default() };
            read.opened.meta.summary.clear();
        }
        let (mut messages, mut running) = (read.recent, read.running);
        let untrusted = turn.untrusted || read.untrusted || running.iter().any(|m| m.untrusted);
        let start = messages.len();
        messages.append(&mut running);
        let mut addresses = Addresses::default();
        addresses.learn_all(&messages, crate::tool::reads_the_web);
        Ok(TurnState {
            agent: self,
            turn,
            file,
            end: read.end,
            lines,
            past: read.past,
            messages,
            summary: read.opened.meta.summary,
            dropped: usize::from(read.left_out),
            start,
            room: most,
            untrusted: Rc::new(Cell::new(untrusted)),
            addresses: Rc::new(RefCell::new(addresses)),
            tokens: 0,
            rounds: 0,
            pictures: Vec::new(),
        })
    }
}
