//! The approval MAC: marks a job's command as approved by a person; only this program can create it.
//!
//! jobs.json is in the workspace, where commands of the model can write. The MAC is an HMAC-SHA256 (RFC 2104) of the
//! command and its chat under a key in the home's `state/`, which they cannot read.

use std::path::{Path, PathBuf};

use ring::hmac;

use super::job::Job;
use crate::bus::Address;
use crate::error::{Context, Error, Result};
use crate::proto::text;
use crate::store::atomic;

/// Bytes of the key.
const KEY: usize = 32;

/// See the module.
#[derive(Clone, Debug)]
pub struct ApprovalMac(PathBuf);

impl ApprovalMac {
    /// With the key of this home.
    pub fn new(home: &Path) -> ApprovalMac {
        ApprovalMac(home.join("state/cron.key"))
    }

    /// The MAC of a command for a chat. Creates the key if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub fn sign(&self, command: &str, to: &Address) -> Result<String> {
        let key = match self.key()? {
            Some(key) => key,
            None => {
                let key = crate::sys::random().context("no random number")?;
                atomic::write(&self.0, &key, 0o600)?;
                key
            }
        };
        let tag = hmac::sign(&hmac_key(&key), &message(command, to));
        Ok(text::hex(tag.as_ref()))
    }

    /// Whether the job's command was approved. Compares in constant time.
    pub fn verify(&self, job: &Job) -> bool {
        let (Ok(Some(key)), Some(tag)) = (self.key(), text::from_hex(job.approval())) else {
            return false;
        };
        hmac::verify(&hmac_key(&key), &message(job.command(), &job.to()), &tag).is_ok()
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
fn message(command: &str, to: &Address) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [command, &to.channel, &to.chat, &to.topic] {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_approved_holds() {
        let dir = crate::sys::scratch::Scratch::named("mac");
        std::fs::create_dir(dir.join("state")).expect("a folder");
        let mac = ApprovalMac::new(&dir);
        let to = Address { channel: "telegram".into(), chat: "5".into(), ..Address::default() };
        let job = |command: &str, chat: &str, approval: &str| {
            let payload = json!({"command": command, "channel": "telegram", "to": chat, "approval": approval});
            Job::parse(&json!({"id": "1", "payload": payload}).to_string()).expect("a job")
        };
        assert!(!mac.verify(&job("ls", "5", "")), "no key yet");
        let mark = mac.sign("ls", &to).expect("a mark");
        assert_eq!(mac.sign("ls", &to).expect("again"), mark, "the key stays");
        assert!(mac.verify(&job("ls", "5", &mark)));
        assert!(!mac.verify(&job("ls -a", "5", &mark)));
        assert!(!mac.verify(&job("ls", "6", &mark)));
        for wrong in ["", "0", &mark[1..], &mark[2..], &format!("{mark}00"), "not hexadecimal", "ä"]
        {
            assert!(!mac.verify(&job("ls", "5", wrong)), "{wrong}");
        }
        std::fs::write(dir.join("state/cron.key"), "short").expect("written");
        assert!(!mac.verify(&job("ls", "5", &mark)));
        assert!(mac.sign("ls", &to).expect_err("broken").as_str().contains("remove it"));
    }
}
