//! The socket on which the kernel says that devices come and go. Nobody needs privileges for it, nor a child process.

use std::io;
use std::os::fd::OwnedFd;

use async_io::Async;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

use crate::limits::UEVENT_BYTES;

/// The group of the kernel itself; the other one is udev's.
const KERNEL: u32 = 1;

/// The socket.
pub struct Uevents(Async<OwnedFd>);

impl Uevents {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel's: it has no netlink, or does not let this process have one.
    pub fn open() -> io::Result<Uevents> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::DGRAM;
        let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
        Ok(Uevents(Async::new_nonblocking(socket)?))
    }

    /// Waits for the next notice that `pick` makes something of. What a process sent instead of the kernel is left out.
    ///
    /// # Errors
    /// The kernel's; `ENOBUFS` when more came than it keeps, which are lost.
    pub async fn next<T>(&self, pick: impl Fn(&[u8]) -> Option<T>) -> io::Result<T> {
        loop {
            let found = self.0.read_with(|socket| {
                let mut buffer = [0; UEVENT_BYTES];
                let (_, n, from) = recvfrom(socket, &mut buffer[..], RecvFlags::empty())?;
                let from = from.and_then(|a| SocketAddrNetlink::try_from(a).ok());
                let kernel = from.is_some_and(|from| from.pid() == 0);
                Ok(buffer.get(..n).filter(|_| kernel).and_then(&pick))
            });
            if let Some(found) = found.await? {
                return Ok(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendFlags, sendto};

    /// Root may ask the kernel to say something again.
    #[test]
    fn the_kernels_word_arrives() {
        let Ok(events) = Uevents::open() else {
            crate::sys::skip::skip("no netlink here");
            return;
        };
        if std::fs::write("/sys/class/mem/null/uevent", "change").is_err() {
            crate::sys::skip::skip("not root");
            return;
        }
        let pick = |m: &[u8]| m.starts_with(b"change@/devices/virtual/mem/null\0").then_some(true);
        let late = async {
            async_io::Timer::after(std::time::Duration::from_secs(20)).await;
            Ok(false)
        };
        let came = async_io::block_on(smol::future::or(events.next(pick), late));
        assert!(came.expect("no error"), "the kernel said nothing");
    }

    #[test]
    fn only_the_kernels_word_counts() {
        let Ok(events) = Uevents::open() else {
            crate::sys::skip::skip("no netlink here");
            return;
        };
        let name = rustix::net::getsockname(events.0.get_ref()).expect("a name");
        let name = SocketAddrNetlink::try_from(name).expect("of netlink");
        let flags = SocketFlags::CLOEXEC;
        let other =
            socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT));
        let to = SocketAddrNetlink::new(name.pid(), 0);
        // Refused by the kernel, unless by root.
        let sent = sendto(other.expect("a socket"), b"add@/x\0", SendFlags::empty(), &to);
        let next = events.next(|message| Some(message.len()));
        // What was sent is in the queue when `sendto` returns: one look is enough.
        let got = async_io::block_on(smol::future::poll_once(next)).transpose().expect("no error");
        // The kernel may have said something meanwhile; never what was sent.
        assert_ne!(got, Some(7), "sent: {sent:?}");
    }
}
