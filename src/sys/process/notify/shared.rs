//! Changes of attributes by a command that runs as another user, in a workspace that belongs to both.
//!
//! Its keeper, which is of the same user, answers the command's calls: it makes the change, and the kernel judges it as the
//! command's own. What is the daemon's file it opens and hands to the daemon with what is to be changed; the daemon looks
//! where that is and makes the change if it is in the workspace. A message is [`Wish`] with a descriptor (SCM_RIGHTS), the
//! answer an errno, 0 for none, in 4 bytes.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Stat, Timestamps, statat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::change::{self, FileChange};
use super::listener::{self, Notification};
use super::rules::{AttributeRules, CommandCalls};
use crate::limits::{SANDBOX_ANSWERS, SANDBOX_SHARED_WAIT};
use crate::sys::beneath::path_of;
use crate::sys::fd_passing;

/// A change as a message: 0 and the mode, or 1 and seconds and nanoseconds of both times.
type Wish = [i64; 5];

/// The keeper's part.
pub struct KeeperAnswers {
    /// Brings the listener; then it is closed.
    socket: OwnedFd,
    listener: Option<OwnedFd>,
    daemon: OwnedFd,
    /// Tells the daemon that there is a socket to other machines; none: it was told.
    internet: Option<fn()>,
    /// The daemon has not answered in time, or has gone.
    lost: bool,
}

impl KeeperAnswers {
    /// `socket` is of the command's [`super::Hook`], `daemon` leads to [`answer_wishes`]; `internet` is called before the
    /// command has its first socket that leads to other machines.
    pub fn new(socket: OwnedFd, daemon: OwnedFd, internet: fn()) -> KeeperAnswers {
        KeeperAnswers { socket, listener: None, daemon, internet: Some(internet), lost: false }
    }

    /// The descriptor to watch first.
    pub fn first(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Does what there is to do at the watched descriptor; the one to watch next, or -1.
    pub fn serve(&mut self) -> RawFd {
        let Some(listener) = self.listener.take() else {
            self.listener = listener::receive(&self.socket).ok();
            return self.listener.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        };
        for _ in 0..SANDBOX_ANSWERS {
            match listener::take(&listener) {
                Ok(Some(call)) if listener::is_socket(&call) => {
                    if let Some(tell) = self.internet.take() {
                        tell();
                    }
                    listener::proceed(&listener, &call);
                }
                Ok(Some(call)) => {
                    let result = self.perform(&listener, &call);
                    listener::answer(&listener, &call, result);
                }
                Ok(None) => break,
                Err(_) => return -1,
            }
        }
        self.listener.insert(listener).as_raw_fd()
    }

    fn perform(&mut self, listener: &OwnedFd, call: &Notification) -> Result<(), Errno> {
        let (target, change) = change::decode(call)?;
        let file = target.open(call.pid)?;
        // Only if the process still waits is what was read its own, and not of one that got its number.
        if !listener::waits(listener, call) {
            return Err(Errno::SRCH);
        }
        let stat = statat(&file, "", AtFlags::EMPTY_PATH)?;
        let own = stat.st_uid == rustix::process::geteuid().as_raw();
        let wish = wish(&change).filter(|_| !own);
        if !own && wish.is_none() {
            return Err(Errno::PERM);
        }
        match (change.make(&file, &stat, false), wish) {
            (Err(Errno::PERM), Some(wish)) => self.ask(&file, wish),
            (result, _) => result,
        }
    }

    fn ask(&mut self, file: &OwnedFd, wish: Wish) -> Result<(), Errno> {
        let result = if self.lost { None } else { exchange(&self.daemon, file, wish) };
        match result {
            Some(0) => Ok(()),
            Some(number) => Err(Errno::from_raw_os_error(number)),
            None => {
                self.lost = true;
                Err(Errno::PERM)
            }
        }
    }
}

fn wish(change: &FileChange) -> Option<Wish> {
    match change {
        FileChange::Mode(mode) => Some([0, i64::from(*mode), 0, 0, 0]),
        FileChange::Times(times) => {
            let (access, modified) = (&times.last_access, &times.last_modification);
            Some([1, access.tv_sec, access.tv_nsec, modified.tv_sec, modified.tv_nsec])
        }
        FileChange::Owner(..) => None,
    }
}

fn exchange(daemon: &OwnedFd, file: &OwnedFd, wish: Wish) -> Option<i32> {
    let bytes: Vec<u8> = wish.iter().flat_map(|word| word.to_ne_bytes()).collect();
    fd_passing::send(daemon, &bytes, &[file.as_fd()]).ok()?;
    let limit = Timespec { tv_sec: SANDBOX_SHARED_WAIT, tv_nsec: 0 };
    let mut polled = [PollFd::new(daemon, PollFlags::IN)];
    if !matches!(poll(&mut polled, Some(&limit)), Ok(1)) {
        return None;
    }
    let mut answer = [0; 4];
    let (got, _) = recv(daemon, &mut answer[..], RecvFlags::DONTWAIT).ok()?;
    (got == answer.len()).then_some(i32::from_ne_bytes(answer))
}

/// The daemon's part: answers what waits at `socket`; whether more may come.
pub(super) fn answer_wishes(socket: &OwnedFd, watch: &CommandCalls) -> bool {
    for _ in 0..SANDBOX_ANSWERS {
        let mut bytes = [0; size_of::<Wish>()];
        let (got, files) = match fd_passing::receive(socket, &mut bytes) {
            Ok((got, files)) if got > 0 => (got, files),
            Err(Errno::AGAIN | Errno::INTR) => return true,
            _ => return false,
        };
        let result = match (files.first(), got == bytes.len()) {
            (Some(file), true) => grant(file, &bytes, &watch.rules),
            _ => Err(Errno::INVAL),
        };
        let number = result.err().map_or(0, Errno::raw_os_error);
        let _ = send(socket, &number.to_ne_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
    true
}

/// Makes the change, if the file is the daemon's and where the command may write.
fn grant(file: &OwnedFd, wish: &[u8], rules: &AttributeRules) -> Result<(), Errno> {
    let path = path_of(file).map_err(|_| Errno::PERM)?;
    let stat = statat(file, "", AtFlags::EMPTY_PATH)?;
    let kind = stat.st_mode & libc::S_IFMT;
    // Another name of the file may be anywhere.
    let alone = kind == libc::S_IFDIR || (kind == libc::S_IFREG && stat.st_nlink == 1);
    let own = stat.st_uid == rustix::process::geteuid().as_raw();
    if !rules.cover(&path) || !alone || !own {
        return Err(Errno::PERM);
    }
    let mut words = [0; 5];
    for (word, bytes) in words.iter_mut().zip(wish.chunks_exact(8)) {
        *word = i64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    }
    let [kind, first, ..] = words;
    let change = match kind {
        0 => FileChange::Mode(shared(first as u32 & 0o7777, &stat)),
        _ => FileChange::Times(times(words)),
    };
    change.make(file, &stat, rules.is_folder(&path))
}

/// The commands' group keeps what the owner has: the file is theirs as well.
fn shared(mode: u32, stat: &Stat) -> u32 {
    let folder = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    mode | (mode & 0o700) >> 3 | if folder { libc::S_ISGID } else { 0 }
}

fn times([_, access, part, modified, part_of_that]: Wish) -> Timestamps {
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    Timestamps { last_access: time(access, part), last_modification: time(modified, part_of_that) }
}
