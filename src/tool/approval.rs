//! Approvals: whether a call waits for the user's yes, and the question.
//!
//! What the model says does not count: no argument of a call counts as a person's answer. Nothing is stored: a question
//! that is open when the program ends counts as refused.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;

use super::addresses::Addresses;
use super::{Args, ToolContext, ToolSpec};
use crate::bus::Verdict;
use crate::config::{Approval, Config};
use crate::limits::APPROVAL_CHARS;
use crate::proto::text::is_visible;

/// Asks the person who started the turn.
pub type Asker = Rc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Verdict>>>>;

/// How far a turn is trusted: its user, and what it has read.
#[derive(Clone, Default)]
pub struct Trust {
    /// How to ask its user; `None` if nobody can be asked.
    pub ask: Option<Asker>,
    /// No message started it (heartbeat, cron, consolidation).
    pub unattended: bool,
    /// It has read untrusted text.
    pub untrusted: Rc<Cell<bool>>,
    /// The addresses that were in what it has read.
    pub addresses: Rc<RefCell<Addresses>>,
}

impl Trust {
    /// Why a call that affects others asks; `None` while the turn has read no untrusted text.
    pub fn untrusted(&self) -> Option<&'static str> {
        self.untrusted.get().then_some("what the assistant has read from others may be behind it")
    }

    /// Why a change of what later prompts hold asks; `None` while the turn has read no untrusted text.
    pub fn for_later(&self) -> Option<&'static str> {
        const LATER: &str = "the assistant will go by it in every conversation, and what it has read from others may be behind it";
        self.untrusted().and(Some(LATER))
    }
}

/// Folder of the workspace with the files that came with messages.
pub(super) const MEDIA: &str = "media";

/// Whether a path leads to a file that came with a message.
pub(super) fn is_media(path: &str) -> bool {
    Path::new(path).components().any(|c| c.as_os_str() == MEDIA)
}

/// Whether the model may see this tool in such a turn at all.
pub fn granted(config: &Config, spec: &ToolSpec, unattended: bool) -> bool {
    !unattended || !spec.acts_on_machine || config.tools.unattended.iter().any(|t| t == spec.name)
}

/// Lets a call pass, or says why not. Waits for the user where that is needed.
///
/// # Errors
/// The model's text: refused, not answered, nobody to ask.
pub async fn gate(ctx: &ToolContext, spec: &ToolSpec, args: &Args) -> Result<(), String> {
    let Some(why) = reason(ctx, spec, args) else { return Ok(()) };
    let name = spec.name;
    let shown = shown(&(spec.question)(args));
    if shown.chars().count() > APPROVAL_CHARS {
        return Err(format!(
            "not done: {name} needs the user's approval here ({why}), and the call is too long to be shown; make it shorter"
        ));
    }
    let Some(ask) = &ctx.trust.ask else {
        return Err(format!(
            "not done: {name} needs the user's approval here ({why}), and nobody can be asked"
        ));
    };
    let asked = format!("The assistant wants to use {name}.\nWhy you are asked: {why}.\n\n{shown}");
    crate::log::info!("approval asked for {name}: {why}");
    let verdict = ask(asked).await;
    crate::log::info!("approval of {name}: {verdict:?}");
    let answer = match verdict {
        Verdict::Yes => return Ok(()),
        Verdict::No => "the user said no",
        Verdict::TimedOut => "the user did not answer in time, which counts as no",
        Verdict::Unreachable => "the user could not be asked",
    };
    Err(format!(
        "not done: {answer}. Do not try it again in another form; continue without it or ask in words."
    ))
}

/// The configuration lets every call of this tool pass.
pub(super) fn is_never(ctx: &ToolContext, spec: &ToolSpec) -> bool {
    ctx.config
        .tools
        .approvals
        .iter()
        .any(|(tool, set)| tool == spec.name && *set == Approval::Never)
}

/// Why a call asks; `None` when it does not.
fn reason(ctx: &ToolContext, spec: &ToolSpec, args: &Args) -> Option<&'static str> {
    if let Some(why) = (spec.always_asks)(args) {
        return Some(why);
    }
    let set = ctx.config.tools.approvals.iter().find(|(tool, _)| tool == spec.name);
    match set.map(|(_, approval)| *approval).unwrap_or_default() {
        Approval::Never => None,
        Approval::Ask => Some("the configuration wants it so"),
        Approval::Auto => (spec.asks)(ctx, args),
    }
}

/// A call's arguments, one per line, as shown to its user.
pub fn arguments(args: &Args) -> String {
    let mut out = String::new();
    for (key, value) in args {
        out.push_str(key);
        out.push_str(": ");
        match value.as_str() {
            Some(text) => out.push_str(text),
            None => out.push_str(&value.to_string()),
        }
        out.push('\n');
    }
    out
}

/// Without invisible characters and direction marks.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        if c == '\n' || c == ' ' || (is_visible(c) && !c.is_whitespace()) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_show_everything() {
        assert_eq!(
            shown("rm a\u{202e}b\u{200b}\tc\r\nd\n"),
            "rm a\\u{202e}b\\u{200b}\\u{9}c\\u{d}\nd"
        );
    }

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
            let marks = super::super::spec(name).map(|spec| (spec.marks_untrusted)(&args));
            assert_eq!(marks.unwrap_or(want), want, "{name} {args:?}");
        }
    }
}
