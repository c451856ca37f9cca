//! `onboard --enc`: replaces plain secrets in the user's files with `enc://` values; all other bytes stay.

use std::path::Path;

use serde_json::value::RawValue;

use super::enc::{self, Keys};
use super::layers::{Layer, LayerKind, LoadOptions, overlay_names, read_file};
use super::load::parse;
use super::problem::Findings;
use super::replace::replace;
use super::secret::is_placeholder;
use super::security;
use super::tree::Node;
use crate::error::{Context, Error, Result};
use crate::sys::lock::FolderLock;

/// Encrypts all plain secrets of the `config.json` and of the files in the home's `config.d`, where `config set` writes; `each`
/// is told of every file, and how many it had.
///
/// # Errors
/// As [`encrypt`], at the first file that has one; the files before it are encrypted.
pub fn encrypt_all(
    options: &LoadOptions,
    keys: &Keys,
    each: &mut dyn FnMut(&Path, usize),
) -> Result<()> {
    let folder = options.home()?.join("config.d");
    let overlays = overlay_names(&folder).map_err(|(why, _)| Error::new(why));
    let overlays = overlays.with_context(|| folder.display().to_string())?;
    for file in [options.config_file()?].iter().chain(&overlays) {
        each(file, encrypt(file, keys)?);
    }
    Ok(())
}

/// Encrypts all plain secrets in `file`, or none; returns how many.
///
/// # Errors
/// A file with errors, the disk's, no key file; a secret whose position is ambiguous.
pub fn encrypt(file: &Path, keys: &Keys) -> Result<usize> {
    let name = || format!("cannot encrypt {}", file.display());
    let _lock = FolderLock::take(folder_of(file)).with_context(name)?;
    let bytes = read_file(file).with_context(name)?;
    if bytes.trim_ascii().is_empty() {
        return Ok(0);
    }
    let mut text = String::from_utf8(bytes).with_context(name)?;
    let (mut tree, layers) = read(file, &text).with_context(name)?;
    let mut found: Vec<(usize, String)> = Vec::new();
    security::secrets(&mut tree, &layers, &mut |secret, at| {
        let plain = !secret.trim().is_empty()
            && !["file://", enc::PREFIX].iter().any(|p| secret.starts_with(p));
        if plain && !is_placeholder(secret) {
            found.push((at, secret.to_owned()));
        }
    });
    // From the end, so that earlier offsets stay valid.
    found.sort_unstable();
    for (at, secret) in found.iter().rev() {
        let from = at + key_length(text.get(*at..).unwrap_or_default());
        let literal = serde_json::Value::from(secret.as_str()).to_string();
        let start = text.get(from..).and_then(|rest| rest.find(&literal));
        // For example written with other escapes than ours: the comparison below detects it.
        let Some(start) = start.map(|n| n + from) else { continue };
        let sealed = format!("\"{}\"", keys.encrypt(secret)?);
        text.replace_range(start..start + literal.len(), &sealed);
    }
    // The new values decrypt to the old ones, and no plain secret is left.
    let (mut again, layers_again) = read(file, &text).with_context(name)?;
    let mut left = 0;
    security::secrets(&mut again, &layers_again, &mut |secret, _| {
        left += usize::from(found.iter().any(|(_, plain)| plain == secret));
    });
    let mut findings = Findings::default();
    security::resolve(&mut tree, &layers, keys, &mut findings);
    security::resolve(&mut again, &layers_again, keys, &mut findings);
    if let Some(errors) = findings.take_errors() {
        return Err(errors.into());
    }
    if left > 0 || again.to_value() != tree.to_value() {
        return Err(Error::new("a secret could not be found again in its place; nothing was changed: make the values with `picoclaw auth encrypt`"))
            .with_context(name);
    }
    if !found.is_empty() {
        replace(file, text.as_bytes()).with_context(name)?;
    }
    Ok(found.len())
}

/// The folder of the configuration that a file belongs to: the one above `config.d`.
fn folder_of(file: &Path) -> &Path {
    let above = match file.parent() {
        Some(folder) if folder.ends_with("config.d") => folder.parent(),
        other => other,
    };
    above.filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read(file: &Path, text: &str) -> Result<(Node, Vec<Layer>)> {
    let layer = Layer {
        kind: LayerKind::Json,
        name: file.display().to_string(),
        dir: folder_of(file).to_path_buf(),
        text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
    };
    let mut findings = Findings::default();
    match parse(&layer, 0, &mut findings) {
        Some(tree) if text.len() == layer.text.len() => Ok((tree, vec![layer])),
        Some(_) => Err(Error::new("it begins with a byte order mark; save it without")),
        None => Err(match findings.take_errors() {
            Some(errors) => errors.into(),
            None => Error::new("it cannot be read"),
        }),
    }
}

/// Length of a key and its colon at the beginning; 0 if a value begins there.
fn key_length(text: &str) -> usize {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    if !matches!(values.next(), Some(Ok(_))) {
        return 0;
    }
    let end = values.byte_offset();
    let rest = text.get(end..).unwrap_or_default().trim_start();
    if rest.starts_with(':') { text.len() - rest.len() + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &str, secrets: &[&str], want: Option<usize>) {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("picoclaw-in-place-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("config.json");
        std::fs::write(&file, config).unwrap();
        std::fs::write(dir.join("k"), "of a file").unwrap();
        let keys = Keys { passphrase: "p".into(), file: dir.join("key") };
        keys.make_file().unwrap();
        let done = encrypt(&file, &keys);
        let now = std::fs::read_to_string(&file).unwrap();
        match want {
            None => {
                assert!(done.is_err(), "{now}");
                assert_eq!(now, config);
            }
            Some(n) => {
                assert_eq!(done.unwrap(), n, "{config}");
                let mut back = now.clone();
                for secret in secrets {
                    let at = back.find("enc://").unwrap();
                    let end = at + back[at..].find('"').unwrap();
                    let plain = keys.decrypt(&back[at + 6..end]).unwrap();
                    assert_eq!(plain, *secret);
                    let literal = serde_json::Value::from(plain).to_string();
                    back.replace_range(at - 1..=end, &literal);
                }
                assert_eq!(back, config);
                // Nothing is left to do.
                assert_eq!(encrypt(&file, &keys).unwrap(), 0);
                assert_eq!(std::fs::read_to_string(&file).unwrap(), now);
            }
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn secrets_are_replaced_where_they_stand() {
        check("{ }", &[], Some(0));
        check(
            "{\n  \"model_list\": [\n    {\"model_name\": \"k\", \"model\": \"openai/x\", \"api_key\" : \"k\"}],\n  \"version\": 3}\n",
            &["k"],
            Some(1),
        );
        check(
            r#"{"model_list":[{"api_keys":["one","two"],"model_name":"one"},{"api_key":""},{"api_key":"YOUR_KEY"},{"api_key":"file://k"}]}"#,
            &["one", "two"],
            Some(2),
        );
        check(
            r#"{"channels":{"telegram":{"token":"token","enabled":true}},"providers":{"openai":{"api_key":"a\"b"}}}"#,
            &["token", "a\"b"],
            Some(2),
        );
    }

    #[test]
    fn ambiguous_places_change_nothing() {
        check("{ broken", &[], None);
        check("[1]", &[], None);
        // Another way of writing the same: not found, so nothing is touched.
        check(r#"{"model_list":[{"api_key":"\u0061bc"},{"api_key":"def"}]}"#, &[], None);
        // The tree has it once.
        check(r#"{"model_list":[{"api_keys":["one","one"]}]}"#, &[], None);
        // The next one like it belongs to somebody else.
        check(r#"{"model_list":[{"api_key":"\u0061bc","model_name":"abc"}]}"#, &[], None);
        check("\u{feff}{\"model_list\":[{\"api_key\":\"abc\"}]}", &[], None);
    }
}
