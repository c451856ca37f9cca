//! The process between us and a command: it takes in what slips out of the command's group and session, and ends all of it
//! with the command, whatever else runs meanwhile.
//!
//! It is a child of ours, or the process that the supervisor started as another user, and makes the command's first
//! process. At its end of the control socket it takes signals, a byte each: SIGTERM for the command's group; SIGKILL, or the
//! socket's end, for everything that descends from the command. It writes reports of 5 bytes: `p` and the number of the first
//! process, `n` and why there is none (errno), and when that has ended `x` and its status or `s` and a signal; `i` when a
//! command of another user opens a socket to other machines ([`super::notify`]). Then the
//! processes left behind live until SIGKILL.
//!
//! It is forked from a program with threads: system calls only, no memory is allocated and no lock taken.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;

use super::sandbox::SandboxEntry;
use crate::limits::KEEPER_ROUNDS;
use crate::sys::service::unblock_signals;

/// A program with its arguments and environment, in the form of execve(2). Made before the fork.
pub(super) struct Program {
    /// NUL-terminated; the pointers lead here.
    _texts: Vec<CString>,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
}

impl Program {
    /// `/bin/sh -c script`, with these variables (`NAME=value`).
    ///
    /// # Errors
    /// A NUL in one of them.
    pub(super) fn shell(script: Vec<u8>, variables: Vec<Vec<u8>>) -> io::Result<Program> {
        Program::new(vec![b"/bin/sh".to_vec(), b"-c".to_vec(), script], variables)
    }

    /// The program at the path `before[0]`, with `before` as its arguments.
    ///
    /// # Errors
    /// A NUL in one of them.
    pub(super) fn new(before: Vec<Vec<u8>>, variables: Vec<Vec<u8>>) -> io::Result<Program> {
        let count = before.len();
        let mut texts = Vec::with_capacity(count + variables.len());
        for text in before.into_iter().chain(variables) {
            texts.push(CString::new(text)?);
        }
        let pointers = |texts: &[CString]| {
            texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (arguments, environment) = (pointers(&texts[..count]), pointers(&texts[count..]));
        Ok(Program { _texts: texts, arguments, environment })
    }

    /// Becomes it; why not.
    fn exec(&self) -> io::Error {
        // SAFETY: both lists end in a null pointer, and what they point to is `_texts`.
        unsafe {
            libc::execve(self.arguments[0], self.arguments.as_ptr(), self.environment.as_ptr());
        }
        io::Error::last_os_error()
    }
}

/// What a keeper has besides the command.
pub(super) struct Post<'a> {
    /// The control socket.
    pub(super) control: RawFd,
    /// A pipe that closes when the command runs; it takes the first reports. -1: the control socket does.
    pub(super) begun: RawFd,
    /// This process is a copy of one with threads: every other descriptor is closed.
    pub(super) copied: bool,
    /// A descriptor that is watched as well; -1 for none.
    pub(super) also: RawFd,
    /// Called when that is readable; the next one to watch.
    pub(super) serve: &'a mut dyn FnMut(RawFd) -> RawFd,
}

/// Makes the command and keeps it. Does not return.
pub(super) fn keep(program: &Program, entry: &mut SandboxEntry, mut post: Post<'_>) -> ! {
    // SAFETY: plain system calls on integers and memory of this frame, each async-signal-safe (signal-safety(7)); all-zero is
    // a valid signal set and action; the handler does nothing.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(libc::SIGCHLD, &action, std::ptr::null_mut());
        let (yes, no): (libc::c_ulong, libc::c_ulong) = (1, 0);
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, yes, no, no, no);
        let keeper = libc::getpid();
        entry.protect(keeper);
        let first = if post.begun < 0 { post.control } else { post.begun };
        let leader = libc::fork();
        if leader == 0 {
            // By itself and first of all: a command may kill the keeper before that has run again.
            tell(first, report(b'p', libc::getpid()));
            let started = unblock_signals().and_then(|()| entry.enter(keeper));
            let why = started.err().unwrap_or_else(|| program.exec());
            tell(first, report(b'n', why.raw_os_error().unwrap_or(libc::EACCES)));
            libc::_exit(127);
        }
        if leader < 0 {
            let why = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN);
            tell(first, report(b'n', why));
            libc::_exit(127);
        }
        for fd in 0..3 {
            libc::close(fd);
        }
        if post.copied {
            close_all_but(post.control, entry.last_fd());
        } else {
            entry.forget_hook();
        }
        let told = watch(&mut post, leader);
        end(leader, post.control, told);
        libc::_exit(0)
    }
}

extern "C" fn nothing(_: libc::c_int) {}

/// Until everything is to end; whether the first process's end was reported.
fn watch(post: &mut Post<'_>, leader: libc::pid_t) -> bool {
    let mut told = false;
    loop {
        told = told || has_ended(leader, post.control);
        let interest = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut polled = [interest(post.control), interest(post.also)];
        // SAFETY: plain system calls on memory of this frame. SIGCHLD comes only inside of ppoll, so none is missed.
        let signals = unsafe {
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut mask);
            libc::sigdelset(&mut mask, libc::SIGCHLD);
            if libc::ppoll(polled.as_mut_ptr(), 2, std::ptr::null(), &mask) <= 0 {
                continue;
            }
            let mut wanted = [0u8; 16];
            let flags = libc::MSG_DONTWAIT;
            match libc::recv(post.control, wanted.as_mut_ptr().cast(), wanted.len(), flags) {
                0 => return told,
                n if n < 0 => [0; 16],
                _ => wanted,
            }
        };
        for signal in signals.map(i32::from) {
            match signal {
                libc::SIGKILL => return told,
                // SAFETY: the first process is not reaped, so the number of its group is nobody else's.
                libc::SIGTERM => unsafe {
                    libc::kill(-leader, libc::SIGTERM);
                },
                _ => {}
            }
        }
        if polled[1].revents != 0 {
            post.also = (post.serve)(post.also);
        }
    }
}

/// Reports the first process's end, without reaping it; reaps others.
fn has_ended(leader: libc::pid_t, control: RawFd) -> bool {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    loop {
        // SAFETY: the call fills the structure, for which all-zero is valid.
        let (pid, code, status) = unsafe {
            let mut found: libc::siginfo_t = std::mem::zeroed();
            if libc::waitid(libc::P_ALL, 0, &mut found, options) != 0 {
                return false;
            }
            (found.si_pid(), found.si_code, found.si_status())
        };
        match pid {
            0 => return false,
            pid if pid == leader => {
                let kind = if code == libc::CLD_EXITED { b'x' } else { b's' };
                tell(control, report(kind, status));
                return true;
            }
            // SAFETY: an ended child of ours, which nobody else waits for.
            pid => unsafe {
                libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG);
            },
        }
    }
}

/// Ends everything that descends from here. What is killed leaves its children to us, for the next round.
fn end(leader: libc::pid_t, control: RawFd, mut told: bool) {
    // SAFETY: plain system calls; the first process is not reaped yet.
    unsafe { libc::kill(-leader, libc::SIGKILL) };
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 500_000 };
    for round in 0..KEEPER_ROUNDS {
        loop {
            told = told || has_ended(leader, control);
            // SAFETY: plain system calls; what has ended is reaped.
            let gone = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
            if gone < 0 {
                return;
            }
            if gone == 0 {
                break;
            }
        }
        if round > 0 {
            kill_children();
        }
        // SAFETY: the structure lives for the call.
        unsafe { libc::nanosleep(&pause, std::ptr::null_mut()) };
    }
}

/// SIGKILL to every child of this process. They are not reaped, so their numbers are theirs.
fn kill_children() {
    // SAFETY: plain system calls on literals and memory of this frame; the descriptor is closed again.
    unsafe {
        let own = libc::getpid();
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let proc = libc::open(c"/proc".as_ptr(), flags);
        if proc < 0 {
            return;
        }
        let mut entries = [0u8; 4096];
        loop {
            let (at, room) = (entries.as_mut_ptr(), entries.len());
            let n = libc::syscall(libc::SYS_getdents64, proc, at, room);
            let Some(mut rest) = usize::try_from(n).ok().and_then(|n| entries.get(..n)) else {
                break;
            };
            if rest.is_empty() {
                break;
            }
            // linux_dirent64 (getdents(2)): 8 bytes, 8 bytes, length of the entry, kind, name with its NUL.
            while let Some(&[a, b]) = rest.get(16..18) {
                let length = usize::from(u16::from_ne_bytes([a, b]));
                let name = rest.get(19..length).unwrap_or_default();
                if let Some(pid) = number(name).filter(|_| parent_of(proc, name) == Some(own)) {
                    libc::kill(pid, libc::SIGKILL);
                }
                rest = rest.get(length.max(1)..).unwrap_or_default();
            }
        }
        libc::close(proc);
    }
}

/// The parent of a process whose folder in /proc is `name`, a text up to its NUL.
fn parent_of(proc: RawFd, name: &[u8]) -> Option<libc::pid_t> {
    let end = name.iter().position(|b| *b == 0)?;
    let mut path = [0u8; 32];
    path.get_mut(..end)?.copy_from_slice(name.get(..end)?);
    path.get_mut(end..end + 6)?.copy_from_slice(b"/stat\0");
    let mut text = [0u8; 512];
    // SAFETY: plain system calls on memory of this frame; the path ends in NUL, and the descriptor is closed again.
    let length = unsafe {
        let fd = libc::openat(proc, path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let n = libc::read(fd, text.as_mut_ptr().cast(), text.len());
        libc::close(fd);
        usize::try_from(n).ok()?
    };
    // proc(5): number (name) state parent; the name may hold anything.
    let text = text.get(..length)?;
    let behind = text.get(text.iter().rposition(|b| *b == b')')?..)?;
    number(behind.get(4..)?)
}

/// The decimal number that a text begins with, up to something else; `None` where it begins with something else.
fn number(text: &[u8]) -> Option<libc::pid_t> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).take(10);
    let value =
        digits.fold(None, |n: Option<i64>, b| Some(n.unwrap_or(0) * 10 + i64::from(b - b'0')));
    libc::pid_t::try_from(value?).ok()
}

fn close_all_but(kept: RawFd, last: RawFd) {
    // SAFETY: plain system calls on integers; nothing of this process uses what is closed.
    unsafe {
        // close_range: Linux 5.9; by number, as C libraries lacked it for long.
        let range = |from: RawFd, to: libc::c_uint| {
            libc::syscall(libc::SYS_close_range, from as libc::c_uint, to, 0 as libc::c_uint) == 0
        };
        if range(kept + 1, libc::c_uint::MAX) && (kept <= 3 || range(3, kept as libc::c_uint - 1)) {
            return;
        }
        for fd in (3..=last.saturating_add(16)).filter(|fd| *fd != kept) {
            libc::close(fd);
        }
    }
}

/// See the module.
pub(super) fn report(kind: u8, value: i32) -> [u8; 5] {
    let [a, b, c, d] = value.to_ne_bytes();
    [kind, a, b, c, d]
}

/// Who has gone needs no report.
pub(super) fn tell(fd: RawFd, report: [u8; 5]) {
    // SAFETY: the buffer is this frame's. A socket without its other end must not end us: all signals are blocked.
    unsafe { libc::write(fd, report.as_ptr().cast(), report.len()) };
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
