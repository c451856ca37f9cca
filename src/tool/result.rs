//! The result of a call, and what happens to it before anybody sees it.

use std::borrow::Cow;

use crate::config::{Config, redact};
use crate::limits::TOOL_RESULT_BYTES;
use crate::proto::excerpt::keep_ends;
use crate::store::audit::Who;

/// The result of a call: upstream's ForLLM, ForUser, Silent, IsError, Async.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// The text for the model.
    pub for_model: String,
    /// The text for the chat, sent at once unless `silent`.
    pub for_user: Option<String>,
    /// Show the chat nothing.
    pub silent: bool,
    /// The call failed; `for_model` says why.
    pub is_error: bool,
    /// The work continues in the background and reports later.
    pub background: bool,
    /// It holds untrusted text or not, as the tool has found out; `None`: as [`super::ToolSpec::marks_untrusted`] says.
    pub untrusted: Option<bool>,
}

impl ToolResult {
    /// A result that only the model sees.
    pub fn silent(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), silent: true, ..ToolResult::default() }
    }
    /// A result for the model; the chat sees the model's answer.
    pub fn text(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), ..ToolResult::default() }
    }
    /// A failure that the model may react to.
    pub fn error(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), is_error: true, ..ToolResult::default() }
    }
}

/// Post-processes a tool's result: redacts secrets, then truncates. In this order, because truncation could leave half a
/// secret.
pub fn finish(mut result: ToolResult, config: &Config, secrets: &[String]) -> ToolResult {
    for text in [Some(&mut result.for_model), result.for_user.as_mut()].into_iter().flatten() {
        if config.tools.filter_sensitive_data {
            if let Cow::Owned(clean) = redact(text, secrets, config.tools.filter_min_length) {
                *text = clean;
            }
        }
        *text = keep_ends(std::mem::take(text), TOOL_RESULT_BYTES);
    }
    result
}

/// Writes a call to the audit log.
pub(super) fn audited(
    who: Who<'_>,
    name: &str,
    arguments: &str,
    result: &ToolResult,
    secrets: &[String],
) {
    let refused = ["not done:", "Command blocked", "access denied"];
    let outcome = match result.is_error {
        false => "ok",
        true if refused.iter().any(|text| result.for_model.starts_with(text)) => "refused",
        true => "failed",
    };
    let why = if result.is_error { result.for_model.lines().next().unwrap_or("") } else { "" };
    // First the secrets, then the length: half a secret would be left.
    let arguments = redact(arguments, secrets, 0);
    let fields = [("tool", name), ("result", outcome), ("why", why), ("arguments", &arguments)];
    crate::store::audit::record(who, &fields);
}
