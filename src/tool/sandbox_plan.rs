//! The sandbox of a command: which files, how much memory, how many processes.
//! [`crate::sys::process::strength`] says how much of it the kernel supports.
//!
//! A command can access the workspace, a private folder for temporary files, the skills, the system's programs and
//! settings (read only), and a few devices; nothing else. With `restrict_to_workspace` off it can access everything but the
//! daemon's own files, other devices, and writing to /proc and /sys.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

mod paths;

use paths::{DEVICES, HIDDEN, SETTINGS, SYSTEM};

use super::scope;
use super::workspace_group::{self, is_shared};
use crate::config::Config;
use crate::environment;
use crate::limits::EXEC_PROCESSES;
use crate::sys::beneath::{Remains, remove_folder};
use crate::sys::exec_broker::TEMPORARY;
use crate::sys::process::{
    self, AttributeRules, CgroupLeaf, Filter, LandlockRules, ProtectedProcesses, Sandbox,
};

/// The sandbox's strength, as shown by `status`.
pub fn describe(config: &Config) -> String {
    if refuses(config) {
        return "exec refuses to run commands as root (tools.exec.as_root is false)".into();
    }
    if config.tools.exec.unsandboxed {
        return "unsandboxed (tools.exec.sandbox is none); exec from chats asks first".into();
    }
    let found = process::strength();
    let user = if process::has_exec_broker() { "a user of their own+" } else { "" };
    match (found.landlock, found.seccomp) {
        (0, true) if !user.is_empty() => format!("{user}seccomp (no Landlock in this kernel)"),
        (0, false) if !user.is_empty() => "a user of their own (no Landlock in this kernel)".into(),
        (0, filter) => format!(
            "unsandboxed (no Landlock in this kernel{}); exec from chats asks first",
            if filter { ", calls are filtered" } else { "" }
        ),
        (_, true) if user.is_empty() && !found.notified => "landlock+seccomp, but a command can change modes of the assistant's files; exec from chats asks first".into(),
        (abi, true) => format!("{user}landlock+seccomp (Landlock version {abi})"),
        (abi, false) => format!("{user}landlock (version {abi}; no call filter in this kernel)"),
    }
}

/// Whether commands can reach the daemon's files: then exec from a chat needs approval.
pub fn is_open(config: &Config) -> bool {
    let found = process::strength();
    config.tools.exec.unsandboxed
        || (!process::has_exec_broker() && (found.landlock == 0 || !found.notified))
}

/// Whether commands would be root's, and the configuration does not allow that.
pub fn refuses(config: &Config) -> bool {
    !config.tools.exec.as_root && is_roots(config)
}

/// Whether commands run as root.
fn is_roots(config: &Config) -> bool {
    crate::sys::service::effective_uid() == 0 && !is_shared(config)
}

/// Git refuses repositories of other users, but for these (git-config(1), safe.directory; since Git 2.38 by variables).
const GIT: &[(&str, &str)] = &[
    ("GIT_CONFIG_COUNT", "1"),
    ("GIT_CONFIG_KEY_0", "safe.directory"),
    ("GIT_CONFIG_VALUE_0", "*"),
];

/// The folder of hooks' programs, in the home or in /etc/picoclaw.
#[cfg(feature = "hooks")]
const HOOKS: &str = "hooks";

/// Removes old temporary files. At the daemon's start; links are not followed.
pub fn sweep(home: &Path) {
    match remove_folder(home, TEMPORARY) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Ok(Remains { count, first: Some((name, e)) }) => crate::log::warn!(
            "{count} old temporary files of commands stay in {}, the first one is {name}: {e}",
            home.join(TEMPORARY).display()
        ),
        Ok(_) => {}
        Err(e) => crate::log::warn!("old temporary files of commands stay: {e}"),
    }
}

/// The input for building a sandbox; owned, so that it can move to another thread.
pub struct Plan {
    home: PathBuf,
    workspace: PathBuf,
    restricted: bool,
    unsandboxed: bool,
    remote: bool,
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    roots: Vec<PathBuf>,
    #[cfg(feature = "hooks")]
    programs: Vec<PathBuf>,
}

impl Plan {
    /// `roots` are folders outside the workspace that may be read.
    pub fn new(config: &Config, roots: &[PathBuf]) -> Plan {
        Plan {
            home: config.home.clone(),
            workspace: config.agent.workspace.clone(),
            restricted: config.agent.restrict_to_workspace,
            unsandboxed: config.tools.exec.unsandboxed,
            remote: is_shared(config),
            read: literals(&config.tools.allow_read_paths).collect(),
            write: literals(&config.tools.allow_write_paths).collect(),
            roots: roots.to_vec(),
            #[cfg(feature = "hooks")]
            programs: Vec::new(),
        }
    }

    /// For a hook with these files of its own, also where commands do not see them.
    #[cfg(feature = "hooks")]
    pub fn also_reading(self, programs: Vec<PathBuf>) -> Plan {
        Plan { programs, ..self }
    }

    /// Whether commands can change what is at `path` (without links), whoever owns it. Accesses the disk.
    #[cfg(feature = "hooks")]
    pub fn commands_write(&self, path: &Path) -> bool {
        let temporary = self.home.join(TEMPORARY);
        let mut places = self.write.iter().chain([&self.workspace, &temporary]);
        places.any(|place| place.canonicalize().is_ok_and(|place| path.starts_with(place)))
    }

    /// A sandbox, ready to be entered, and its environment variables. Accesses the disk.
    ///
    /// # Errors
    /// A part of the sandbox that this kernel supports cannot be built: then nothing is run.
    pub fn build(&self) -> io::Result<(Sandbox, Vec<(OsString, OsString)>)> {
        let mut sandbox = Sandbox { data: data_limit(), remote: self.remote, ..Sandbox::default() };
        if !self.remote {
            sandbox.processes = process::tasks().map(|now| now + EXEC_PROCESSES);
        }
        if let Some(tools) = std::env::var_os(environment::TOOLS_CGROUP).filter(|t| !t.is_empty()) {
            match CgroupLeaf::new(Path::new(&tools)) {
                Ok(cgroup) => sandbox.cgroup = Some(cgroup),
                // The other limits still apply, and so does the daemon's control group.
                Err(e) => crate::log::warn!("a command has no control group of its own: {e}"),
            }
        }
        let mut variables = Vec::new();
        if self.unsandboxed {
            return Ok((sandbox, variables));
        }
        let found = process::strength();
        // A command of another user closes this part itself.
        if found.seccomp && !self.remote {
            sandbox.filter = Some(Filter::new(&ProtectedProcesses::this())?);
        }
        sandbox.internet = found.notified;
        if found.landlock > 0 {
            let rules = self.rules()?;
            sandbox.attributes = found.notified.then(|| rules.attributes());
            sandbox.landlock = Some(rules);
        } else if self.remote {
            self.temporary()?;
            sandbox.attributes = found.notified.then(|| self.shared());
        }
        if found.landlock > 0 || self.remote {
            // The home is not accessible; programs that look for settings there find the workspace.
            variables.push(("HOME".into(), self.workspace.clone().into()));
            variables.push(("TMPDIR".into(), self.home.join(TEMPORARY).into()));
        }
        if self.remote {
            // Repositories of the workspace belong to either user.
            for (name, value) in GIT {
                variables.push(((*name).into(), (*value).into()));
            }
        }
        Ok((sandbox, variables))
    }

    /// The folder for temporary files, made where it is missing; the commands' user shares it.
    fn temporary(&self) -> io::Result<PathBuf> {
        let path = self.home.join(TEMPORARY);
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        if self.remote {
            workspace_group::share(&path)?;
        }
        Ok(path)
    }

    /// Where the daemon's files change for commands that only their user confines.
    fn shared(&self) -> AttributeRules {
        let mut rules = AttributeRules::default();
        let own = scope::own(&self.home).chain([self.home.clone()]);
        let hidden: Vec<PathBuf> = own.filter_map(|path| path.canonicalize().ok()).collect();
        if let Ok(workspace) = self.workspace.canonicalize() {
            rules.allow(workspace, &hidden);
        }
        rules
    }

    fn rules(&self) -> io::Result<LandlockRules> {
        let (home, workspace) = (&self.home, &self.workspace);
        let temporary = self.temporary()?;
        let mut hidden: Vec<PathBuf> = HIDDEN.iter().map(PathBuf::from).collect();
        hidden.extend(std::env::var_os(environment::CONFIG).map(PathBuf::from));
        let own = scope::own(home).chain(hidden.iter().cloned()).collect::<Vec<_>>();
        hidden.push(home.clone());
        let mut rules = LandlockRules::new()?;
        rules.hide(&hidden);
        if self.restricted {
            for folder in SYSTEM {
                rules.read(Path::new(folder))?;
            }
            for name in SETTINGS {
                rules.read(&Path::new("/etc").join(name))?;
            }
            for path in &self.read {
                rules.read(path)?;
            }
            for path in &self.write {
                rules.write(path)?;
            }
        } else {
            for entry in fs::read_dir("/")?.flatten() {
                match entry.file_name().to_str() {
                    Some("dev") => {}
                    Some("proc" | "sys") => rules.read(&entry.path())?,
                    _ => rules.write(&entry.path())?,
                }
            }
        }
        for device in DEVICES {
            rules.device(Path::new(device))?;
        }
        // A workspace around the home is accessible except for the home, one inside the home except for the daemon's files.
        if workspace.starts_with(home) {
            rules.hide(&own);
        }
        rules.write(workspace)?;
        rules.hide(&own);
        rules.write(&temporary)?;
        for root in self.roots.iter().filter(|root| !home.starts_with(root)) {
            rules.read(root)?;
        }
        #[cfg(feature = "hooks")]
        if !self.programs.is_empty() {
            let others: Vec<PathBuf> =
                own.iter().filter(|path| !path.ends_with(HOOKS)).cloned().collect();
            rules.hide(&others);
            self.programs.iter().try_for_each(|path| rules.read(path))?;
        }
        if let Some(folder) = rules.left_closed() {
            crate::log::warn!(
                "commands see only a part of {}: too much lies beside the daemon's files; another PICOCLAW_HOME opens it",
                folder.display()
            );
        }
        Ok(rules)
    }
}

/// RLIMIT_DATA: the supervisor's value; else, without a control group, half of the machine's memory.
fn data_limit() -> Option<u64> {
    if let Ok(text) = std::env::var(environment::TOOLS_RLIMIT_DATA) {
        return text.parse().ok();
    }
    let grouped = std::env::var_os(environment::TOOLS_CGROUP).is_some();
    if grouped { None } else { crate::sys::memory::of_machine().map(|bytes| bytes / 2) }
}

/// Paths of expressions that are just a path (`^/var/log/`, `/srv/data/.*`), because Landlock takes no expressions.
fn literals(patterns: &[String]) -> impl Iterator<Item = PathBuf> {
    patterns.iter().filter_map(|p| {
        let p = p.strip_prefix('^').unwrap_or(p);
        let p = p.strip_suffix('$').unwrap_or(p);
        let p = p.strip_suffix("(/|$)").or_else(|| p.strip_suffix("/.*")).unwrap_or(p);
        let plain = p.replace("\\.", ".");
        let path = p.starts_with('/') && p.len() > 1;
        // An unescaped dot is taken literally as well.
        (path
            && !plain.contains(['*', '+', '?', '[', ']', '(', ')', '{', '}', '|', '\\', '^', '$']))
        .then(|| plain.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, want: Option<&str>) {
        let got: Vec<PathBuf> = literals(&[pattern.to_owned()]).collect();
        assert_eq!(got, want.map(PathBuf::from).into_iter().collect::<Vec<_>>(), "{pattern}");
    }

    #[test]
    fn building_and_entering_the_sandbox_is_fast() {
        use std::time::{Duration, Instant};
        const LIMIT: Duration = Duration::from_millis(5);
        if process::strength().landlock == 0 {
            crate::sys::skip::skip("no Landlock in this kernel");
            return;
        }
        let scratch = crate::sys::scratch::Scratch::new();
        scratch.file("home/config.json", "{}");
        scratch.file("home/state/lock", "");
        scratch.file("home/workspace/a", "");
        let mut config = Config { home: scratch.path().join("home"), ..Config::default() };
        config.agent.workspace = config.home.join("workspace");
        config.agent.restrict_to_workspace = true;
        let dir: std::os::fd::OwnedFd =
            fs::File::open(&config.agent.workspace).expect("a folder").into();
        let time = |unsandboxed: bool| {
            let mut config = config.clone();
            config.tools.exec.unsandboxed = unsandboxed;
            let begin = Instant::now();
            let (sandbox, env) = Plan::new(&config, &[]).build().expect("a sandbox");
            let started = process::shell("true".as_ref(), &dir, &env, sandbox);
            let child = smol::block_on(started).expect("started");
            let done = smol::block_on(process::run(child, Duration::from_secs(60)));
            assert_eq!(done.end, process::End::Exit(process::Exit::Code(0)));
            begin.elapsed()
        };
        // In turn, so that other load meets both alike; the fastest runs are judged, as load only ever adds time.
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        let fastest = |runs: &[Duration]| runs.iter().min().copied().unwrap_or(LIMIT);
        let more =
            |open: &[Duration], closed: &[Duration]| fastest(closed).saturating_sub(fastest(open));
        // A busy machine, on which even `true` alone takes long, is judged by the ratio.
        let limit = |open: &[Duration]| LIMIT.max(fastest(open) * 5 / 2);
        while open.len() < 200 || (open.len() < 600 && more(&open, &closed) >= limit(&open)) {
            open.push(time(true));
            closed.push(time(false));
        }
        let (more, limit) = (more(&open, &closed), limit(&open));
        open.sort_unstable();
        closed.sort_unstable();
        let n = open.len();
        eprintln!(
            "exec of `true`, {n} runs each, in turn: median {:?} without the sandbox, {:?} inside; fastest {:?}, {:?}",
            open[n / 2],
            closed[n / 2],
            open[0],
            closed[0]
        );
        assert!(more < limit, "{more:?} of {limit:?}");
    }

    #[test]
    fn expressions_that_are_paths() {
        check("^/var/log/", Some("/var/log/"));
        check("/srv/data", Some("/srv/data"));
        check("/srv/data/.*", Some("/srv/data"));
        check("^/srv/a\\.b$", Some("/srv/a.b"));
        check("/srv/.*\\.log", None);
        check("/srv/(a|b)", None);
        check("^/$", None);
        check(".*", None);
        check("srv", None);
    }
}
