//! The daemon's answers to the calls of one command.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use async_io::Async;
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use super::change;
use super::listener::{self, Notification};
use super::rules::{AttributeRules, CommandCalls};
use super::shared;
use crate::limits::SANDBOX_ANSWERS;
use crate::sys::beneath::path_of;
use crate::sys::spawn_blocking::{BlockingTask, spawn_blocking};

/// Answers a command's calls as long as it runs. Dropped, those that come are refused by the kernel (ENOSYS).
pub struct CallBroker {
    listener: Async<Arc<OwnedFd>>,
    watch: Arc<CommandCalls>,
    /// What answers, see [`answer_some`].
    answer: fn(&OwnedFd, &CommandCalls) -> bool,
    /// An answer in the making; whether there may be more.
    work: Option<BlockingTask<bool>>,
}

impl CallBroker {
    /// For the child that was started with the [`super::Hook`] of this socket.
    pub fn new(socket: &OwnedFd, rules: AttributeRules) -> io::Result<CallBroker> {
        CallBroker::of(listener::receive(socket)?, rules, answer_some)
    }

    /// For a command of another user, whose keeper asks at the other end of `socket` ([`shared`]).
    pub fn shared(socket: OwnedFd, rules: AttributeRules) -> io::Result<CallBroker> {
        CallBroker::of(socket, rules, shared::answer_wishes)
    }

    fn of(
        listener: OwnedFd,
        rules: AttributeRules,
        answer: fn(&OwnedFd, &CommandCalls) -> bool,
    ) -> io::Result<CallBroker> {
        let listener = Async::new_nonblocking(Arc::new(listener))?;
        let watch = Arc::new(CommandCalls { rules, ..CommandCalls::default() });
        Ok(CallBroker { listener, watch, answer, work: None })
    }

    /// Whether a process of the command has opened a socket that leads to other machines.
    pub fn internet(&self) -> bool {
        self.watch.internet.load(Ordering::Relaxed)
    }

    /// Answers what is there; ready when nobody is left who could ask.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(work) = &mut self.work {
                match Pin::new(work).poll(cx) {
                    Poll::Ready(true) => self.work = None,
                    Poll::Ready(false) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            match self.listener.poll_readable(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            // Files may be on a disk that hangs: not on the loop.
            let (listener, watch) = (Arc::clone(self.listener.get_ref()), Arc::clone(&self.watch));
            let answer = self.answer;
            self.work = Some(spawn_blocking(move || answer(&listener, &watch)));
        }
    }
}

/// Answers calls that wait; whether more may come. A command that makes them without end does not keep the thread, which
/// the journal uses, too: what is left comes behind other work.
fn answer_some(listener: &OwnedFd, watch: &CommandCalls) -> bool {
    for _ in 0..SANDBOX_ANSWERS {
        match listener::take(listener) {
            Ok(Some(call)) if listener::is_socket(&call) => {
                // Before the command has the socket, so before it can read anything from it.
                watch.internet.store(true, Ordering::Relaxed);
                listener::proceed(listener, &call);
            }
            Ok(Some(call)) => {
                let result = perform(listener, &watch.rules, &call);
                listener::answer(listener, &call, result);
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
    true
}

/// Makes the change, if it is one that the command may make.
fn perform(listener: &OwnedFd, rules: &AttributeRules, call: &Notification) -> Result<(), Errno> {
    let (target, change) = change::decode(call)?;
    let file = target.open(call.pid)?;
    // Only if the process still waits is what was read its own, and not of one that got its number.
    if !listener::waits(listener, call) {
        return Err(Errno::SRCH);
    }
    let path = path_of(&file).map_err(|_| Errno::PERM)?;
    if !rules.cover(&path) {
        return Err(Errno::PERM);
    }
    let stat = statat(&file, "", AtFlags::EMPTY_PATH)?;
    // As the kernel would say to the command, which has none of the daemon's capabilities.
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Errno::PERM);
    }
    change.make(&file, &stat, rules.is_folder(&path))
}
