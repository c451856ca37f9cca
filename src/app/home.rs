//! `$PICOCLAW_HOME`: one gateway at a time.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Instant;

use crate::error::{Context, Error, Result};
use crate::limits::HOME_LOCK_WAIT;
use crate::store::dir::Dir;
use crate::sys::beneath::File;

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
        if !wait_for_lock(&file) {
            let mut pid = String::new();
            // Only for the message; an unreadable number is left out.
            let _ = file.read_to_string(&mut pid);
            return Err(Error::new(format!("gateway is already running (PID: {})", pid.trim())))
                .with_context(|| home.display().to_string());
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

/// Takes the lock, or sees for [`HOME_LOCK_WAIT`] that another has it.
///
/// What a killed gateway was about to start has its files for a moment longer: between fork and exec.
fn wait_for_lock(file: &File) -> bool {
    let end = Instant::now() + HOME_LOCK_WAIT;
    loop {
        if crate::sys::files::try_lock(file) {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(HOME_LOCK_WAIT / 50);
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
