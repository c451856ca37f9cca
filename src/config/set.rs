//! `config set`: one key, kept as a merge patch in a file of the home's `config.d`, or taken out of it again.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::env;
use super::in_force::differs;
use super::keys::{self, Key, Kind};
use super::layers::{LoadOptions, read_file};
use super::load::{Loaded, load};
use super::problem::{ConfigErrors, Problem};
use super::replace;
use super::secret::is_secret_name;
use crate::error::{Context, Error, Result};
use crate::sys::lock::FolderLock;
use crate::sys::owner;

/// The file; its name sorts last in most folders.
pub const SET_FILE: &str = "99-set.json";

/// A new value and its source.
pub enum NewValue {
    /// On the command line, where every process of the machine can read it.
    Argument(String),
    /// The text that came on standard input, so that a secret is in no process list.
    Input(String),
}

/// Sets the key at a canonical path, and reports on `out` where, what is in force, and how to apply it. `null` takes back what
/// was set there: a key, or everything below a path.
///
/// # Errors
/// There is no such key, it does not take the value, the value is a secret and was an argument, the configuration would have
/// errors with it, nothing was set that `null` could take back, or the file cannot be written. Nothing has changed then.
pub fn set(options: &LoadOptions, path: &str, given: &NewValue, out: &mut dyn Write) -> Result<()> {
    // An old name that files may use, too.
    let plural = path.strip_suffix(".api_key").map(|entry| format!("{entry}.api_keys"));
    let path = plural.as_deref().unwrap_or(path);
    if path == "version" {
        let cure = "it says how the file that has it is read, so edit it there";
        return Err(Error::new(format!("version stays as it is: {cure}")));
    }
    let (NewValue::Argument(text) | NewValue::Input(text)) = given;
    let text = text.trim();
    if text == "null" {
        return take_back(options, path, out);
    }
    let (segments, key) = key_of(path).map_err(|e| by_name(options, path).unwrap_or(e))?;
    // A header or a variable of a hook: the user's name says what it is.
    let named = key.path.ends_with(".*") && segments.last().is_some_and(|n| is_secret_name(n));
    if (key.secret() || named) && matches!(given, NewValue::Argument(_)) {
        let why = "is a secret, and arguments can be read by every process";
        let cure = format!("write `picoclaw config set {path} -` and give it on standard input");
        return Err(Error::new(format!("{path} {why}: {cure}")));
    }
    let value = value_of(&key, text).map_err(|why| Error::new(format!("{path}: {why}")))?;
    if key.secret() && is_empty(&value) {
        let cure = format!("`picoclaw config set {path} null` takes back what was set");
        return Err(Error::new(format!("{path}: the secret is empty; {cure}")));
    }
    let mut file = SetFile::read(options)?;
    put(&mut file.patch, &segments, value.clone());
    let before = load_before(options).map_or_else(|e| e.warnings, |loaded| loaded.warnings);
    let loaded = file.write(options, path)?;
    writeln!(out, "✓ {path} is set in {}", file.name())?;
    let is_new = |warning: &Problem| {
        let same = |old: &Problem| old.key == warning.key && old.message == warning.message;
        warning.key == path || !before.iter().any(same)
    };
    for warning in loaded.warnings.iter().filter(|w| is_new(w)) {
        writeln!(out, "warning: {warning}")?;
    }
    let wins = loaded.source(path).filter(|place| place.file != file.name());
    if let Some(place) = wins {
        writeln!(out, "warning: {} sets it too, and wins", place.file)?;
    } else if let Some((value, why)) = differs(&loaded, &key, path, &value) {
        writeln!(out, "in force: {value}{why}")?;
    }
    writeln!(out, "{APPLIED}")?;
    Ok(())
}

/// How the new configuration comes into force.
const APPLIED: &str = "A running gateway reads it on SIGHUP, or when it is started again.";

/// Removes what was set at a path, or below it.
fn take_back(options: &LoadOptions, path: &str, out: &mut dyn Write) -> Result<()> {
    let mut file = SetFile::read(options)?;
    if !remove(&mut file.patch, path) {
        if !SECTIONS_OF_NAMES.iter().any(|section| path.starts_with(section)) {
            key_of(path)?;
        }
        let mut message = format!("{path} is not set in {}: nothing to take back", file.name());
        let loaded = load_before(options).ok();
        if let Some(place) = loaded.and_then(|loaded| loaded.source(path)) {
            message.push_str(&format!("; {} sets it", place.file));
        }
        return Err(Error::new(message));
    }
    let loaded = file.write(options, path)?;
    writeln!(out, "✓ {path} is no longer set in {}", file.name())?;
    if let Some(place) = loaded.source(path) {
        writeln!(out, "It is now what {} says.", place.file)?;
    }
    writeln!(out, "{APPLIED}")?;
    Ok(())
}

/// Sections whose members have names that users choose.
const SECTIONS_OF_NAMES: &[&str] =
    &["model_list.", "channel_list.", "providers.", "hooks.processes."];

/// Takes a path out, and the objects that are empty then; false if it is not there. Names may have dots in them.
fn remove(patch: &mut Map<String, Value>, path: &str) -> bool {
    if patch.remove(path).is_some() {
        return true;
    }
    let mut emptied = None;
    let found = patch.iter_mut().any(|(name, below)| {
        let rest = path.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('.'));
        let (Some(rest), Value::Object(below)) = (rest, below) else { return false };
        let found = remove(below, rest);
        if found && below.is_empty() {
            emptied = Some(name.clone());
        }
        found
    });
    if let Some(name) = emptied {
        patch.remove(&name);
    }
    found
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim_matches(['"', ' ']).is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        _ => false,
    }
}

/// The file with its new content.
struct SetFile {
    path: PathBuf,
    patch: Map<String, Value>,
    /// From reading to writing, so that another command's change is not lost.
    _lock: FolderLock,
}

impl SetFile {
    fn read(options: &LoadOptions) -> Result<SetFile> {
        let home = options.home()?;
        let lock = FolderLock::take(&home).with_context(|| home.display().to_string())?;
        let path = home.join("config.d").join(SET_FILE);
        let patch = match read_file(&path) {
            Ok(bytes) => serde_json::from_slice::<Map<String, Value>>(&bytes)
                .with_context(|| format!("{} is not a JSON object", path.display()))?,
            Err(e) if e.kind() == ErrorKind::NotFound => Map::new(),
            Err(e) => {
                let cure = match owner::access_cure(&path, &e) {
                    cure if cure.is_empty() => cure,
                    cure => format!(" ({cure})"),
                };
                return Err(Error::new(format!("{}: {e}{cure}", path.display())));
            }
        };
        Ok(SetFile { path, patch, _lock: lock })
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Writes it, or removes the file where nothing is left, if the configuration has no errors with it.
    fn write(&self, options: &LoadOptions, path: &str) -> Result<Loaded> {
        let text = format!("{:#}\n", Value::Object(self.patch.clone()));
        let with = (self.path.clone(), text.clone());
        let with = LoadOptions { allow_empty: true, instead: Some(with), ..options.clone() };
        let refused = |errors| self.refused(path, errors, load_before(options).is_err());
        let loaded = load(&with).map_err(refused)?;
        if self.patch.is_empty() {
            replace::remove(&self.path)
        } else {
            replace::replace(&self.path, text.as_bytes())
        }
        .with_context(|| self.name())?;
        Ok(loaded)
    }

    /// Names no line of the file, which was not written.
    fn refused(&self, path: &str, mut errors: ConfigErrors, broken_before: bool) -> Error {
        let own = errors.problems.iter_mut().filter(|p| p.file == self.name());
        own.for_each(|problem| problem.file.clear());
        let why = match broken_before {
            true => "stays as it is, because the configuration has errors already",
            false => "stays as it is, because the configuration would have errors",
        };
        Error::new(format!("{path} {why}:\n{errors}"))
    }
}

/// The configuration as it is without the change.
fn load_before(options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
    load(&LoadOptions { allow_empty: true, ..options.clone() })
}

/// The message for a path with the place of an entry in a list, `model_list[0].rpm`, as errors of files have it.
fn by_name(options: &LoadOptions, path: &str) -> Option<Error> {
    let (section, rest) = path.split_once('[')?;
    let (place, rest) = rest.split_once(']')?;
    let place: usize = place.parse().ok()?;
    let loaded = load_before(options).ok()?;
    let name = loaded.tree.get(section)?.items().get(place)?.text_of("model_name")?;
    let why = format!("`{path}` names an entry by its place; `config set` takes its name");
    Some(Error::new(format!("{why}: `{section}.{name}{rest}`")))
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
        let Some(rest) = path.strip_prefix(before) else { continue };
        let (after, inner) = (after.trim_end_matches('*'), after.ends_with('*'));
        let names = if inner {
            rest.rsplit_once(after)
        } else {
            rest.strip_suffix(after).map(|name| (name, ""))
        };
        let Some((name, last)) =
            names.filter(|(n, last)| !n.is_empty() && inner != last.is_empty())
        else {
            continue;
        };
        // The longer end is the whole name of the key.
        if best.as_ref().is_none_or(|(_, other)| other.path.len() < key.path.len()) {
            let mut segments = split(before.trim_end_matches('.'));
            segments.push(name.to_owned());
            let after = after.trim_matches('.');
            segments.extend(
                after.split('.').chain([last]).filter(|s| !s.is_empty()).map(str::to_owned),
            );
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
