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

/// Defaults of a tool's switch without `version`, and from version 1 on.
type SwitchDefault = (&'static str, &'static str);

/// Usable unless switched off.
const ON: SwitchDefault = ("true", "true");
/// Off as upstream has it from version 1 on, on as v0.1.2 had it.
const ON_IN_V0: SwitchDefault = ("true", "false");
/// Usable only where it is switched on.
const OFF: SwitchDefault = ("false", "false");

const fn enabled(path: &'static str, (v0, v3): SwitchDefault, doc: &'static str) -> Key {
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
        mod $module:ident { $($name:ident = $spec:ident, $default:ident, $doc:literal;)* }
    )*) => {
        /// Every tool that `tools.<name>.enabled` can switch, also those that this build lacks.
        pub const TOOLS: &[&str] = &[$($(stringify!($name),)*)*];

        /// The two keys of each tool.
        pub(super) const KEYS: &[Key] = &[$($(
            enabled(
                concat!("tools.", stringify!($name), ".enabled"),
                $default,
                concat!("tool ", stringify!($name), $doc),
            ),
            approval(concat!("tools.", stringify!($name), ".approval")),
        )*)*];
    };
}
crate::registry::tools!(switches);
