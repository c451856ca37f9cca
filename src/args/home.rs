//! `picoclaw backup`, `restore`: a home as a whole.

use argh::FromArgs;

/// What `-` in place of a file becomes before the arguments are looked at, where a hyphen begins an option.
pub const PIPE: &str = "/dev/stdin";

/// Save the home (configuration, secrets, workspace, conversations, memory, jobs, state) as one .tar.gz, also while the
/// gateway runs. The file holds secrets.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "backup")]
pub struct Backup {
    /// file to write, or - for standard output
    #[argh(positional)]
    pub file: String,
    /// replace the file
    #[argh(switch)]
    pub force: bool,
}

/// Put a backup in the home's place; stop the gateway first.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "restore")]
pub struct Restore {
    /// the backup, or - for standard input
    #[argh(positional)]
    pub file: String,
    /// the home holds data: move it aside, to HOME.before-restore
    #[argh(switch)]
    pub force: bool,
}
