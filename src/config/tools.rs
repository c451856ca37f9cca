//! The tools' names and switches, derived from the table in [`crate::registry`].

use super::key::{Key, Kind, Limits};

/// Whether a call waits for the user's yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// What is risky, and what follows from untrusted text.
    #[default]
    Auto,
    /// Calls run without a question.
    Never,
    /// Every call needs a user's yes.
    Ask,
}

/// What the configuration needs to know of a tool besides its name.
#[derive(Clone, Copy)]
struct ToolFlags {
    /// Default of its switch without `version`.
    v0: &'static str,
    /// Default of its switch from version 1 on.
    v3: &'static str,
    /// It runs shell commands: without it jobs have none, and what limited upstream's commands makes it ask.
    runs_commands: bool,
}

/// Usable unless switched off.
const ON: ToolFlags = ToolFlags { v0: "true", v3: "true", runs_commands: false };
/// Off as upstream has it from version 1 on, on as v0.1.2 had it.
const ON_IN_V0: ToolFlags = ToolFlags { v3: "false", ..ON };
/// Usable only where it is switched on.
const OFF: ToolFlags = ToolFlags { v0: "false", v3: "false", ..ON };
/// Usable unless switched off; it runs shell commands.
const ON_RUNS_COMMANDS: ToolFlags = ToolFlags { runs_commands: true, ..ON };

const fn enabled(path: &'static str, flags: ToolFlags, doc: &'static str) -> Key {
    let ToolFlags { v0, v3, .. } = flags;
    Key { path, kind: Kind::Bool, v0, v3, limits: Limits::NONE, doc }
}

const fn approval(path: &'static str) -> Key {
    Key {
        path,
        kind: Kind::Word("auto|never|ask"),
        v0: "\"auto\"",
        v3: "\"auto\"",
        limits: Limits::NONE,
        doc: "whether calls wait for the user's yes; auto asks for what is risky and after untrusted text",
    }
}

macro_rules! switches {
    ($(
        #[cfg $gate:tt]
        mod $module:ident { $($name:ident = $spec:ident, $flags:ident, $doc:literal;)* }
    )*) => {
        /// Every tool that `tools.<name>.enabled` can switch, also those that this build lacks.
        pub const TOOLS: &[&str] = &[$($(stringify!($name),)*)*];

        /// Whether the tool of this name runs shell commands.
        pub(super) fn runs_commands(tool: &str) -> bool {
            $($(($flags.runs_commands && tool == stringify!($name)) ||)*)* false
        }

        /// The two keys of each tool.
        pub(super) const KEYS: &[Key] = &[$($(
            enabled(
                concat!("tools.", stringify!($name), ".enabled"),
                $flags,
                concat!("tool ", stringify!($name), $doc),
            ),
            approval(concat!("tools.", stringify!($name), ".approval")),
        )*)*];
    };
}
crate::registry::tools!(switches);
