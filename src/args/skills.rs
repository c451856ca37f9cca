//! `picoclaw skills`.

use argh::FromArgs;

/// Texts that teach the assistant something: look at them, install and remove them.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "skills")]
pub struct SkillsArgs {
    /// what to do
    #[argh(subcommand)]
    pub command: SkillsCommand,
}

/// One `skills` subcommand.
#[derive(FromArgs, Debug)]
#[expect(missing_docs, reason = "the types of the variants describe them")]
#[argh(subcommand)]
pub enum SkillsCommand {
    List(SkillsList),
    Show(SkillsShow),
    #[cfg(feature = "skill-install")]
    Install(SkillsInstall),
    #[cfg(feature = "skill-install")]
    Remove(SkillsRemove),
    #[cfg(feature = "skill-install")]
    Search(SkillsSearch),
}

/// List the skills there are, and where each came from.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "list")]
pub struct SkillsList {
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Print one skill.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "show")]
pub struct SkillsShow {
    /// the skill
    #[argh(positional)]
    pub name: String,
    /// as one JSON object, without its text
    #[argh(switch)]
    pub json: bool,
}

/// Install from OWNER/REPO or OWNER/REPO/FOLDER, with @TAG or without, an https address, a .tar.gz or a ./FOLDER.
#[cfg(feature = "skill-install")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "install")]
pub struct SkillsInstall {
    /// where it comes from
    #[argh(positional)]
    pub source: String,
    /// replace a skill of the same name
    #[argh(switch)]
    pub force: bool,
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Remove a skill from the workspace.
#[cfg(feature = "skill-install")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "remove")]
pub struct SkillsRemove {
    /// the skill
    #[argh(positional)]
    pub name: String,
}

/// Search the registry.
#[cfg(feature = "skill-install")]
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "search")]
pub struct SkillsSearch {
    /// words
    #[argh(positional)]
    pub query: Vec<String>,
    /// as a JSON array
    #[argh(switch)]
    pub json: bool,
}
