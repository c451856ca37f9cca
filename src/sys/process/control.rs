//! Our end of a keeper's control socket ([`super::keeper`]): what became of the command, and signals for it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll};

use async_io::Async;
use rustix::io::Errno;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Reaped by someone else.
    Unknown,
    /// The supervisor could not start it: errno.
    NotStarted(i32),
}

/// The socket; closed, everything of the command ends.
pub(super) struct Control {
    socket: Async<OwnedFd>,
    exit: Option<Exit>,
    /// The keeper has seen the command open a socket that leads to other machines.
    internet: bool,
    over: bool,
}

impl Control {
    pub(super) fn new(socket: UnixStream) -> io::Result<Control> {
        Ok(Control {
            socket: Async::new(OwnedFd::from(socket))?,
            exit: None,
            internet: false,
            over: false,
        })
    }

    /// Ready when the first process has ended.
    pub(super) fn poll_exited(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.exit.is_none() {
            if self.poll_report(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Ready when nothing of the command is left.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.over {
            if self.poll_report(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut report = [0; 5];
        let exit = match rustix::io::read(&self.socket, &mut report) {
            Ok(5) => {
                let [kind, a, b, c, d] = report;
                let value = i32::from_ne_bytes([a, b, c, d]);
                match kind {
                    b'x' => Exit::Code(value),
                    b's' => Exit::Signal(value),
                    b'n' => Exit::NotStarted(value),
                    b'i' => {
                        self.internet = true;
                        return Poll::Ready(());
                    }
                    _ => return Poll::Ready(()),
                }
            }
            Err(Errno::INTR) => return Poll::Ready(()),
            Err(Errno::AGAIN) => match self.socket.poll_readable(cx) {
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            },
            _ => {
                self.over = true;
                Exit::Unknown
            }
        };
        // The first report counts: what follows one that nothing was started is of the keeper's own child.
        self.exit.get_or_insert(exit);
        Poll::Ready(())
    }

    /// For the command's group; SIGKILL for everything that descends from it.
    pub(super) fn signal(&self, signal: i32) {
        // Gone is as good.
        let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT;
        let _ = rustix::net::send(&self.socket, &[signal as u8], flags);
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// Whether the keeper has reported a socket that leads to other machines.
    pub(super) fn internet(&self) -> bool {
        self.internet
    }
}
