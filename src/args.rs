//! The command line (behaviour.md 1).

use argh::FromArgs;

#[cfg(any(feature = "sign-in", feature = "encryption"))]
mod auth;
mod config;
mod home;
mod read;
mod skills;

#[cfg(any(feature = "sign-in", feature = "encryption"))]
pub use auth::*;
pub use config::*;
pub use home::*;
pub use read::parse;
pub use skills::*;

/// An AI assistant in one megabyte.
#[derive(FromArgs, Debug)]
pub struct CommandLine {
    /// what to do
    #[argh(subcommand)]
    pub command: Option<Subcommand>,
    /// print the version
    #[argh(switch, short = 'v')]
    pub version: bool,
}

/// One subcommand.
#[derive(FromArgs, Debug)]
#[expect(missing_docs, reason = "the types of the variants describe them")]
#[argh(subcommand)]
pub enum Subcommand {
    Gateway(GatewayArgs),
    Agent(AgentArgs),
    Status(StatusArgs),
    #[cfg(feature = "doctor")]
    Doctor(DoctorArgs),
    Version(VersionArgs),
    Onboard(OnboardArgs),
    #[cfg(feature = "migrate")]
    Migrate(MigrateArgs),
    #[cfg(feature = "backup")]
    Backup(BackupArgs),
    #[cfg(feature = "backup")]
    Restore(RestoreArgs),
    Config(ConfigArgs),
    Cron(CronArgs),
    Skills(SkillsArgs),
    #[cfg(feature = "audit")]
    Audit(AuditArgs),
    #[cfg(any(feature = "sign-in", feature = "encryption"))]
    Auth(AuthArgs),
    #[cfg(feature = "simulate")]
    Simulate(SimulateArgs),
    #[cfg(feature = "simulate")]
    Membench(MembenchArgs),
}

/// Run the daemon: answer on every enabled channel until SIGTERM or SIGINT.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "gateway")]
pub struct GatewayArgs {
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
pub struct AgentArgs {
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
pub struct StatusArgs {
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Look at configuration, network, clock, limits and disk, and say what to do; exit status 1 when something is wrong.
#[cfg(feature = "doctor")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "doctor")]
pub struct DoctorArgs {
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Write a first configuration and workspace; what is there already stays as it is.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "onboard")]
pub struct OnboardArgs {
    /// encrypt the secrets in config.json and config.d; the passphrase is PICOCLAW_KEY_PASSPHRASE, or asked for
    #[argh(switch)]
    pub enc: bool,
}

/// Reminders and repeated work. A running gateway is told; without one the file is changed.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "cron")]
pub struct CronArgs {
    /// what to do
    #[argh(subcommand)]
    pub command: CronCommand,
}

/// One `cron` subcommand.
#[derive(FromArgs, Debug)]
#[expect(missing_docs, reason = "the types of the variants describe them")]
#[argh(subcommand)]
pub enum CronCommand {
    List(CronList),
    Add(CronAdd),
    Remove(CronRemove),
    Enable(CronEnable),
    Disable(CronDisable),
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
    /// text to send (with -d), or the assistant's task; needed unless there is a --command
    #[argh(option, short = 'm')]
    pub message: Option<String>,
    /// once: "in 2h", "18:30", "tomorrow 9:00", "monday 9:00", "2026-12-01 09:00"
    #[argh(option)]
    pub at: Option<String>,
    /// again and again, so far apart: 90 (seconds), 5m, 1h30m
    #[argh(option, short = 'e')]
    pub every: Option<String>,
    /// expression: minute hour day month weekday
    #[argh(option, short = 'c')]
    pub cron: Option<String>,
    /// time zone of --cron and --at, e.g. Europe/Berlin
    #[argh(option)]
    pub tz: Option<String>,
    /// shell command to run instead, in the sandbox; by giving it here you approve it
    #[argh(option)]
    pub command: Option<String>,
    /// send the message as it is, without the model
    #[argh(switch, short = 'd')]
    pub deliver: bool,
    /// chat for the answer; without it the one that wrote last
    #[argh(option)]
    pub to: Option<String>,
    /// channel of that chat; without it the only one that is enabled
    #[argh(option)]
    pub channel: Option<String>,
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
pub struct SimulateArgs {
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
pub struct MembenchArgs {
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
