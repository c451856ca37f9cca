//! The approval MAC: marks a job's command as approved by a person; only this program can create it.
//!
//! The MAC is an HMAC-SHA256 (RFC 2104) of everything that the person approved: the job's id, its schedule, its command and its
//! chat. It holds for no other job and no other time, so an approval ends when the job is removed or its schedule
//! changes. The key is in the home's `state/`, which no tool and no command can read.

use std::path::{Path, PathBuf};

use ring::hmac;

use super::job::{Job, Schedule};
use crate::error::{Context, Error, Result};
use crate::proto::text;
use crate::store::atomic;

/// Bytes of the key.
const KEY: usize = 32;

/// Signs and verifies with the key file of this home.
#[derive(Clone, Debug)]
pub struct ApprovalMac(PathBuf);

impl ApprovalMac {
    /// With the key of this home.
    pub fn new(home: &Path) -> ApprovalMac {
        ApprovalMac(home.join("state/cron.key"))
    }

    /// The MAC of a job's command. Creates the key if there is none.
    ///
    /// # Errors
    /// The disk's; a schedule that cannot be read.
    pub fn sign(&self, job: &Job) -> Result<String> {
        let message = message(job).map_err(Error::new)?;
        let key = match self.key()? {
            Some(key) => key,
            None => {
                let key = crate::sys::random().context("no random number")?;
                atomic::write(&self.0, &key, 0o600)?;
                key
            }
        };
        let tag = hmac::sign(&hmac_key(&key), &message);
        Ok(text::hex(tag.as_ref()))
    }

    /// Whether the job's command was approved. Compares in constant time.
    pub fn verify(&self, job: &Job) -> bool {
        let (Ok(Some(key)), Some(tag)) = (self.key(), text::from_hex(job.approval())) else {
            return false;
        };
        message(job).is_ok_and(|message| hmac::verify(&hmac_key(&key), &message, &tag).is_ok())
    }

    fn key(&self) -> Result<Option<[u8; KEY]>> {
        let bytes = atomic::read_bounded(&self.0, KEY as u64)?;
        let wrong = |_| Error::new(format!("{} is broken; remove it", self.0.display()));
        bytes.map(|b| b.try_into().map_err(wrong)).transpose()
    }
}

fn hmac_key(key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

/// The signed bytes, including the length of each part, so that other parts cannot produce the same bytes.
fn message(job: &Job) -> Result<Vec<u8>, String> {
    let to = job.to();
    let (kind, number, (expr, tz)) = match job.schedule()? {
        Schedule::At(at) => ("at", at, ("", "")),
        Schedule::Every(seconds) => ("every", seconds as i64, ("", "")),
        Schedule::Cron(..) => ("cron", 0, job.expr()),
    };
    let number = number.to_string();
    let schedule = [kind, &number, expr, tz];
    let whole = [job.id(), job.command(), &to.channel, &to.chat, &to.topic];
    let mut bytes = Vec::new();
    for part in schedule.into_iter().chain(whole) {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part.as_bytes());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_approved_command_is_valid() {
        let dir = crate::sys::scratch::Scratch::named("mac");
        std::fs::create_dir(dir.join("state")).expect("a folder");
        let mac = ApprovalMac::new(&dir);
        let approved = json!({
            "id": "1",
            "schedule": {"kind": "at", "atMs": 5_000_000},
            "payload": {"command": "ls", "channel": "telegram", "to": "5"},
        });
        let job = |changes: &[(&str, serde_json::Value)], approval: &str| {
            let mut json = approved.clone();
            for (pointer, value) in changes {
                *json.pointer_mut(pointer).expect("a field") = value.clone();
            }
            json["payload"]["approval"] = json!(approval);
            Job::parse(&json.to_string()).expect("a job")
        };
        assert!(!mac.verify(&job(&[], "")), "no key yet");
        let mark = mac.sign(&job(&[], "")).expect("a mark");
        assert_eq!(mac.sign(&job(&[], "")).expect("again"), mark, "the key stays");
        assert!(mac.verify(&job(&[], &mark)));
        for change in [
            ("/id", json!("2")),
            ("/schedule/atMs", json!(6_000_000)),
            ("/schedule", json!({"kind": "every", "everyMs": 5_000_000})),
            ("/schedule", json!({"kind": "cron", "expr": "* * * * *"})),
            ("/schedule", json!({"kind": "never"})),
            ("/payload/command", json!("ls -a")),
            ("/payload/to", json!("6")),
            ("/payload/to", json!("5/9")),
        ] {
            assert!(!mac.verify(&job(std::slice::from_ref(&change), &mark)), "{change:?}");
        }
        for wrong in ["", "0", &mark[1..], &mark[2..], &format!("{mark}00"), "not hexadecimal", "ä"]
        {
            assert!(!mac.verify(&job(&[], wrong)), "{wrong}");
        }
        std::fs::write(dir.join("state/cron.key"), "short").expect("written");
        assert!(!mac.verify(&job(&[], &mark)));
        assert!(mac.sign(&job(&[], "")).expect_err("broken").as_str().contains("remove it"));
    }
}
