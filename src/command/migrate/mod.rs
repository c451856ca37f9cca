//! `picoclaw migrate`: takes over the home of an OpenClaw or of the Go PicoClaw.
//!
//! The source is only read, below its folder and never through a link. At the target every file is old or new, what was there
//! is kept beside, and a second run passes over what the first has done.

mod from_go;
pub mod from_openclaw;
pub mod migrator;
pub mod report;
mod source;
mod to_go;

use std::process::ExitCode;

use self::migrator::Migrator;
use self::report::MigrationReport;
use super::owner;
use crate::app::home::Home;
use crate::args;
use crate::config::LoadOptions;
use crate::environment;
use crate::error::{Context, Error, Result};
use crate::store::adopt::Adoption;
use crate::sys::beneath::Root;

pub use from_openclaw::{provider, snake};

/// Takes over what is asked for and reports on every file.
///
/// # Errors
/// No such source, a gateway that runs, a full disk. What is wrong with one file is in the report, and the exit status
/// is 1.
pub fn run(args: &args::MigrateArgs) -> Result<ExitCode> {
    if args.config_only && (args.workspace_only || args.refresh) {
        return Err(Error::new("--config-only and --workspace-only exclude each other"));
    }
    if let Some(to) = &args.to {
        return back(args, to);
    }
    let go = match args.from.as_deref().unwrap_or("openclaw") {
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
    if !go {
        from_openclaw::refuse_go_home(&root)?;
    }
    let lock = if args.dry_run {
        None
    } else {
        migrator::folder(&target)?;
        let _owner = owner::act_as_owner(&target)?;
        Some(Home::lock_stopped(&target)?)
    };
    options.env.insert(environment::HOME.into(), target.display().to_string());
    let mut migrator = Migrator {
        target,
        options,
        force: args.force || args.refresh,
        dry: args.dry_run,
        config: !(args.workspace_only || args.refresh),
        workspace: !args.config_only,
        elsewhere: args.workspace_elsewhere,
        gave: false,
        report: MigrationReport::new(args.json),
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

/// What is wrong with the options of the way back, and what to do.
fn back_fault(args: &args::MigrateArgs, to: &str) -> Option<String> {
    if to != "picoclaw" {
        return Some(format!(
            "--to {to}: there is only --to picoclaw, the way back to the Go version; another home is taken over with --from"
        ));
    }
    let fault = if args.from.is_some() {
        "--from and --to picoclaw exclude each other: leave out --to to take over another home, --from to go back to the Go version"
    } else if args.dry_run {
        "--to picoclaw has no --dry-run: leave it out; `picoclaw backup FILE` keeps a copy of the home first"
    } else if args.source_home.is_some() || args.openclaw_home.is_some() {
        "--to picoclaw reads and writes one home: name it with --target-home, and leave out --source-home"
    } else {
        return None;
    };
    Some(fault.to_owned())
}

/// The way back to the Go version.
fn back(args: &args::MigrateArgs, to: &str) -> Result<ExitCode> {
    if let Some(fault) = back_fault(args, to) {
        return Err(Error::new(fault));
    }
    let mut options = LoadOptions { allow_empty: true, ..LoadOptions::from_process() };
    let home = match args.target_home.as_ref().or(args.picoclaw_home.as_ref()) {
        Some(target) => options.expand(target),
        None => options.home()?,
    };
    options.env.insert(environment::HOME.into(), home.display().to_string());
    owner::become_owner(&home)?;
    let lock = Home::lock_stopped(&home)?;
    let mut report = MigrationReport::new(args.json);
    let done = to_go::export(&home, &options, &mut report);
    let failed = report.end(false, &home, &home);
    done?;
    drop(lock);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
