//! `picoclaw onboard`: a first configuration and workspace for somebody who has none. Never changes what is there.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::layers::LoadOptions;
use super::load::load;
use super::replace::replace;
use crate::error::{Context, Result};

/// JSON has no comments: keys that begin with `_` are read by people only.
const EXAMPLE: &str = r#"{
  "_help": "Keys that begin with _ are comments. All keys: picoclaw config show. Check an edit: picoclaw config check.",
  "version": 3,
  "agents": {
    "defaults": {
      "model_name": "main"
    }
  },
  "model_list": [
    {
      "_help": "model is provider/model, for instance openrouter/vendor/model, anthropic/model, openai/model or ollama/model. Ollama and other local servers need no key.",
      "model_name": "main",
      "model": "openrouter/auto",
      "api_key": ""
    }
  ],
  "channel_list": {
    "telegram": {
      "_help": "Put in the token that @BotFather gives and set enabled to true. With an empty allow_from people pair with a code: it stands in the log and in picoclaw status.",
      "enabled": false,
      "allow_from": [],
      "settings": {
        "token": ""
      }
    }
  }
}
"#;

/// Files of a new workspace.
const TEMPLATES: &[(&str, &str)] = &[
    (
        "AGENT.md",
        "# How to work\n\nYou help the person who owns this board. Answer briefly and in their language.\n\
         Look things up with your tools before you guess, and say so when you do not know.\n\
         Ask before you delete anything or change something outside this folder.\n\
         Write what should last into memory/MEMORY.md.\n",
    ),
    ("SOUL.md", "# Character\n\nCalm, honest, curious. Short sentences. No flattery.\n"),
    ("USER.md", "# About the owner\n\nName:\nPlace and time zone:\nLanguages:\nWhat matters:\n"),
    (
        "memory/MEMORY.md",
        "# Memory\n\nFacts that should be known in every conversation, one a line.\n",
    ),
];

/// Writes what is missing and says on `out` what it did and found. `true` when a configuration was written.
pub fn onboard(options: &LoadOptions, out: &mut dyn Write) -> Result<bool> {
    let file = options.config_file()?;
    let shown = file.display();
    let found = fs::symlink_metadata(&file).is_ok();
    if found {
        writeln!(out, "Found {shown}; it stays as it is.")?;
    } else {
        if let Some(dir) = file.parent() {
            folder(dir, 0o700)?;
        }
        replace(&file, EXAMPLE.as_bytes()).with_context(|| format!("cannot write {shown}"))?;
        writeln!(out, "Wrote {shown}.")?;
    }
    let unfinished = LoadOptions { allow_empty: true, ..options.clone() };
    let workspace = match load(&unfinished) {
        Ok(loaded) => loaded.config.agent.workspace,
        Err(errors) => {
            writeln!(out, "The configuration has errors:\n{errors}")?;
            return Ok(!found);
        }
    };
    let mut written = 0;
    for (name, text) in TEMPLATES {
        let path = workspace.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        if let Some(dir) = path.parent() {
            folder(dir, 0o755)?;
        }
        replace(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        written += 1;
    }
    match written {
        0 => writeln!(out, "The workspace {} is complete.", workspace.display())?,
        n => writeln!(out, "Wrote {n} files into the workspace {}.", workspace.display())?,
    }
    if !found {
        writeln!(
            out,
            "Next: put a model key and a bot token into {shown}, then run `picoclaw config check` and `picoclaw gateway`."
        )?;
    }
    Ok(!found)
}

fn folder(dir: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))
}
