//! Appends session lines to their files, and restores missing ones after a restart. Blocks on the disk.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::dir::{self, Dir};
use super::ledger::FirstLine;
use crate::error::{Context, Error, Result};
use crate::limits::{REPAIR_BYTES, TREE_NAMES};
use crate::sys::beneath::File;

/// Lines for one session file.
#[derive(Debug, Clone)]
pub struct SessionLines {
    /// File name below the sessions folder.
    pub session: String,
    /// Offset at which they are appended.
    pub offset: u64,
    /// Whole lines of JSON, each with its line feed.
    pub bytes: Vec<u8>,
    /// Whether the file must be synced, because the journal does not contain these lines.
    pub sync: bool,
}

/// Opens a session's file. Anything else that has its name or its folder's is set aside, so that this
/// conversation's lines reach a file of ours.
fn open(dir: &Path, session: &str) -> std::io::Result<File> {
    let path = dir.join(session);
    let (top, name) = Dir::make_parent_of(&path, 2)?;
    match top.append(name, 0o600) {
        Err(e) if dir::unfit(&e) => set_aside(&top, name, e).and_then(|()| top.append(name, 0o600)),
        other => other,
    }
}

/// Sets aside whatever has a session file's name, or its folder's, and logs it.
fn set_aside(top: &Dir, name: &str, e: std::io::Error) -> std::io::Result<()> {
    let folder = name.split('/').next().unwrap_or_default();
    // Never the folder with everybody's conversations for the sake of one.
    let aside = match top.meta(folder) {
        Ok(found) if found.as_ref().is_none_or(|found| found.folder) => top.set_aside(name),
        _ => top.set_aside(folder),
    };
    let Ok(aside) = aside else { return Err(e) };
    crate::log::warn!("{name}: {e}. It is now {aside}, and the conversation begins anew");
    Ok(())
}

/// Appends `lines` after whatever another process has appended meanwhile. `Some` if only this session's file cannot be
/// written.
///
/// # Errors
/// The disk's; a partial write is truncated, so that a retry does not duplicate it.
pub fn append(dir: &Path, lines: &SessionLines) -> Result<Option<Error>> {
    let result = (|| -> std::io::Result<()> {
        let mut file = open(dir, &lines.session)?;
        let before = file.metadata()?.len();
        let mut written = file.write_all(&lines.bytes);
        if lines.sync {
            written = written.and_then(|()| file.sync_data());
        }
        if written.is_err() {
            file.set_len(before)?;
        }
        written
    })();
    let name = || format!("cannot write session {}", dir.join(&lines.session).display());
    match result {
        // Not the disk's fault: the other conversations continue.
        Err(e) if !is_of_the_disk(&e) => Ok(Some(Error::from(e).context(name()))),
        result => result.map(|()| None).with_context(name),
    }
}

/// Whether an error concerns the disk, not one file.
fn is_of_the_disk(e: &std::io::Error) -> bool {
    let disk = [libc::ENOSPC, libc::EROFS, libc::EIO, libc::EDQUOT, libc::EFBIG, libc::ENODEV];
    e.raw_os_error().is_some_and(|code| disk.contains(&code))
}

/// What [`repair`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// The lines were there.
    Whole,
    /// They are where they were recorded, now.
    InPlace,
    /// Something else is there: they are behind it.
    Behind,
}

/// Makes sure recorded lines are in their file after a crash.
///
/// A power cut leaves a file shorter, or as long as it was with zeros for what had not reached the card: ext4 can have the
/// new length on the card before the bytes.
///
/// # Errors
/// The disk's.
pub fn repair(dir: &Path, lines: &SessionLines) -> Result<Repaired> {
    let path = dir.join(&lines.session);
    let result = (|| -> std::io::Result<Repaired> {
        // Read first: what is there already need not be written, and cannot be where the file is read-only.
        let found = read(dir, &lines.session)?;
        let mut length = found.as_ref().map_or(Ok(0), |file| file.metadata().map(|m| m.len()))?;
        // Somebody may have shortened the file: then it is the end that matters.
        let shorter = length < lines.offset;
        let wanted = lines.bytes.len() as u64;
        let from = if shorter { length.saturating_sub(wanted) } else { lines.offset };
        let mut there = vec![0; (length - from).min(REPAIR_BYTES) as usize];
        if let Some(file) = &found {
            file.read_exact_at(&mut there, from)?;
        }
        let whole = |w: &[u8]| w == lines.bytes;
        if there.windows(lines.bytes.len().max(1)).any(whole) {
            return Ok(Repaired::Whole);
        }
        let mut file = open(dir, &lines.session)?;
        let unfinished = there.iter().zip(&lines.bytes).all(|(is, was)| is == was || *is == 0);
        if unfinished && !shorter {
            // O_APPEND would move it to the end.
            let (top, name) = Dir::parent_of(&path, 2)?;
            let place = top.change(name)?.ok_or(ErrorKind::NotFound)?;
            place.write_all_at(&lines.bytes, lines.offset)?;
            place.sync_data()?;
            return Ok(Repaired::InPlace);
        }
        // Another process wrote in between; what it has not finished must not swallow this.
        while there.last() == Some(&0) {
            there.pop();
            length -= 1;
        }
        file.set_len(length)?;
        if there.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n")?;
        }
        file.write_all(&lines.bytes)?;
        file.sync_data()?;
        Ok(Repaired::Behind)
    })();
    result.with_context(|| format!("cannot repair session {}", dir.join(&lines.session).display()))
}

/// Where a turn's first line is that was recorded at `offset`; `recorded` is empty where the journal no longer has it.
pub fn first_line(dir: &Path, session: &str, offset: u64, recorded: &[u8]) -> FirstLine {
    // What every line of a person's, a job's or a heartbeat's message begins with.
    const USER: &[u8] = b"{\"role\":\"user\"";
    let read = |file: Option<File>| {
        let Some(file) = file else { return Ok((0, Vec::new())) };
        let length = file.metadata()?.len();
        let mut bytes = vec![0; recorded.len().max(USER.len() + 1)];
        let n = length.saturating_sub(offset).min(bytes.len() as u64) as usize;
        file.read_exact_at(&mut bytes[..n], offset)?;
        bytes.truncate(n);
        Ok((length, bytes))
    };
    let Ok((length, bytes)) = self::read(dir, session).and_then(read) else {
        return FirstLine::Gone;
    };
    let is_it = match recorded {
        // Behind a torn line it begins with a line feed.
        [] => bytes.strip_prefix(b"\n").unwrap_or(&bytes).starts_with(USER),
        _ => bytes.starts_with(recorded),
    };
    match is_it {
        true => FirstLine::InPlace,
        false if length == offset => FirstLine::Unwritten,
        false => FirstLine::Gone,
    }
}

/// Cuts off the zeros that a power cut left at the end of session files; a note where some had them. What they stood for was
/// promised to nobody, or comes back by [`repair`].
///
/// # Errors
/// The disk's.
pub fn trim(dir: &Path) -> Result<Option<String>> {
    let mut trimmed = 0;
    let Some(sessions) = folder(dir)? else { return Ok(None) };
    sessions.each(TREE_NAMES, &mut |name, folder| {
        if !folder && name.ends_with(".jsonl") {
            // What is no file of ours concerns its own conversation only.
            trimmed += u32::from(trim_one(&sessions, name).unwrap_or_else(|e| {
                crate::log::warn!("cannot repair session {name}: {e}");
                false
            }));
        }
    })?;
    let note = || format!("a power cut left zeros in {trimmed} sessions; they are cut off");
    Ok((trimmed > 0).then(note))
}

/// The folder of the sessions, which is none of its parents' links; `None` where there is none.
pub(super) fn folder(dir: &Path) -> std::io::Result<Option<Dir>> {
    match Dir::find_parent_of(dir, 1)? {
        Some((top, name)) => top.folder(name, false),
        None => Ok(None),
    }
}

fn trim_one(sessions: &Dir, name: &str) -> std::io::Result<bool> {
    let Some(file) = sessions.change(name)? else { return Ok(false) };
    let length = file.metadata()?.len();
    let (mut end, mut piece) = (length, [0; 512]);
    while end > 0 {
        let n = end.min(piece.len() as u64);
        // Nearly always the last byte says it all.
        let n = if end == length { 1 } else { n as usize };
        file.read_exact_at(&mut piece[..n], end - n as u64)?;
        let zeros = piece[..n].iter().rev().take_while(|b| **b == 0).count();
        end -= zeros as u64;
        if zeros < n {
            break;
        }
    }
    if end < length {
        file.set_len(end)?;
        file.sync_data()?;
    }
    Ok(end < length)
}

/// Brings a session file onto the card; one that is gone needs nothing. `Some` if only this file cannot be synced.
///
/// # Errors
/// The disk's.
pub fn sync(dir: &Path, session: &str) -> Result<Option<Error>> {
    let result = read(dir, session).and_then(|file| file.map_or(Ok(()), |file| file.sync_data()));
    match result {
        Err(e) if dir::unfit(&e) => Ok(None),
        Err(e) if !is_of_the_disk(&e) => Ok(Some(Error::from(e).context(session))),
        result => result.map(|()| None).with_context(|| session.to_string()),
    }
}

/// Opens a session's file to read it; `None` where there is none, or something that is none of ours and is now put aside.
pub(super) fn read(dir: &Path, session: &str) -> std::io::Result<Option<File>> {
    let path = dir.join(session);
    let Some((top, name)) = Dir::find_parent_of(&path, 2)? else { return Ok(None) };
    match top.read(name) {
        Err(e) if dir::unfit(&e) => set_aside(&top, name, e).map(|()| None),
        other => other,
    }
}

/// Lines and bytes of a file.
pub(super) fn count_lines(file: &mut File) -> std::io::Result<(u64, u64)> {
    walk_lines(file, u64::MAX)
}

/// Where the line behind the first `lines` begins; 0 where there are fewer.
pub(super) fn skip_lines(file: &mut File, lines: u64) -> std::io::Result<u64> {
    let (found, at) = walk_lines(file, lines)?;
    Ok(if found < lines { 0 } else { at })
}

/// Reads until `limit` lines have ended; returns lines and bytes up to there.
fn walk_lines(file: &mut File, limit: u64) -> std::io::Result<(u64, u64)> {
    file.seek(SeekFrom::Start(0))?;
    let (mut lines, mut bytes) = (0, 0);
    let mut buffer = [0; 4096];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((lines, bytes));
        }
        for byte in &buffer[..n] {
            bytes += 1;
            if *byte == b'\n' {
                lines += 1;
                if lines == limit {
                    return Ok((lines, bytes));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    fn lines(offset: u64, text: &str) -> SessionLines {
        SessionLines {
            session: "s.jsonl".into(),
            offset,
            bytes: text.as_bytes().to_vec(),
            sync: false,
        }
    }

    #[track_caller]
    fn check_repair(before: &str, offset: u64, text: &str, written: bool, after: &str) {
        let dir = Scratch::named("lines");
        std::fs::write(dir.join("s.jsonl"), before).expect("write");
        let repaired = repair(&dir, &lines(offset, text)).expect("repair");
        assert_eq!(repaired != Repaired::Whole, written, "{before:?}");
        assert_eq!(std::fs::read_to_string(dir.join("s.jsonl")).expect("file"), after);
        // Again changes nothing: recovery may itself be interrupted.
        assert_eq!(repair(&dir, &lines(offset, text)).expect("repair"), Repaired::Whole);
        assert_eq!(std::fs::read_to_string(dir.join("s.jsonl")).expect("file"), after);
    }

    #[test]
    fn repair_restores_exactly_what_is_missing() {
        check_repair("a\n", 2, "b\n", true, "a\nb\n");
        check_repair("a\nb\n", 2, "b\n", false, "a\nb\n");
        check_repair("a\nb\nc\n", 2, "b\n", false, "a\nb\nc\n");
        check_repair("a\nb", 2, "b\n", true, "a\nb\n");
        check_repair("", 0, "b\n", true, "b\n");
        // Another process wrote in between: its line stays.
        check_repair("a\nother\n", 2, "b\n", true, "a\nother\nb\n");
        check_repair("a\nother\nb\n", 2, "b\n", false, "a\nother\nb\n");
        // Longer than it is: zeros where the bytes had not reached the card.
        check_repair("a\n\0\0\0", 2, "bc\n", true, "a\nbc\n");
        check_repair("a\n\0\0", 2, "bc\n", true, "a\nbc\n");
        check_repair("a\nb\0\0", 2, "bc\n", true, "a\nbc\n");
        check_repair("a\n\0\0\0d\n", 2, "bc\n", true, "a\nbc\nd\n");
        check_repair("a\nother\n\0\0\0", 2, "b\n", true, "a\nother\nb\n");
        // Shorter than it was ever left by us: no hole is made.
        check_repair("a\n", 9, "b\n", true, "a\nb\n");
        check_repair("a\noth", 2, "b\n", true, "a\noth\nb\n");
    }

    #[test]
    fn a_turns_first_line_is_known_from_anothers() {
        let dir = Scratch::named("first-line");
        let [one, two] = ["{\"role\":\"user\",\"content\":\"1\"}\n", "{\"role\":\"assistant\"}\n"];
        std::fs::write(dir.join("s.jsonl"), format!("{one}{two}\n{one}")).expect("write");
        let at = |offset: usize, recorded: &str| {
            first_line(&dir, "s.jsonl", offset as u64, recorded.as_bytes())
        };
        let second = one.len() + two.len();
        assert_eq!([at(0, one), at(0, "")], [FirstLine::InPlace; 2]);
        assert_eq!([at(second, &format!("\n{one}")), at(second, "")], [FirstLine::InPlace; 2]);
        assert_eq!([at(one.len(), one), at(one.len(), "")], [FirstLine::Gone; 2], "an answer");
        assert_eq!([at(7, one), at(7, "")], [FirstLine::Gone; 2], "in the middle of a line");
        let end = second + 1 + one.len();
        assert_eq!([at(end, one), at(end, "")], [FirstLine::Unwritten; 2]);
        assert_eq!(
            [at(end + 1, one), at(end + 1, "")],
            [FirstLine::Gone; 2],
            "cut or another file"
        );
        assert_eq!(first_line(&dir, "none.jsonl", 0, b""), FirstLine::Unwritten);
        assert_eq!(first_line(&dir, "none.jsonl", 1, b""), FirstLine::Gone);
    }

    #[test]
    fn zeros_at_the_end_are_cut_off() {
        let dir = Scratch::named("trim");
        let zeros = "\0".repeat(1500);
        for (name, text) in
            [("a", "a\n"), ("b", ""), ("c", "c\n\0"), ("d", &zeros), ("e", &format!("e\n{zeros}"))]
        {
            std::fs::write(dir.join(format!("{name}.jsonl")), text).expect("write");
        }
        assert!(trim(&dir).expect("trim").is_some_and(|note| note.contains("in 3 sessions")));
        assert_eq!(trim(&dir).expect("trim"), None);
        let all: String = "abcde".chars().fold(String::new(), |all, name| {
            all + &std::fs::read_to_string(dir.join(format!("{name}.jsonl"))).expect("file")
        });
        assert_eq!(all, "a\nc\ne\n");
        assert_eq!(trim(&dir.join("none")).expect("no folder"), None);
    }

    #[test]
    fn append_makes_the_folder_and_the_file() {
        let home = Scratch::named("lines-new");
        let dir = home.join("sessions");
        append(&dir, &lines(0, "a\n")).expect("append");
        append(&dir, &lines(2, "b\n")).expect("append");
        assert_eq!(std::fs::read_to_string(dir.join("s.jsonl")).expect("file"), "a\nb\n");
    }
}
