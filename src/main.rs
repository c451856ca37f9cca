//! `picoclaw`: see `picoclaw --help` and src/lib.rs.

use std::process::ExitCode;

use picoclaw::app::home;
use picoclaw::args::{CommandLine, Subcommand};
use picoclaw::config::LoadOptions;
use picoclaw::store::swap;
use picoclaw::{command, eprintln, import, println, supervise, version};

#[cfg(not(feature = "heap-profile"))]
#[global_allocator]
static ALLOCATOR: picoclaw::sys::heap::CountingAllocator = picoclaw::sys::heap::CountingAllocator;

#[cfg(feature = "heap-profile")]
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn main() -> ExitCode {
    let result = match system() {
        Some(result) => result,
        None => match picoclaw::args::parse() {
            Ok(args) => run(args),
            Err(code) => return code,
        },
    };
    match result {
        Ok(code) => code,
        Err(e) => {
            eprintln!("Error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// What the operating system calls, by the program's name or a first word that people do not need (docs/image.md).
/// It comes before the argument parser, whose pages the small root process then never touches.
fn system() -> Option<picoclaw::Result<ExitCode>> {
    let arguments: Vec<String> =
        std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    let name = arguments.first().map_or("", |a| a.rsplit('/').next().unwrap_or(""));
    let rest = arguments.get(2..).unwrap_or_default();
    if let Some(usage) = system_usage(name, &arguments) {
        println!("{usage}");
        return Some(Ok(ExitCode::SUCCESS));
    }
    Some(match (name, arguments.get(1).map(String::as_str)) {
        ("picoclaw-import", _) | (_, Some("import")) => command::import::run(),
        ("picoclaw-growpart", device) => import::growpart::run(device.unwrap_or_default()),
        (_, Some("growpart")) => import::growpart::run(rest.first().map_or("", String::as_str)),
        (_, Some("supervise")) => supervise::run(),
        (_, Some("exec-child")) => Err(supervise::tools::become_command()),
        (_, Some("ask-time")) => supervise::ask_time::run(rest),
        _ => return None,
    })
}

/// What a command of the operating system is for, where its help is asked for: it must not start.
fn system_usage(name: &str, arguments: &[String]) -> Option<&'static str> {
    let word = arguments.get(1).map_or("", String::as_str);
    let usage = match (name, word) {
        ("picoclaw-import", _) | (_, "import") => {
            "Usage: picoclaw import: take over what the boot partition PICOCLAW_BOOT holds"
        }
        ("picoclaw-growpart", _) | (_, "growpart") => {
            "Usage: picoclaw growpart PARTITION: let the last partition fill its card"
        }
        (_, "supervise") => {
            "Usage: picoclaw supervise: run the gateway, restart it, keep its limits and its clock"
        }
        (_, "ask-time") => {
            "Usage: picoclaw ask-time SERVER...: print how far the clock is behind, in nanoseconds"
        }
        _ => return None,
    };
    arguments.iter().skip(1).any(|a| a == "--help" || a == "-h").then_some(usage)
}

fn run(args: CommandLine) -> picoclaw::Result<ExitCode> {
    if let Ok(home) = LoadOptions::from_process().home() {
        // These read or write other people's files, too, and see to it themselves.
        let mixed = match args.command {
            Some(Subcommand::Gateway(_)) => true,
            #[cfg(feature = "migrate")]
            Some(Subcommand::Migrate(_)) => true,
            #[cfg(feature = "backup")]
            Some(Subcommand::Backup(_) | Subcommand::Restore(_)) => true,
            _ => false,
        };
        if !mixed {
            command::owner::become_owner(&home)?;
        }
        if !matches!(args.command, None | Some(Subcommand::Version(_))) {
            home::refuse_links(&home)?;
        }
        // A restore that was killed is finished before anybody reads what it left.
        if !swap::recover(&home)? {
            eprintln!("warning: {}/.restore holds no restore; remove it", home.display());
        }
    }
    match args.command {
        None => {
            println!("{}", version::text(false));
            Ok(ExitCode::SUCCESS)
        }
        Some(Subcommand::Version(a)) => {
            println!("{}", version::text(a.json));
            Ok(ExitCode::SUCCESS)
        }
        Some(Subcommand::Gateway(a)) => command::gateway::run(&a),
        Some(Subcommand::Agent(a)) => command::agent::run(&a),
        Some(Subcommand::Status(a)) => command::status::run(&a),
        #[cfg(feature = "doctor")]
        Some(Subcommand::Doctor(a)) => command::doctor::run(&a),
        Some(Subcommand::Onboard(a)) => command::onboard::run(&a),
        #[cfg(feature = "migrate")]
        Some(Subcommand::Migrate(a)) => command::migrate::run(&a),
        #[cfg(feature = "backup")]
        Some(Subcommand::Backup(a)) => command::backup::run(&a),
        #[cfg(feature = "backup")]
        Some(Subcommand::Restore(a)) => command::restore::run(&a),
        Some(Subcommand::Config(a)) => command::config::run(&a),
        Some(Subcommand::Cron(a)) => command::cron::run(&a),
        Some(Subcommand::Skills(a)) => command::skills::run(&a),
        #[cfg(feature = "audit")]
        Some(Subcommand::Audit(a)) => command::audit::run(&a),
        #[cfg(any(feature = "sign-in", feature = "encryption"))]
        Some(Subcommand::Auth(a)) => command::auth::run(&a),
        #[cfg(feature = "simulate")]
        Some(Subcommand::Membench(a)) => command::membench::run(&a),
        #[cfg(feature = "simulate")]
        Some(Subcommand::Simulate(a)) => command::simulate::run(&a),
    }
}
