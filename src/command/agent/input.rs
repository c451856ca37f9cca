//! Lines from a terminal, edited, or from a pipe.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use async_io::Async;

use crate::error::Result;
use crate::limits::{CLI_HISTORY, CLI_HISTORY_BYTES, CLI_PACKET_BYTES};
use crate::proto::line_editor::{EditorEvent, LineEditor};
use crate::store::atomic;
use crate::sys::terminal::{self, TerminalMode};

const PROMPT: &str = "🦞 You: ";

/// What the user came to.
pub enum UserInput {
    Line(String),
    End,
}

/// See the module.
pub struct Input {
    editor: Option<LineEditor>,
    history: PathBuf,
    stdin: File,
    /// A duplicate to wait on; a file cannot be waited for and need not.
    ready: Option<Async<OwnedFd>>,
    /// Read and not used.
    typed: VecDeque<u8>,
    /// A line from a pipe as far as it has come.
    line: Vec<u8>,
}

impl Input {
    /// # Errors
    /// Standard input is closed.
    pub fn new(history: PathBuf) -> Result<Input> {
        let stdin = std::io::stdin();
        let text = atomic::read_bounded(&history, CLI_HISTORY_BYTES).ok().flatten();
        let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
        let lines = || text.lines().map(str::to_owned).collect();
        let editor = stdin.is_terminal().then(|| LineEditor::new(lines(), CLI_HISTORY));
        let duplicate = || stdin.as_fd().try_clone_to_owned();
        Ok(Input {
            editor,
            history,
            stdin: duplicate()?.into(),
            // Its mode is left alone, which the shell shares.
            ready: Async::new_nonblocking(duplicate()?).ok(),
            typed: VecDeque::new(),
            line: Vec::new(),
        })
    }

    /// Shows prompt and line; keys come one by one until what is returned is dropped.
    pub fn open(&mut self) -> Option<TerminalMode> {
        let raw = self.editor.as_ref().and_then(|_| TerminalMode::enter());
        if raw.is_none() {
            // The terminal has gone, or never was one.
            self.editor = None;
        }
        self.draw();
        raw
    }

    /// Makes room for what is printed meanwhile.
    pub fn hide(&self) {
        if self.editor.is_some() {
            terminal::control("\r\x1b[K");
        }
    }

    /// Waits for a whole line or the end. Dropped early it loses nothing.
    pub async fn key(&mut self) -> UserInput {
        loop {
            while let Some(byte) = self.typed.pop_front() {
                match self.feed(byte) {
                    Some(EditorEvent::Line(line)) => return UserInput::Line(line),
                    Some(EditorEvent::Leave) => return UserInput::End,
                    Some(EditorEvent::Changed) => self.draw(),
                    None => {}
                }
            }
            if let Some(ready) = &self.ready {
                if ready.readable().await.is_err() {
                    return UserInput::End;
                }
            }
            let mut part = [0; 512];
            match self.stdin.read(&mut part) {
                Ok(n) if n > 0 => self.typed.extend(&part[..n]),
                _ if self.line.is_empty() => return UserInput::End,
                _ => {
                    return UserInput::Line(
                        String::from_utf8_lossy(&self.line.split_off(0)).into_owned(),
                    );
                }
            }
        }
    }

    fn feed(&mut self, byte: u8) -> Option<EditorEvent> {
        let Some(editor) = &mut self.editor else {
            // What is too long to be said is cut, and refused for its length.
            if byte != b'\n' {
                if self.line.len() <= CLI_PACKET_BYTES {
                    self.line.push(byte);
                }
                return None;
            }
            let line = String::from_utf8_lossy(&self.line.split_off(0)).into_owned();
            return Some(EditorEvent::Line(line));
        };
        let event = editor.feed(byte);
        if matches!(event, Some(EditorEvent::Line(_) | EditorEvent::Leave)) {
            println!();
        }
        if let Some(EditorEvent::Line(_)) = event {
            let text = editor.history().join("\n") + "\n";
            // A history that cannot be kept is no reason to stop a conversation.
            let _ = atomic::write(&self.history, text.as_bytes(), 0o600);
        }
        event
    }

    /// Draws prompt and line and puts the cursor back to its place (ECMA-48: EL, CUB).
    fn draw(&self) {
        let mut text = String::from(PROMPT);
        if let Some(editor) = &self.editor {
            let (line, cursor) = editor.view();
            text = format!("\r\x1b[K{PROMPT}{line}");
            let back = line.chars().count() - cursor;
            if back > 0 {
                text.push_str(&format!("\x1b[{back}D"));
            }
        }
        let mut out = std::io::stdout().lock();
        // Not shown is no error: the line is what counts.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
