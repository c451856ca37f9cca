//! The ways in which commands are kept in, and the kernels on which they are.

/// How commands are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// A daemon without root: Landlock and the call filter.
    Desktop,
    /// Root's supervisor and its daemon, on a kernel with Landlock: our image.
    Supervisor,
    /// The same on a kernel without Landlock: commands have a user of their own.
    NoLandlock,
    /// A daemon that root has started.
    Root,
    /// No command is involved; the daemon itself is what is attacked.
    Daemon,
}

impl Route {
    /// Its name in what tests print.
    pub fn name(self) -> &'static str {
        match self {
            Route::Desktop => "desktop without root",
            Route::Supervisor => "image with supervisor",
            Route::NoLandlock => "kernel without Landlock",
            Route::Root => "daemon as root",
            Route::Daemon => "daemon",
        }
    }
}

/// A kernel and what of Landlock it has at least; a row that needs less may not be skipped on it.
pub struct Kernel {
    /// The first release, as major and minor number.
    pub since: (u32, u32),
    pub landlock: u32,
}

/// Linux releases with a new version of Landlock.
pub const KERNELS: &[Kernel] = &[
    Kernel { since: (0, 0), landlock: 0 },
    Kernel { since: (5, 13), landlock: 1 },
    Kernel { since: (5, 19), landlock: 2 },
    Kernel { since: (6, 2), landlock: 3 },
    Kernel { since: (6, 7), landlock: 4 },
    Kernel { since: (6, 10), landlock: 5 },
    Kernel { since: (6, 12), landlock: 6 },
];
