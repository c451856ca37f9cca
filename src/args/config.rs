//! `picoclaw config`.

use argh::FromArgs;

/// Look at the configuration, or set a key.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "config")]
pub struct ConfigArgs {
    /// what to do
    #[argh(subcommand)]
    pub command: ConfigCommand,
}

/// One `config` subcommand.
#[derive(FromArgs, Debug)]
#[expect(missing_docs, reason = "the types of the variants describe them")]
#[argh(subcommand)]
pub enum ConfigCommand {
    Check(ConfigCheck),
    Show(ConfigShow),
    Keys(ConfigKeys),
    Set(ConfigSet),
}

/// Read every layer and say what is wrong; exit status 1 when anything is.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "check")]
pub struct ConfigCheck {
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// Print the values in force, secrets left out, and the file or variable that set each.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "show")]
pub struct ConfigShow {
    /// only keys that begin like this
    #[argh(positional)]
    pub key: Option<String>,
    /// as one JSON object
    #[argh(switch)]
    pub json: bool,
}

/// List every key: type, default, variable, meaning.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "keys")]
pub struct ConfigKeys {
    /// only keys in whose path or meaning this occurs
    #[argh(positional)]
    pub filter: Option<String>,
}

/// Set a key, in config.d/99-set.json of the home. Nothing is written if the configuration would have errors then;
/// a key or token that is still missing is a warning.
#[derive(FromArgs, Debug)]
#[argh(subcommand, name = "set")]
pub struct ConfigSet {
    /// its path, as `config keys` has it
    #[argh(positional)]
    pub key: String,
    /// the value; a list as JSON or with commas; null takes back what was set; - reads standard input, which secrets need
    #[argh(positional)]
    pub value: String,
}
