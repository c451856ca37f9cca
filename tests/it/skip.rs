//! Tests that a machine cannot run: each says so here, by one of the reasons below.

#[path = "../../src/sys/skip.rs"]
mod unit;

/// What a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The tests do not run as root.
    Root,
    /// No user for the tools in /etc/passwd.
    ToolUser,
    /// The kernel has no Landlock.
    Landlock,
    /// The kernel has no seccomp filters.
    Seccomp,
    /// The kernel hands no system calls to a user-space listener (SECCOMP_RET_USER_NOTIF).
    UserNotification,
    /// No mount namespace of one's own (root and `unshare`).
    MountNamespace,
    /// No network namespace of one's own.
    #[cfg(feature = "web")]
    NetNamespace,
    /// No `ip` program, or no IPv6.
    #[cfg(feature = "web")]
    Ipv6,
    /// No `script` to make a terminal with.
    Terminal,
    /// No `python3` with tomllib.
    Python,
    /// No `mkfs.ext4`.
    Ext4,
    /// No `/dev/fuse`.
    Fuse,
}

impl Missing {
    fn text(self) -> &'static str {
        match self {
            Missing::Root => "the tests do not run as root",
            Missing::ToolUser => "no user for the tools in /etc/passwd",
            Missing::Landlock => "the kernel has no Landlock",
            Missing::Seccomp => "the kernel has no seccomp filters",
            Missing::UserNotification => "the kernel has no user notification",
            Missing::MountNamespace => "no mount namespace (root and unshare)",
            #[cfg(feature = "web")]
            Missing::NetNamespace => "no network namespace",
            #[cfg(feature = "web")]
            Missing::Ipv6 => "no ip program, or no IPv6",
            Missing::Terminal => "no `script` to make a terminal with",
            Missing::Python => "no python3 with tomllib",
            Missing::Ext4 => "no mkfs.ext4",
            Missing::Fuse => "no /dev/fuse",
        }
    }
}

/// Says that the running test, or a part of it, is left out; the caller returns. Fails where nothing may be left out.
#[track_caller]
pub fn skip(missing: Missing) {
    unit::skip(missing.text());
}

/// A line for the end of `scripts/test`, which names the file in `PICOCLAW_TEST_REPORT`.
pub fn report(kind: &str, text: &str) {
    let file = std::env::var_os("PICOCLAW_TEST_REPORT");
    unit::add_line(file.as_deref(), &format!("{kind}\t{text}"));
}
