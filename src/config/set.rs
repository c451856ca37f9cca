//! `config set`: one key, kept as a merge patch in a file of the home's `config.d`.

use std::io::{ErrorKind, Write};

use serde_json::{Map, Value};

use super::env;
use super::keys::{self, Key, Kind};
use super::layers::{LoadOptions, read_file};
use super::load::load;
use super::replace::replace;
use crate::error::{Context, Error, Result};

/// The file; its name sorts last in most folders.
pub const SET_FILE: &str = "99-set.json";

/// A new value and its source.
pub enum NewValue {
    /// On the command line, where every process of the machine can read it.
    Argument(String),
    /// On standard input.
    Input(String),
}

/// Sets the key at a canonical path, and reports on `out` where, and how to apply it.
///
/// # Errors
/// There is no such key, it does not take the value, the value is a secret and was an argument, the configuration would not be
/// good with it, or the file cannot be written. Nothing has changed then.
pub fn set(options: &LoadOptions, path: &str, given: &NewValue, out: &mut dyn Write) -> Result<()> {
    // An old name that files may use, too.
    let plural = path.strip_suffix(".api_key").map(|entry| format!("{entry}.api_keys"));
    let path = plural.as_deref().unwrap_or(path);
    if path == "version" {
        let cure = "it says how the file that has it is read, so edit it there";
        return Err(Error::new(format!("version stays as it is: {cure}")));
    }
    let (segments, key) = key_of(path)?;
    let text = match given {
        NewValue::Argument(text) if key.secret() && text != "null" => {
            let why = "is a secret, and arguments can be read by every process";
            let cure =
                format!("write `picoclaw config set {path} -` and give it on standard input");
            return Err(Error::new(format!("{path} {why}: {cure}")));
        }
        NewValue::Argument(text) | NewValue::Input(text) => text.trim(),
    };
    if key.secret() && matches!(text, "" | "\"\"") {
        return Err(Error::new(format!("{path}: the secret is empty; `null` removes it")));
    }
    let value = value_of(&key, text).map_err(|why| Error::new(format!("{path}: {why}")))?;
    let folder = options.home()?.join("config.d");
    let file = folder.join(SET_FILE);
    let mut patch = match read_file(&file) {
        Ok(bytes) => serde_json::from_slice::<Map<String, Value>>(&bytes)
            .with_context(|| format!("{} is no JSON object", file.display()))?,
        Err(e) if e.kind() == ErrorKind::NotFound => Map::new(),
        Err(e) => return Err(e).with_context(|| file.display().to_string()),
    };
    put(&mut patch, &segments, value);
    let text = format!("{:#}\n", Value::Object(patch));
    let with = (file.clone(), text.clone());
    let options = LoadOptions { allow_empty: true, instead: Some(with), ..options.clone() };
    let loaded = load(&options).map_err(|mut errors| {
        // No line of a file that is not written.
        let shown = file.display().to_string();
        errors.problems.iter_mut().filter(|p| p.file == shown).for_each(|p| p.file.clear());
        Error::new(format!(
            "{path} stays as it is, for the configuration would not be good:\n{errors}"
        ))
    })?;
    replace(&file, text.as_bytes()).with_context(|| file.display().to_string())?;
    writeln!(out, "✓ {path} is set in {}", file.display())?;
    for warning in loaded.warnings.iter().filter(|w| w.key == path) {
        writeln!(out, "warning: {warning}")?;
    }
    let wins = loaded.source(path).filter(|place| place.file != file.display().to_string());
    if let Some(place) = wins {
        writeln!(out, "warning: {} sets it too, and wins", place.file)?;
    }
    writeln!(out, "A running gateway reads it on SIGHUP, or when it is started again.")?;
    Ok(())
}

/// The key of a path, and the names that lead to it: names of models may have dots in them.
fn key_of(path: &str) -> Result<(Vec<String>, Key)> {
    let split = |part: &str| part.split('.').map(str::to_owned).collect::<Vec<_>>();
    let mut best: Option<(Vec<String>, Key)> = None;
    for key in keys::all() {
        if key.path == path {
            best = Some((split(path), key));
            break;
        }
        let Some((before, after)) = key.path.split_once('*') else { continue };
        let name = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        let Some(name) = name.filter(|name| !name.is_empty() && !after.contains('*')) else {
            continue;
        };
        // The longer end is the whole name of the key.
        if best.as_ref().is_none_or(|(_, other)| other.path.len() < key.path.len()) {
            let mut segments = split(before.trim_end_matches('.'));
            segments.push(name.to_owned());
            segments.extend(after.strip_prefix('.').map(split).unwrap_or_default());
            best = Some((segments, key));
        }
    }
    match best {
        Some((_, key)) if key.unsupported() => {
            Err(Error::new(format!("{path} is not used by this build")))
        }
        Some(found) => Ok(found),
        None => Err(keys::unknown(path)),
    }
}

fn value_of(key: &Key, text: &str) -> Result<Value, String> {
    match key.kind {
        _ if text == "null" => Ok(Value::Null),
        Kind::Free => serde_json::from_str(text).map_err(|e| format!("JSON is needed: {e}")),
        Kind::List | Kind::Secrets if text.starts_with('[') => {
            serde_json::from_str(text).map_err(|e| format!("a JSON array is needed: {e}"))
        }
        kind => env::value_of(kind, text).map_err(str::to_owned),
    }
}

fn put(patch: &mut Map<String, Value>, segments: &[String], value: Value) {
    match segments {
        [] => {}
        [last] => {
            patch.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let below = patch.entry(first.as_str()).or_insert_with(|| Value::Object(Map::new()));
            if !below.is_object() {
                *below = Value::Object(Map::new());
            }
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}
