//! `picoclaw audit`.

use argh::FromArgs;

/// Show which tools ran for whom, what was asked and what was refused.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "audit")]
pub struct Audit {
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
    /// only this result: ok, failed, refused; or yes, no of a question
    #[argh(option)]
    pub result: Option<String>,
}
