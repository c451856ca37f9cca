//! Why the guard stops a command.

/// Why a command is not run; the X in `Command blocked by safety guard (X)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// On the deny list, or on `custom_deny_patterns`.
    Dangerous,
    /// A path with `..`, which could leave the workspace.
    Traversal,
    /// A path outside the workspace.
    Outside,
}

impl Reason {
    /// The text that users and scripts rely on.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Dangerous => "dangerous pattern detected",
            Reason::Traversal => "path traversal detected",
            Reason::Outside => "path outside working dir",
        }
    }
}
