//! `picoclaw cron`: the same orders as the tool's. A running gateway carries them out; without one the file is changed
//! here, under the lock that would keep a gateway from starting meanwhile.

use std::process::ExitCode;
use std::rc::Rc;

use nanoserde::SerBin;

use crate::app::control::{self, Reply};
use crate::app::home::Home;
use crate::args::{self, CronCommand};
use crate::bus::Address;
use crate::config::{self, Config, LoadOptions};
use crate::error::{Error, Result};
use crate::proto::binschema;
use crate::sched::approval_mac::ApprovalMac;
use crate::sched::job::Now;
use crate::sched::{cron_store as orders, file};
use crate::sys::clock;
use crate::tool::cron::{CronHandle, Order};

/// Gives the order and prints what came of it.
///
/// # Errors
/// A configuration with errors.
pub fn run(args: &args::Cron) -> Result<ExitCode> {
    let options = LoadOptions { allow_empty: true, ..LoadOptions::from_process() };
    let loaded = config::load(&options).map_err(|e| Error::new(e.to_string()))?;
    match give(&loaded.config, order(&args.command)) {
        Ok(text) => {
            println!("{text}");
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

fn order(command: &CronCommand) -> Order {
    let on =
        |action: &str, id: &str| Order { action: action.into(), id: id.into(), ..Order::default() };
    match command {
        CronCommand::List(a) => Order { json: a.json, ..on("list", "") },
        CronCommand::Remove(a) => on("remove", &a.id),
        CronCommand::Enable(a) => Order { approved: true, ..on("enable", &a.id) },
        CronCommand::Disable(a) => on("disable", &a.id),
        CronCommand::Run(a) => on("run", &a.id),
        CronCommand::Add(a) => Order {
            name: a.name.clone(),
            message: a.message.clone(),
            at_seconds: a.at,
            every_seconds: a.every,
            cron_expr: a.cron.clone(),
            tz: a.tz.clone(),
            deliver: Some(a.deliver),
            command: a.command.clone(),
            approved: true,
            to: match a.to.as_str() {
                "" => Address::default(),
                to => Address { channel: a.channel.clone(), chat: to.into(), topic: String::new() },
            },
            ..on("add", "")
        },
    }
}

/// For the agent on the command line.
pub fn cron_handle(config: &Rc<Config>) -> CronHandle {
    let config = config.clone();
    Rc::new(move |order| {
        let done = give(&config, order);
        Box::pin(async move { done })
    })
}

fn give(config: &Config, order: Order) -> Result<String, String> {
    let asked = control::ask(&config.home, control::CRON, &order.serialize_bin());
    if let Some(bytes) = asked.map_err(|e| e.to_string())? {
        let reply = binschema::decode::<Reply>(Reply::SHAPE, &bytes)
            .ok_or_else(|| "the running gateway is of another version; restart it".to_owned())?;
        return if reply.ok { Ok(reply.text) } else { Err(reply.text) };
    }
    if order.action == "run" {
        return Err("the gateway is not running; only it can run a job".into());
    }
    // A list changes nothing and needs no lock.
    let lock = match order.action.as_str() {
        "list" => None,
        _ => Some(Home::lock(&config.home).map_err(|e| e.to_string())?),
    };
    let now = Now { wall: clock::unix_now(), trusted: crate::net::clock_is_set(), mono: 0 };
    let jobs = file::path(&config.agent.workspace);
    let done = orders::apply(&jobs, &ApprovalMac::new(&config.home), &order, now);
    drop(lock);
    done.map(|d| d.text).map_err(|e| e.to_string())
}
