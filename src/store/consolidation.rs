//! The files of a consolidation: notes that are not in MEMORY.md yet, and MEMORY.md changed so that nothing is lost.
//! Blocks on the disk.

use std::io::{Read, Seek, SeekFrom, Write};

use super::dir::Dir;
use super::index::sources::{note_path, numbered};
use super::memory::LONG_TERM;
use crate::error::{Context, Error, Result};
use crate::limits::{CONSOLIDATION_DAYS, CONSOLIDATION_MEMORY_BYTES, CONSOLIDATION_NOTES_BYTES};
use crate::proto::{date, text};
use crate::sys::beneath::{Replace, Stamp};

/// Folder of the files that were replaced.
const OLD: &str = "memory/old";

/// What a consolidation reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PendingNotes {
    /// MEMORY.md, or nothing where there is none.
    pub memory: String,
    /// Days (`2026-02-17`) and texts, oldest first; of a long note its end.
    pub notes: Vec<(String, String)>,
}

/// Text of a file below the workspace: at most `limit` bytes from its end; none where there is no file.
fn read(root: &Dir, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some(mut file) = root.read(path).context(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let length = file.metadata().context(path)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit))).context(path)?;
    file.take(limit).read_to_end(&mut bytes).context(path)?;
    Ok(Some(bytes))
}

/// MEMORY.md as it is.
///
/// # Errors
/// It is too long to be rewritten, or no UTF-8; I/O.
pub fn memory(root: &Dir) -> Result<String> {
    let bytes = read(root, LONG_TERM, CONSOLIDATION_MEMORY_BYTES as u64 + 1)?.unwrap_or_default();
    if bytes.len() > CONSOLIDATION_MEMORY_BYTES {
        return Err(Error::new(format!(
            "{LONG_TERM} has more than {CONSOLIDATION_MEMORY_BYTES} bytes; shorten it, or switch memory.consolidation off"
        )));
    }
    String::from_utf8(bytes).map_err(|_| Error::new(format!("{LONG_TERM} is not UTF-8")))
}

/// The notes after day `upto` and before `today` (days since 1970), as many as fit, oldest first; without `upto`
/// those of the last [`CONSOLIDATION_DAYS`] days.
///
/// # Errors
/// I/O.
pub fn notes(root: &Dir, upto: Option<i64>, today: i64) -> Result<Vec<(String, String)>> {
    let first = upto.map_or(today - CONSOLIDATION_DAYS, |day| day + 1);
    let key = |day: i64| {
        let (y, m, d) = date::civil_from_days(day);
        y.clamp(0, 9999) as u64 * 10_000 + u64::from(m) * 100 + u64::from(d)
    };
    let (first, end) = (key(first), key(today));
    let mut left = CONSOLIDATION_NOTES_BYTES;
    let mut notes: Vec<(String, String)> = Vec::new();
    for (month, _) in numbered(root, "memory", 6, "").context("memory")? {
        if month < first / 100 || month > end / 100 {
            continue;
        }
        let dir = format!("memory/{month:06}");
        for (number, status) in numbered(root, &dir, 8, ".md").context("memory")? {
            if number / 100 != month || number < first || number >= end {
                continue;
            }
            // The next night continues with it; of a note that is too long by itself only the end is read.
            if status.size > left as u64 && !notes.is_empty() {
                return Ok(notes);
            }
            let Some(bytes) = read(root, &note_path(number), left as u64)? else { continue };
            left = left.saturating_sub(bytes.len());
            let day =
                format!("{:04}-{:02}-{:02}", number / 10_000, number / 100 % 100, number % 100);
            notes.push((day, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(notes)
}

/// Replaces MEMORY.md, which was read as `old`, by `new`; keeps the old file below `memory/old` and returns its path.
/// Lines that were added meanwhile are added to the new file as well.
///
/// # Errors
/// The file was changed meanwhile; the disk's. MEMORY.md is then as it was.
pub fn replace(root: &Dir, old: &str, new: &str, today: i64) -> Result<String> {
    let _writing = super::memory::writing();
    let Some(mut file) = root.read(LONG_TERM).context(LONG_TERM)? else {
        if !old.is_empty() {
            return Err(Error::new(format!("{LONG_TERM} is gone")));
        }
        root.save_over(LONG_TERM, new.as_bytes(), Replace::No).context(LONG_TERM)?;
        return Ok(String::new());
    };
    let stamp = Stamp::of_file(&file).context(LONG_TERM)?;
    let mut now = Vec::new();
    let limit = 4 * CONSOLIDATION_MEMORY_BYTES as u64;
    (&mut file).take(limit).read_to_end(&mut now).context(LONG_TERM)?;
    let Some(added) = now.strip_prefix(old.as_bytes()).filter(|_| (now.len() as u64) < limit)
    else {
        return Err(Error::new(format!("{LONG_TERM} was changed meanwhile")));
    };
    let kept = keep_old(root, &now, today)?;
    root.save_over(LONG_TERM, &[new.as_bytes(), added].concat(), Replace::Same(stamp))
        .context(LONG_TERM)?;
    // A process that had the old file open may have added a line at the last moment.
    let mut late = Vec::new();
    file.take(limit).read_to_end(&mut late).context(LONG_TERM)?;
    if !late.is_empty() {
        let added = root.append(LONG_TERM, 0o600).and_then(|mut file| {
            file.write_all(&late)?;
            file.sync_all()
        });
        added.context(LONG_TERM)?;
    }
    Ok(kept)
}

/// Saves the old file under a free name, or under one that already has these bytes.
fn keep_old(root: &Dir, bytes: &[u8], today: i64) -> Result<String> {
    let day = super::memory::title(today);
    for n in 1..100 {
        let suffix = if n == 1 { String::new() } else { format!(".{n}") };
        let path = format!("{OLD}/MEMORY.{day}{suffix}.md");
        match root.save_over(&path, bytes, Replace::No) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e).context(&path),
        }
        if read(root, &path, bytes.len() as u64 + 1)?.as_deref() == Some(bytes) {
            return Ok(path);
        }
    }
    Err(Error::new(format!("{OLD} has too many files of {}", text::head(&day, 10))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::fs;

    fn workspace(name: &str) -> (Scratch, Dir) {
        let dir = Scratch::named(name);
        fs::create_dir_all(dir.join("memory/202602")).expect("a folder");
        let root = Dir::shared(&dir).expect("a workspace");
        (dir, root)
    }

    fn day(d: u8) -> i64 {
        date::days_from_civil(2026, 2, d)
    }

    #[test]
    fn notes_between_two_days_are_gathered() {
        let (dir, root) = workspace("consolidation-notes");
        for d in [1, 15, 16, 17, 18] {
            fs::write(dir.join(format!("memory/202602/202602{d:02}.md")), format!("n{d}"))
                .expect("written");
        }
        let days = |upto, today| -> Vec<String> {
            notes(&root, upto, today).expect("notes").into_iter().map(|n| n.1).collect()
        };
        assert_eq!(days(Some(day(15)), day(18)), ["n16", "n17"]);
        assert_eq!(days(None, day(18)), ["n1", "n15", "n16", "n17"]);
        assert_eq!(days(None, day(18) + CONSOLIDATION_DAYS), ["n18"]);
        assert!(days(Some(day(18)), day(18)).is_empty());
        // One that is too long comes alone, by its end; the others wait.
        let long = format!("{}end", "x".repeat(CONSOLIDATION_NOTES_BYTES));
        fs::write(dir.join("memory/202602/20260216.md"), long).expect("written");
        assert_eq!(days(Some(day(14)), day(18)), ["n15"]);
        let alone = days(Some(day(15)), day(18));
        assert!(
            alone.len() == 1
                && alone[0].len() == CONSOLIDATION_NOTES_BYTES
                && alone[0].ends_with("end")
        );
    }

    #[test]
    fn the_old_file_is_kept_and_what_came_meanwhile_too() {
        let (dir, root) = workspace("consolidation-replace");
        let file = dir.join(LONG_TERM);
        assert_eq!(replace(&root, "", "first\n", day(17)).expect("new"), "");
        fs::write(&file, "first\nadded\n").expect("appended");
        let kept = replace(&root, "first\n", "second\n", day(17)).expect("replaced");
        assert_eq!(fs::read_to_string(&file).expect("file"), "second\nadded\n");
        assert_eq!(kept, "memory/old/MEMORY.2026-02-17.md");
        assert_eq!(fs::read_to_string(dir.join(&kept)).expect("kept"), "first\nadded\n");
        let kept = replace(&root, "second\n", "third\n", day(17)).expect("replaced");
        assert_eq!(kept, "memory/old/MEMORY.2026-02-17.2.md");
        let e = replace(&root, "second\n", "fourth\n", day(18)).expect_err("changed");
        assert!(e.as_str().contains("changed meanwhile"), "{e}");
        assert_eq!(fs::read_to_string(&file).expect("file"), "third\nadded\n");
        assert!(!dir.join("memory/old/MEMORY.2026-02-18.md").exists());
    }

    #[test]
    fn unsuitable_memory_files_are_left_alone() {
        let (dir, root) = workspace("consolidation-refused");
        assert_eq!(memory(&root).expect("none"), "");
        fs::write(dir.join(LONG_TERM), b"a\xff").expect("written");
        assert!(memory(&root).expect_err("no text").as_str().contains("not UTF-8"));
        fs::write(dir.join(LONG_TERM), "x".repeat(CONSOLIDATION_MEMORY_BYTES + 1))
            .expect("written");
        assert!(memory(&root).expect_err("long").as_str().contains("memory.consolidation"));
    }
}
