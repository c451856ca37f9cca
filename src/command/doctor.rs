//! `picoclaw doctor`: looks at all that an assistant needs, and says what to do about what is missing. Changes nothing;
//! a file of its own, written to try the disk, is gone afterwards.

mod disk;
mod findings;
mod reach;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use self::findings::{CLOCK, Reporter, Severity};
use crate::app::control::{self, GatewayReport};
use crate::args;
use crate::config::{self, Config, LoadOptions, Loaded};
use crate::error::Result;
use crate::limits::{DOCTOR_FILES, DOCTOR_MEMORY};
use crate::log;
use crate::proto::{binschema, date};
use crate::store::credentials;
use crate::sys::beneath::path_meta;
use crate::sys::{clock, files, memory};
use crate::tool::allowed::AllowedTools;
use crate::tool::{sandbox_plan, spec};
use Severity::{Bad, Good, Warning};

/// Exit status 1 when something fails.
///
/// # Errors
/// There is no home to look at.
pub fn run(args: &args::DoctorArgs) -> Result<ExitCode> {
    log::start(log::LogTarget::Stderr, "error");
    let options = LoadOptions::from_process();
    let home = options.home()?;
    let mut out = Reporter { json: args.json.then(Vec::new), secrets: Vec::new(), failed: false };
    let loaded = configuration(&mut out, &options, &home);
    let none = Config { home: home.clone(), ..Config::default() };
    let config = loaded.as_ref().map_or(&none, |loaded| &loaded.config);
    if let Some(loaded) = &loaded {
        modes(&mut out, loaded);
    }
    let now = clock::unix_now();
    let set = crate::net::clock_is_set();
    let shown = date::rfc3339(now);
    out.note(if set { Good } else { Bad }, "clock", &shown, CLOCK);
    async_io::block_on(async {
        reach::check_servers(&mut out, config, set).await;
        disk::check_disk(&mut out, config).await;
    });
    limits(&mut out, config);
    gateway(&mut out, &home);
    if let Some(checks) = out.json {
        println!("{}", json!({ "ok": !out.failed, "checks": checks }));
    } else if !out.failed {
        println!("Nothing is wrong.");
    }
    Ok(if out.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The configuration in force after a start now: this one, or the last good one.
fn configuration(out: &mut Reporter, options: &LoadOptions, home: &Path) -> Option<Loaded> {
    let warned = |out: &mut Reporter, problems: &[config::Problem]| {
        for problem in problems {
            out.note(Warning, "config", &problem.to_string(), "");
        }
    };
    match config::load(options) {
        Ok(loaded) => {
            out.secrets = config::with_encodings(credentials::with_tokens(home, loaded.secrets()));
            let read = loaded.layers.iter().map(|l| &*l.name).collect::<Vec<_>>().join(", ");
            out.note(Good, "config", &read, "");
            warned(out, &loaded.warnings);
            Some(loaded)
        }
        Err(errors) => {
            for problem in &errors.problems {
                // A problem of a file as a whole has no key; its own hint is the cure.
                let cure = match problem.line == 0 && !problem.hint.is_empty() {
                    true => "",
                    false => "correct it; `picoclaw config keys` lists what there is",
                };
                out.note(Bad, "config", &problem.to_string(), cure);
            }
            warned(out, &errors.warnings);
            let last = config::load_last_good(home, options).ok();
            if let Some(last) = &last {
                out.secrets =
                    config::with_encodings(credentials::with_tokens(home, last.secrets()));
                out.note(Warning, "config", "the last good configuration is looked at below", "");
            }
            last
        }
    }
}

/// Who may use the home, and read the files that hold secrets.
fn modes(out: &mut Reporter, loaded: &Loaded) {
    let home = &loaded.config.home;
    match path_meta(home).map_or(0, |found| found.mode & 0o777) {
        open if open & 0o007 != 0 => {
            let what =
                format!("{}: open to other users of this machine ({open:o})", home.display());
            let cure =
                format!("chmod 700 {}; the next start of the gateway does it", home.display());
            out.note(Warning, "home", &what, &cure);
        }
        _ => out.note(Good, "home", &format!("{}: closed to others", home.display()), ""),
    }
    let secrets = loaded.secrets();
    let holds = |text: &str| secrets.iter().any(|s| text.contains(&**s));
    let read = loaded.layers.iter().filter(|l| holds(&l.text)).map(|l| l.name.clone().into());
    let kept = ["auth.json", "state/paired.json"].map(|name| loaded.config.home.join(name));
    let mut good = true;
    for path in read.chain(kept) {
        let Ok(found) = std::fs::metadata(&path) else { continue };
        if found.mode() & 0o007 != 0 {
            let shown = path.display();
            let what = format!(
                "{shown}: everybody on this machine may read it ({:o})",
                found.mode() & 0o777
            );
            out.note(Bad, "secrets", &what, &format!("chmod 600 {shown}"));
            good = false;
        }
    }
    if good {
        out.note(Good, "secrets", "no file with one is open to others", "");
    }
}

fn limits(out: &mut Reporter, config: &Config) {
    let files = files::max_open_files();
    let few = files.is_some_and(|most| most < DOCTOR_FILES);
    let what = files.map_or("no limit of open files".into(), |n| format!("{n} open files"));
    let grade = if few { Bad } else { Good };
    out.note(grade, "limits", &what, "raise it (`ulimit -n 256`) where the gateway is started");
    if let Some(free) = memory::available() {
        let what = format!("{} kB of memory available", free / 1024);
        let cure = "stop other programs, or add swap (zram): commands of the assistant will fail";
        out.note(if free < DOCTOR_MEMORY { Warning } else { Good }, "memory", &what, cure);
    }
    if let Some(allowed) = AllowedTools::of(&config.agent.workspace) {
        let what = format!("AGENT.md leaves the assistant these tools: {allowed}");
        out.note(Good, "agent", &what, "");
        if let Some(problem) = allowed.problem(|name| spec(name).is_some()) {
            let cure = "correct `tools` in its front matter; without it there are all";
            out.note(Warning, "agent", &problem, cure);
        }
    }
    let open = sandbox_plan::is_open(config);
    let cure = "commands from chats ask first; a kernel with Landlock (5.13) holds them";
    out.note(if open { Warning } else { Good }, "tools", &sandbox_plan::describe(config), cure);
    let told = std::fs::read_to_string(crate::supervise::run_folder().join("limits.json"));
    let told = told.as_deref().map_or("none in force (not started by the supervisor)", str::trim);
    out.note(Good, "supervisor limits", told, "");
}

/// What a running gateway says of itself.
fn gateway(out: &mut Reporter, home: &Path) {
    let report = match control::ask(home, control::STATUS, &[]) {
        Ok(None) => return out.note(Good, "gateway", "not running", ""),
        Ok(Some(bytes)) => binschema::decode::<GatewayReport>(GatewayReport::SHAPE, &bytes)
            .ok_or_else(|| "it is of another version".to_owned()),
        Err(e) => Err(e.to_string()),
    };
    let report = match report {
        Ok(report) => report,
        Err(e) => return out.note(Bad, "gateway", &e, "restart it"),
    };
    out.note(Good, "gateway", &format!("running, PID {}", report.pid), "");
    if report.config != "current" {
        out.note(Bad, "gateway", &report.config, "correct it and reload (SIGHUP)");
    }
    if report.durability != "on" {
        let what = format!("durability {}", report.durability);
        out.note(Bad, "gateway", &what, "what it says now may be lost; see `disk` above");
    }
    for channel in &report.channels {
        let grade = if channel.state.starts_with(control::RUNNING) { Good } else { Bad };
        let cure = "see the checks of its server above, and the log";
        out.note(grade, "channel", &format!("{}: {}", channel.name, channel.state), cure);
    }
    for line in &report.hooks {
        let grade = if line.contains(": running,") { Good } else { Bad };
        let cure = "run its command by hand; with gateway.log_level info the log has its messages";
        out.note(grade, "hook", line, cure);
    }
    for task in report.tasks.iter().filter(|t| t.restarts > 0) {
        let what =
            format!("{} ended {} times, last: {}", task.name, task.restarts, task.last_error);
        out.note(Warning, "task", &what, "");
    }
}
