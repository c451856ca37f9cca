//! The descriptor of a tool: approvals, unattended turns and marks of untrusted text depend on it, not on names.

use std::pin::Pin;

use super::args::{self, Args};
use super::context::ToolContext;
use super::result::ToolResult;
use crate::config::Config;

/// The side effects of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// None: calls of one answer may run concurrently, and again after a restart.
    Reads,
    /// Something that must not happen twice.
    Writes,
}

/// A tool's description for the model, and its properties.
#[derive(Debug)]
pub struct ToolSpec {
    /// Name that the model calls it by, unique among all tools.
    pub name: &'static str,
    /// One or two sentences for the model.
    pub description: &'static str,
    /// JSON Schema of the arguments: `{"type":"object","properties":{…},"required":[…]}`.
    pub schema: &'static str,
    /// What a second run would do, which decides about retries after a crash.
    pub effect: Effect,
    /// Runs one call whose arguments match the schema.
    pub run: RunFn,
    /// Acts on the machine and not only on files and chats: unattended turns do not have it unless
    /// `tools.unattended` grants it.
    pub acts_on_machine: bool,
    /// Why a call waits for the user's yes whatever `tools.<name>.approval` says; `None` when that decides.
    pub always_asks: fn(&Args) -> Option<&'static str>,
    /// Why a call asks where `tools.<name>.approval` is `auto`; `None` when it does not.
    pub asks: fn(&ToolContext, &Args) -> Option<&'static str>,
    /// `run` calls [`super::approval::gate`] itself, after checks that avoid pointless questions.
    pub asks_itself: bool,
    /// The text of the question to the user.
    pub question: fn(&Args) -> String,
    /// The result contains untrusted text: later risky calls of the conversation ask.
    pub marks_untrusted: fn(&Args) -> bool,
    /// Whether it can change files that later prompts hold.
    pub writes_prompts: PromptWrites,
    /// Its results hold addresses that the model may then fetch.
    pub reads_the_web: bool,
    /// Whether the configuration allows it, in addition to `tools.<name>.enabled`.
    pub available: fn(&Config) -> bool,
    /// What the turn must provide.
    pub needs: Needs,
}

impl ToolSpec {
    /// The defaults of a tool: it only reads, asks nobody, needs nothing.
    pub const PLAIN: ToolSpec = ToolSpec {
        name: "",
        description: "",
        schema: "{}",
        effect: Effect::Reads,
        run: |_, _| Box::pin(async { ToolResult::default() }),
        acts_on_machine: false,
        always_asks: |_| None,
        asks: |_, _| None,
        asks_itself: false,
        question: args::lines,
        marks_untrusted: |_| false,
        writes_prompts: PromptWrites::No,
        reads_the_web: false,
        available: |_| true,
        needs: Needs::Nothing,
    };
}

/// How a tool can change files that enter later prompts ([`super::prompt_files`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptWrites {
    /// It cannot write such files at all.
    No,
    /// Only as its arguments say, which a question shows.
    Shown,
    /// In ways that no question shows.
    Hidden,
}

/// A running tool call. Boxed, so that a turn needs only the memory of its call, not of the largest tool.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = ToolResult> + 'a>>;

/// Starts a call. Dropping what it returns stops the call.
pub type RunFn = for<'a> fn(&'a ToolContext, &'a Args) -> ToolFuture<'a>;

/// What a tool needs from the turn; without it the model does not see the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It needs nothing but its arguments.
    Nothing,
    /// It sends files to the chat ([`ToolContext::files`]).
    Files,
    /// It starts sub-agents ([`ToolContext::subagents`]).
    Subagents,
}
