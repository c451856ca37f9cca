//! `auth.json` in the home: the credentials of `auth login`, in the Go original's format (behaviour.md 7A). Mode 0600,
//! replaced whole.
//!
//! Unknown fields are kept. Blocks on the disk: call it off the loop.

use std::path::Path;

use serde_json::{Value, json};

use super::atomic;
use super::dir::Dir;
use crate::config::{SHORT_SECRET, Secret};
use crate::error::{Context, Error, Result};
use crate::limits::{AUTH_EARLY, AUTH_FILE_BYTES};
use crate::proto::{date, text};
use crate::sys::lock::FolderLock;

/// Name of the file in the home that holds the tokens.
pub const FILE: &str = "auth.json";

/// The credentials for a provider.
#[derive(Clone, Default)]
pub struct Credential {
    /// Sent with each request.
    pub access: Secret,
    /// Refresh token; empty for none.
    pub refresh: Secret,
    /// The account, or empty.
    pub account: String,
    /// Unix seconds; 0 for never.
    pub expires: i64,
    /// `oauth` for a sign-in that is renewed, `token` for a pasted one.
    pub method: String,
}

impl Credential {
    /// Whether it has expired or soon will.
    pub fn ends(&self, now: i64) -> bool {
        self.expires != 0 && now >= self.expires - AUTH_EARLY
    }

    fn of(entry: &Value) -> Credential {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().trim();
        Credential {
            access: Secret::new(text("access_token")),
            refresh: Secret::new(text("refresh_token")),
            account: text("account_id").to_owned(),
            // Go writes the year 1 for none.
            expires: date::parse_rfc3339(text("expires_at")).map_or(0, |t| t.max(0)),
            method: text("auth_method").to_owned(),
        }
    }
}

/// All providers and their credentials, in the file's order; empty without a file.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn all(home: &Path) -> Result<Vec<(String, Credential)>> {
    let root = read(home)?;
    let entries = root["credentials"].as_object();
    Ok(entries.into_iter().flatten().map(|(name, e)| (name.clone(), Credential::of(e))).collect())
}

/// The credentials for one provider.
///
/// # Errors
/// As [`all`].
pub fn get(home: &Path, provider: &str) -> Result<Option<Credential>> {
    Ok(all(home)?.into_iter().find(|(name, _)| name == provider).map(|(_, c)| c))
}

/// `secrets` and all stored tokens, for redaction in log lines and tool results.
pub fn with_tokens(home: &Path, mut secrets: Vec<String>) -> Vec<String> {
    for (_, c) in all(home).unwrap_or_default() {
        let tokens = [c.access, c.refresh].into_iter().filter(|t| t.expose().len() > SHORT_SECRET);
        secrets.extend(tokens.map(|t| t.expose().to_owned()));
    }
    secrets
}

/// Stores a credential, or removes it with `None`; true if there was one before.
///
/// # Errors
/// As [`all`]; the disk's, and the old file is then still there.
pub fn put(home: &Path, provider: &str, new: Option<&Credential>) -> Result<bool> {
    let _lock = FolderLock::take(home).with_context(|| home.display().to_string())?;
    let mut root = read(home)?;
    let entries = &mut root["credentials"];
    let old = entries.as_object_mut().and_then(|e| e.remove(provider));
    match new {
        Some(new) => {
            let mut entry = old.clone().unwrap_or_else(|| json!({}));
            let fields = [
                ("access_token", new.access.expose()),
                ("refresh_token", new.refresh.expose()),
                ("account_id", &new.account),
                (
                    "expires_at",
                    &if new.expires == 0 { String::new() } else { date::rfc3339(new.expires) },
                ),
                ("provider", provider),
                ("auth_method", &new.method),
            ];
            for (name, text) in fields {
                match entry.as_object_mut() {
                    Some(map) if text.is_empty() => drop(map.remove(name)),
                    _ => entry[name] = text.into(),
                }
            }
            entries[provider] = entry;
        }
        None if old.is_none() => return Ok(false),
        None => {}
    }
    let path = home.join(FILE);
    let mut bytes = serde_json::to_vec_pretty(&root).unwrap_or_default();
    bytes.push(b'\n');
    atomic::write(&path, &bytes, 0o600)?;
    Ok(old.is_some())
}

fn read(home: &Path) -> Result<Value> {
    let path = home.join(FILE);
    let Some(bytes) = atomic::read_bounded(&path, AUTH_FILE_BYTES)? else {
        return Ok(json!({ "credentials": {} }));
    };
    // A manual copy may have made it readable by others.
    let (dir, name) = Dir::parent_of(&path, 1)?;
    if dir.meta(name)?.is_some_and(|meta| meta.mode & 0o077 != 0) {
        crate::log::warn!("{} could be read by other users; it is closed now", path.display());
        dir.set_mode(name, 0o600)?;
    }
    let mut root: Value = text::utf8(&bytes).and_then(serde_json::from_str).unwrap_or_default();
    if root["credentials"].is_null() && root.is_object() {
        root["credentials"] = json!({});
    }
    let entries = root["credentials"].as_object();
    if !entries.is_some_and(|e| e.values().all(Value::is_object)) {
        return Err(Error::new(format!(
            "{} is no list of credentials; remove it and sign in again: picoclaw auth login",
            path.display()
        )));
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files;
    use crate::sys::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn credentials_are_kept_beside_what_others_wrote() {
        let home = Scratch::named("credentials");
        let path = home.join(FILE);
        assert!(all(&home).expect("none").is_empty());
        let go = r#"{"x":1,"credentials":{"other":{"access_token":"t","expires_at":"0001-01-01T00:00:00Z",
            "provider":"other","auth_method":"token","email":"e"},
            "openai":{"access_token":"a","refresh_token":"r","expires_at":"2026-02-01T12:00:00.123456789+01:00"}}}"#;
        std::fs::write(&path, go).expect("written");
        files::set_mode(&path, 0o644).expect("mode");
        let got = get(&home, "openai").expect("read").expect("one");
        assert_eq!(
            (got.access.expose(), got.refresh.expose(), got.expires),
            ("a", "r", 1_769_943_600)
        );
        assert!(got.ends(got.expires - AUTH_EARLY) && !got.ends(got.expires - AUTH_EARLY - 1));
        assert_eq!(std::fs::metadata(&path).expect("meta").permissions().mode() & 0o777, 0o600);
        let other = get(&home, "other").expect("read").expect("one");
        assert!(other.expires == 0 && !other.ends(i64::MAX));
        let new = Credential {
            access: Secret::new("b"),
            method: "token".into(),
            ..Credential::default()
        };
        assert!(put(&home, "other", Some(&new)).expect("put"));
        assert!(!put(&home, "third", Some(&new)).expect("put"));
        let text = std::fs::read_to_string(&path).expect("file");
        let root: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&root["x"], &root["credentials"]["other"]["email"]), (&json!(1), &json!("e")));
        assert_eq!(
            root["credentials"]["third"],
            json!({"access_token":"b","provider":"third","auth_method":"token"})
        );
        assert!(
            put(&home, "openai", None).expect("removed")
                && !put(&home, "openai", None).expect("none")
        );
        assert_eq!(all(&home).expect("read").len(), 2);
    }

    #[test]
    fn a_broken_file_is_reported_and_stays() {
        let home = Scratch::named("credentials-broken");
        let path = home.join(FILE);
        for bad in ["", "{", "[]", "null", r#"{"credentials":[]}"#, r#"{"credentials":{"a":1}}"#] {
            std::fs::write(&path, bad).expect("written");
            let e = put(&home, "x", Some(&Credential::default())).expect_err(bad).to_string();
            assert!(e.contains(FILE) && e.contains("picoclaw auth login"), "{e}");
            assert_eq!(std::fs::read_to_string(&path).expect("file"), bad);
        }
        std::fs::write(&path, vec![b' '; AUTH_FILE_BYTES as usize + 1]).expect("written");
        assert!(all(&home).is_err());
    }
}
