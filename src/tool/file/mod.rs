//! The file tools. All blocking work of a call runs in one piece off the loop's thread; only bounded files are
//! loaded whole; paths are opened through [`Scope`] only.

mod edit;
mod read;

pub use edit::find_once;

use std::path::{Component, Path};

use super::args::{Args, flag, text};
use super::context::ToolContext;
use super::exec::open_to_daemon;
use super::result::ToolResult;
use super::scope::{PathUse, Scope, fault};
use super::spec::{Effect, PromptWrites, ToolSpec};
use super::untrusted;
use crate::config::Config;
use crate::limits::{APPEND_FILE_BYTES, LIST_DIR_ENTRIES};
use crate::store::memory;
use crate::sys::beneath::{Fault, Replace};
use crate::sys::spawn_blocking;

/// Reads a text file.
pub static READ_FILE: ToolSpec = ToolSpec {
    name: "read_file",
    description: "Read a file. By bytes (offset, length) or, with start_line or max_lines, as numbered lines of text. Long files come in pieces; the answer says how to go on.",
    schema: r#"{"type":"object","properties":{"path":{"type":"string","description":"File, relative to the workspace"},"offset":{"type":"integer","description":"First byte, from 0","minimum":0},"length":{"type":"integer","description":"Bytes to read","minimum":1},"start_line":{"type":"integer","description":"First line, from 1","minimum":1},"max_lines":{"type":"integer","description":"Lines to read","minimum":1}},"required":["path"]}"#,
    effect: Effect::Reads,
    run: |ctx, args| Box::pin(call(ctx, "read_file", args)),
    marks_untrusted: |args| untrusted::is_media(text(args, "path")),
    ..ToolSpec::PLAIN
};

/// Writes a file, whole.
pub static WRITE_FILE: ToolSpec = ToolSpec {
    name: "write_file",
    description: "Write a file. Folders are made as needed. A file that exists is replaced only with overwrite=true.",
    schema: r#"{"type":"object","properties":{"path":{"type":"string","description":"File, relative to the workspace"},"content":{"type":"string","description":"The whole new content"},"overwrite":{"type":"boolean","description":"Replace a file that exists"}},"required":["path","content"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, "write_file", args)),
    asks: writes_beyond,
    writes_prompts: PromptWrites::Shown,
    ..ToolSpec::PLAIN
};

/// Replaces one section of a file.
pub static EDIT_FILE: ToolSpec = ToolSpec {
    name: "edit_file",
    description: "Replace a piece of a text file. old_text must occur exactly once, letter by letter; add surrounding lines to make it unique.",
    schema: r#"{"type":"object","properties":{"path":{"type":"string","description":"File, relative to the workspace"},"old_text":{"type":"string","description":"Text to replace"},"new_text":{"type":"string","description":"Text to put there"}},"required":["path","old_text","new_text"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, "edit_file", args)),
    asks: writes_beyond,
    writes_prompts: PromptWrites::Shown,
    ..ToolSpec::PLAIN
};

/// Adds to the end of a file.
pub static APPEND_FILE: ToolSpec = ToolSpec {
    name: "append_file",
    description: "Add text to the end of a file, which is made if missing.",
    schema: r#"{"type":"object","properties":{"path":{"type":"string","description":"File, relative to the workspace"},"content":{"type":"string","description":"Text to add"}},"required":["path","content"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, "append_file", args)),
    asks: writes_beyond,
    writes_prompts: PromptWrites::Shown,
    ..ToolSpec::PLAIN
};

/// `list_dir`: the names in a folder.
pub static LIST_DIR: ToolSpec = ToolSpec {
    name: "list_dir",
    description: "List the files and folders of a folder.",
    schema: r#"{"type":"object","properties":{"path":{"type":"string","description":"Folder, relative to the workspace; the workspace itself if left out"}}}"#,
    effect: Effect::Reads,
    run: |ctx, args| Box::pin(call(ctx, "list_dir", args)),
    ..ToolSpec::PLAIN
};

/// One call, owned, so that it can go to the blocking thread.
enum Call {
    Bytes { offset: u64, length: usize },
    Lines { first: u64, count: u64, limit: usize },
    Write { content: String, overwrite: bool },
    Edit { old: String, new: String },
    Append { content: String },
    List,
}

/// Runs the file tool `name`.
async fn call(ctx: &ToolContext, name: &str, args: &Args) -> ToolResult {
    let again = || Scope::new(&ctx.config, &ctx.readable_roots);
    let first = match again() {
        Ok(scope) => run(scope, &ctx.config, name, args).await,
        Err(e) => return ToolResult::error(e),
    };
    let closed = first.is_error && first.for_model.contains(DENIED);
    match again() {
        Ok(scope) if closed && open_to_daemon(&ctx.config, text(args, "path")).await => {
            run(scope, &ctx.config, name, args).await
        }
        _ => first,
    }
}

/// How the kernel refuses a file that a command's user keeps to itself.
const DENIED: &str = "os error 13";

/// Writing outside the workspace, or what later prompts hold, asks once the turn has read untrusted text.
fn writes_beyond(ctx: &ToolContext, args: &Args) -> Option<&'static str> {
    let (path, workspace) = (text(args, "path"), &ctx.config.agent.workspace);
    if is_outside(path, workspace) {
        return ctx.trust.untrusted();
    }
    let path = Path::new(path);
    let enters = memory::enters_prompts(path.strip_prefix(workspace).unwrap_or(path));
    enters.then(|| ctx.trust.for_later()).flatten()
}

/// Judged by the path's text. Links do not matter here: in the workspace a link that leads out is refused, and with
/// `restrict_to_workspace` off only the name decides.
fn is_outside(path: &str, workspace: &Path) -> bool {
    let path = Path::new(path);
    let path = path.strip_prefix(workspace).unwrap_or(path);
    path.is_absolute() || path.components().any(|c| c == Component::ParentDir)
}

async fn run(scope: Scope, config: &Config, name: &str, args: &Args) -> ToolResult {
    let mut path = text(args, "path").to_owned();
    let content = || text(args, "content").to_owned();
    let call = match name {
        "read_file" => read::call(config, args),
        "write_file" => Call::Write { content: content(), overwrite: flag(args, "overwrite") },
        "edit_file" => {
            let (old, new) = (text(args, "old_text").to_owned(), text(args, "new_text").to_owned());
            if old.is_empty() {
                return ToolResult::error("old_text is required");
            }
            Call::Edit { old, new }
        }
        "append_file" => Call::Append { content: content() },
        _ => {
            if path.is_empty() {
                path.push('.');
            }
            Call::List
        }
    };
    spawn_blocking(Box::new(move || match blocking(&scope, &path, call) {
        Ok(result) => result,
        Err(e) => ToolResult::error(e),
    }))
    .await
}

fn blocking(scope: &Scope, path: &str, call: Call) -> Result<ToolResult, String> {
    match call {
        Call::Bytes { offset, length } => {
            let (file, _) =
                scope.place(path, PathUse::Read)?.read().map_err(|e| unread(path, &e))?;
            read::bytes(&file, path, offset, length).map(ToolResult::silent)
        }
        Call::Lines { first, count, limit } => {
            let (file, _) =
                scope.place(path, PathUse::Read)?.read().map_err(|e| unread(path, &e))?;
            read::lines(&file, path, first, count, limit).map(ToolResult::silent)
        }
        Call::Write { content, overwrite } => {
            let place = scope.place(path, PathUse::Write)?;
            let replace = if overwrite { Replace::Yes } else { Replace::No };
            place.save(content.as_bytes(), replace).map_err(|e| unwritten(path, &e))?;
            Ok(ToolResult::silent(format!("File written: {path}")))
        }
        Call::Edit { old, new } => edit::edit(scope, path, &old, &new),
        Call::Append { content } => {
            let place = scope.place(path, PathUse::Write)?;
            place.append(content.as_bytes(), APPEND_FILE_BYTES).map_err(|e| unwritten(path, &e))?;
            Ok(ToolResult::silent(format!("Appended to {path}")))
        }
        Call::List => list(scope, path),
    }
}

fn list(scope: &Scope, path: &str) -> Result<ToolResult, String> {
    let place = scope.place(path, PathUse::Read)?;
    let (mut entries, more) = place
        .list(LIST_DIR_ENTRIES)
        .map_err(|e| format!("failed to read directory: {}", fault(path, &e)))?;
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut lines = String::new();
    for entry in &entries {
        lines.push_str(if entry.folder { "DIR:  " } else { "FILE: " });
        // A line break in a name would forge an entry.
        lines.push_str(&entry.name.to_string_lossy().replace(['\n', '\r'], "?"));
        lines.push('\n');
    }
    if more {
        lines.push_str(&format!("(only the first {LIST_DIR_ENTRIES} entries found)\n"));
    }
    if lines.is_empty() {
        lines.push_str("(empty folder)");
    }
    Ok(ToolResult::silent(lines))
}

fn unread(path: &str, e: &Fault) -> String {
    format!("failed to read file: {}", fault(path, e))
}

fn unwritten(path: &str, e: &Fault) -> String {
    match e {
        Fault::Exists => {
            format!("file: {path} already exists. Set overwrite=true to replace.")
        }
        e => format!("failed to write file: {}", fault(path, e)),
    }
}

#[cfg(test)]
mod tests;
