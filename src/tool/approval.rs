//! Approvals: whether a call waits for the user's yes, and the question.
//!
//! What the model says does not count: no argument of a call counts as a person's answer. Nothing is stored: a question
//! that is open when the program ends counts as refused.

use super::args::Args;
use super::context::ToolContext;
use super::spec::ToolSpec;
use crate::bus::Verdict;
use crate::config::{Approval, Config};
use crate::limits::APPROVAL_CHARS;
use crate::proto::text::is_visible;

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
}
