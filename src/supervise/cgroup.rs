//! cgroup v2: `supervisor`, `daemon` and `tools` below one folder, limits set before anything runs in them, and
//! what the kernel made of them read back.
//!
//! The folder is `picoclaw` where init leaves everybody in the root, and our own group where systemd delegates one.
//! The user may move processes between the leaves and make more below `tools`; the limits stay root's. The daemon
//! makes `tools/<n>` and sets `memory.oom.group` there: the daemon's own leaf never has it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::settings::SupervisorSettings;
use crate::sys::service::Identity;

/// One limit: wanted, and as the kernel gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// `daemon` or `tools`.
    pub leaf: &'static str,
    /// File name, e.g. `memory.max`.
    pub file: &'static str,
    /// What the kernel says now; None where it has no such file or refused.
    pub value: Option<String>,
    /// The kernel's answer is what was asked for.
    pub holds: bool,
}

/// The groups in place.
#[derive(Debug)]
pub struct Groups {
    /// Folder of the three.
    pub base: PathBuf,
    /// Limits in the order they were set.
    pub limits: Vec<Limit>,
}

impl Groups {
    /// The daemon's memory is bounded by its leaf.
    pub fn memory_holds(&self) -> bool {
        self.limits.iter().any(|l| l.leaf == "daemon" && l.file == "memory.max" && l.holds)
    }

    /// `cgroup.procs` of the daemon's leaf.
    pub fn daemon_procs(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.base.join("daemon/cgroup.procs"))
    }

    /// Folder for the tools' leaves.
    pub fn tools(&self) -> PathBuf {
        self.base.join("tools")
    }

    /// Kills what a dead daemon left running.
    pub fn kill_tools(&self) {
        let tools = self.tools();
        if fs::write(tools.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        // Before Linux 5.14: one by one.
        for leaf in fs::read_dir(&tools).into_iter().flatten().flatten() {
            let procs = fs::read_to_string(leaf.path().join("cgroup.procs")).unwrap_or_default();
            for pid in procs.lines().filter_map(|line| line.parse().ok()) {
                let _ = crate::sys::service::signal(pid, libc::SIGKILL);
            }
        }
    }

    /// Times the daemon's leaf ran into `memory.max` and something was killed.
    pub fn oom_kills(&self) -> u64 {
        let events = fs::read_to_string(self.base.join("daemon/memory.events")).unwrap_or_default();
        let line = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
    }
}

/// Our own group from `/proc/self/cgroup` (the line of v2), e.g. `/` or `/system.slice/picoclaw.service`.
pub fn own(proc_self_cgroup: &str) -> Option<&str> {
    let path = proc_self_cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    // Started again after a crash of ours: we are still in the leaf of last time.
    Some(path.strip_suffix("/supervisor").unwrap_or(path))
}

/// Makes the groups below `root` (`/sys/fs/cgroup`) and moves this process (`pid`) into `supervisor`.
pub fn set_up(
    root: &Path,
    own: &str,
    pid: u32,
    settings: &SupervisorSettings,
    user: Option<&Identity>,
) -> Result<Groups, String> {
    if !root.join("cgroup.controllers").exists() {
        return Err(format!("cgroup v2 is not mounted at {}", root.display()));
    }
    let own = own.trim_matches('/');
    let base =
        if own.is_empty() || own == "picoclaw" { root.join("picoclaw") } else { root.join(own) };
    if base.parent() == Some(root) {
        enable(root);
    }
    let fail =
        |what: &str, path: &Path, e: io::Error| format!("cannot {what} {}: {e}", path.display());
    for folder in [base.clone(), base.join("supervisor")] {
        make(&folder).map_err(|e| fail("make", &folder, e))?;
    }
    // Before the controllers: a group with processes of its own cannot hand them on.
    let procs = base.join("supervisor/cgroup.procs");
    put(&procs, &pid.to_string()).map_err(|e| fail("write", &procs, e))?;
    enable(&base);

    let mut limits = Vec::with_capacity(8);
    for leaf in ["daemon", "tools"] {
        let folder = base.join(leaf);
        make(&folder).map_err(|e| fail("make", &folder, e))?;
        let (high, max) = match leaf {
            "daemon" => (Some(settings.memory_high), settings.memory_max),
            _ => (None, settings.tools_memory_max),
        };
        if let Some(high) = high {
            limits.push(set(&folder, leaf, "memory.high", high));
        }
        limits.push(set(&folder, leaf, "memory.max", max));
        limits.push(set(&folder, leaf, "memory.swap.max", settings.swap_max));
        limits.push(set(&folder, leaf, "pids.max", settings.pids_max));
    }
    let tools = base.join("tools");
    enable(&tools);
    if let Some(user) = user {
        let files = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];
        let owned = files
            .iter()
            .map(|file| tools.join(file))
            .chain([tools.clone(), base.join("cgroup.procs")]);
        for path in owned.filter(|path| path.exists()) {
            chown(&path, Some(user.uid), Some(user.gid))
                .map_err(|e| fail("give away", &path, e))?;
        }
    }
    Ok(Groups { base, limits })
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn put(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

/// Hands controllers to a group's children, one at a time: a kernel that lacks one still gets the other. What is
/// missing shows as a missing file of a limit.
fn enable(folder: &Path) {
    for controller in ["+memory", "+pids"] {
        let _ = put(&folder.join("cgroup.subtree_control"), controller);
    }
}

fn set(folder: &Path, leaf: &'static str, file: &'static str, wanted: u64) -> Limit {
    let path = folder.join(file);
    let text = if wanted == u64::MAX { "max".to_owned() } else { wanted.to_string() };
    let written = put(&path, &text);
    let value = fs::read_to_string(&path).ok().map(|v| v.trim().to_owned());
    let holds = written.is_ok()
        && value.as_deref().is_some_and(|value| {
            value == text
                // The kernel rounds memory down to pages.
                || value.parse().is_ok_and(|n: u64| n <= wanted && wanted - n < 65_536)
        });
    Limit { leaf, file, value, holds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_own(text: &str, want: Option<&str>) {
        assert_eq!(own(text), want);
    }

    #[test]
    fn our_own_group() {
        check_own("0::/\n", Some("/"));
        check_own(
            "1:cpu:/x\n0::/system.slice/picoclaw.service\n",
            Some("/system.slice/picoclaw.service"),
        );
        check_own("0::/picoclaw/supervisor\n", Some("/picoclaw"));
        check_own("1:cpu:/x\n", None);
        check_own("", None);
    }

    /// A folder that looks like cgroupfs where `files` are the limits the kernel has.
    fn fake(name: &str, base: &str, files: &[&str]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("picoclaw-cg-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for leaf in ["", "supervisor", "daemon", "tools"] {
            let folder = root.join(base).join(leaf);
            fs::create_dir_all(&folder).expect("folder");
            for file in ["cgroup.procs", "cgroup.subtree_control"].iter().chain(files) {
                fs::write(folder.join(file), "").expect("file");
            }
        }
        fs::write(root.join("cgroup.controllers"), "").expect("file");
        fs::write(root.join("cgroup.subtree_control"), "").expect("file");
        root
    }

    fn settings() -> SupervisorSettings {
        SupervisorSettings::read(|_| None).expect("defaults")
    }

    #[test]
    fn limits_are_written_and_read_back() {
        let root =
            fake("all", "picoclaw", &["memory.high", "memory.max", "memory.swap.max", "pids.max"]);
        let groups = set_up(&root, "/", 42, &settings(), None).expect("set up");
        assert!(groups.memory_holds());
        assert_eq!(
            fs::read_to_string(root.join("picoclaw/supervisor/cgroup.procs")).expect("procs"),
            "42"
        );
        let told: Vec<_> =
            groups.limits.iter().map(|l| (l.leaf, l.file, l.value.as_deref(), l.holds)).collect();
        assert_eq!(told[0], ("daemon", "memory.high", Some("6291456"), true));
        assert_eq!(told[1], ("daemon", "memory.max", Some("8388608"), true));
        assert_eq!(told[4], ("tools", "memory.max", Some("33554432"), true));
        assert_eq!(told[6], ("tools", "pids.max", Some("64"), true));
        fs::remove_dir_all(&root).expect("remove");
    }

    #[test]
    fn a_missing_file_is_named_and_the_memory_does_not_hold() {
        let root = fake("some", "a/b", &["pids.max"]);
        let groups = set_up(&root, "/a/b", 1, &settings(), None).expect("set up");
        assert!(!groups.memory_holds());
        let missing: Vec<_> =
            groups.limits.iter().filter(|l| l.value.is_none()).map(|l| l.file).collect();
        assert_eq!(
            missing,
            ["memory.high", "memory.max", "memory.swap.max", "memory.max", "memory.swap.max"]
        );
        fs::remove_dir_all(&root).expect("remove");
    }

    #[test]
    fn no_cgroups_is_said() {
        let e = set_up(Path::new("/nonexistent"), "/", 1, &settings(), None).expect_err("an error");
        assert_eq!(e, "cgroup v2 is not mounted at /nonexistent");
    }
}
