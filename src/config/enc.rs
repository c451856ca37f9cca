//! `enc://` values (behaviour.md 2B): base64 of salt, nonce and AES-256-GCM ciphertext. The key is made of a passphrase,
//! which only the environment has, and a key file, which is kept apart from the configuration: neither alone opens anything.
//!
//! Never writes a plain value, and no error contains one.

use std::path::{Path, PathBuf};

#[cfg(feature = "encryption")]
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
#[cfg(feature = "encryption")]
use ring::{digest, hkdf, hmac};

use super::layers::LoadOptions;
#[cfg(feature = "encryption")]
use super::layers::read_file;
#[cfg(feature = "encryption")]
use super::replace::replace;
use crate::environment;
#[cfg(feature = "encryption")]
use crate::error::Context;
use crate::error::{Error, Result};
#[cfg(feature = "encryption")]
use crate::proto::base64::STANDARD;
use crate::sys::beneath::path_meta;
#[cfg(feature = "encryption")]
use crate::sys::lock::FolderLock;
#[cfg(feature = "encryption")]
use crate::sys::random;

/// Prefix of such a value.
pub const PREFIX: &str = "enc://";
/// The variable with the passphrase.
pub const PASSPHRASE: &str = environment::KEY_PASSPHRASE;
/// The variable that names another key file than `.ssh/picoclaw_ed25519.key` in a home.
pub const KEY_FILE: &str = environment::SSH_KEY_PATH;

/// Below the user's home, or below `PICOCLAW_HOME`.
const DEFAULT_FILE: &str = ".ssh/picoclaw_ed25519.key";
#[cfg(feature = "encryption")]
const INFO: &[u8] = b"picoclaw-credential-v1";
#[cfg(feature = "encryption")]
const SALT: usize = 16;
#[cfg(feature = "encryption")]
const NONCE: usize = 12;

/// The sources of the key; nothing is read before a value needs it.
pub struct Keys {
    /// Passphrase of encrypted values; empty if none is set.
    pub passphrase: String,
    /// The key file; any content is possible, usually an SSH key.
    pub file: PathBuf,
}

impl Keys {
    /// Passphrase and the key file's path, from variables; reads no file yet.
    pub fn of(options: &LoadOptions) -> Keys {
        let file = match options.var(KEY_FILE) {
            Some(file) => options.expand(file),
            None => {
                // The daemon's own home is PICOCLAW_HOME, whichever user calls this.
                let user = options.expand("~").join(DEFAULT_FILE);
                let ours =
                    options.var(environment::HOME).map(|h| options.expand(h).join(DEFAULT_FILE));
                match ours {
                    Some(ours) if exists(&ours) || !exists(&user) => ours,
                    _ => user,
                }
            }
        };
        Keys { passphrase: options.var(PASSPHRASE).unwrap_or_default().to_owned(), file }
    }

    /// Creates a key file if there is none; true if it did.
    ///
    /// # Errors
    /// The disk's.
    #[cfg(feature = "encryption")]
    pub fn make_file(&self) -> Result<bool> {
        if exists(&self.file) {
            return Ok(false);
        }
        let name = || format!("cannot make the key file {}", self.file.display());
        let folder = self.file.parent().filter(|p| !p.as_os_str().is_empty());
        let _lock = FolderLock::take(folder.unwrap_or(Path::new("."))).with_context(name)?;
        // A second key would make useless what another command has encrypted with the first one.
        if exists(&self.file) {
            return Ok(false);
        }
        let text = STANDARD.encode(random::<48>().context("no random bytes")?) + "\n";
        replace(&self.file, text.as_bytes()).with_context(name)?;
        Ok(true)
    }

    /// `enc://...` of a value; random bytes make each one different.
    ///
    /// # Errors
    /// No key file, no random bytes.
    #[cfg(feature = "encryption")]
    pub fn encrypt(&self, plain: &str) -> Result<String> {
        let mut bytes = random::<{ SALT + NONCE }>().context("no random bytes")?.to_vec();
        let (key, nonce) = self.key(&bytes)?;
        let mut text = plain.as_bytes().to_vec();
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut text)
            .map_err(|_| Error::new("cannot encrypt"))?;
        bytes.append(&mut text);
        Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
    }

    /// The value behind `enc://`, given without that.
    ///
    /// # Errors
    /// This build cannot.
    #[cfg(not(feature = "encryption"))]
    pub fn decrypt(&self, _: &str) -> Result<String> {
        Err(Error::new(
            "the value is encrypted, which this build cannot read (feature `encryption`)",
        ))
    }

    /// The value behind `enc://`, given without that.
    ///
    /// # Errors
    /// Says what is missing or wrong, and how to fix it.
    #[cfg(feature = "encryption")]
    pub fn decrypt(&self, sealed: &str) -> Result<String> {
        let mut bytes = STANDARD.decode(sealed.trim().as_bytes()).unwrap_or_default();
        if bytes.len() <= SALT + NONCE + AES_256_GCM.tag_len() {
            return Err(Error::new(
                "this is not an encrypted value: enc:// and base64 are needed; make it with `picoclaw auth encrypt`",
            ));
        }
        if self.passphrase.is_empty() {
            return Err(Error::new(format!(
                "the value is encrypted, and {PASSPHRASE} is not set; set it where the program is started"
            )));
        }
        let (key, nonce) = self.key(&bytes)?;
        let plain = key.open_within(nonce, Aad::empty(), &mut bytes, SALT + NONCE..).ok();
        let plain = plain.and_then(|p| std::str::from_utf8(p).ok());
        Ok(plain.ok_or_else(|| {
            Error::new(format!(
                "cannot be decrypted: {PASSPHRASE} or {} is not what it was encrypted with, or the value is damaged; \
                 set the right one, or make it anew with `picoclaw auth encrypt`",
                self.file.display()
            ))
        })?.to_owned())
    }

    /// Derives the key for this salt and nonce.
    #[cfg(feature = "encryption")]
    fn key(&self, head: &[u8]) -> Result<(LessSafeKey, Nonce)> {
        let file = read_file(&self.file).map_err(|e| {
            Error::new(format!(
                "the key file {} cannot be read ({e}); bring it here from where the value was made, or name it in {KEY_FILE}",
                self.file.display()
            ))
        })?;
        let file = digest::digest(&digest::SHA256, &file);
        let mac = hmac::Key::new(hmac::HMAC_SHA256, file.as_ref());
        let secret = hmac::sign(&mac, self.passphrase.as_bytes());
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, &head[..SALT]).extract(secret.as_ref());
        let fault = |_| Error::new("no key");
        let key = UnboundKey::from(salt.expand(&[INFO], &AES_256_GCM).map_err(fault)?);
        let nonce = Nonce::try_assume_unique_for_key(&head[SALT..SALT + NONCE]).map_err(fault)?;
        Ok((LessSafeKey::new(key), nonce))
    }
}

fn exists(path: &Path) -> bool {
    path_meta(path).is_some()
}

#[cfg(test)]
#[cfg(feature = "encryption")]
mod tests {
    use super::*;
    use crate::sys::scratch::{InScratch, Scratch};

    /// Made by another implementation of the format (Python's hashlib and cryptography).
    const SEALED: &str =
        "AAECAwQFBgcICQoLDA0OD2RlZmdoaWprbG1ub2kyn228zb+i01Hf6sNEtX74BJ/c51wbEmIivGNBRsAkeU4=";
    const FILE: &str =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nnot a real one\n-----END OPENSSH PRIVATE KEY-----\n";

    fn keys(passphrase: &str) -> InScratch<Keys> {
        let scratch = Scratch::named("enc");
        let file = scratch.file("key", FILE);
        scratch.hold(|_| Keys { passphrase: passphrase.to_owned(), file })
    }

    #[test]
    fn the_format_is_upstreams() {
        let mut keys = keys("correct horse ä");
        assert_eq!(keys.decrypt(SEALED).unwrap(), "sk-test-0123456789");
        assert_eq!(keys.decrypt(&format!(" {SEALED}\n")).unwrap(), "sk-test-0123456789");
        let again = keys.encrypt("a secret, ä").unwrap();
        assert_ne!(again, keys.encrypt("a secret, ä").unwrap());
        assert_eq!(keys.decrypt(again.strip_prefix(PREFIX).unwrap()).unwrap(), "a secret, ä");
        keys.passphrase.push('x');
        let e = keys.decrypt(SEALED).unwrap_err().to_string();
        assert!(e.contains("cannot be decrypted") && e.contains(PASSPHRASE), "{e}");
        keys.passphrase.pop();
        std::fs::write(&keys.file, "another key").unwrap();
        assert!(keys.decrypt(SEALED).unwrap_err().to_string().contains("cannot be decrypted"));
        std::fs::remove_file(&keys.file).unwrap();
        let e = keys.decrypt(SEALED).unwrap_err().to_string();
        assert!(e.contains("cannot be read") && e.contains(KEY_FILE), "{e}");
    }

    #[test]
    fn damaged_values_are_not_decrypted() {
        let mut keys = keys("correct horse ä");
        let good = STANDARD.decode(SEALED.as_bytes()).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(keys.decrypt(&STANDARD.encode(bad)).is_err(), "{at}");
            assert!(keys.decrypt(&STANDARD.encode(&good[..at])).is_err(), "{at}");
        }
        for text in ["", "AAAA", "not base64!", "ä", &SEALED[1..]] {
            assert!(keys.decrypt(text).is_err(), "{text}");
        }
        keys.passphrase.clear();
        let e = keys.decrypt(SEALED).unwrap_err().to_string();
        assert!(e.contains("is not set"), "{e}");
    }

    #[test]
    fn the_key_file_is_in_a_home() {
        let scratch = Scratch::named("enc-homes");
        let top = scratch.path();
        let (user, ours) =
            (top.join("user").join(DEFAULT_FILE), top.join("ours").join(DEFAULT_FILE));
        let mut options = LoadOptions::default();
        let mut set = |name: &str, to: String| {
            options.env.insert(name.to_owned(), to);
            Keys::of(&options).file
        };
        assert_eq!(set("HOME", top.join("user").display().to_string()), user);
        assert_eq!(
            set("PICOCLAW_HOME", "~/../ours".to_owned()),
            top.join("user/../ours").join(DEFAULT_FILE)
        );
        let home = top.join("ours").display().to_string();
        scratch.file(&format!("user/{DEFAULT_FILE}"), "x");
        assert_eq!(set("PICOCLAW_HOME", home.clone()), user);
        scratch.file(&format!("ours/{DEFAULT_FILE}"), "x");
        assert_eq!(set("PICOCLAW_HOME", home), ours);
        assert_eq!(set(KEY_FILE, "~/k".to_owned()), top.join("user/k"));
    }

    #[test]
    fn a_key_file_is_created_once_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let mut keys = keys("p");
        assert!(!keys.make_file().unwrap());
        let top = keys.file.parent().unwrap().to_path_buf();
        keys.file = top.join("new/.ssh/key");
        assert!(keys.make_file().unwrap());
        assert!(!keys.make_file().unwrap());
        let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&keys.file), mode(keys.file.parent().unwrap())), (0o600, 0o700));
        assert_eq!(std::fs::read(&keys.file).unwrap().len(), 65);
    }
}
