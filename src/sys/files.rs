//! Small questions to the kernel about files and sockets.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Sets permission bits.
///
/// # Errors
/// The kernel's.
pub fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Whether this process may make files in a folder.
///
/// # Errors
/// It is no folder; the kernel's reason.
pub fn may_write(folder: &Path) -> io::Result<()> {
    if !std::fs::metadata(folder)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let how = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    Ok(rustix::fs::access(folder, how)?)
}

/// Root gives what it has made at `path` to the owner of the folder around it, so that the daemon, which is not root,
/// can use it; other users' files stay as they are. Links are not followed.
///
/// # Errors
/// The kernel's.
pub fn give_to_folder_owner(path: &Path) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = std::fs::metadata(path.parent().unwrap_or(Path::new(".")))?;
    std::os::unix::fs::lchown(path, Some(folder.uid()), Some(folder.gid()))
}

/// Writes a file of mode 0600 onto the card, over one that is there. A link is not followed.
///
/// # Errors
/// The kernel's.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Everything that is left of an open file.
///
/// # Errors
/// `FileTooLarge` for more than `limit` bytes, of which none are kept; the kernel's.
pub fn read_bounded(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let expected = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(expected as usize);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let limit = match (limit >> 20, limit >> 10) {
            (0, 0) => format!("{limit} bytes"),
            (0, k) => format!("{k} KiB"),
            (m, _) => format!("{m} MiB"),
        };
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("larger than {limit}")));
    }
    Ok(bytes)
}

/// Bytes that a file system has left for this user, and whether it is mounted read-only.
///
/// # Errors
/// The kernel's.
pub fn free_space(path: &Path) -> std::io::Result<(u64, bool)> {
    let found = rustix::fs::statvfs(path)?;
    let read_only = found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
    Ok((found.f_bavail.saturating_mul(found.f_frsize), read_only))
}

/// Files and sockets that a process may have open (RLIMIT_NOFILE); `None` for as many as it likes.
pub fn max_open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// The process at the other end of a Unix socket, if it is root's or this process's own user's (unix(7), SO_PEERCRED).
pub fn trusted_peer(socket: &impl AsFd) -> Option<u32> {
    let own = rustix::process::geteuid();
    let found = rustix::net::sockopt::socket_peercred(socket).ok()?;
    (found.uid == own || found.uid.is_root()).then(|| found.pid.as_raw_nonzero().get() as u32)
}

/// Connects to a Unix socket. Connecting takes `limit` at most, and so does each read and write afterwards.
///
/// # Errors
/// The kernel's; `TimedOut` where the other side has no room for one more and accepts nobody.
pub fn connect_within(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC);
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    for id in [Timeout::Recv, Timeout::Send] {
        set_socket_timeout(&socket, id, Some(limit))?;
    }
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Err(rustix::io::Errno::AGAIN) => Err(ErrorKind::TimedOut.into()),
        done => Ok(done.map(|()| UnixStream::from(socket))?),
    }
}

/// Takes the exclusive lock on `file`, false when another process has it (flock(2)).
pub fn try_lock(file: &File) -> bool {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    /// A stopped daemon: its socket is there, and nobody accepts, or nobody reads.
    #[test]
    fn nothing_waits_for_ever_at_a_socket() {
        let (s, limit) = (Scratch::new(), Duration::from_millis(20));
        let path = s.path().join("s");
        let kind = SocketType::STREAM;
        let listener = rustix::net::socket(AddressFamily::UNIX, kind, None).expect("a socket");
        let address = SocketAddrUnix::new(&path).expect("short");
        rustix::net::bind(&listener, &address).expect("bound");
        rustix::net::listen(&listener, 0).expect("listening");
        let mut first = connect_within(&path, limit).expect("there is room for one");
        let late = connect_within(&path, limit).expect_err("there is none for another");
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        let late = first.write_all(&vec![0; 16 << 20]).expect_err("nobody reads");
        assert_eq!(late.kind(), ErrorKind::WouldBlock);
        let late = first.read(&mut [0]).expect_err("nobody writes");
        assert_eq!(late.kind(), ErrorKind::WouldBlock);
        drop(listener);
        assert!(connect_within(&path, limit).is_err_and(|e| e.kind() != ErrorKind::TimedOut));
    }

    #[test]
    fn no_more_is_read_than_the_limit_allows() {
        let path = std::env::temp_dir().join(format!("picoclaw-bounded-{}", std::process::id()));
        std::fs::write(&path, "12345").expect("a file");
        let read = |limit| read_bounded(File::open(&path).expect("a file"), limit);
        assert_eq!(read(5).expect("fits"), b"12345");
        assert_eq!(read(6).expect("fits"), b"12345");
        let error = read(4).expect_err("too long");
        assert_eq!(
            (error.kind(), &*error.to_string()),
            (ErrorKind::FileTooLarge, "larger than 4 bytes")
        );
        // A file of the kernel says that it has no bytes.
        let proc = read_bounded(File::open("/proc/self/status").expect("proc"), 1 << 16);
        assert!(proc.expect("fits").starts_with(b"Name:"));
        std::fs::remove_file(&path).expect("removed");
    }
}
