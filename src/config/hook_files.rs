//! What a hook's `command` and `dir` name: that it is there, can be run, and is out of reach of commands. A warning each, because
//! the machine that checks a configuration need not be the one that runs it; a hook that does not start approves nothing.

use std::path::{Path, PathBuf};

use super::section::{BuildContext, Section};
use super::table::HookConfig;
use crate::sys::beneath::path_meta;
use crate::sys::exec_broker::TEMPORARY;

const COMMAND: &str = "hooks.processes.command";
const DIR: &str = "hooks.processes.dir";

/// Programs whose first argument is a file, unless it is an option; a version may follow the name.
const INTERPRETERS: &[&str] =
    &["ash", "bash", "dash", "lua", "node", "perl", "php", "python", "ruby", "sh"];

/// The home, below which a relative `dir` is, and what commands can change.
pub(super) struct HookFolders<'a> {
    pub(super) home: &'a Path,
    pub(super) workspace: &'a Path,
}

/// Warns of the first thing that keeps it from starting.
pub(super) fn warn(
    hook: &HookConfig,
    section: Section<'_>,
    folders: &HookFolders<'_>,
    ctx: &mut BuildContext<'_>,
) {
    let base = hook.base(folders.home);
    let found = folder(hook, &base)
        .or_else(|| program(hook, &base))
        .or_else(|| script(hook, &base))
        .or_else(|| reachable(hook, &base, folders));
    if let Some(Fault { key, message, hint }) = found {
        let origin = section.origin(if key == DIR { "dir" } else { "command" });
        ctx.warn(origin, key, format!("the hook `{}`: {message}", hook.name), hint);
    }
}

struct Fault {
    key: &'static str,
    message: String,
    hint: String,
}

impl Fault {
    fn new(key: &'static str, message: String, hint: &str) -> Option<Fault> {
        Some(Fault { key, message, hint: hint.to_owned() })
    }
}

/// Certainly not there: what this user cannot look at may be.
fn missing(path: &Path) -> bool {
    path.try_exists().is_ok_and(|there| !there)
}

fn folder(hook: &HookConfig, base: &Path) -> Option<Fault> {
    let what = match path_meta(base) {
        None if missing(base) => "does not exist",
        Some(meta) if !meta.folder => "is no folder",
        _ => return None,
    };
    let hint = if hook.dir.starts_with('/') { "" } else { "a relative `dir` is below the home" };
    Fault::new(DIR, format!("{} {what}", base.display()), hint)
}

fn absent(hook: &HookConfig, word: &str, path: &Path) -> Option<Fault> {
    let relative = hook.dir.is_empty() && !word.starts_with('/');
    let hint = if relative { "write the whole path, or set `dir`" } else { "" };
    Fault::new(COMMAND, format!("{} does not exist", path.display()), hint)
}

fn program(hook: &HookConfig, base: &Path) -> Option<Fault> {
    let word = hook.command.first()?;
    let runs = |path: &Path| path_meta(path).is_some_and(|m| m.file && m.mode & 0o111 != 0);
    if word.contains('/') {
        let path = base.join(word);
        if missing(&path) {
            return absent(hook, word, &path);
        }
        let wrong = path_meta(&path).is_some() && !runs(&path);
        let hint = format!("`chmod +x {}`", path.display());
        let message = format!("{} cannot be executed", path.display());
        return wrong.then_some(Fault { key: COMMAND, message, hint });
    }
    // Without the variable the hook gets the usual folders.
    let folders = std::env::var_os("PATH")?;
    if std::env::split_paths(&folders).any(|folder| runs(&folder.join(word))) {
        return None;
    }
    let beside = !hook.dir.is_empty() && path_meta(&base.join(word)).is_some();
    let hint =
        if beside { format!("write `./{word}` for the one in `dir`") } else { String::new() };
    let message = format!("no folder of PATH has a program `{word}`");
    Some(Fault { key: COMMAND, message, hint })
}

/// The file that an interpreter is given, and any second word that is a path.
fn script(hook: &HookConfig, base: &Path) -> Option<Fault> {
    let (first, rest) = hook.command.split_first()?;
    let word = rest.iter().find(|word| *word != "-u")?;
    let name = first.rsplit('/').next().unwrap_or_default();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let is_file = INTERPRETERS.contains(&name) || word.contains('/') && !word.contains("://");
    let path = base.join(word);
    if !is_file || word.starts_with('-') || !missing(&path) {
        return None;
    }
    absent(hook, word, &path)
}

/// What commands can change would let one of them choose who judges it.
fn reachable(hook: &HookConfig, base: &Path, folders: &HookFolders<'_>) -> Option<Fault> {
    let real = |path: &Path| path.canonicalize().ok();
    let places = [folders.workspace.to_owned(), folders.home.join(TEMPORARY)];
    let places: Vec<PathBuf> = places.iter().filter_map(|place| real(place)).collect();
    let own_dir = !hook.dir.is_empty();
    let words = hook.command.iter().filter(|word| own_dir || word.contains('/'));
    let named = words.map(|word| (COMMAND, base.join(word)));
    let (key, path) = own_dir
        .then(|| (DIR, base.to_owned()))
        .into_iter()
        .chain(named)
        .filter_map(|(key, path)| Some((key, real(&path)?)))
        .find(|(_, path)| places.iter().any(|place| path.starts_with(place)))?;
    let message = format!("{} can be changed by commands", path.display());
    Fault::new(key, message, "it has to be elsewhere")
}
