//! Reads the command line, and says what to try where it is wrong.

use argh::{EarlyExit, FromArgs, SubCommands};

#[cfg(any(feature = "sign-in", feature = "encryption"))]
use super::AuthCommand;
use super::{CommandLine, ConfigCommand, CronCommand, PIPE, SkillsCommand, Subcommand};
use crate::proto::text;

/// Reads the process's arguments; help and errors are printed, and their exit status returned.
pub fn parse() -> Result<CommandLine, std::process::ExitCode> {
    // An argument that is not UTF-8 cannot be any of ours; lossily it fails with a readable message.
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let files = args.first().is_some_and(|a| ["backup", "restore", "config"].contains(&&**a));
    let args: Vec<&str> = args.iter().map(|a| if files && a == "-" { PIPE } else { a }).collect();
    if args.is_empty() {
        eprintln!("{}", help());
        return Err(std::process::ExitCode::FAILURE);
    }
    let mut words = args.iter().filter(|a| !a.starts_with('-')).copied();
    let (command, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let own = matches!(command, "auth" | "skills").then_some([command, " ", second].concat());
    let command = own.as_deref().unwrap_or(command).trim_end();
    if let Some(feature) = lacking(command) {
        eprintln!("Error: `picoclaw {command}` is not in this build (feature `{feature}`)");
        return Err(std::process::ExitCode::FAILURE);
    }
    read(&args).map_err(|exit| match exit.status {
        Ok(()) => {
            println!("{}", with_short_help(exit.output.trim_end()));
            std::process::ExitCode::SUCCESS
        }
        Err(()) => {
            let hint = hint(&args);
            // One that is unknown needs no second line that says so.
            if hint.starts_with("unknown") {
                eprintln!("Error: {hint}");
            } else {
                eprintln!("Error: {}\n{hint}", fault(&args, exit.output.trim_end()));
            }
            std::process::ExitCode::FAILURE
        }
    })
}

/// The feature that would bring a command (of `auth` and `skills` two words), where this build lacks it.
fn lacking(command: &str) -> Option<&'static str> {
    let (feature, has) = match command {
        "migrate" => ("migrate", cfg!(feature = "migrate")),
        "backup" | "restore" => ("backup", cfg!(feature = "backup")),
        "doctor" => ("doctor", cfg!(feature = "doctor")),
        "audit" => ("audit", cfg!(feature = "audit")),
        "auth encrypt" => ("encryption", cfg!(feature = "encryption")),
        "auth" => ("sign-in", cfg!(any(feature = "sign-in", feature = "encryption"))),
        "auth login" | "auth logout" | "auth status" => ("sign-in", cfg!(feature = "sign-in")),
        "skills install" | "skills remove" | "skills search" => {
            ("skill-install", cfg!(feature = "skill-install"))
        }
        "simulate" | "membench" => ("simulate", cfg!(feature = "simulate")),
        _ => return None,
    };
    (!has).then_some(feature)
}

/// `-h` is `--help`, where it is not the value of an option.
fn read(args: &[&str]) -> Result<CommandLine, EarlyExit> {
    let read = |args: &[&str]| CommandLine::from_args(&["picoclaw"], args);
    read(args).or_else(|exit| {
        let Some(at) = args.iter().position(|a| *a == "-h").filter(|_| exit.status.is_err()) else {
            return Err(exit);
        };
        let help: Vec<&str> = args.iter().take(at).copied().chain(["--help"]).collect();
        read(&help)
    })
}

fn help() -> String {
    let page = CommandLine::from_args(&["picoclaw"], &["--help"]).err();
    page.map_or_else(String::new, |exit| with_short_help(&exit.output))
}

/// The page with the short name that [`read`] adds.
fn with_short_help(page: &str) -> String {
    page.replace("  --help, help      ", "  -h, --help        ")
}

/// What is wrong with `args`: the parser's `output`, in our style, or what we know better.
fn fault(args: &[&str], output: &str) -> String {
    if let Some(text) = usual_fault(args, output) {
        return text;
    }
    let text = output.strip_prefix("Error parsing ").unwrap_or(output);
    let mut text = text.replace("invalid digit found in string", "a whole number is needed");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

/// What people try first, and what it is called here.
fn usual_fault(args: &[&str], output: &str) -> Option<String> {
    let extra = output.strip_prefix("Unrecognized argument: ");
    let (command, instead) = match (args, extra) {
        (["config", "get", ..], Some(_)) => ("config get", "`picoclaw config show KEY`"),
        (["config", "unset", ..], Some(_)) => ("config unset", "`picoclaw config set KEY null`"),
        (["config", "set", pair], None) => {
            // The value may be a secret.
            let (key, _) = pair.split_once('=')?;
            return Some(format!(
                "the key and the value are two words: `picoclaw config set {key} VALUE`"
            ));
        }
        (["agent", ..], Some(word)) if !word.starts_with('-') => {
            return Some(format!(
                "unrecognized argument: {word}; a message follows -m: `picoclaw agent -m TEXT`"
            ));
        }
        ([group, word, ..], Some(extra)) if *word == extra => {
            let near = crate::config::nearest::nearest(word, names_of(group))?;
            return Some(format!(
                "unknown command: {group} {word}. Did you mean `picoclaw {group} {near}`?"
            ));
        }
        _ => return None,
    };
    Some(format!("unknown command: {command}. Did you mean {instead}?"))
}

/// The subcommands of a command.
fn names_of(group: &str) -> impl Iterator<Item = &'static str> {
    let all = match group {
        "config" => ConfigCommand::COMMANDS,
        "cron" => CronCommand::COMMANDS,
        "skills" => SkillsCommand::COMMANDS,
        #[cfg(any(feature = "sign-in", feature = "encryption"))]
        "auth" => AuthCommand::COMMANDS,
        _ => &[],
    };
    all.iter().map(|command| command.name)
}

/// What to try instead of `args`.
fn hint(args: &[&str]) -> String {
    let names = || Subcommand::COMMANDS.iter().map(|c| c.name);
    let command = args.iter().find(|a| !a.starts_with('-'));
    match command {
        Some(name) if !names().any(|n| n == *name) => {
            match crate::config::nearest::nearest(name, names()) {
                Some(near) => format!("unknown command: {name}. Did you mean `picoclaw {near}`?"),
                None => format!("unknown command: {name}. See `picoclaw --help`."),
            }
        }
        Some(_) => format!("{}See `{} --help`.", after_dashes(args), page_of(args)),
        None => "See `picoclaw --help`.".into(),
    }
}

/// The commands that the help page of `args` is about, as its first line has them: `picoclaw cron add`.
fn page_of(args: &[&str]) -> String {
    let names: Vec<&str> =
        args.iter().take_while(|a| !a.starts_with('-')).take(2).copied().collect();
    let page = (0..=names.len()).rev().find_map(|n| {
        let names = names.iter().take(n).copied().chain(["--help"]);
        read(&names.collect::<Vec<_>>()).err().filter(|exit| exit.status.is_ok())
    });
    let page = page.map_or_else(String::new, |exit| exit.output);
    let usage = page.lines().next().unwrap_or_default().strip_prefix("Usage: ").unwrap_or_default();
    let words = usage.split(' ').take_while(|word| !word.starts_with(['-', '<', '[']));
    words.collect::<Vec<_>>().join(" ")
}

/// For a value that was taken for an option.
fn after_dashes(args: &[&str]) -> String {
    let negative = |a: &&&str| a.strip_prefix('-').is_some_and(|n| text::number(n).is_some());
    match args.iter().find(negative) {
        Some(value) if args.first() == Some(&"config") && !args.contains(&"--") => {
            format!(
                "A value that begins with a dash follows `--`: `picoclaw config set KEY -- {value}`. "
            )
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_there_or_its_feature_is_named() {
        for name in
            ["migrate", "backup", "restore", "doctor", "audit", "auth", "simulate", "membench"]
        {
            let there = Subcommand::COMMANDS.iter().any(|c| c.name == name);
            assert_eq!(there, lacking(name).is_none(), "{name}");
        }
        for names in [
            "auth login",
            "auth logout",
            "auth status",
            "auth encrypt",
            "skills install",
            "skills remove",
            "skills search",
            "skills list",
        ] {
            let words = names.split(' ').chain(["--help"]).collect::<Vec<_>>();
            let there = read(&words).is_err_and(|exit| exit.status.is_ok());
            assert_eq!(there, lacking(names).is_none(), "{names}");
        }
        assert_eq!(lacking("gateway"), None);
    }

    #[test]
    fn hints_name_the_page_that_helps() {
        let add = ["cron", "add", "-n", "x"];
        assert_eq!(hint(&add), "See `picoclaw cron add --help`.");
        assert_eq!(hint(&["cron", "nosuch"]), "See `picoclaw cron --help`.");
        assert_eq!(hint(&["agent", "--nosuch"]), "See `picoclaw agent --help`.");
        let negative = hint(&["config", "set", "gateway.port", "-1"]);
        let want = "A value that begins with a dash follows `--`: `picoclaw config set KEY -- -1`. See `picoclaw config set --help`.";
        assert_eq!(negative, want);
        assert!(help().contains("-h, --help  "), "{}", help());
    }

    #[track_caller]
    fn says(args: &[&str], want: &str) {
        let exit = read(args).expect_err("it is wrong");
        assert_eq!(fault(args, exit.output.trim_end()), want);
    }

    #[test]
    fn faults_name_what_to_type() {
        let get = "unknown command: config get. Did you mean `picoclaw config show KEY`?";
        says(&["config", "get", "gateway.port"], get);
        let unset = "unknown command: config unset. Did you mean `picoclaw config set KEY null`?";
        says(&["config", "unset", "gateway.port"], unset);
        let words = "the key and the value are two words: `picoclaw config set gateway.port VALUE`";
        says(&["config", "set", "gateway.port=8080"], words);
        let message =
            "unrecognized argument: hello; a message follows -m: `picoclaw agent -m TEXT`";
        says(&["agent", "hello"], message);
        says(&["agent", "--nosuch"], "unrecognized argument: --nosuch");
        says(&["cron", "ad"], "unknown command: cron ad. Did you mean `picoclaw cron add`?");
        says(&["cron", "zzzzzz"], "unrecognized argument: zzzzzz");
        let number = "option '--last' with value 'x': a whole number is needed";
        #[cfg(feature = "audit")]
        says(&["audit", "--last", "x"], number);
        #[cfg(feature = "simulate")]
        says(&["simulate", "--burst", "x"], &number.replace("last", "burst"));
        let _ = number;
        assert_eq!(hint(&["crno"]), "unknown command: crno. Did you mean `picoclaw cron`?");
    }

    #[test]
    fn every_command_has_a_short_help() {
        let helps = |args: &[&str]| read(args).is_err_and(|exit| exit.status.is_ok());
        for command in Subcommand::COMMANDS {
            assert!(helps(&[command.name, "-h"]), "{}", command.name);
        }
        for args in [
            &["-h"][..],
            &["cron", "add", "-h"],
            &["skills", "list", "-h"],
            #[cfg(feature = "skill-install")]
            &["skills", "install", "-h"],
            #[cfg(feature = "sign-in")]
            &["auth", "login", "-h"],
            &["config", "set", "-h"],
            &["agent", "-d", "-h"],
        ] {
            assert!(helps(args), "{args:?}");
        }
        let said = read(&["agent", "-m", "-h"]).map(|args| args.command);
        let text = match said {
            Ok(Some(Subcommand::Agent(agent))) => agent.message,
            _ => None,
        };
        assert_eq!(text.as_deref(), Some("-h"));
    }
}
