//! A command that stays and is talked with: one socket is its standard input and output.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, send, shutdown};

use super::child::Child;
use super::control::Exit;
use super::sandbox::Sandbox;
use super::spawn::shell;

/// What a [`Dialog`] is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogStream {
    /// Standard output, which holds what is said.
    Words,
    /// Standard error, which is for the log.
    Errors,
}

/// A running command; dropped, everything of it ends.
pub struct Dialog(Child);

impl Dialog {
    /// As [`shell`], except for the script's standard output: a socket, from which it can be read as well (`<&1`).
    ///
    /// # Errors
    /// As [`shell`].
    pub async fn start(
        script: &OsStr,
        dir: &OwnedFd,
        env: &[(OsString, OsString)],
        sandbox: Sandbox,
    ) -> io::Result<Dialog> {
        shell(script, dir, env, Sandbox { duplex: true, ..sandbox }).await.map(Dialog)
    }

    /// Number of its first process; 0 for one of the supervisor's.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ready when the first process has ended. Has to be polled for the command's changes of attributes too.
    pub fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.0.poll_calls(cx);
        ready!(self.0.poll_exited(cx));
        Poll::Ready(self.0.exit().unwrap_or(Exit::Unknown))
    }

    /// Reads what is there, in bytes; 0 once, when nothing more will come.
    pub fn poll_read(
        &mut self,
        from: DialogStream,
        buffer: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<usize> {
        let stream = match from {
            DialogStream::Words => &mut self.0.stdout,
            DialogStream::Errors => &mut self.0.stderr,
        };
        loop {
            let Some(fd) = stream else { return Poll::Pending };
            match rustix::io::read(fd.get_ref(), &mut *buffer) {
                Ok(n) if n > 0 => return Poll::Ready(n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    // An error shows again when the stream is read.
                    let _ = ready!(fd.poll_readable(cx));
                }
                _ => {
                    *stream = None;
                    return Poll::Ready(0);
                }
            }
        }
    }

    /// Writes what there is room for; how many bytes that were.
    pub fn poll_write(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            let Some(fd) = &self.0.stdout else {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            };
            match send(fd.get_ref(), bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(n) => return Poll::Ready(Ok(n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    // As above.
                    let _ = ready!(fd.poll_writable(cx));
                }
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
    }

    /// Its standard input ends.
    pub fn hang_up(&self) {
        if let Some(fd) = &self.0.stdout {
            // One that has ended hears nothing.
            let _ = shutdown(fd.get_ref(), Shutdown::Write);
        }
    }
}
