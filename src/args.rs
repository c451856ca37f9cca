//! The command line (behaviour.md 1).

use argh::{EarlyExit, FromArgs, SubCommands};

mod auth;
mod config;
mod home;
mod skills;

pub use auth::*;
pub use config::*;
pub use home::*;
pub use skills::*;

/// An AI assistant in one megabyte.
#[derive(FromArgs, Debug)]
pub struct Args {
    /// what to do
    #[argh(subcommand)]
    pub command: Option<Command>,
    /// print the version
    #[argh(switch, short = 'v')]
    pub version: bool,
}

/// One subcommand.
#[derive(FromArgs, Debug)]
#[argh(subcommand)]
pub enum Command {
    /// See the type.
    Gateway(Gateway),
    /// See the type.
    Agent(Agent),
    /// See the type.
    Status(Status),
    /// See the type.
    #[cfg(feature = "doctor")]
    Doctor(Doctor),
    /// See the type.
    Version(Version),
    /// See the type.
    Onboard(Onboard),
    /// See the type.
    #[cfg(feature = "migrate")]
    Migrate(Migrate),
    /// See the type.
    #[cfg(feature = "backup")]
    Backup(Backup),
    /// See the type.
    #[cfg(feature = "backup")]
    Restore(Restore),
    /// See the type.
    Config(Config),
    /// See the type.
    Cron(Cron),
    /// See the type.
    Skills(Skills),
    /// See the type.
    Audit(Audit),
    /// See the type.
    Auth(Auth),
    /// See the type.
    #[cfg(feature = "simulate")]
    Simulate(Simulate),
    /// See the type.
    #[cfg(feature = "simulate")]
    Membench(Membench),
}

/// Run the daemon: answer on every enabled channel until SIGTERM or SIGINT.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "gateway")]
pub struct Gateway {
    /// log details
    #[argh(switch, short = 'd')]
    pub debug: bool,
    /// start without a usable model; every message is then answered with the error
    #[argh(switch, short = 'E')]
    pub allow_empty: bool,
    /// listen here instead of gateway.host
    #[argh(option)]
    pub host: Option<String>,
    /// log to syslog instead of standard error
    #[argh(switch)]
    pub syslog: bool,
}

/// Talk to the assistant here: one message with -m, or a conversation.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "agent")]
pub struct Agent {
    /// say this, print the answer, leave
    #[argh(option, short = 'm')]
    pub message: Option<String>,
    /// session key (default cli:default)
    #[argh(option, short = 's', default = "\"cli:default\".into()")]
    pub session: String,
    /// model_name to use instead of the configured one
    #[argh(option)]
    pub model: Option<String>,
    /// log details
    #[argh(switch, short = 'd')]
    pub debug: bool,
    /// print the answer as one JSON object (with -m)
    #[argh(switch)]
    pub json: bool,
}

/// Show configuration, keys that are set, and the running gateway's state.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "status")]
pub struct Status {
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Look at configuration, network, clock, limits and disk, and say what to do; exit status 1 when something is wrong.
#[cfg(feature = "doctor")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "doctor")]
pub struct Doctor {
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Write a first configuration and workspace; what is there already stays as it is.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "onboard")]
pub struct Onboard {
    /// encrypt the secrets in config.json; the passphrase is PICOCLAW_KEY_PASSPHRASE, or asked for
    #[argh(switch)]
    pub enc: bool,
}

/// Reminders and repeated work. A running gateway is told; without one the file is changed.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "cron")]
pub struct Cron {
    /// what to do
    #[argh(subcommand)]
    pub command: CronCommand,
}

/// One `cron` subcommand.
#[derive(FromArgs, Debug)]
#[argh(subcommand)]
pub enum CronCommand {
    /// See the type.
    List(CronList),
    /// See the type.
    Add(CronAdd),
    /// See the type.
    Remove(CronRemove),
    /// See the type.
    Enable(CronEnable),
    /// See the type.
    Disable(CronDisable),
    /// See the type.
    Run(CronRun),
}

/// List all jobs.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "list")]
pub struct CronList {
    /// as a JSON array
    #[argh(switch)]
    pub json: bool,
}

/// Add a job: --at, --every or --cron says when.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "add")]
pub struct CronAdd {
    /// its name
    #[argh(option, short = 'n')]
    pub name: String,
    /// text to send (with -d), or the assistant's task
    #[argh(option, short = 'm')]
    pub message: String,
    /// once: "in 2h", "18:30", "tomorrow 9:00", "monday 9:00", "2026-12-01 09:00"
    #[argh(option, default = "String::new()")]
    pub at: String,
    /// again and again, so far apart: 90 (seconds), 5m, 1h30m
    #[argh(option, short = 'e', default = "String::new()")]
    pub every: String,
    /// expression: minute hour day month weekday
    #[argh(option, short = 'c', default = "String::new()")]
    pub cron: String,
    /// time zone of --cron and --at, e.g. Europe/Berlin
    #[argh(option, default = "String::new()")]
    pub tz: String,
    /// shell command to run instead, in the sandbox; by giving it here you approve it
    #[argh(option, default = "String::new()")]
    pub command: String,
    /// send the message as it is, without the model
    #[argh(switch, short = 'd')]
    pub deliver: bool,
    /// chat for the answer; without it the one that wrote last
    #[argh(option, default = "String::new()")]
    pub to: String,
    /// channel of that chat (default telegram)
    #[argh(option, default = "String::new()")]
    pub channel: String,
}

/// Remove a job.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "remove")]
pub struct CronRemove {
    /// the job's id, or its name
    #[argh(positional)]
    pub id: String,
}

/// Switch a job on.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "enable")]
pub struct CronEnable {
    /// the job's id, or its name
    #[argh(positional)]
    pub id: String,
}

/// Switch a job off; it stays in the list.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "disable")]
pub struct CronDisable {
    /// the job's id, or its name
    #[argh(positional)]
    pub id: String,
}

/// Let a job fire now; needs the gateway.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "run")]
pub struct CronRun {
    /// the job's id, or its name
    #[argh(positional)]
    pub id: String,
}

/// Push BURST synthetic messages through the real pipeline, without a network, and measure memory.
#[cfg(feature = "simulate")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "simulate")]
pub struct Simulate {
    /// messages (default: the variable BURST, or 100)
    #[argh(option)]
    pub burst: Option<u32>,
    /// resident kilobytes that pass (default 1024 on riscv64, 5120 elsewhere)
    #[argh(option)]
    pub target_kb: Option<u64>,
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
    /// draw memory and latency over time into this file
    #[argh(option)]
    pub svg: Option<String>,
}

/// Repeat the published benchmark: simulate at BURST 100 and 1000, beside the Go build's figures.
#[cfg(feature = "simulate")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "membench")]
pub struct Membench {
    /// this burst only
    #[argh(option)]
    pub burst: Option<u32>,
    /// resident kilobytes that pass (default 1024 on riscv64, 5120 elsewhere)
    #[argh(option)]
    pub target_kb: Option<u64>,
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
    /// draw memory and latency of the last run into this file
    #[argh(option)]
    pub svg: Option<String>,
}

/// Reads the process's arguments; help and errors are printed, and their exit status returned.
pub fn parse() -> Result<Args, std::process::ExitCode> {
    // An argument that is not UTF-8 cannot be any of ours; lossily it fails with a readable message.
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let files = args.first().is_some_and(|a| ["backup", "restore", "config"].contains(&&**a));
    let args: Vec<&str> = args.iter().map(|a| if files && a == "-" { PIPE } else { a }).collect();
    if args.is_empty() {
        eprintln!("{}", help());
        return Err(std::process::ExitCode::FAILURE);
    }
    let command = args.iter().find(|a| !a.starts_with('-')).copied().unwrap_or_default();
    if let Some(feature) = lacking(command) {
        eprintln!("Error: `picoclaw {command}` is not in this build (feature `{feature}`)");
        return Err(std::process::ExitCode::FAILURE);
    }
    read(&args).map_err(|exit| match exit.status {
        Ok(()) => {
            println!("{}", exit.output.trim_end());
            std::process::ExitCode::SUCCESS
        }
        Err(()) => {
            eprintln!("{}", exit.output.trim_end());
            eprintln!("{}", hint(&args));
            std::process::ExitCode::FAILURE
        }
    })
}

/// The feature that would bring a command, where this build lacks it.
fn lacking(command: &str) -> Option<&'static str> {
    let (feature, has) = match command {
        "migrate" => ("migrate", cfg!(feature = "migrate")),
        "backup" | "restore" => ("backup", cfg!(feature = "backup")),
        "doctor" => ("doctor", cfg!(feature = "doctor")),
        "simulate" | "membench" => ("simulate", cfg!(feature = "simulate")),
        _ => return None,
    };
    (!has).then_some(feature)
}

/// `-h` is `--help`, where it is not the value of an option.
fn read(args: &[&str]) -> Result<Args, EarlyExit> {
    let read = |args: &[&str]| Args::from_args(&["picoclaw"], args);
    read(args).or_else(|exit| {
        let Some(at) = args.iter().position(|a| *a == "-h").filter(|_| exit.status.is_err()) else {
            return Err(exit);
        };
        let help: Vec<&str> = args.iter().take(at).copied().chain(["--help"]).collect();
        read(&help)
    })
}

fn help() -> String {
    Args::from_args(&["picoclaw"], &["--help"]).err().map_or_else(String::new, |exit| exit.output)
}

/// What to try instead of `args`.
fn hint(args: &[&str]) -> String {
    let names = || Command::COMMANDS.iter().map(|c| c.name);
    let command = args.iter().find(|a| !a.starts_with('-'));
    match command {
        Some(name) if !names().any(|n| n == *name) => {
            match crate::config::nearest::nearest(name, names()) {
                Some(near) => format!("Unknown command: {name}. Did you mean `picoclaw {near}`?"),
                None => format!("Unknown command: {name}. See `picoclaw --help`."),
            }
        }
        Some(name) => format!("See `picoclaw {name} --help`."),
        None => "See `picoclaw --help`.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_there_or_its_feature_is_named() {
        for name in ["migrate", "backup", "restore", "doctor", "simulate", "membench"] {
            let there = Command::COMMANDS.iter().any(|c| c.name == name);
            assert_eq!(there, lacking(name).is_none(), "{name}");
        }
        assert_eq!(lacking("gateway"), None);
    }

    #[test]
    fn every_command_has_a_short_help() {
        let helps = |args: &[&str]| read(args).is_err_and(|exit| exit.status.is_ok());
        for command in Command::COMMANDS {
            assert!(helps(&[command.name, "-h"]), "{}", command.name);
        }
        for args in [
            &["-h"][..],
            &["cron", "add", "-h"],
            &["skills", "install", "-h"],
            &["auth", "login", "-h"],
            &["config", "set", "-h"],
            &["agent", "-d", "-h"],
        ] {
            assert!(helps(args), "{args:?}");
        }
        let said = read(&["agent", "-m", "-h"]).map(|args| args.command);
        let text = match said {
            Ok(Some(Command::Agent(agent))) => agent.message,
            _ => None,
        };
        assert_eq!(text.as_deref(), Some("-h"));
    }
}
