//! How a hook's process is started: in the sandbox of a command ([`crate::tool::sandbox_plan`]), with its own program readable.
//!
//! What commands can change is refused as a hook's program: a command would choose who judges it.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::config::HookConfig;
use crate::sys::beneath::Root;
use crate::sys::process::Dialog;
use crate::sys::spawn_blocking;
use crate::tool::sandbox_plan::Plan;

/// Starts it.
///
/// # Errors
/// Why it does not run.
pub(super) async fn start(config: &HookConfig, home: &Path, plan: Plan) -> Result<Dialog, String> {
    let (own, base) = (config.clone(), home.to_owned());
    let prepared = spawn_blocking(move || -> Result<_, String> {
        let programs = programs(&own, &base)?;
        if let Some(path) = programs.iter().find(|path| plan.commands_write(path)) {
            return Err(format!(
                "{} can be changed by commands; it has to be elsewhere",
                path.display()
            ));
        }
        let dir =
            folder(&own, &base).map_err(|e| format!("hooks.processes.{}.dir: {e}", own.name))?;
        let plan = plan.also_reading(programs);
        let (sandbox, more) = plan.build().map_err(|e| format!("it cannot be locked in: {e}"))?;
        Ok((dir, sandbox, more))
    });
    let (dir, sandbox, more) = prepared.await?;
    let mut environment = environment(config);
    let temporary = more.into_iter().find(|(name, _)| name == "TMPDIR");
    environment.extend(temporary.filter(|_| !config.env.iter().any(|(name, _)| name == "TMPDIR")));
    let script = script(&config.command);
    Dialog::start(OsStr::new(&script), &dir, &environment, sandbox)
        .await
        .map_err(|e| format!("not started: {e}"))
}

/// Its own variables, and those without secrets of ours. HOME is no folder that commands can write: Python runs what it finds
/// there.
fn environment(config: &HookConfig) -> Vec<(OsString, OsString)> {
    let mut list: Vec<(OsString, OsString)> =
        vec![("HOME".into(), "/".into()), ("PATH".into(), crate::tool::exec::PATH.into())];
    for name in ["PATH", "LANG", "TZ"] {
        if let Some(value) = std::env::var_os(name) {
            list.retain(|(other, _)| other != name);
            list.push((name.into(), value));
        }
    }
    for (name, value) in &config.env {
        list.retain(|(other, _)| other != OsStr::new(name));
        list.push((name.into(), value.into()));
    }
    list
}

/// For /bin/sh: the program takes the shell's place, and reads from the socket that it writes to.
fn script(command: &[String]) -> String {
    let words = command.iter().map(|word| format!("'{}' ", word.replace('\'', r"'\''")));
    format!("exec {}<&1", words.collect::<String>())
}

/// The folder that it runs in.
fn folder(config: &HookConfig, home: &Path) -> Result<OwnedFd, String> {
    let base = config.base(home);
    let root = Root::open(&base).map_err(|e| e.to_string())?;
    let place = root.locate(Path::new("."), false).map_err(|e| e.to_string())?;
    place.open_folder().map_err(|e| e.to_string())
}

/// The files that its command names by path, and its folder; where they really are.
///
/// # Errors
/// A program that is not there.
fn programs(config: &HookConfig, home: &Path) -> Result<Vec<PathBuf>, String> {
    let base = config.base(home);
    let mut found = Vec::new();
    if !config.dir.is_empty() {
        found.push(base.canonicalize().map_err(|e| format!("{}: {e}", base.display()))?);
    }
    for (n, word) in config.command.iter().enumerate() {
        let path = base.join(word);
        match path.canonicalize() {
            Ok(real) if real.is_file() && (word.contains('/') || !config.dir.is_empty()) => {
                found.push(real);
            }
            Err(e) if n == 0 && word.contains('/') => {
                return Err(format!("{}: {e}", path.display()));
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn words_reach_the_program_unchanged() {
        let command = ["a b", "it's", "$x;`y`", ""].map(str::to_owned);
        assert_eq!(script(&command), r"exec 'a b' 'it'\''s' '$x;`y`' '' <&1");
    }

    #[test]
    fn the_files_of_a_command_are_found() {
        let scratch = Scratch::new();
        let gate = scratch.file("hooks/gate.py", "");
        let hook = |command: &[&str], dir: &str| HookConfig {
            command: command.iter().map(|w| (*w).to_owned()).collect(),
            dir: dir.to_owned(),
            ..HookConfig::default()
        };
        let of = |command: &[&str], dir: &str| programs(&hook(command, dir), scratch.path());
        let real = gate.canonicalize().expect("a path");
        let gate = gate.to_string_lossy().into_owned();
        assert_eq!(of(&["python3", &gate, "--x"], "").expect("files"), std::slice::from_ref(&real));
        let folder = real.parent().expect("a folder").to_owned();
        assert_eq!(of(&["sh", "gate.py"], "hooks").expect("files"), [folder, real]);
        assert!(of(&["/nowhere/x"], "").is_err() && of(&["sh"], "nowhere").is_err());
        assert!(of(&["sh", "/nowhere/x"], "").expect("files").is_empty());
    }
}
