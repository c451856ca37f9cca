//! `picoclaw onboard`: a first configuration and workspace for somebody who has none. Never changes what is there.

use std::io::Write;
use std::path::Path;

use super::layers::{LoadOptions, read_file};
use super::load::load;
use super::replace::{below, replace};
use crate::error::{Context, Error, Result};
use crate::sys::beneath::path_meta;

/// JSON has no comments: keys that begin with `_` are read by people only.
const EXAMPLE: &str = r#"{
  "_help": "Keys that begin with _ are comments. All keys: picoclaw config keys. Check an edit: picoclaw config check.",
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
      "api_keys": []
    }
  ],
  "channel_list": {
    "telegram": {
      "_help": "Put in the token that @BotFather gives and set enabled to true. With an empty allow_from people pair with a code, which the log and picoclaw status show.",
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
///
/// # Errors
/// The disk's; a configuration with errors, which stays as it is.
pub fn onboard(options: &LoadOptions, out: &mut dyn Write) -> Result<bool> {
    let file = options.config_file()?;
    let shown = file.display();
    let found = path_meta(&file).is_some();
    if found {
        writeln!(out, "Found {shown}; it stays as it is.")?;
        if read_file(&file).is_ok_and(|bytes| bytes.trim_ascii().is_empty()) {
            writeln!(out, "It is empty: remove it, and `picoclaw onboard` writes one.")?;
        }
    } else {
        replace(&file, EXAMPLE.as_bytes()).with_context(|| {
            format!("cannot write {shown} (PICOCLAW_HOME names another place for it)")
        })?;
        writeln!(out, "Wrote {shown}.")?;
    }
    let unfinished = LoadOptions { allow_empty: true, ..options.clone() };
    let workspace = match load(&unfinished) {
        Ok(loaded) => loaded.config.agent.workspace,
        Err(errors) => {
            return Err(Error::new(format!("the configuration has errors:\n{errors}")));
        }
    };
    let mut written = 0;
    for (name, text) in TEMPLATES {
        // Commands write there as well.
        let made = below(&workspace, Path::new(name), text.as_bytes(), 0o755, false);
        let name = || format!("cannot write {}", workspace.join(name).display());
        written += usize::from(made.with_context(name)?);
    }
    match written {
        0 => writeln!(out, "The workspace {} is complete.", workspace.display())?,
        n => writeln!(out, "Wrote {n} files into the workspace {}.", workspace.display())?,
    }
    if !found {
        writeln!(
            out,
            "Next: put a model key and a bot token into {shown}, set the bot's `enabled` to true, then run `picoclaw config check` and `picoclaw gateway`."
        )?;
    }
    Ok(!found)
}
