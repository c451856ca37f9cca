//! `picoclaw migrate`: takes over the home of an OpenClaw or of the Go PicoClaw.
//!
//! The source is only read, below its folder and never through a link. At the target every file is old or new, what was there
//! is kept beside, and a second run passes over what the first has done.

mod from_go;
pub mod from_openclaw;
pub mod migrator;
mod to_go;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use self::migrator::{Migrator, Outcome, Report};
use super::owner;
use crate::app::home::Home;
use crate::args;
use crate::config::{self, LoadOptions};
use crate::error::{Context, Error, Result};
use crate::limits::CONFIG_BYTES;
use crate::store::adopt::Adoption;
use crate::sys::beneath::{self, Root};
use crate::sys::files::read_bounded;

pub use from_openclaw::{provider, snake};

/// Takes over what is asked for and reports on every file.
///
/// # Errors
/// No such source, a gateway that runs, a full disk. What is wrong with one file is in the report, and the exit status
/// is 1.
pub fn run(args: &args::Migrate) -> Result<ExitCode> {
    if args.config_only && (args.workspace_only || args.refresh) {
        return Err(Error::new("--config-only and --workspace-only exclude each other"));
    }
    if let Some(to) = &args.to {
        return back(args, to);
    }
    let go = match args.from.as_str() {
        "openclaw" => false,
        "picoclaw" => true,
        other => return Err(Error::new(format!("--from {other}: openclaw or picoclaw"))),
    };
    let mut options = LoadOptions { allow_empty: true, ..LoadOptions::from_process() };
    let given = args.source_home.as_ref().or(args.openclaw_home.as_ref()).cloned();
    let named =
        given.or_else(|| std::env::var("OPENCLAW_HOME").ok().filter(|v| !go && !v.is_empty()));
    let default = if go { "~/.picoclaw" } else { "~/.openclaw" };
    let source = options.expand(named.as_deref().unwrap_or(default));
    let target = match args.target_home.as_ref().or(args.picoclaw_home.as_ref()) {
        Some(target) => options.expand(target),
        None => options.home()?,
    };
    let missing = || format!("no home to take over at {} (--source-home)", source.display());
    let root = Root::open(&source).with_context(missing)?;
    let real = target.canonicalize().unwrap_or_else(|_| target.clone());
    if real.starts_with(root.path()) {
        return Err(Error::new(format!(
            "{} is the source itself, or in it: nothing to take over (--target-home)",
            target.display()
        )));
    }
    let lock = if args.dry_run {
        None
    } else {
        migrator::folder(&target)?;
        let _owner = owner::act_as_owner(&target)?;
        Some(Home::lock(&target).context("stop the gateway first (/etc/init.d/S95picoclaw stop)")?)
    };
    options.env.insert("PICOCLAW_HOME".into(), target.display().to_string());
    let mut migrator = Migrator {
        target,
        options,
        force: args.force || args.refresh,
        dry: args.dry_run,
        config: !(args.workspace_only || args.refresh),
        workspace: !args.config_only,
        elsewhere: args.workspace_elsewhere,
        gave: false,
        report: Report::new(args.json),
    };
    let done = if go {
        from_go::migrate(&root, &mut migrator)
    } else {
        from_openclaw::migrate(&root, &mut migrator)
    };
    // The report comes first, also where a full disk has ended it.
    let failed = migrator.report.end(args.dry_run, root.path(), &migrator.target);
    done?;
    if migrator.gave {
        let _owner = owner::act_as_owner(&migrator.target)?;
        // The owner's jobs, and not what a command may have put there.
        Adoption::reopen(&migrator.target)?;
    }
    drop(lock);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The way back to the Go version.
fn back(args: &args::Migrate, to: &str) -> Result<ExitCode> {
    if to != "picoclaw" || args.source_home.is_some() || args.dry_run {
        return Err(Error::new("--to picoclaw writes into this home (--target-home), at once"));
    }
    let mut options = LoadOptions { allow_empty: true, ..LoadOptions::from_process() };
    let home = match args.target_home.as_ref().or(args.picoclaw_home.as_ref()) {
        Some(target) => options.expand(target),
        None => options.home()?,
    };
    options.env.insert("PICOCLAW_HOME".into(), home.display().to_string());
    owner::become_owner(&home)?;
    let lock =
        Home::lock(&home).context("stop the gateway first (/etc/init.d/S95picoclaw stop)")?;
    let mut report = Report::new(args.json);
    let done = to_go::export(&home, &options, &mut report);
    let failed = report.end(false, &home, &home);
    done?;
    drop(lock);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Migrator {
    /// The folder that the assistant of the target works in.
    fn dest(&self) -> PathBuf {
        let own = || self.target.join("workspace");
        config::load(&self.options).map_or_else(|_| own(), |l| l.config.agent.workspace)
    }

    /// Says what is wrong with the configuration as it is now.
    fn check_config(&mut self) {
        if self.dry {
            return;
        }
        if let Err(errors) = config::load(&self.options) {
            for problem in errors.problems {
                self.report.say(Outcome::Failed, "config.json", &problem.to_string());
            }
        }
    }

    /// The text of a small file of the source; `None` (and a line in the report) where there is none that can be read.
    fn text(&mut self, root: &Root, path: &str, needed: bool) -> Option<String> {
        let opened = root.locate(Path::new(path), false).and_then(|place| place.read());
        let read = match opened {
            Err(fault) if super::tree::is_gone(&fault) => {
                if needed {
                    self.report.say(Outcome::LeftOut, path, "there is none");
                }
                return None;
            }
            Err(fault) => Err(fault.to_string()),
            Ok((file, _)) => read_bounded(file, CONFIG_BYTES).map_err(|e| e.to_string()),
        };
        let text = match read {
            Err(why) => Err(format!("{why}; make it readable and run this again")),
            Ok(bytes) => String::from_utf8(bytes)
                .map_err(|_| "not UTF-8 text: save it as UTF-8 and run this again".to_owned()),
        };
        match text {
            Ok(text) => Some(text),
            Err(why) => {
                self.report.say(Outcome::Failed, path, &why);
                None
            }
        }
    }
}

/// Where a workspace is that a configuration of `root` names: there, or (a copy of a home, another machine) in the source.
/// Anybody may have written that configuration, so a folder outside of the source is only taken where it belongs to whom the
/// source belongs to, or on demand.
fn workspace(root: &Root, named: Option<&str>, migrator: &mut Migrator) -> PathBuf {
    let own = root.path().join("workspace");
    let Some(named) = named.filter(|n| !n.is_empty()) else { return own };
    let path = migrator.options.expand(named);
    let target = migrator.target.join("workspace");
    let Some(real) = path.canonicalize().ok().filter(|p| p.is_dir()) else { return own };
    if target.canonicalize().ok().as_ref() == Some(&real) {
        return own;
    }
    let user = |path: &Path| beneath::path_meta(path).map(|meta| meta.user);
    let same_owner = user(&real) == user(root.path());
    // To root belongs nearly everything: only what is beside its home is meant by that.
    let beside =
        user(&real) != Some(0) || root.path().parent().is_some_and(|p| real.starts_with(p));
    if real.starts_with(root.path()) || same_owner && beside || migrator.elsewhere {
        return path;
    }
    let why =
        "the configuration names it, but it is not this home's; --workspace-elsewhere takes it";
    migrator.report.say(Outcome::LeftOut, &path.display().to_string(), why);
    own
}

/// One line of the report as JSON.
fn line(did: &str, file: &str, note: &str) -> serde_json::Value {
    json!({"what": did, "file": file, "note": note})
}
