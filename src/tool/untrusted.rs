//! Marks untrusted text: the turn that a call brings some into, and the files of later prompts that such a turn changes.
//!
//! This is what tools do. Messages that others wrote (forwarded ones, those of cameras) arrive marked as
//! [`Inbound::untrusted`](crate::bus::Inbound::untrusted): `channel/telegram/inbound.rs` and `channel/maixcam/mod.rs` set it.

use std::path::Path;

use super::approval;
use super::args::Args;
use super::context::ToolContext;
use super::prompt_files::{self, Places, PromptFilesWatch};
use super::spec::{PromptWrites, ToolSpec};
use crate::sys::spawn_blocking;

/// Folder of the workspace with the files that came with messages.
pub(super) const MEDIA: &str = "media";

/// Whether a path leads to a file that came with a message.
pub(super) fn is_media(path: &str) -> bool {
    Path::new(path).components().any(|c| c.as_os_str() == MEDIA)
}

/// What a call has to be marked for, from before it runs.
pub(super) struct Marking {
    /// Its result holds untrusted text.
    brings: bool,
    /// A person who said yes to what a file tool writes has seen it.
    seen: bool,
    watch: Option<PromptFilesWatch>,
}

impl Marking {
    /// Before a call.
    ///
    /// # Errors
    /// The disk's: then the call must not run.
    pub(super) async fn begin(
        ctx: &ToolContext,
        spec: &ToolSpec,
        args: &Args,
    ) -> crate::Result<Marking> {
        let brings = (spec.marks_untrusted)(args);
        let seen = spec.writes_prompts == PromptWrites::Shown && !approval::is_never(ctx, spec);
        let mut marking = Marking { brings, seen, watch: None };
        if spec.writes_prompts != PromptWrites::No {
            let (places, before) = (Places::of(&ctx.config), marking.is_untrusted(ctx));
            // What a command brings is known when it has ended.
            let later = spec.writes_prompts == PromptWrites::Hidden;
            let watch = move || prompt_files::watch(&places, before, later);
            marking.watch = spawn_blocking(watch).await?;
        }
        Ok(marking)
    }

    /// After it: marks the turn, and what later prompts hold. `found` is what the tool knows of its result.
    pub(super) async fn end(mut self, ctx: &ToolContext, spec: &ToolSpec, found: Option<bool>) {
        self.brings = found.unwrap_or(self.brings);
        if self.brings {
            ctx.trust.untrusted.set(true);
        }
        if let Some(watch) = self.watch.take() {
            let (places, after) = (Places::of(&ctx.config), self.is_untrusted(ctx));
            if let Err(e) = spawn_blocking(move || watch.end(&places, after)).await {
                crate::log::error!("what {} changed is not recorded: {e}", spec.name);
            }
        }
    }

    /// Whether untrusted text may be in what the call writes.
    fn is_untrusted(&self, ctx: &ToolContext) -> bool {
        self.brings || (ctx.trust.untrusted.get() && !self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_sources() {
        for (name, args, want) in [
            ("web_fetch", r#"{"url":"x"}"#, true),
            ("read_file", r#"{"path":"media/1_a.txt"}"#, true),
            ("read_file", r#"{"path":"/w/media/1_a.txt"}"#, true),
            ("read_file", r#"{"path":"notes/multimedia.txt"}"#, false),
            ("exec", r#"{"command":"cat media/1_a.txt"}"#, true),
            ("exec", r#"{"command":"cat *","working_dir":"media"}"#, true),
            ("exec", r#"{"command":"curl https://example.org"}"#, true),
            ("exec", r#"{"command":"ls"}"#, false),
            ("write_file", r#"{"path":"media/x","content":""}"#, false),
            ("serial", r#"{"action":"read","port":"ttyS1"}"#, true),
            ("serial", r#"{"action":"list"}"#, false),
        ] {
            let args: Args = serde_json::from_str(args).expect("arguments");
            // A build without the tool has no such call.
            let marks = crate::tool::spec(name).map(|spec| (spec.marks_untrusted)(&args));
            assert_eq!(marks.unwrap_or(want), want, "{name} {args:?}");
        }
    }
}
