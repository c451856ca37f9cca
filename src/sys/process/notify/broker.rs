//! The daemon's answers to the calls of one command.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_io::Async;
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use super::change;
use super::listener::{self, Notification};
use super::rules::AttributeRules;
use super::shared;
use crate::limits::SANDBOX_ANSWERS;
use crate::sys::beneath::path_of;
use crate::sys::spawn_blocking::{BlockingTask, spawn_blocking};

/// Answers a command's calls as long as it runs. Dropped, those that come are refused by the kernel (ENOSYS).
pub struct AttributeBroker {
    listener: Async<Arc<OwnedFd>>,
    rules: Arc<AttributeRules>,
    /// What answers, see [`answer_some`].
    answer: fn(&OwnedFd, &AttributeRules) -> bool,
    /// An answer in the making; whether there may be more.
    work: Option<BlockingTask<bool>>,
}

impl AttributeBroker {
    /// For the child that was started with the [`super::Hook`] of this socket.
    pub fn new(
        socket: &OwnedFd,
        rules: AttributeRules,
    ) -> io::Result<AttributeBroker> {
        AttributeBroker::of(listener::receive(socket)?, rules, answer_some)
    }

    /// For a command of another user, whose keeper asks at the other end of `socket` ([`shared`]).
    pub fn shared(
        socket: OwnedFd,
        rules: AttributeRules,
    ) -> io::Result<AttributeBroker> {
        AttributeBroker::of(socket, rules, shared::answer_wishes)
    }

    fn of(
        listener: OwnedFd,
        rules: AttributeRules,
        answer: fn(&OwnedFd, &AttributeRules) -> bool,
    ) -> io::Result<AttributeBroker> {
        let listener = Async::new_nonblocking(Arc::new(listener))?;
        Ok(AttributeBroker { listener, rules: Arc::new(rules), answer, work: None })
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
            let (listener, rules) = (Arc::clone(self.listener.get_ref()), Arc::clone(&self.rules));
            let answer = self.answer;
            self.work = Some(spawn_blocking(move || answer(&listener, &rules)));
        }
    }
}

/// Answers calls that wait; whether more may come. A command that makes them without end does not keep the thread, which
/// the journal uses, too: what is left comes behind other work.
fn answer_some(listener: &OwnedFd, rules: &AttributeRules) -> bool {
    for _ in 0..SANDBOX_ANSWERS {
        match listener::take(listener) {
            Ok(Some(call)) => {
                let result = perform(listener, rules, &call);
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
