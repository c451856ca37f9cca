//! What the model may call: one descriptor per tool, and the code around a call.
//!
//! To add a tool: a file with a `static` [`ToolSpec`] here, and a line in `src/registry.rs`
//! (docs/contributing/adding-a-tool.md). A tool never imports a channel; it returns a result, or passes messages to
//! [`ToolContext::send_message`]. This file only declares and re-exports: files of this folder import from the file that
//! defines an item, the rest of the program from here.

pub mod addresses;
pub mod allowed;
pub mod approval;
mod args;
mod call;
mod context;
pub mod cron_handle;
#[cfg(feature = "embeddings")]
pub mod embeddings;
pub mod guard;
mod list;
pub mod prompt_files;
mod result;
pub mod sandbox_plan;
pub mod schema;
pub mod scope;
mod spec;
pub mod subagent_handle;
mod trust;
mod untrusted;
pub mod workspace_group;

pub use args::Args;
pub use call::call;
pub use context::{FileSender, MessageSender, ToolContext};
pub use list::{handles_subagents, offered, reads_the_web, spec, specs};
pub use result::ToolResult;
#[cfg(feature = "hooks")]
pub use result::finish;
pub use spec::{Effect, Needs, PromptWrites, RunFn, ToolFuture, ToolSpec};
pub use trust::{Asker, Trust};

macro_rules! modules {
    ($(
        #[cfg $gate:tt]
        mod $module:ident { $($name:ident = $spec:ident, $default:ident, $doc:literal;)* }
    )*) => {
        $(#[cfg $gate] pub mod $module;)*
    };
}
crate::registry::tools!(modules);

#[cfg(test)]
mod tests;
