//! `picoclaw migrate`, `backup`, `restore`: a home as a whole; `audit` and `version`.

use argh::FromArgs;

/// What `-` in place of a file becomes before the arguments are looked at, where a hyphen begins an option.
pub const PIPE: &str = "/dev/stdin";

/// Save the home (configuration, secrets, workspace, conversations, memory, jobs, state) as one .tar.gz, also while the
/// gateway runs. The file holds secrets.
#[cfg(feature = "backup")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "backup")]
pub struct BackupArgs {
    /// file to write, or - for standard output
    #[argh(positional)]
    pub file: String,
    /// replace the file
    #[argh(switch)]
    pub force: bool,
}

/// Put a backup in the home's place; stop the gateway first.
#[cfg(feature = "backup")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "restore")]
pub struct RestoreArgs {
    /// the backup, or - for standard input
    #[argh(positional)]
    pub file: String,
    /// the home holds data: move it aside, into before-restore below the home
    #[argh(switch)]
    pub force: bool,
}

/// Take over the home of an OpenClaw or of the Go PicoClaw. The source is only read; what is here is kept beside, as .bak.
#[cfg(feature = "migrate")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "migrate")]
pub struct MigrateArgs {
    /// openclaw (default) or picoclaw
    #[argh(option)]
    pub from: Option<String>,
    /// picoclaw: writes conversations, jobs and the last chat of this home back to where the Go version keeps them
    #[argh(option)]
    pub to: Option<String>,
    /// the home to read (default: OPENCLAW_HOME, ~/.openclaw or ~/.picoclaw)
    #[argh(option)]
    pub source_home: Option<String>,
    /// the home to write (default: PICOCLAW_HOME or ~/.picoclaw)
    #[argh(option)]
    pub target_home: Option<String>,
    /// older name of --source-home
    #[argh(option)]
    pub openclaw_home: Option<String>,
    /// older name of --target-home
    #[argh(option)]
    pub picoclaw_home: Option<String>,
    /// write nothing, say what would be done
    #[argh(switch)]
    pub dry_run: bool,
    /// only the workspace, as it is now, conversations and jobs included
    #[argh(switch)]
    pub refresh: bool,
    /// only configuration and secrets
    #[argh(switch)]
    pub config_only: bool,
    /// only notes, skills, conversations, jobs
    #[argh(switch)]
    pub workspace_only: bool,
    /// also a workspace outside the source that belongs to another user
    #[argh(switch)]
    pub workspace_elsewhere: bool,
    /// also over conversations and jobs that are here (kept as .bak)
    #[argh(switch)]
    pub force: bool,
    /// the report as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Show which tools ran for whom, what was asked and what was refused.
#[cfg(feature = "audit")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "audit")]
pub struct AuditArgs {
    /// one JSON object per line
    #[argh(switch)]
    pub json: bool,
    /// only the last so many
    #[argh(option)]
    pub last: Option<usize>,
    /// only this tool
    #[argh(option)]
    pub tool: Option<String>,
    /// only this user's id
    #[argh(option)]
    pub user: Option<String>,
    /// only this result: ok, failed, refused, answered by hook; or of a question: yes, no, no answer, not asked
    #[argh(option)]
    pub result: Option<String>,
}

/// Print version, build and target.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "version")]
pub struct VersionArgs {
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}
