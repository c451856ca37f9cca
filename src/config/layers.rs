//! The layers a configuration is read from, lowest first, and their files.
//!
//! 1. what is built in,
//! 2. `/etc/picoclaw/config.json`,
//! 3. `/etc/picoclaw/config.d/*.json`, sorted by name,
//! 4. `$PICOCLAW_HOME/config.json` (`~/.picoclaw` without that variable),
//! 5. `$PICOCLAW_HOME/config.d/*.json`,
//! 6. the environment.
//!
//! `PICOCLAW_CONFIG` names a file that is read as number 4; number 2 is not read then. A `.security.yml` counts together
//! with the `config.json` beside it. No file is ever written here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::problem::{Findings, Problem};
use super::tree::Origin;
use crate::environment;
use crate::limits::{CONFIG_BYTES, CONFIG_FILES};
use crate::proto::json_pos;
use crate::sys::beneath::{self, Fault};
use crate::sys::files;
use crate::sys::owner;

/// Files of at most this many bytes count as empty (the Go original's rule).
const EMPTY_BYTES: usize = 10;

/// Where configuration is read from; tests put other folders and variables here.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The environment; only `PICOCLAW_*` and `HOME` are looked at.
    pub env: BTreeMap<String, String>,
    /// Names of such variables whose value is no UTF-8 text.
    pub not_text: Vec<String>,
    /// Folder of the system's configuration, `/etc/picoclaw`.
    pub etc: PathBuf,
    /// A configuration without a usable model, or with a bot that lacks its token, is a warning and no error.
    pub allow_empty: bool,
    /// A file below `config.d` of the home, and a text that replaces its content.
    pub instead: Option<(PathBuf, String)>,
}

impl LoadOptions {
    /// The process's own environment and `/etc/picoclaw`.
    pub fn from_process() -> LoadOptions {
        let wanted = |name: &str| name == "HOME" || name.starts_with(environment::PREFIX);
        let mut options =
            LoadOptions { etc: PathBuf::from("/etc/picoclaw"), ..LoadOptions::default() };
        let env = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v)));
        for (name, value) in env.filter(|(name, _)| wanted(name)) {
            match value.into_string() {
                Ok(value) => drop(options.env.insert(name, value)),
                Err(_) => options.not_text.push(name),
            }
        }
        options
    }

    /// A variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|v| !v.trim().is_empty())
    }

    /// The home: `$PICOCLAW_HOME`, else `~/.picoclaw`. Fails if neither is known.
    pub fn home(&self) -> crate::Result<PathBuf> {
        if let Some(home) = self.var(environment::HOME) {
            return Ok(self.expand(home));
        }
        match self.var("HOME") {
            Some(user) => Ok(Path::new(user).join(".picoclaw")),
            None => Err(crate::Error::new(
                "neither PICOCLAW_HOME nor HOME is set; set PICOCLAW_HOME to the folder for state and configuration",
            )),
        }
    }

    /// The user's base file: `PICOCLAW_CONFIG`, else `config.json` in the home.
    pub fn config_file(&self) -> crate::Result<PathBuf> {
        match self.var(environment::CONFIG) {
            Some(file) => Ok(self.expand(file)),
            None => Ok(self.home()?.join("config.json")),
        }
    }

    /// Replaces a leading `~` or `~/` with the user's home; without `HOME` it is removed.
    pub fn expand(&self, path: &str) -> PathBuf {
        let user = Path::new(self.var("HOME").unwrap_or_default());
        match path.strip_prefix('~') {
            Some("") => user.to_path_buf(),
            Some(rest) if rest.starts_with('/') => user.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(path),
        }
    }
}

/// The kind of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Values that nobody wrote.
    BuiltIn,
    /// A JSON or JSON5 file, upstream's `config.json` or one of `config.d`.
    Json,
    /// A `.security.yml`: secrets beside the configuration that may be public.
    Security,
    /// Variables `PICOCLAW_*`, above all files.
    Environment,
}

/// One source of values.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Decides how the layer's text is parsed.
    pub kind: LayerKind,
    /// File name, `built-in` or `environment`.
    pub name: String,
    /// Folder that `file://` values must stay in.
    pub dir: PathBuf,
    /// The file's text, kept for positions until loading has ended; for the environment the variables' names, one a line.
    pub text: String,
}

/// Where a value was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// File path or variable name, for messages.
    pub file: String,
    /// From 1, 0 for none.
    pub line: u32,
    /// From 1, 0 for none.
    pub column: u32,
    /// Key path as the file has it, or empty.
    pub key: String,
}

impl Layer {
    /// Defaults of the program, below all files.
    pub fn built_in() -> Layer {
        Layer {
            kind: LayerKind::BuiltIn,
            name: "built-in".to_owned(),
            dir: PathBuf::new(),
            text: String::new(),
        }
    }

    /// The file, line and column of an origin in this layer.
    pub fn place(&self, origin: Origin) -> Location {
        let at = usize::try_from(origin.at).unwrap_or(usize::MAX);
        match self.kind {
            LayerKind::BuiltIn => Location { file: self.name.clone(), ..Location::default() },
            LayerKind::Environment => Location {
                file: self.text.lines().nth(at).unwrap_or(&self.name).to_owned(),
                ..Location::default()
            },
            LayerKind::Json | LayerKind::Security => {
                let (line, column) = json_pos::line_column(&self.text, at);
                let key = if self.kind == LayerKind::Json {
                    json_pos::path_at(&self.text, at)
                } else {
                    String::new()
                };
                Location { file: self.name.clone(), line, column, key }
            }
        }
    }
}

/// A file to read.
pub(super) struct LayerFile {
    pub path: PathBuf,
    /// Folder of the configuration it belongs to.
    pub dir: PathBuf,
    /// Named by the user: it must be there.
    pub required: bool,
    /// A base file; a `.security.yml` may be beside it.
    pub base: bool,
}

/// The files to read in order.
pub(super) fn files(options: &LoadOptions, home: &Path, findings: &mut Findings) -> Vec<LayerFile> {
    let mut out = Vec::new();
    let base = |path: PathBuf, required| {
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        LayerFile { dir: dir.to_path_buf(), path, required, base: true }
    };
    let own = options.var(environment::CONFIG).map(|f| options.expand(f));
    if own.is_none() {
        out.push(base(options.etc.join("config.json"), false));
    }
    overlays(&options.etc, &mut out, findings);
    match own {
        Some(file) => out.push(base(file, true)),
        None => out.push(base(home.join("config.json"), false)),
    }
    let below = out.len();
    overlays(home, &mut out, findings);
    if let Some((path, _)) = &options.instead {
        let at = below + out[below..].iter().take_while(|file| file.path < *path).count();
        if out.get(at).is_none_or(|file| file.path != *path) {
            let (path, dir) = (path.clone(), home.to_path_buf());
            out.insert(at, LayerFile { path, dir, required: false, base: false });
        }
    }
    out
}

fn overlays(dir: &Path, out: &mut Vec<LayerFile>, findings: &mut Findings) {
    let folder = dir.join("config.d");
    match overlay_names(&folder) {
        Ok(names) => out.extend(names.into_iter().map(|path| LayerFile {
            path,
            dir: dir.to_path_buf(),
            required: false,
            base: false,
        })),
        Err((message, hint)) => {
            let file = folder.display().to_string();
            findings.push_error(Problem { file, message, hint, ..Problem::default() });
        }
    }
}

/// `*.json` of a folder, sorted, hidden ones left out; else what is wrong, and the cure.
pub(super) fn overlay_names(folder: &Path) -> Result<Vec<PathBuf>, (String, String)> {
    let fail = |e: std::io::Error| {
        (format!("cannot read the folder: {e}"), owner::access_cure(folder, &e))
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if is_absent(&e, folder) => return Ok(Vec::new()),
        Err(e) => return Err(fail(e)),
    };
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        let hidden = path.file_name().is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        if names.len() == CONFIG_FILES {
            return Err((format!("more than {CONFIG_FILES} files"), String::new()));
        }
        names.push(path);
    }
    names.sort_unstable();
    Ok(names)
}

/// Nothing has the name. A link that leads nowhere is not absent: what it is to lead to may not be mounted.
fn is_absent(e: &std::io::Error, path: &Path) -> bool {
    e.kind() == std::io::ErrorKind::NotFound && !path.is_symlink()
}

const AS_EMPTY: &str = "taken as empty";

/// Whether [`read`] warned of a file without content.
pub(super) fn is_taken_as_empty(warnings: &[Problem]) -> bool {
    warnings.iter().any(|w| w.message.ends_with(AS_EMPTY))
}

/// The cure where there is no model: the example is not written over a file.
pub(super) fn no_model_cure(warnings: &[Problem]) -> &'static str {
    match is_taken_as_empty(warnings) {
        true => "remove the empty file, and `picoclaw onboard` writes an example",
        false => "`picoclaw onboard` writes an example",
    }
}

/// The text of a file; `None` if it is missing and optional, counts as empty, or cannot be read.
pub(super) fn read(path: &Path, required: bool, findings: &mut Findings) -> Option<String> {
    let name = path.display().to_string();
    let bytes = match read_file(path) {
        Ok(bytes) => bytes,
        Err(e) if !required && is_absent(&e, path) => return None,
        Err(e) => {
            let missing = is_absent(&e, path);
            let message = if missing {
                "PICOCLAW_CONFIG names this file, and it is not there".to_owned()
            } else {
                format!("cannot read: {e}")
            };
            let hint = match missing {
                true => "`picoclaw onboard` writes one".to_owned(),
                false => owner::access_cure(path, &e),
            };
            findings.push_error(Problem { file: name, message, hint, ..Problem::default() });
            return None;
        }
    };
    let list = bytes.trim_ascii_start().starts_with(b"[");
    let nothing = || {
        bytes.trim_ascii().is_empty()
            || serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok()
    };
    // In config.d an empty object changes nothing, and is as good as any.
    let overlay = path.parent().is_some_and(|dir| dir.ends_with("config.d"));
    let object = overlay && bytes.trim_ascii() == b"{}";
    if bytes.len() <= EMPTY_BYTES && !list && !object && nothing() {
        let message = format!("only {} bytes: {AS_EMPTY}", bytes.len());
        findings.push_warning(Problem { file: name, message, ..Problem::default() });
        return None;
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let (message, hint) = ("the file is UTF-16".to_owned(), "save it as UTF-8".to_owned());
        findings.push_error(Problem {
            file: name,
            line: 1,
            column: 1,
            message,
            hint,
            ..Problem::default()
        });
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            Some(text)
        }
        Err(e) => {
            let good = e.utf8_error().valid_up_to();
            let before =
                String::from_utf8_lossy(e.as_bytes().get(..good).unwrap_or_default()).into_owned();
            let (line, column) = json_pos::line_column(&before, before.len());
            let (message, hint) = ("not UTF-8 text".to_owned(), "save it as UTF-8".to_owned());
            findings.push_error(Problem {
                file: name,
                line,
                column,
                message,
                hint,
                ..Problem::default()
            });
            None
        }
    }
}

/// A regular file of at most `limit` bytes; anything else (a FIFO would block for ever) is refused.
pub(super) fn read_bounded(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let file = beneath::open_path(path).map_err(|fault| match fault {
        Fault::Not("a folder") => std::io::Error::other("it is a folder"),
        Fault::Not(_) => std::io::Error::other("it is not a regular file"),
        fault => fault.into(),
    })?;
    files::read_bounded(file, limit)
}

/// The same of a file of the configuration.
pub(super) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    read_bounded(path, CONFIG_BYTES)
}
