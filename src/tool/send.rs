//! send_file: sends a file of the workspace to the chat, streamed from the card.
//!
//! Sent at once and not through the journal: a call that a restart interrupted is reported as unknown, never repeated.

use std::sync::Arc;

use super::args::{Args, text};
use super::context::ToolContext;
use super::result::ToolResult;
use super::scope::{PathUse, Scope, fault};
use super::spec::{Effect, Needs, ToolSpec};
use crate::bus::Upload;
use crate::limits::SEND_FILE_BYTES;
use crate::proto::text::one_line;
use crate::sys::spawn_blocking;

/// Sends a file of the workspace to a chat.
pub static SEND_FILE: ToolSpec = ToolSpec {
    name: "send_file",
    description: "Send a file of the workspace to the user: pictures, music, video and voice notes (*voice*.ogg) as such, everything else as a document.",
    schema: r#"{"type":"object","properties":{"path":{"type":"string","description":"File, relative to the workspace"},"filename":{"type":"string","description":"Name the user sees; the file's own if left out"}},"required":["path"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, args)),
    needs: Needs::Files,
    ..ToolSpec::PLAIN
};

/// Runs one call.
async fn call(ctx: &ToolContext, args: &Args) -> ToolResult {
    match send(ctx, args).await {
        Ok(name) => ToolResult::silent(format!("File sent: {name}")),
        Err(e) => ToolResult::error(e),
    }
}

async fn send(ctx: &ToolContext, args: &Args) -> Result<String, String> {
    let Some(files) = &ctx.files else {
        return Err("files cannot be sent from here; tell where the file is".into());
    };
    let path = text(args, "path").to_owned();
    let name = match text(args, "filename") {
        "" => path.as_str(),
        name => name,
    };
    let name = one_line(name.rsplit('/').next().unwrap_or(name), 100);
    let scope = Scope::new(&ctx.config, &ctx.readable_roots)?;
    let open = move || {
        let (file, _) = scope.place(&path, PathUse::Read)?.read().map_err(|e| fault(&path, &e))?;
        let bytes = file.metadata().map_err(|e| e.to_string())?.len();
        match bytes {
            0 => Err(format!("{path} is empty")),
            1..=SEND_FILE_BYTES => Ok((file, bytes)),
            _ => Err(format!("{path} has {bytes} bytes; at most {SEND_FILE_BYTES} can be sent")),
        }
    };
    let (file, bytes) = spawn_blocking(Box::new(open)).await?;
    let upload = Upload { file: Arc::new(file), name: name.clone(), bytes };
    files(ctx.chat.clone(), upload).await.map_err(|e| format!("{name} was not sent: {e}"))?;
    Ok(name)
}
