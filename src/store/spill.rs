//! Messages that arrive faster than they are answered: kept on the card, in order, one file per chat, until the journal has
//! room for them. They count as accepted, so polling never stops for them.
//!
//! A file is a sequence of journal frames. The read position is in the journal, as the offset of a channel with the slot's
//! name, in the same write as the message that was read: a crash neither loses nor repeats one. Positions only grow; a file's
//! name contains its first position.

use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::dir::Dir;
use super::frame::{self, Frame};
use crate::bus::{Address, Inbound};
use crate::error::{Context, Error, Result};
use crate::limits::{SPILL_BYTES, SPILL_CHAT_BYTES, SPILL_CHATS, TREE_NAMES};
use crate::sys::beneath::File;

/// Prefix of the file names: `spill-SLOT-POSITION`.
const PREFIX: &str = "spill-";
/// The generation in their frames; the files are never reused.
const GENERATION: u32 = 1;

/// Files of accepted messages, one per chat, that wait for space in the journal.
pub struct Spill {
    dir: PathBuf,
    slots: Vec<Slot>,
}

/// The messages of one chat.
struct Slot {
    number: usize,
    chat: Address,
    /// Position at which the file begins.
    base: u64,
    /// Position of the next message to be read.
    read: u64,
    /// Position after the last message that is on the card.
    written: u64,
    /// Position after the last planned write.
    end: u64,
    /// The end of the file cannot be read: nothing is appended, and the file is set aside when the rest is read.
    damaged: bool,
    /// The highest event in it, and its channel.
    event: (String, i64),
}

impl Slot {
    fn new(number: usize, chat: Address, base: u64, read: u64) -> Slot {
        let (written, end, event) = (read, read, (String::new(), 0));
        Slot { number, chat, base, read, written, end, damaged: false, event }
    }
}

/// Disposes of a file that has been read, on the blocking thread.
pub struct FinishedFile {
    path: PathBuf,
    keep: bool,
}

impl FinishedFile {
    /// Removes the file, or sets it aside if a part of it could not be read.
    ///
    /// # Errors
    /// The disk's; a sentence for the log if it was set aside.
    pub fn run(&self) -> Result<()> {
        let act = || -> std::io::Result<Option<String>> {
            let (dir, name) = Dir::parent_of(&self.path, 1)?;
            if self.keep {
                return dir.set_aside(name).map(Some);
            }
            dir.remove(name).map(|_| None)
        };
        let path = self.path.display();
        match act().with_context(|| format!("cannot put {path} away"))? {
            None => Ok(()),
            Some(aside) => Err(Error::new(format!(
                "{path} cannot be read to its end; it is now {aside}, with the messages that are left in it"
            ))),
        }
    }
}

/// Why a message cannot be spilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpillError {
    /// A bound of [`crate::limits`] is reached, or the message is longer than a frame.
    Full,
    /// The end of the chat's file is damaged; messages are accepted again when the readable part has been read.
    Damaged,
}

/// A write for the blocking thread.
pub struct AppendJob {
    path: PathBuf,
    at: u64,
    bytes: Vec<u8>,
    slot: usize,
}

/// A read for the blocking thread.
pub struct ReadJob {
    path: PathBuf,
    at: u64,
    slot: usize,
    chat: Address,
}

/// The channel name under which the journal keeps a slot's read position.
fn offset_name(slot: usize) -> String {
    format!("(spill {slot})")
}

impl Slot {
    fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{PREFIX}{}-{}", self.number, self.base))
    }
}

impl Spill {
    /// Opens what the last run left in `dir`; `read` returns a slot's read position by its name in the journal. Second value:
    /// messages for the log.
    pub fn open(dir: &Path, read: &dyn Fn(&str) -> i64) -> (Spill, Vec<String>) {
        let (mut spill, mut notes) = (Spill { dir: dir.into(), slots: Vec::new() }, Vec::new());
        let Ok(Some(folder)) = Dir::find(dir) else { return (spill, notes) };
        let mut names = Vec::new();
        if let Err(e) = folder.each(TREE_NAMES, &mut |name, _| {
            if name.starts_with(PREFIX) {
                names.push(name.to_owned());
            }
        }) {
            notes.push(format!("{} cannot be listed: {e}", dir.display()));
        }
        for name in names {
            let parts = name[PREFIX.len()..].split_once('-');
            let parsed =
                parts.and_then(|(n, b)| n.parse::<usize>().ok().zip(b.parse::<u64>().ok()));
            let Some((number, base)) = parsed else { continue };
            let from = base.max(u64::try_from(read(&offset_name(number))).unwrap_or(0));
            let mut slot = Slot::new(number, Address::default(), base, from);
            let keep = match slot.scan(dir) {
                Ok(true) => {
                    spill.slots.push(slot);
                    continue;
                }
                Ok(false) => slot.damaged,
                Err(e) => {
                    notes.push(format!("{} cannot be read: {e}", dir.join(&name).display()));
                    true
                }
            };
            if let Err(e) = (FinishedFile { path: dir.join(&name), keep }).run() {
                notes.push(e.to_string());
            }
        }
        (spill, notes)
    }

    /// Whether no message is spilled.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether messages of this chat are spilled: later ones must not overtake them.
    pub fn holds(&self, chat: &Address) -> bool {
        self.slots.iter().any(|s| s.chat == *chat)
    }

    /// Plans the write of a message. `read` is as in [`Spill::open`].
    ///
    /// # Errors
    /// It cannot be spilled.
    pub fn append(
        &mut self,
        message: &Inbound,
        read: &dyn Fn(&str) -> i64,
    ) -> std::result::Result<AppendJob, SpillError> {
        let chat = &message.from;
        let mut bytes = Vec::new();
        let frame = Frame::Received { id: 0, message: message.clone() };
        let total: u64 = self.slots.iter().map(|slot| slot.end - slot.base).sum();
        if !frame::encode(&frame, GENERATION, &mut bytes) || total > SPILL_BYTES {
            return Err(SpillError::Full);
        }
        if !self.holds(chat) {
            let used = |number: &usize| self.slots.iter().any(|s| s.number == *number);
            let number = (0..SPILL_CHATS).find(|number| !used(number)).ok_or(SpillError::Full)?;
            let base = u64::try_from(read(&offset_name(number))).unwrap_or(0);
            self.slots.push(Slot::new(number, chat.clone(), base, base));
        }
        let dir = self.dir.clone();
        let slot = self.slots.iter_mut().find(|s| s.chat == *chat).ok_or(SpillError::Full)?;
        let at = slot.end - slot.base;
        if slot.damaged {
            return Err(SpillError::Damaged);
        }
        // The first message always fits, so that no slot is empty.
        if at > 0 && at + bytes.len() as u64 > SPILL_CHAT_BYTES {
            return Err(SpillError::Full);
        }
        slot.end += bytes.len() as u64;
        Ok(AppendJob { path: slot.path(&dir), at, bytes, slot: slot.number })
    }

    /// Records that a planned write is on the card.
    pub fn written(&mut self, append: &AppendJob) {
        if let Some(slot) = self.slots.iter_mut().find(|s| s.number == append.slot) {
            slot.written = slot.written.max(slot.base + append.at + append.bytes.len() as u64);
        }
    }

    /// Records that a planned write failed.
    pub fn failed(&mut self, append: &AppendJob) {
        if let Some(slot) = self.slots.iter_mut().find(|s| s.number == append.slot) {
            slot.end = slot.base + append.at;
        }
        self.slots.retain(|s| s.end > s.read);
    }

    /// The next message of the first chat for which `admits` is true.
    pub fn next(&self, admits: &dyn Fn(&Address) -> bool) -> Option<ReadJob> {
        let slot = self.slots.iter().find(|s| s.read < s.written && admits(&s.chat))?;
        let (path, at) = (slot.path(&self.dir), slot.read - slot.base);
        Some(ReadJob { path, at, slot: slot.number, chat: slot.chat.clone() })
    }

    /// Records that a message of `length` bytes was read, or that nothing more can be (`None`). Returns the frame for the
    /// journal, and the file if it is finished: dispose of it once the frame is written. The next chat is read next.
    pub fn advance(
        &mut self,
        take: &ReadJob,
        length: Option<u64>,
    ) -> Option<(Frame, Option<FinishedFile>)> {
        let at = self.slots.iter().position(|s| s.number == take.slot)?;
        let mut slot = self.slots.remove(at);
        slot.read = length.map_or(slot.written, |length| slot.read + length);
        slot.damaged |= length.is_none();
        let channel = offset_name(slot.number);
        let offset = Frame::Offset { channel, event: i64::try_from(slot.read).unwrap_or(i64::MAX) };
        if slot.read >= slot.end {
            return Some((
                offset,
                Some(FinishedFile { path: slot.path(&self.dir), keep: slot.damaged }),
            ));
        }
        self.slots.push(slot);
        Some((offset, None))
    }

    /// Changes a chat's id. Returns a mark for each of its files, to be written by
    /// [`Spill::append`] for the next run; it is not a message ([`is_mark`]).
    pub fn rename(&mut self, channel: &str, old: &str, new: &str) -> Vec<Inbound> {
        let own = |s: &&mut Slot| s.chat.channel == channel && s.chat.chat == old;
        let renamed = self.slots.iter_mut().filter(own).map(|slot| {
            slot.chat.chat = new.to_owned();
            Inbound { from: slot.chat.clone(), ..Inbound::default() }
        });
        renamed.collect()
    }

    /// The highest event of each channel that the last run spilled.
    pub fn events(&self) -> impl Iterator<Item = (String, i64)> {
        self.slots.iter().map(|s| s.event.clone()).filter(|(_, event)| *event > 0)
    }
}

impl Slot {
    /// Finds the chat and the end of the last complete frame; false if nothing more can be read.
    fn scan(&mut self, dir: &Path) -> std::io::Result<bool> {
        let mut input = open(&self.path(dir), self.read - self.base)?;
        let length = input.get_ref().metadata()?.len();
        let (mut chat, mut event) = (None, (String::new(), 0));
        let (bytes, _) = frame::scan(&mut input, GENERATION, &mut |frame| {
            if let Frame::Received { message, .. } = frame {
                if message.event > event.1 {
                    event = (message.from.channel.clone(), message.event);
                }
                // The last message's: the chat's id may have changed.
                chat = Some(message.from);
            }
        });
        self.written = self.read + bytes;
        self.end = self.written;
        self.event = event;
        self.damaged = self.written - self.base < length;
        Ok(chat.map(|found| self.chat = found).is_some())
    }
}

fn open(path: &Path, at: u64) -> std::io::Result<BufReader<File>> {
    let (dir, name) = Dir::parent_of(path, 1)?;
    let mut file = dir.read(name)?.ok_or(ErrorKind::NotFound)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(BufReader::new(file))
}

/// Whether this is only a mark of [`Spill::rename`].
pub fn is_mark(message: &Inbound) -> bool {
    message.text.is_empty() && message.sender.platform.is_empty()
}

impl AppendJob {
    /// Writes the message; it is on the card when this returns.
    ///
    /// # Errors
    /// The disk's.
    pub fn run(&self) -> Result<()> {
        let write = || -> std::io::Result<()> {
            let (dir, name) = Dir::make_parent_of(&self.path, 1)?;
            if self.at == 0 {
                dir.remove(name)?;
                drop(dir.append(name, 0o600)?);
            }
            let file = dir.change(name)?.ok_or(ErrorKind::NotFound)?;
            file.write_all_at(&self.bytes, self.at)?;
            file.sync_data()?;
            if self.at == 0 { dir.sync() } else { Ok(()) }
        };
        write().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl ReadJob {
    /// Reads the message and its length in bytes.
    ///
    /// # Errors
    /// The disk's; a frame that cannot be read.
    pub fn run(&self) -> Result<(Inbound, u64)> {
        let read = || -> std::io::Result<(Inbound, u64)> {
            let mut head = [0; frame::HEAD];
            let mut input = open(&self.path, self.at)?;
            input.read_exact(&mut head)?;
            let length = u32::from_le_bytes([head[5], head[6], head[7], head[8]]);
            let length = frame::HEAD as u64 + u64::from(length);
            let mut found = None;
            frame::scan(&mut open(&self.path, self.at)?.take(length), GENERATION, &mut |frame| {
                if let Frame::Received { message, .. } = frame {
                    found = Some(message);
                }
            });
            let broken = || std::io::Error::other("its frames are damaged");
            let message = found.ok_or_else(broken)?;
            Ok((Inbound { from: self.chat.clone(), ..message }, length))
        };
        read().with_context(|| format!("cannot read {}", self.path.display()))
    }
}

#[cfg(test)]
#[path = "spill_tests.rs"]
mod tests;
