//! What the daemon does to itself before it starts commands.

use super::reaper;

/// Closes this process to others of its user (memory, environment, descriptors: prctl(2), PR_SET_DUMPABLE), and has
/// the processes that slip out of a command's group handed to it, so that they can be ended. Once, at the start of a
/// program that runs tools; it must have no children but commands.
pub fn harden() {
    close_to_others();
    // Variadic: the kernel looks at whole registers.
    let (yes, no): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: plain system calls on integers.
    unsafe {
        if libc::prctl(libc::PR_SET_CHILD_SUBREAPER, yes, no, no, no) == 0 {
            reaper::adopt_orphans();
        }
    }
}

/// Its memory, environment and descriptors are nobody else's.
pub(super) fn close_to_others() {
    let no: libc::c_ulong = 0;
    // SAFETY: a plain system call on integers.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, no, no, no, no) } != 0 {
        tracing::warn!("this process is open to others of its user");
    }
}
