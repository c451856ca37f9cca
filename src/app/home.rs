//! `$PICOCLAW_HOME`: one gateway at a time.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::limits::HOME_LOCK_WAIT;
use crate::store::dir::{self, Dir};
use crate::store::{CRON, SESSIONS, STATE};
use crate::sys::beneath::{File, path_meta};
use crate::sys::{lock, process};

/// The service of an image without systemd, and of a system with it.
const INIT_SCRIPT: &str = "/etc/init.d/S95picoclaw";
const UNITS: [&str; 3] = [
    "/etc/systemd/system/picoclaw.service",
    "/usr/lib/systemd/system/picoclaw.service",
    "/lib/systemd/system/picoclaw.service",
];

/// Folders of the home that only the daemon and the command line write to.
const OWN_FOLDERS: [&str; 4] = [STATE, SESSIONS, CRON, ".restore"];

/// The lock of a home, held until dropped.
pub struct Home {
    /// Keeps the lock; `None` where the disk takes no files (a read-only disk still gets its answers).
    _lock: Option<File>,
}

impl Home {
    /// Makes the folders and takes the lock.
    ///
    /// # Errors
    /// Another gateway has it: its process id is named.
    pub fn lock(home: &Path) -> Result<Home> {
        Home::try_lock(home)
            .map_err(|pid| Error::new(format!("gateway is already running (PID: {pid})")))
            .with_context(|| home.display().to_string())
    }

    /// [`Home::lock`] for a command that needs the gateway stopped.
    ///
    /// # Errors
    /// It runs: the text says how to stop it on this machine.
    pub fn lock_stopped(home: &Path) -> Result<Home> {
        Home::try_lock(home).map_err(|pid| {
            let how = match () {
                () if path_meta(Path::new(INIT_SCRIPT)).is_some() => format!("{INIT_SCRIPT} stop"),
                () if UNITS.iter().any(|unit| path_meta(Path::new(unit)).is_some()) => {
                    "systemctl stop picoclaw".into()
                }
                () => format!("Ctrl-C where it was started, or `kill {pid}`"),
            };
            let home = home.display();
            Error::new(format!("stop the gateway first ({how}): {home} is in use by PID {pid}"))
        })
    }

    /// [`Home::lock`]; `Err` with the process id, as text, of the gateway or command that has it.
    pub fn try_lock(home: &Path) -> Result<Home, String> {
        let path = home.join("state/lock");
        // Held open for reading only, so that the disk can still be remounted read-only.
        let opened =
            || Dir::open(home)?.read("state/lock")?.ok_or_else(|| ErrorKind::NotFound.into());
        let make = || Dir::make(home)?.append("state/lock", 0o600).map(drop);
        let mut file: File =
            match opened().or_else(|_: std::io::Error| make().and_then(|()| opened())) {
                Ok(file) => file,
                Err(e) => {
                    crate::log::error!(
                        "{}: {e}; a second gateway would not be noticed",
                        path.display()
                    );
                    return Ok(Home { _lock: None });
                }
            };
        // What a killed gateway was about to start has its files for a moment longer: between fork and exec.
        if !lock::wait(&file, HOME_LOCK_WAIT) {
            let mut pid = String::new();
            // Only for the message; an unreadable number is left out.
            let _ = file.read_to_string(&mut pid);
            return Err(pid.trim().to_owned());
        }
        // The number helps whoever reads the message above; the lock does not depend on it.
        let _ = Dir::open(home).and_then(|dir| {
            let Some(mut file) = dir.change("state/lock")? else { return Ok(()) };
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        });
        Ok(Home { _lock: Some(file) })
    }
}

/// Refuses a home whose own folders are links: whoever made one would choose where the daemon, or root at the command line,
/// writes. The home itself and the workspace may be links.
///
/// # Errors
/// Names the link, and what to do.
pub fn refuse_links(home: &Path) -> Result<()> {
    let Ok(Some(dir)) = Dir::find(home) else { return Ok(()) };
    for name in OWN_FOLDERS {
        match dir.meta(name) {
            Err(e) if dir::unfit(&e) => {
                let link = home.join(name);
                let link = link.display();
                return Err(Error::new(format!(
                    "{link} is a symbolic link, and none is followed to the daemon's own files: remove it, and \
                     move the folder that it points to into its place, or mount that folder there (mount --bind)"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Closes the home to other users; commands of a user of their own keep their way through it. Says so in the log.
pub fn close(home: &Path) {
    let mode = || path_meta(home).map_or(0, |meta| meta.mode & 0o777);
    let (before, shown) = (mode(), home.display());
    let shared = process::has_exec_broker();
    if before & if shared { 0o007 } else { 0o077 } == 0 {
        return;
    }
    let closed =
        Dir::open(home).and_then(|dir| dir.set_folder_mode(if shared { 0o710 } else { 0o700 }));
    match closed {
        Ok(()) if mode() & 0o007 == 0 => crate::log::warn!(
            "{shown} was open to other users ({before:o}); now only its owner can use it"
        ),
        done => {
            let why = done.err().map_or(String::new(), |e| format!(" ({e})"));
            crate::log::warn!(
                "{shown} is open to other users ({before:o}){why}: chmod 700 {shown}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_one_gateway() {
        let dir = crate::sys::scratch::Scratch::named("home");
        let first = Home::lock(&dir).expect("first");
        let e = Home::lock(&dir).err().expect("second is refused");
        assert!(e.as_str().contains(&format!("(PID: {})", std::process::id())), "{e}");
        // It is free again soon after: a child of the first had it, too.
        let late = std::thread::spawn(move || {
            std::thread::sleep(HOME_LOCK_WAIT / 10);
            drop(first);
        });
        Home::lock(&dir).expect("free again");
        late.join().expect("a thread");
    }
}
