//! Serial ports, raw, eight bits, no parity, no flow control.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{ControlModes, OptionalActions, tcgetattr, tcsetattr};

/// A port, open.
pub struct Port(File);

impl Port {
    /// Opens it and sets it up.
    ///
    /// # Errors
    /// The kernel's; `ENOTTY` where it is no port.
    pub fn open(path: &Path, baud: u32) -> io::Result<Port> {
        let file = super::open(path)?;
        let mut manner = tcgetattr(&file)?;
        manner.make_raw();
        manner.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        manner.control_modes -= ControlModes::CRTSCTS
            | ControlModes::CSTOPB
            | ControlModes::PARENB
            | ControlModes::HUPCL;
        manner.set_speed(baud)?;
        tcsetattr(&file, OptionalActions::Now, &manner)?;
        Ok(Port(file))
    }

    /// Reads until `into` is full, `wait` is over, or nothing more has come for `silence`. Returns how many bytes came.
    ///
    /// # Errors
    /// The kernel's; `BrokenPipe` when the port went away.
    pub fn read(&self, into: &mut [u8], wait: Duration, silence: Duration) -> io::Result<usize> {
        let end = Instant::now() + wait;
        let mut got = 0;
        while got < into.len() {
            let left = end.saturating_duration_since(Instant::now());
            let left = if got > 0 { left.min(silence) } else { left };
            if !self.ready(PollFlags::IN, left)? {
                break;
            }
            match (&self.0).read(&mut into[got..]) {
                // Its other end is gone.
                Ok(0) => return Err(ErrorKind::BrokenPipe.into()),
                Ok(n) => got += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(got)
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The kernel's; `TimedOut` when the port does not take it within `wait`, `BrokenPipe` when it went away.
    pub fn write(&self, mut data: &[u8], wait: Duration) -> io::Result<()> {
        let end = Instant::now() + wait;
        while !data.is_empty() {
            if !self.ready(PollFlags::OUT, end.saturating_duration_since(Instant::now()))? {
                return Err(ErrorKind::TimedOut.into());
            }
            match (&self.0).write(data) {
                Ok(n) => data = &data[n..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Is `what` possible within `wait`?
    fn ready(&self, what: PollFlags, wait: Duration) -> io::Result<bool> {
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), what)];
        let wait = Timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos() as _ };
        poll(&mut fds, Some(&wait))?;
        let came = fds[0].revents();
        // What had come before it went away can still be read.
        if !came.contains(what)
            && came.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
        {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(came.contains(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    /// Both ends of a port.
    fn pair() -> (File, Port) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("unlocked");
        let path = ptsname(&master, Vec::new()).expect("its name").into_string().expect("text");
        (File::from(master), Port::open(Path::new(&path), 9600).expect("a port"))
    }

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(30);

    #[test]
    fn reads_end_with_silence_and_writes_are_raw() {
        let (mut other, port) = pair();
        let mut room = [0; 64];
        assert_eq!(port.read(&mut room, SHORT, SHORT).expect("nothing came"), 0);
        other.write_all(b"a\r\n\x03\x00").expect("sent");
        assert_eq!(port.read(&mut room, LONG, SHORT).expect("read"), 5);
        assert_eq!(&room[..5], b"a\r\n\x03\x00");
        other.write_all(b"0123456789").expect("sent");
        assert_eq!(port.read(&mut room[..4], LONG, LONG).expect("read"), 4);
        port.write(b"x\ny", LONG).expect("written");
        let n = other.read(&mut room).expect("arrived");
        assert_eq!(&room[..n], b"x\ny");
    }

    #[test]
    fn a_port_that_takes_nothing_or_goes_away_is_an_error() {
        let (other, port) = pair();
        let e = port.write(&[7; 1 << 20], SHORT).expect_err("nobody reads");
        assert_eq!(e.kind(), ErrorKind::TimedOut);
        drop(other);
        for e in [
            port.read(&mut [0; 8], LONG, LONG).expect_err("it is gone"),
            port.write(b"x", LONG).expect_err("it is gone"),
        ] {
            let gone = e.kind() == ErrorKind::BrokenPipe || e.raw_os_error() == Some(libc::EIO);
            assert!(gone, "{e:?}");
        }
    }

    #[test]
    fn other_files_are_not_serial_ports() {
        let e = Port::open(Path::new("/dev/null"), 9600).map(|_| ()).expect_err("no port");
        assert_eq!(e.raw_os_error(), Some(libc::ENOTTY));
        let e = Port::open(Path::new("/etc/passwd"), 9600).map(|_| ()).expect_err("a file");
        assert_eq!((e.kind(), e.raw_os_error()), (ErrorKind::InvalidInput, None));
    }
}
