//! Landlock (since Linux 5.13): which files a command may open at all, whatever its user may.
//!
//! A [`LandlockRules`] is a rule set that allows nothing but what is added. It is made before the fork and put in force by
//! the child, by a system call of its own, since the library's way there is longer; no descendant can leave it.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AddRuleError, AddRulesError, BitFlags, CreateRulesetError, PathBeneath,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::notify::AttributeRules;
use crate::limits::{SANDBOX_DEPTH, SANDBOX_PIECES, SANDBOX_RULES};
use crate::sys::beneath::path_of;

/// LANDLOCK_CREATE_RULESET_VERSION.
const VERSION: u32 = 1;

/// What is asked for: of this, each kernel holds what it knows. The last with a scope: no abstract sockets and no
/// signals across the wall.
const ASKED: ABI = ABI::V6;

/// The version this kernel has; 0 for none, or switched off at boot.
pub fn abi() -> u32 {
    // SAFETY: with this flag the call reads no memory (landlock_create_ruleset(2)).
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, VERSION)
    };
    u32::try_from(version).unwrap_or(0)
}

/// A rule set under construction.
pub struct LandlockRules {
    set: RulesetCreated,
    /// The same once more, for the child.
    fd: OwnedFd,
    hidden: Vec<PathBuf>,
    rules: usize,
    left_closed: Option<PathBuf>,
    attributes: AttributeRules,
}

impl LandlockRules {
    /// Allows nothing yet.
    ///
    /// # Errors
    /// A kernel without Landlock, or out of memory.
    pub fn new() -> io::Result<LandlockRules> {
        let set = Ruleset::default()
            .handle_access(AccessFs::from_all(ASKED))
            .and_then(|set| set.scope(Scope::from_all(ASKED)))
            .and_then(Ruleset::create)
            .map_err(cause)?;
        let fd: Option<OwnedFd> = set.try_clone()?.into();
        let fd = fd.ok_or(io::ErrorKind::Unsupported)?;
        Ok(LandlockRules {
            set,
            fd,
            hidden: Vec::new(),
            rules: 0,
            left_closed: None,
            attributes: AttributeRules::default(),
        })
    }

    /// From here on these (absolute) paths stay closed, whatever is allowed around them; replaces the earlier ones.
    pub fn hide(&mut self, paths: &[PathBuf]) {
        // By name and by what a link of that name leads to.
        let real = paths.iter().filter_map(|h| h.canonicalize().ok());
        self.hidden = paths.iter().cloned().chain(real).collect();
        self.hidden.sort_unstable();
        self.hidden.dedup();
    }

    /// Rules so far.
    pub fn rules(&self) -> usize {
        self.rules
    }

    /// Where modes and times may be changed, which Landlock does not look at: what may be written.
    pub fn attributes(&self) -> AttributeRules {
        self.attributes.clone()
    }

    /// The last folder of which a part stays closed, as it holds something hidden beside more than [`SANDBOX_PIECES`]
    /// other entries.
    pub fn left_closed(&self) -> Option<&Path> {
        self.left_closed.as_deref()
    }

    /// The tree at `path` may be read and its programs run. What does not exist is passed over.
    ///
    /// # Errors
    /// More than [`SANDBOX_RULES`] rules, or the kernel's.
    pub fn read(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir, 0)
    }

    /// The tree at `path` may be read and changed, except that no devices are made in it.
    ///
    /// # Errors
    /// As [`LandlockRules::read`].
    pub fn write(&mut self, path: &Path) -> io::Result<()> {
        let devices = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
        if let Ok(real) = path.canonicalize() {
            self.attributes.allow(real, &self.hidden);
        }
        self.add(path, AccessFs::from_all(ASKED) & !devices, 0)
    }

    /// The file at `path` may be read and written: a device.
    ///
    /// # Errors
    /// As [`LandlockRules::read`].
    pub fn device(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate, 0)
    }

    fn add(&mut self, path: &Path, rights: BitFlags<AccessFs>, depth: usize) -> io::Result<()> {
        let file = match fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path) {
            Ok(file) => file,
            // Gone, a link to nowhere, or closed to this user: then closed to its commands too.
            Err(_) => return Ok(()),
        };
        let real = path_of(&file)?;
        // Judged by where it really is, which is what the rule is then tied to.
        if self.hidden.iter().any(|hidden| real.starts_with(hidden)) {
            return Ok(());
        }
        let folder = file.metadata()?.is_dir();
        if folder && self.hidden.iter().any(|hidden| hidden.starts_with(&real)) {
            // A rule cannot have holes: what is beside the hidden is allowed piece by piece.
            return self.pieces(&real, rights, depth);
        }
        if self.rules == SANDBOX_RULES {
            return Err(io::Error::other("too many rules"));
        }
        self.rules += 1;
        // What only folders have is left out where it is none.
        match (&mut self.set).add_rule(PathBeneath::new(file, rights)) {
            Ok(_) => Ok(()),
            Err(e) => Err(cause(e)),
        }
    }

    fn pieces(
        &mut self,
        folder: &Path,
        rights: BitFlags<AccessFs>,
        depth: usize,
    ) -> io::Result<()> {
        if depth == SANDBOX_DEPTH {
            return Ok(());
        }
        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        let mut beside = 0;
        for entry in entries {
            let path = entry?.path();
            // What leads to the hidden is never left out: the folder of a command is often beside it.
            let leads = self.hidden.iter().any(|hidden| hidden.starts_with(&path));
            if leads {
                self.add(&path, rights, depth + 1)?;
            } else if beside < SANDBOX_PIECES {
                beside += 1;
                self.add(&path, rights, depth + 1)?;
            } else {
                self.left_closed = Some(folder.to_owned());
            }
        }
        Ok(())
    }
}

/// The kernel's error. The library's own, for which there is no occasion here, are not worth their texts.
fn cause(e: RulesetError) -> io::Error {
    match e {
        RulesetError::CreateRuleset(CreateRulesetError::CreateRulesetCall { source, .. })
        | RulesetError::AddRules(AddRulesError::Fs(AddRuleError::AddRuleCall { source, .. })) => {
            source
        }
        _ => io::ErrorKind::Unsupported.into(),
    }
}

impl AsRawFd for LandlockRules {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Puts the rule set in force for this process and all it starts. Called between fork and exec.
pub(super) fn enter(ruleset: RawFd) -> io::Result<()> {
    // SAFETY: a plain system call on integers; async-signal-safe.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
