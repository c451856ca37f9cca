//! `picoclaw cron`: the same requests as the tool's. A running gateway carries them out; without one the file is changed
//! here, under the lock that would keep a gateway from starting meanwhile.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use nanoserde::SerBin;

use crate::app;
use crate::app::control::{self, ControlReply};
use crate::app::home::Home;
use crate::args::{self, CronAdd, CronCommand};
use crate::bus::Address;
use crate::config::{self, Config, LoadOptions};
use crate::error::{Error, Result};
use crate::limits::{COMMAND_LOCK_WAIT, CRON_EVERY_MIN};
use crate::proto::binschema;
use crate::sched::approval_mac::ApprovalMac;
use crate::sched::human_time;
use crate::sched::job::Now;
use crate::sched::zone::LocalClock;
use crate::sched::{cron_store, jobs_file};
use crate::store::state_file;
use crate::sys::clock;
use crate::tool::cron_handle::{CronHandle, CronRequest};

/// Gives the order and prints what came of it.
///
/// # Errors
/// A configuration with errors.
pub fn run(args: &args::CronArgs) -> Result<ExitCode> {
    let options = LoadOptions { allow_empty: true, ..LoadOptions::from_process() };
    let loaded = config::load(&options).map_err(|e| Error::new(e.to_string()))?;
    let config = &loaded.config;
    let checked = request(&args.command, config).and_then(|request| {
        check_chat(config, &request.to)?;
        let waits = request.action == "add" && request.to == Address::default();
        Ok((give(config, request)?, waits && last_chat(config).is_none()))
    });
    match checked {
        Ok((text, nowhere)) => {
            println!("{text}");
            if nowhere {
                println!("{NO_CHAT}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(text) => {
            // "not found" has its own sign since the first release.
            let sign = if text.starts_with('✗') { "" } else { "Error: " };
            eprintln!("{sign}{text}");
            Ok(ExitCode::FAILURE)
        }
    }
}

const NO_GATEWAY: &str = "no gateway is running, and only it can run a job; start it: `picoclaw gateway`, or its service";

const NO_CHAT: &str =
    "warning: no chat has written yet; what is due before one does is not sent: --to names a chat";

/// Refuses a chat of a channel that is not enabled, and what can be no chat of its channel.
fn check_chat(config: &Config, to: &Address) -> Result<(), String> {
    if to.channel.is_empty() {
        return Ok(());
    }
    if let Some(channel) = config.channels.iter().find(|c| c.enabled && c.name == to.channel) {
        return match channel.settings.chat_problem(&to.chat) {
            Some(why) => Err(format!("--to: {:?} is not a chat of {}: {why}", to.chat, to.channel)),
            None => Ok(()),
        };
    }
    let enabled = config.channels.iter().filter(|c| c.enabled).map(|c| c.name.as_str());
    let names = enabled.collect::<Vec<_>>().join(", ");
    let there =
        if names.is_empty() { "none is enabled".into() } else { format!("there are: {names}") };
    Err(format!("--channel: there is no channel {:?}; {there}", to.channel))
}

fn has_channel(config: &Config, to: &Address) -> bool {
    config.channels.iter().any(|c| c.enabled && c.name == to.channel)
}

/// The chat that a job without one answers in.
fn last_chat(config: &Config) -> Option<Address> {
    state_file::last_chat(&config.home).filter(|to| has_channel(config, to))
}

fn request(command: &CronCommand, config: &Config) -> Result<CronRequest, String> {
    let on = |action: &str, id: &str| CronRequest {
        action: action.into(),
        id: id.into(),
        ..CronRequest::default()
    };
    Ok(match command {
        CronCommand::List(a) => CronRequest { json: a.json, ..on("list", "") },
        CronCommand::Remove(a) => on("remove", &a.id),
        CronCommand::Enable(a) => CronRequest { approved: true, ..on("enable", &a.id) },
        CronCommand::Disable(a) => on("disable", &a.id),
        CronCommand::Run(a) => on("run", &a.id),
        CronCommand::Add(a) => add(a, config, clock::unix_now())?,
    })
}

/// What else helps where an option is empty: what is required cannot be left out.
fn instead(a: &CronAdd, name: &str) -> &'static str {
    let times = [&a.at, &a.every, &a.cron].into_iter().flatten().count();
    match name {
        "--name" => "",
        "--message" if a.command.is_none() => ", or --command instead",
        "--command" if a.message.is_none() => ", or --message instead",
        "--at" | "--every" | "--cron" if times == 1 => "",
        _ => ", or leave it out",
    }
}

/// Options become a request here, so that complaints speak of options.
fn add(a: &CronAdd, config: &Config, now: i64) -> Result<CronRequest, String> {
    let given = [
        ("--name", "what lists and commands call the job", Some(&a.name)),
        ("--message", "the text to send, or the assistant's task", a.message.as_ref()),
        ("--at", "a time like \"tomorrow 9:00\"", a.at.as_ref()),
        ("--every", "a span like 5m", a.every.as_ref()),
        ("--cron", "an expression like \"0 9 * * *\"", a.cron.as_ref()),
        ("--tz", "a zone like Europe/Berlin", a.tz.as_ref()),
        ("--command", "a shell command", a.command.as_ref()),
        ("--to", "the id of a chat", a.to.as_ref()),
        ("--channel", "the name of a channel", a.channel.as_ref()),
    ];
    let empty = |text: &String| text.trim().is_empty();
    if let Some((name, what, _)) = given.iter().find(|(.., text)| text.is_some_and(empty)) {
        return Err(format!("{name} is empty: give {what}{}", instead(a, name)));
    }
    match [&a.at, &a.every, &a.cron].into_iter().flatten().count() {
        0 => return Err("one of --at, --every and --cron is required".into()),
        1 => {}
        _ => return Err("only one of --at, --every and --cron can be given".into()),
    }
    if a.tz.is_some() && a.every.is_some() {
        return Err("--tz needs --at or --cron: --every counts from now in any zone".into());
    }
    if a.deliver && a.command.is_some() {
        return Err("only one of --deliver and --command can be given".into());
    }
    if a.message.is_none() && a.command.is_none() {
        return Err("--message or --command is required".into());
    }
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let mut request = CronRequest {
        action: "add".into(),
        name: a.name.clone(),
        message: text(&a.message),
        cron_expr: text(&a.cron),
        tz: text(&a.tz),
        deliver: Some(a.deliver),
        command: text(&a.command),
        approved: true,
        ..CronRequest::default()
    };
    match (&a.to, &a.channel) {
        (Some(to), named) => {
            let channel = channel(named.as_deref(), config)?;
            request.to = Address { channel, chat: to.trim().into(), topic: String::new() };
        }
        (None, Some(_)) => return Err("--channel needs --to, the chat".into()),
        (None, None) => {}
    }
    if let Some(every) = &a.every {
        request.every_seconds = human_time::seconds(every).map_err(|e| format!("--every: {e}"))?;
        if request.every_seconds < CRON_EVERY_MIN as i64 {
            return Err(format!("--every: at least {CRON_EVERY_MIN} seconds"));
        }
    }
    if let Some(at) = &a.at {
        let zone = LocalClock::find(&request.tz).map_err(|e| format!("--tz: {e}"))?;
        let at = human_time::moment(at, now, &|at| zone.offset(at));
        request.at = at.map_err(|e| format!("--at: {e}"))?;
    }
    Ok(request)
}

/// The channel that the options name, or else the only one that is enabled.
fn channel(named: Option<&str>, config: &Config) -> Result<String, String> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let mut enabled = config.channels.iter().filter(|c| c.enabled).map(|c| c.name.clone());
    match (enabled.next(), enabled.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err("--to: no channel is enabled; name one with --channel".into()),
        (Some(_), Some(_)) => {
            Err("--to: several channels are enabled; name one with --channel".into())
        }
    }
}

/// For the agent on the command line.
pub fn cron_handle(config: &Rc<Config>) -> CronHandle {
    let config = config.clone();
    Rc::new(move |request| {
        let done = give(&config, request);
        Box::pin(async move { done })
    })
}

fn give(config: &Config, request: CronRequest) -> Result<String, String> {
    let end = Instant::now() + COMMAND_LOCK_WAIT;
    let lock = loop {
        // One that starts meanwhile answers as soon as it can.
        let asked = control::ask(&config.home, control::CRON, &request.serialize_bin());
        if let Some(bytes) = asked.map_err(|e| e.to_string())? {
            let reply = binschema::decode::<ControlReply>(ControlReply::SHAPE, &bytes).ok_or_else(
                || "the running gateway is of another version; restart it".to_owned(),
            )?;
            return if reply.ok { Ok(reply.text) } else { Err(reply.text) };
        }
        if request.action == "run" {
            return Err(NO_GATEWAY.into());
        }
        match (Home::try_lock(&config.home), request.action.as_str()) {
            (Ok(lock), _) => break Some(lock),
            // A list changes nothing and needs no lock.
            (Err(_), "list") => break None,
            (Err(pid), _) if Instant::now() >= end => {
                let seconds = COMMAND_LOCK_WAIT.as_secs();
                return Err(format!(
                    "nothing was changed: another picoclaw process (PID {pid}) has had the lock of {} for {seconds} s; \
                     try again when it has ended",
                    config.home.display()
                ));
            }
            (Err(_), _) => {}
        }
    };
    if lock.is_some() {
        app::adopt::run(config);
    }
    let now = Now { wall: clock::unix_now(), trusted: crate::net::clock_is_set(), mono: 0 };
    let jobs = jobs_file::path(&config.home);
    let done = cron_store::apply(&jobs, &ApprovalMac::new(&config.home), &request, now);
    drop(lock);
    done.map(|d| d.text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::*;

    /// 2026-05-01T12:00Z, a Friday.
    const NOW: i64 = 1_777_636_800;

    fn added(words: &[&str]) -> Result<CronRequest, String> {
        let zone: &[&str] = if words.contains(&"-e") { &[] } else { &["--tz", "UTC"] };
        let words = [&["-n", "tea", "-m", "m"][..], zone, words].concat();
        add(&CronAdd::from_args(&["add"], &words).expect("options"), &Config::default(), NOW)
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let schedule = |words| added(words).map(|o| (o.at - NOW, o.every_seconds, o.cron_expr));
        let at = |seconds| Ok((seconds, 0, String::new()));
        assert_eq!(schedule(&["--at", "60"]), at(60));
        assert_eq!(schedule(&["--at", "tomorrow 9:00"]), at(21 * 3600));
        assert_eq!(schedule(&["--at", "in 2h"]), at(7200));
        assert_eq!(schedule(&["-e", "5m"]), Ok((-NOW, 300, String::new())));
        assert_eq!(schedule(&["-e", "3600"]), Ok((-NOW, 3600, String::new())));
        assert_eq!(schedule(&["-c", "@daily"]), Ok((-NOW, 0, "@daily".into())));
    }

    #[test]
    fn complaints_speak_of_options() {
        let wrong = |words: &[&str]| added(words).expect_err("refused");
        assert_eq!(wrong(&[]), "one of --at, --every and --cron is required");
        let two = "only one of --at, --every and --cron can be given";
        assert_eq!(wrong(&["-e", "5m", "-c", "@daily"]), two);
        assert_eq!(wrong(&["--at", "60", "-e", "5m"]), two);
        let zone = "--tz needs --at or --cron: --every counts from now in any zone";
        assert_eq!(wrong(&["-e", "5m", "--tz", "UTC"]), zone);
        let two = "only one of --deliver and --command can be given";
        assert_eq!(wrong(&["-e", "5m", "-d", "--command", "date"]), two);
        assert_eq!(wrong(&["-e", "5s"]), "--every: at least 10 seconds");
        assert!(wrong(&["-e", "often"]).starts_with("--every: `often` is not a span of time"));
        assert!(wrong(&["--at", "yesterday"]).starts_with("--at: `yesterday` is not a time"));
        assert!(wrong(&["-e", "5m", "--to", "5"]).starts_with("--to: no channel is enabled"));
        assert_eq!(wrong(&["--at", "today 9:00"]), "--at: `today 9:00` is in the past");
        for option in ["--at", "-e", "-c", "--command", "--to", "--channel"] {
            let empty = wrong(&[option, " "]);
            // What is required cannot be left out.
            let required = ["--at", "-e", "-c"].contains(&option);
            let tail = empty.ends_with("leave it out") || empty.ends_with("--message instead");
            assert!(empty.contains("is empty: give ") && tail != required, "{empty}");
        }
    }
}
