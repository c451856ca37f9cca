//! The record of what was adopted, `state/adopted` in the home: one line each, so that a start knows what is new.
//!
//! ```text
//! first                    the workspace's content is the owner's
//! ours                     it was written by an earlier version of ours
//! job ID
//! file STAMP LENGTH SHA256 LAST NAME
//! ```

use std::io;

use crate::error::{Context, Result};
use crate::limits::{ADOPT_FILES, ADOPT_RECORD_BYTES};
use crate::proto::text;
use crate::store::ADOPTED as NAME;
use crate::store::dir::{self, Dir};

/// One file of the workspace as it was when it was adopted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdoptedFile {
    /// Relative to the workspace; a session in another format than JSONL has the name that it was converted to.
    pub name: String,
    /// Changes when the file does, see [`crate::store::bounded_read::stamp`].
    pub stamp: u64,
    /// Bytes that were adopted.
    pub length: u64,
    /// SHA-256 of the adopted lines, which shows whether they changed since.
    pub hash: String,
    /// Hash of the last two messages among them.
    pub last: u64,
}

/// What earlier starts adopted, so that this one takes only what is new.
#[derive(Debug, Default)]
pub struct Record {
    /// There was no record yet.
    pub fresh: bool,
    /// The workspace's content was there before the first start, or the owner has put it there.
    pub first: bool,
    /// The workspace was used by an earlier version of ours then.
    pub ours: bool,
    /// Ids of adopted jobs; one that was removed here is not adopted again.
    pub jobs: Vec<String>,
    files: Vec<AdoptedFile>,
    /// The file's content.
    saved: String,
}

impl Record {
    /// Reads the record; a home without one has never adopted anything.
    ///
    /// # Errors
    /// The disk's; something else has its name.
    pub fn read(home: &Dir) -> Result<Record> {
        let bytes = home.bytes(NAME, ADOPT_RECORD_BYTES).context(NAME)?;
        let Some(bytes) = bytes else {
            return Ok(Record { fresh: true, first: true, ..Record::default() });
        };
        Record::parse(text::utf8(&bytes).context(NAME)?)
    }

    fn parse(text: &str) -> Result<Record> {
        let mut record = Record { saved: text.to_owned(), ..Record::default() };
        for line in text.lines() {
            let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
            match what {
                "first" => record.first = true,
                "job" => record.jobs.push(rest.to_owned()),
                "ours" => record.ours = true,
                // Lines of a newer version are ignored.
                _ => record.files.extend(seen(rest).filter(|_| what == "file")),
            }
        }
        Ok(record)
    }

    /// The entry of a file.
    pub fn seen(&self, name: &str) -> Option<&AdoptedFile> {
        self.files.iter().find(|seen| seen.name == name)
    }

    /// Adds or replaces a file's entry; false if the record is full.
    pub fn note(&mut self, new: AdoptedFile) -> bool {
        if new.name.contains('\n') {
            return false;
        }
        match self.files.iter_mut().find(|seen| seen.name == new.name) {
            Some(old) => *old = new,
            None => {
                let room = self.files.len() < ADOPT_FILES;
                self.files.extend(room.then_some(new));
                return room;
            }
        }
        true
    }

    /// Writes the record if it has changed; it is on the card when this returns.
    ///
    /// # Errors
    /// The disk's.
    pub fn save(&mut self, home: &Dir) -> Result<()> {
        let text = self.text();
        if text == self.saved && !text.is_empty() {
            return Ok(());
        }
        let text = if text.is_empty() { "\n".to_owned() } else { text };
        let put = || home.save(NAME, text.as_bytes(), 0o600);
        let saved: io::Result<()> = put().or_else(|e| match dir::unfit(&e) {
            true => home.set_aside(NAME).and_then(|_| put()),
            false => Err(e),
        });
        saved.context(NAME)?;
        self.saved = text;
        Ok(())
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (is, word) in [(self.first, "first\n"), (self.ours, "ours\n")] {
            out.push_str(if is { word } else { "" });
        }
        for id in &self.jobs {
            out.push_str(&format!("job {id}\n"));
        }
        for AdoptedFile { name, stamp, length, hash, last } in &self.files {
            out.push_str(&format!("file {stamp:x} {length} {hash} {last:x} {name}\n"));
        }
        out
    }
}

fn seen(line: &str) -> Option<AdoptedFile> {
    let mut parts = line.splitn(5, ' ');
    let stamp = u64::from_str_radix(parts.next()?, 16).ok()?;
    let length = parts.next()?.parse().ok()?;
    let hash = parts.next()?.to_owned();
    let last = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some(AdoptedFile { name: parts.next()?.to_owned(), stamp, length, hash, last })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn it_is_read_as_it_was_written() {
        let scratch = Scratch::named("adopted");
        let home = Dir::open(&scratch).expect("a folder");
        let mut record = Record::read(&home).expect("none");
        assert!(record.first);
        let seen = AdoptedFile {
            name: "sessions/a b.jsonl".into(),
            stamp: u64::MAX,
            length: 7,
            hash: "ab".into(),
            last: 1,
        };
        assert!(record.note(seen.clone()) && record.note(seen.clone()));
        assert!(!record.note(AdoptedFile { name: "a\nb".into(), ..AdoptedFile::default() }));
        record.jobs.push("00aa".into());
        record.ours = true;
        record.save(&home).expect("saved");
        let again = Record::read(&home).expect("read");
        assert_eq!(
            (again.first, again.ours, &again.jobs, &again.files),
            (true, true, &record.jobs, &record.files)
        );
        let mut none = Record::default();
        none.save(&home).expect("saved");
        assert!(!Record::read(&home).expect("read").first, "an empty one is one");
        for n in 0..ADOPT_FILES {
            assert!(none.note(AdoptedFile { name: n.to_string(), ..AdoptedFile::default() }));
        }
        assert!(!none.note(AdoptedFile { name: "more".into(), ..AdoptedFile::default() }));
    }
}
