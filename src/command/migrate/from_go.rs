//! A home of the Go PicoClaw, of any version (behaviour.md 2, 7). Its files are read as they are: only the workspace's place
//! changes. The next start adopts the conversations (`store/adopt`).

use std::path::Path;

use serde_json::Value;

use super::migrator::Migrator;
use super::report::FileOutcome;
use crate::command::tree::join;
use crate::error::{Context, Result};
use crate::sched;
use crate::sys::beneath::Root;

/// Files beside the configuration that count as they are.
const BESIDE: &[&str] = &[".security.yml", "auth.json"];

/// Takes over what was asked for.
///
/// # Errors
/// A full disk.
pub fn migrate(root: &Root, migrator: &mut Migrator) -> Result<()> {
    let config = migrator.text(root, "config.json", migrator.config);
    let mut parsed: Option<Value> = None;
    if let Some(text) = &config {
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(value) => parsed = Some(value),
            Err(e) => {
                let why = format!("not JSON: {e}; correct it there and run this again");
                migrator.report.add(FileOutcome::Failed, "config.json", &why);
            }
        }
    }
    let pointer = "/agents/defaults/workspace";
    let named = parsed.as_ref().and_then(|c| c.pointer(pointer)?.as_str()).map(str::to_owned);
    let workspace = super::source::workspace(root, named.as_deref(), migrator);
    let mut secrets = config.filter(|_| migrator.config).unwrap_or_default();
    if let (Some(mut value), true) = (parsed, migrator.config) {
        let to = migrator.target.join("config.json");
        let defaults = value.pointer_mut("/agents/defaults").and_then(Value::as_object_mut);
        if defaults.is_some_and(|d| d.remove("workspace").is_some()) {
            let bytes = serde_json::to_vec_pretty(&value).context("config.json")?;
            let note = "the workspace is the one of this home; indented, its members sorted";
            migrator.put(&bytes, &to, "config.json", FileOutcome::Converted, note)?;
        } else {
            migrator.put(secrets.as_bytes(), &to, "config.json", FileOutcome::Imported, "")?;
        }
    }
    if migrator.config {
        for name in BESIDE {
            secrets.push_str(&import(root, name, false, migrator)?);
        }
        for name in files(&secrets) {
            import(root, name, true, migrator)?;
        }
        migrator.check_config(None);
        migrator.check_source(root);
    }
    if migrator.workspace {
        let to = migrator.target.join("skills");
        migrator.tree(root, "skills", &to, "skills", &|_| Ok(None))?;
        work(&workspace, migrator)?;
    }
    rest(root, &workspace, &secrets, migrator);
    Ok(())
}

/// Copies a file as it is; gives its text, which is empty where there is none.
fn import(root: &Root, name: &str, wanted: bool, migrator: &mut Migrator) -> Result<String> {
    let Some(text) = migrator.text(root, name, wanted) else { return Ok(String::new()) };
    migrator.put(text.as_bytes(), &migrator.target.join(name), name, FileOutcome::Imported, "")?;
    Ok(text)
}

fn work(workspace: &Path, migrator: &mut Migrator) -> Result<()> {
    let Ok(root) = Root::open(workspace) else {
        let why = format!("{} is no folder that can be read", workspace.display());
        migrator.report.add(FileOutcome::Failed, "workspace", &why);
        return Ok(());
    };
    let dest = migrator.dest();
    // Whoever has an AGENT.md never reads AGENTS.md: here that would be our template.
    let renamed = dest.join("AGENT.md").exists() && !workspace.join("AGENT.md").exists();
    migrator.tree(&root, "", &dest, "workspace", &|path| match path {
        "AGENTS.md" if renamed => Ok(Some("AGENT.md".into())),
        "heartbeat.log" => Err("a log"),
        _ if path.starts_with("sessions/seahorse.db") => Err("a database of another engine"),
        _ if path.ends_with(".json.migrated") => Err("it is in the .jsonl"),
        _ => Ok(None),
    })?;
    let jobs = sched::jobs_file::path(workspace);
    let mut wait = Vec::new();
    let looked = sched::jobs_file::scan(&jobs, &mut |job| {
        if let Some(job) = job.ok().filter(|j| !j.command().is_empty() && j.approval().is_empty()) {
            wait.push((job.name().to_owned(), job.id().to_owned()));
        }
    });
    if let Err(fault) = looked {
        migrator.report.add(FileOutcome::Failed, "workspace/cron/jobs.json", &fault.to_string());
    }
    for (name, id) in wait {
        let why = format!("its command runs after your yes: picoclaw cron enable {id}");
        migrator.report.add(FileOutcome::LeftOut, &format!("approval of job {name} ({id})"), &why);
    }
    Ok(())
}

/// Names that `file://` values of a configuration have.
fn files(text: &str) -> impl Iterator<Item = &str> {
    text.split("file://").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
        Some(&rest[..end.unwrap_or(rest.len())]).filter(|name| !name.is_empty())
    })
}

/// What else there is, and why it stays.
fn rest(root: &Root, workspace: &Path, secrets: &str, migrator: &mut Migrator) {
    let listed = root.locate(Path::new(""), false).and_then(|p| p.list(crate::limits::TREE_NAMES));
    for entry in listed.map(|(entries, _)| entries).unwrap_or_default() {
        let name = entry.name.to_string_lossy().into_owned();
        let known = matches!(&*name, "config.json" | "skills" | "workspace")
            || BESIDE.contains(&&*name)
            || files(secrets).any(|f| f.split('/').next() == Some(&*name))
            || workspace == root.path().join(&name);
        if known || !(migrator.config && migrator.workspace) {
            continue;
        }
        let why = match &*name {
            "logs" | ".picoclaw.pid" => "of the program that wrote it",
            "state" => "its journal; between homes of this picoclaw: backup and restore",
            _ if name.ends_with(".bak") => "an old version",
            _ => "not known",
        };
        migrator.report.add(FileOutcome::LeftOut, &join("", &name), why);
    }
    if workspace != root.path().join("workspace") && root.path().join("workspace").exists() {
        migrator.report.add(
            FileOutcome::LeftOut,
            "workspace",
            "the configuration names another one",
        );
    }
}
