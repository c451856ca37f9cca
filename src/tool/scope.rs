//! Which files the tools may access: the workspace, other paths that the configuration allows, and never the
//! daemon's own configuration and state.
//!
//! Decisions are made on the place that is then used, never on a path's text: a path is resolved to an open
//! folder and a name ([`ResolvedPath`]), and the kernel says where that is.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;

use crate::config::Config;
use crate::environment;
use crate::store::PRIVATE_FOLDERS;
use crate::store::dir::Dir;
use crate::store::swap;
use crate::sys::beneath::{self, Fault, ResolvedPath, Root};

/// The purpose of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathUse {
    /// Reads contents, or lists names.
    Read,
    /// New content; missing folders are created.
    Write,
}

const OUTSIDE: &str = "access denied: path is outside the workspace";
const LINK: &str = "access denied: symlink resolves outside workspace";
const OWN: &str = "access denied: the assistant's own configuration and state are off limits";

/// Files of the daemon under its home and under /etc/picoclaw, beside [`PRIVATE_FOLDERS`].
const OWN_NAMES: &[&str] =
    &["config.json", "config.d", ".security.yml", "auth.json", ".ssh", "run", "journal", "hooks"];

/// The daemon's files of a home and of the system.
pub fn own(home: &Path) -> impl Iterator<Item = PathBuf> {
    let bases = [home, Path::new("/etc/picoclaw")].into_iter().filter(|base| base.is_absolute());
    let names = || OWN_NAMES.iter().chain(&PRIVATE_FOLDERS);
    bases.flat_map(move |base| names().map(move |name| base.join(name)))
}

/// The rules in force; owns its data, so that it can move to another thread.
pub struct Scope {
    workspace: PathBuf,
    restricted: bool,
    read_outside: bool,
    read: Vec<Regex>,
    write: Vec<Regex>,
    roots: Vec<PathBuf>,
    own: Vec<PathBuf>,
    home: PathBuf,
    without_openat2: bool,
}

/// Compiles expressions of the configuration; the error names `key` and the expression.
pub fn compile(key: &str, patterns: &[String]) -> Result<Vec<Regex>, String> {
    patterns
        .iter()
        .map(|p| Regex::new(p).map_err(|e| format!("{key}: {p:?} is no valid expression: {e}")))
        .collect()
}

impl Scope {
    /// `roots` are folders outside the workspace that may be read (skills). Does not access the disk.
    pub fn new(config: &Config, roots: &[PathBuf]) -> Result<Scope, String> {
        let mut own: Vec<PathBuf> = self::own(&config.home).collect();
        own.extend(std::env::var_os(environment::CONFIG).map(PathBuf::from));
        Ok(Scope {
            workspace: config.agent.workspace.clone(),
            restricted: config.agent.restrict_to_workspace,
            read_outside: config.agent.allow_read_outside_workspace,
            read: compile_paths("tools.allow_read_paths", &config.tools.allow_read_paths)?,
            write: compile_paths("tools.allow_write_paths", &config.tools.allow_write_paths)?,
            roots: roots.to_vec(),
            own,
            home: config.home.clone(),
            without_openat2: false,
        })
    }

    /// Resolves without openat2, as on kernels that lack it.
    pub fn without_openat2(self) -> Scope {
        Scope { without_openat2: true, ..self }
    }

    /// The tools stay in the workspace.
    pub fn restricted(&self) -> bool {
        self.restricted
    }

    /// `path` (no links in it) may be named in a command line, as a file to write with [`PathUse::Write`].
    pub fn covers(&self, path: &Path, want: PathUse) -> bool {
        let workspace = self.workspace.canonicalize();
        let inside = workspace.is_ok_and(|w| path.starts_with(w))
            || opened(&self.write, path)
            || (want == PathUse::Read && self.readable(path));
        inside && !self.is_own(path)
    }

    /// Resolves a path from the model. Errors are for the model; disk errors are a [`Fault`] in `fault`'s words.
    pub fn place(&self, text: &str, want: PathUse) -> Result<ResolvedPath, String> {
        if text.is_empty() {
            return Err("path is required".into());
        }
        if text.contains('\0') {
            return Err("path contains a NUL character".into());
        }
        let workspace = self.workspace()?;
        let path = Path::new(text);
        let inner = match path.strip_prefix("/") {
            Err(_) => Some(path),
            Ok(_) => path
                .strip_prefix(workspace.path())
                .or_else(|_| path.strip_prefix(&self.workspace))
                .ok(),
        };
        let create = want == PathUse::Write;
        let place = match inner.map(|p| workspace.locate(p, create)) {
            Some(Err(Fault::Outside)) | None => self.outside(&workspace, path, want)?,
            Some(done) => done.map_err(|e| fault(text, &e))?,
        };
        self.guard_own(&place)?;
        Ok(place)
    }

    fn outside(
        &self,
        workspace: &Root,
        path: &Path,
        want: PathUse,
    ) -> Result<ResolvedPath, String> {
        let free = !self.restricted || (want == PathUse::Read && self.read_outside);
        let refused = || String::from(if has_parent_component(path) { OUTSIDE } else { LINK });
        // If no rule could allow it, not even its existence is revealed.
        let never = match want {
            PathUse::Read => self.read.is_empty() && self.roots.is_empty(),
            PathUse::Write => self.write.is_empty(),
        };
        if !free && never {
            return Err(refused());
        }
        let top = Root::open(Path::new("/")).map_err(|e| format!("cannot open /: {e}"))?;
        let top = self.mode(top);
        let full = workspace.path().join(path);
        let place = top.locate(&full, free && want == PathUse::Write);
        let place =
            place.map_err(|e| if free { fault(&path.to_string_lossy(), &e) } else { refused() })?;
        let allowed = |real: PathBuf| match want {
            PathUse::Read => self.readable(&real),
            PathUse::Write => opened(&self.write, &real),
        };
        if free || place.path().is_ok_and(allowed) {
            return Ok(place);
        }
        Err(refused())
    }

    fn readable(&self, real: &Path) -> bool {
        let below = |root: &PathBuf| root.canonicalize().is_ok_and(|root| real.starts_with(root));
        opened(&self.read, real) || self.roots.iter().any(below)
    }

    /// Not only by name: a hard link has the same identity.
    fn guard_own(&self, place: &ResolvedPath) -> Result<(), String> {
        let path = place.path().map_err(|e| format!("cannot tell where the file is: {e}"))?;
        let linked = || {
            place
                .identity()
                .is_some_and(|id| self.own.iter().any(|own| beneath::identity(own) == Some(id)))
        };
        if self.is_own(&path) || linked() { Err(OWN.into()) } else { Ok(()) }
    }

    /// Also other processes' memory and environment, which contain keys.
    fn is_own(&self, path: &Path) -> bool {
        if self.own.iter().any(|own| {
            path.starts_with(own) || own.canonicalize().is_ok_and(|own| path.starts_with(own))
        }) || self.in_home(path)
        {
            return true;
        }
        let mut parts = path.components().skip(1);
        parts.next().is_some_and(|p| p.as_os_str() == "proc")
            && parts.next().is_some_and(|p| {
                p.as_os_str().to_str().is_some_and(|p| p.starts_with(|c: char| c.is_ascii_digit()))
            })
    }

    /// In the home, but neither in the workspace nor a skill: backups, what `restore` moved aside, whatever comes.
    fn in_home(&self, path: &Path) -> bool {
        let below = |folder: &Path| {
            path.starts_with(folder) || folder.canonicalize().is_ok_and(|f| path.starts_with(f))
        };
        let home = self.home.is_absolute() && path != self.home && below(&self.home);
        let inside = self.workspace.starts_with(&self.home);
        let named = || opened(&self.read, path) || opened(&self.write, path);
        let open = (inside && below(&self.workspace))
            || named()
            || self.roots.iter().any(|root| below(root));
        let aside = path.iter().any(|n| n.to_str().is_some_and(|n| n.starts_with(swap::ASIDE)));
        home && (aside || !(open || below(&self.home.join("skills"))))
    }

    fn workspace(&self) -> Result<Root, String> {
        let path = &self.workspace;
        let root = Root::open(path).or_else(|e| match e.kind() {
            ErrorKind::NotFound => Dir::make(path).and_then(|_| Root::open(path)),
            _ => Err(e),
        });
        root.map(|r| self.mode(r)).map_err(|e| format!("cannot open the workspace: {e}"))
    }

    fn mode(&self, root: Root) -> Root {
        if self.without_openat2 { root.without_openat2() } else { root }
    }
}

fn opened(patterns: &[Regex], path: &Path) -> bool {
    path.to_str().is_some_and(|path| patterns.iter().any(|p| p.is_match(path)))
}

/// Expressions of paths begin at the path's start and end where a component ends: `/data` opens `/data` and what is
/// in it, not `/database`.
fn compile_paths(key: &str, patterns: &[String]) -> Result<Vec<Regex>, String> {
    // Each is compiled separately first, so that an unbalanced `)` cannot close our group.
    compile(key, patterns)?;
    let whole: Vec<String> = patterns
        .iter()
        .map(|p| format!("^(?:{p}){}", if p.ends_with('/') { "" } else { "(?:/|$)" }))
        .collect();
    compile(key, &whole)
}

/// The path's text leads out, even without a link.
fn has_parent_component(path: &Path) -> bool {
    let mut depth = 0i32;
    path.is_absolute()
        || path.components().any(|c| {
            depth += match c {
                Component::Normal(_) => 1,
                Component::ParentDir => -1,
                _ => 0,
            };
            depth < 0
        })
}

/// An error about `path` that a model can act on.
pub fn fault(path: &str, fault: &Fault) -> String {
    match fault {
        Fault::Outside => LINK.into(),
        Fault::Io(e) if e.kind() == ErrorKind::NotFound => format!("file not found: {path}"),
        fault => format!("{path}: {fault}"),
    }
}
