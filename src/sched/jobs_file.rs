//! `<home>/cron/jobs.json`: read, and rewritten as a whole on a change. Blocks on the disk.
//!
//! Jobs are streamed one at a time; unchanged ones are written back as they were, including fields of other versions.
//! A file that is not JSON is never overwritten: [`set_aside`] moves it away.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::job::Job;
use crate::error::{Context, Error, Result};
use crate::limits::{CRON_FILE_BYTES, CRON_JOB_BYTES, DIR_ASIDE};
use crate::proto::text;
use crate::store::dir::{self, Dir};

/// What to do with a job.
pub enum Edit {
    /// The job remains in the file as it is, unknown fields included.
    Keep,
    /// Write the changed job.
    Write,
    /// The job is left out of the new file.
    Delete,
}

/// The path of a home's jobs.
pub fn path(home: &Path) -> PathBuf {
    home.join("cron/jobs.json")
}

/// An error of the file.
#[derive(Debug)]
pub enum JobsFileError {
    /// It is not JSON, or has another structure.
    Broken(String),
    /// It cannot be read or written.
    Disk(Error),
}

impl fmt::Display for JobsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobsFileError::Broken(why) => write!(f, "jobs.json is broken: {why}"),
            JobsFileError::Disk(e) => write!(f, "{e}"),
        }
    }
}

/// One top-level field or one job, as in the file.
enum Part<'a> {
    Field(&'a str, &'a str),
    Job(&'a str),
}

type PartVisitor<'e> = &'e mut dyn FnMut(Part<'_>) -> std::io::Result<()>;

struct Document<'e>(PartVisitor<'e>);
struct Jobs<'e>(PartVisitor<'e>);

fn io<E: serde::de::Error>(e: std::io::Error) -> E {
    E::custom(e)
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with jobs")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "jobs" {
                map.next_value_seed(Jobs(&mut *self.0))?;
            } else {
                let raw: &RawValue = map.next_value()?;
                (self.0)(Part::Field(&name, raw.get())).map_err(io)?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Jobs<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Jobs<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of jobs")
    }
    // The Go original writes null for an empty list.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<&RawValue>()? {
            (self.0)(Part::Job(raw.get())).map_err(io)?;
        }
        Ok(())
    }
}

fn bytes(path: &Path) -> Result<Option<Vec<u8>>, JobsFileError> {
    let read = Dir::find_parent_of(path, 2).and_then(|found| match found {
        Some((top, name)) => top.bytes(name, CRON_FILE_BYTES),
        None => Ok(None),
    });
    let name = || format!("cannot read {}", path.display());
    let bytes = read.map_err(|e| match dir::unfit(&e) {
        true => JobsFileError::Broken(e.to_string()),
        false => JobsFileError::Disk(Error::from(e).context(name())),
    })?;
    Ok(bytes.filter(|b| !b.trim_ascii().is_empty()))
}

fn walk(bytes: &[u8], each: PartVisitor<'_>) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_str(text::utf8(bytes)?);
    Document(each).deserialize(&mut reader)?;
    reader.end()
}

/// Passes every job to `each`, or the reason if it cannot be read. A missing file has no jobs.
///
/// # Errors
/// See [`JobsFileError`].
pub fn scan(path: &Path, each: &mut dyn FnMut(Result<Job, String>)) -> Result<(), JobsFileError> {
    let Some(bytes) = bytes(path)? else { return Ok(()) };
    walk(&bytes, &mut |part| {
        if let Part::Job(raw) = part {
            each(parse(raw));
        }
        Ok(())
    })
    .map_err(|e| JobsFileError::Broken(e.to_string()))
}

fn parse(raw: &str) -> Result<Job, String> {
    if raw.len() > CRON_JOB_BYTES {
        return Err(format!("it has more than {CRON_JOB_BYTES} bytes"));
    }
    Job::parse(raw)
}

/// Rewrites the file with every job passed through `edit`, and `added` at the end. Unreadable jobs are kept.
///
/// # Errors
/// See [`JobsFileError`]; the old file is then still complete.
pub fn rewrite(
    path: &Path,
    edit: &mut dyn FnMut(&mut Job) -> Edit,
    added: Option<&Job>,
) -> Result<(), JobsFileError> {
    let old = bytes(path)?.unwrap_or_else(|| b"{\"version\":1,\"jobs\":[]}".to_vec());
    // Checked before anything is written, so that a broken file costs no write.
    walk(&old, &mut |_| Ok(())).map_err(|e| JobsFileError::Broken(e.to_string()))?;
    let saved = Dir::make_parent_of(path, 2).and_then(|(top, name)| {
        top.replace(name, 0o600, &mut |file| write(&old, edit, added, file))
    });
    saved.with_context(|| format!("cannot save {}", path.display())).map_err(JobsFileError::Disk)
}

fn write(
    old: &[u8],
    edit: &mut dyn FnMut(&mut Job) -> Edit,
    added: Option<&Job>,
    file: &mut dyn Write,
) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(file);
    out.write_all(b"{\n")?;
    walk(old, &mut |part| match part {
        Part::Field(name, raw) => {
            writeln!(out, "  {}: {raw},", serde_json::Value::from(name))
        }
        Part::Job(_) => Ok(()),
    })?;
    out.write_all(b"  \"jobs\": [")?;
    let mut first = true;
    let mut put = |out: &mut dyn Write, raw: &str| {
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        write!(out, "{comma}\n    {raw}")
    };
    walk(old, &mut |part| {
        let Part::Job(raw) = part else { return Ok(()) };
        let Ok(mut job) = parse(raw) else { return put(&mut out, raw) };
        match edit(&mut job) {
            Edit::Keep => put(&mut out, raw),
            Edit::Write => put(&mut out, &serde_json::to_string(&job.0)?),
            Edit::Delete => Ok(()),
        }
    })?;
    if let Some(job) = added {
        put(&mut out, &serde_json::to_string(&job.0)?)?;
    }
    out.write_all(b"\n  ]\n}\n")?;
    out.flush()
}

/// Moves a broken file aside and returns its new path.
///
/// # Errors
/// The disk's; the file is then where it was.
pub fn set_aside(path: &Path, now: i64) -> Result<PathBuf> {
    let moved = Dir::parent_of(path, 2).and_then(|(top, name)| {
        for n in 0..=DIR_ASIDE {
            let suffix = if n == 0 { String::new() } else { format!("-{n}") };
            let target = format!("{name}.broken-{now}{suffix}");
            match top.rename(name, &target, false) {
                // The folder itself is not ours to create.
                Err(e) if dir::unfit(&e) => {
                    return top.set_aside(name.split('/').next().unwrap_or_default());
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                done => return done.map(|()| target),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    });
    let top = path.ancestors().nth(2).unwrap_or(path);
    moved.map(|name| top.join(name)).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    const OLD: &str = r#"{
  "version": 1, "later": {"x": [1, 2]},
  "jobs": [
    {"id":"a","name":"first","enabled":true,"weird":1.50,"schedule":{"kind":"every","everyMs":60000},"payload":{"kind":"agent_turn","message":"m"}},
    {"name":"no id"},
    7,
    {"id":"b","name":"second","enabled":false}
  ]
}"#;

    fn names(path: &Path) -> String {
        let mut out = String::new();
        scan(path, &mut |job| out.push_str(&job.map_or("?".into(), |j| j.name().to_owned() + " ")))
            .expect("readable");
        out
    }

    #[test]
    fn untouched_jobs_stay_byte_for_byte() {
        let home = Scratch::named("jobs");
        let path = home.join("jobs.json");
        std::fs::write(&path, OLD).expect("write");
        assert_eq!(names(&path), "first ??second ");
        let edit = &mut |job: &mut Job| match job.id() {
            "b" => {
                job.set("", "name", "zweiter".into());
                Edit::Write
            }
            _ => Edit::Keep,
        };
        rewrite(&path, edit, None).expect("written");
        let text = std::fs::read_to_string(&path).expect("file");
        assert!(
            text.contains(r#""weird":1.50"#) && text.contains(r#""later": {"x": [1, 2]}"#),
            "{text}"
        );
        assert_eq!(names(&path), "first ??zweiter ");
        let gone = &mut |job: &mut Job| if job.id() == "a" { Edit::Delete } else { Edit::Keep };
        let added = Job::parse(r#"{"id":"c","name":"third"}"#).expect("a job");
        rewrite(&path, gone, Some(&added)).expect("written");
        assert_eq!(names(&path), "??zweiter third ");
    }

    #[test]
    fn absent_and_empty_files_are_made() {
        let home = Scratch::named("jobs-new");
        let path = home.join("cron/jobs.json");
        assert_eq!(names(&path), "");
        let job = Job::parse(r#"{"id":"c","name":"n"}"#).expect("a job");
        rewrite(&path, &mut |_| Edit::Keep, Some(&job)).expect("written");
        assert_eq!(names(&path), "n ");
        std::fs::write(&path, "\n").expect("write");
        assert_eq!(names(&path), "");
        std::fs::write(&path, r#"{"version":1,"jobs":null}"#).expect("write");
        rewrite(&path, &mut |_| Edit::Keep, Some(&job)).expect("written");
        assert_eq!(names(&path), "n ");
    }

    #[test]
    fn broken_files_are_kept() {
        let dir = Scratch::named("jobs-broken");
        let path = dir.join("jobs.json");
        for bad in ["{", "[]", r#"{"jobs":[{"id":"a"}"#, r#"{"jobs":[]} x"#, "\0", r#"{"jobs":3}"#]
        {
            std::fs::write(&path, bad).expect("write");
            assert!(matches!(scan(&path, &mut |_| ()), Err(JobsFileError::Broken(_))), "{bad}");
            let e = rewrite(&path, &mut |_| Edit::Delete, None).expect_err(bad);
            assert!(matches!(e, JobsFileError::Broken(_)), "{bad}: {e}");
            assert_eq!(std::fs::read_to_string(&path).expect("kept"), bad);
        }
        let first = set_aside(&path, 7).expect("moved");
        std::fs::write(&path, "{").expect("write");
        let second = set_aside(&path, 7).expect("moved");
        assert!(first != second && first.exists() && second.exists() && !path.exists());
    }
}
