//! Every tool of this build, and those that a configuration and a turn have.

use super::allowed::AllowedTools;
use super::approval;
use super::spec::{Needs, ToolSpec};
use crate::config::Config;
use crate::config::nearest::nearest;
use crate::proto::text::truncate;

macro_rules! list {
    ($(
        #[cfg $gate:tt]
        mod $module:ident { $($name:ident = $spec:ident, $default:ident, $doc:literal;)* }
    )*) => {
        /// Every tool of this build, in the order the model is told of them.
        pub(super) static TOOLS: &[&ToolSpec] = &[$($(#[cfg $gate] &super::$module::$spec,)*)*];
    };
}
crate::registry::tools!(list);

/// The tools that the configuration enables.
pub fn specs(config: &Config) -> Vec<&'static ToolSpec> {
    offered(config, false, None)
}

/// The same for a turn; an unattended one has fewer, and one whose AGENT.md names tools only those.
pub fn offered(
    config: &Config,
    unattended: bool,
    allowed: Option<&AllowedTools>,
) -> Vec<&'static ToolSpec> {
    let granted = |spec: &&ToolSpec| {
        approval::granted(config, spec, unattended)
            && allowed.is_none_or(|allowed| allowed.has(spec.name))
    };
    TOOLS.iter().copied().filter(|spec| enabled(config, spec)).filter(granted).collect()
}

/// The tool of this name, enabled or not.
pub fn spec(name: &str) -> Option<&'static ToolSpec> {
    TOOLS.iter().copied().find(|spec| spec.name == name)
}

/// Whether the configuration enables it.
pub(super) fn enabled(config: &Config, spec: &ToolSpec) -> bool {
    (spec.available)(config) && !config.tools.disabled.iter().any(|name| name == spec.name)
}

/// Whether the results of this tool hold addresses that the model may then fetch.
pub fn reads_the_web(name: &str) -> bool {
    spec(name).is_some_and(|spec| spec.reads_the_web)
}

/// Whether this tool starts sub-agents, or is about those that run.
pub fn handles_subagents(name: &str) -> bool {
    spec(name).is_some_and(|spec| spec.needs == Needs::Subagents)
}

/// The text for a model that called a tool that is not there.
pub(super) fn unknown(config: &Config, name: &str) -> String {
    let shown = truncate(name, 64);
    let mut text = format!("tool {shown:?} not found");
    if let Some(near) = nearest(&shown, specs(config).iter().map(|spec| spec.name)) {
        text.push_str(&format!("; did you mean {near:?}?"));
    } else {
        text.push_str("; there are");
        for (i, spec) in specs(config).iter().enumerate() {
            text.push_str(if i == 0 { " " } else { ", " });
            text.push_str(spec.name);
        }
    }
    text
}
