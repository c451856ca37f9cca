//! gpio: lines of the header.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::job::{DEVICE, HardwareCall, json_result, names, run_job};
use super::{error, facts};
use crate::limits::{GPIO_HELD, GPIO_LINES, GPIO_PULSE};
use crate::sys::hardware::gpio::{Chip, Line};
use crate::tool::args::{Args, integer, text};
use crate::tool::spec::{Effect, ToolSpec};

/// Reads and sets pins.
pub static GPIO: ToolSpec = ToolSpec {
    name: "gpio",
    description: "Lines (pins) of the board's GPIO chips. list shows the chips, or one chip's named and used lines; read tells a level; write puts a line at a level and keeps it there until release. A write waits for the user's yes.",
    schema: r#"{"type":"object","properties":{"action":{"type":"string","enum":["list","read","write","release"]},"chip":{"type":"string","description":"Like gpiochip0, which it is if left out"},"line":{"type":"integer","minimum":0,"maximum":1023,"description":"Number of the line on its chip"},"value":{"type":"integer","minimum":0,"maximum":1},"pulse_ms":{"type":"integer","minimum":1,"maximum":5000,"description":"write: back to the other level after so long"}},"required":["action"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(run_job(ctx, &GPIO, args, job(args))),
    asks_itself: true,
    acts_on_machine: true,
    asks: |_, args| matches!(text(args, "action"), "write" | "release").then_some(DEVICE),
    ..ToolSpec::PLAIN
};

/// Lines that a write has set: a released line could lose its level. Chip, number, line.
static HELD: Mutex<Vec<(String, u32, Line)>> = Mutex::new(Vec::new());

pub(super) fn job(args: &Args) -> Result<HardwareCall, String> {
    let action = text(args, "action");
    let name = Some(text(args, "chip")).filter(|c| !c.is_empty());
    if action == "list" && name.is_none() {
        return Ok(HardwareCall::without_device(chips));
    }
    let name = name.unwrap_or("gpiochip0");
    let number = name.trim_start_matches("/dev/").strip_prefix("gpiochip");
    let digits = |n: &&str| (1..=5).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = number.filter(digits) else {
        return Err("chip must be the name of a chip like gpiochip0, as list shows them".into());
    };
    let device = ["/dev/gpiochip", number].concat();
    let path = device.clone();
    if action == "list" {
        let work = move || lines(&path).map_err(|e| error::describe(&path, &e));
        return Ok(HardwareCall { device, rule: "", line: None, work: Box::new(work) });
    }
    let line = integer(args, "line").and_then(|n| u32::try_from(n).ok());
    let Some(line) = line.filter(|n| *n < GPIO_LINES) else {
        return Err("line must be the number of a line, as list shows them".into());
    };
    let level = match (action, integer(args, "value")) {
        ("write", Some(value)) => Some(value != 0),
        ("write", None) => return Err("value is required: 0 or 1".into()),
        _ => None,
    };
    let pulse = integer(args, "pulse_ms").map(|ms| Duration::from_millis(ms.max(1) as u64));
    let release = action == "release";
    let work = move || {
        let done = match level {
            Some(level) => write(&path, line, level, pulse),
            None => read(&path, line, release),
        };
        match done {
            Ok(level) => Ok(json_result(vec![
                ("chip", path.into()),
                ("line", line.into()),
                ("value", u8::from(level).into()),
            ])),
            Err(why) => Err(why),
        }
    };
    Ok(HardwareCall { device, rule: "GPIO_REFUSED", line: Some(line), work: Box::new(work) })
}

fn held<T>(work: impl FnOnce(&mut Vec<(String, u32, Line)>) -> T) -> T {
    work(&mut HELD.lock().unwrap_or_else(PoisonError::into_inner))
}

fn take(path: &str, line: u32, level: Option<bool>) -> Result<Line, String> {
    let chip = Chip::open(Path::new(path)).map_err(|e| error::describe(path, &e))?;
    chip.take(line, level).map_err(|e| {
        let mut text = format!("{} (line {line})", error::describe(path, &e));
        let user = chip.known(line).unwrap_or_default().user;
        if !user.is_empty() {
            text.push_str("; its user is ");
            text.push_str(&user);
        }
        text
    })
}

/// The level of a held line, or of any other line.
fn read(path: &str, line: u32, release: bool) -> Result<bool, String> {
    let level = held(|list| {
        let at = list.iter().position(|(chip, n, _)| chip == path && *n == line)?;
        let level = list[at].2.get();
        if release {
            list.swap_remove(at);
        }
        Some(level)
    });
    match level {
        Some(level) => level.map_err(|e| error::describe(path, &e)),
        None if release => Err(format!("{path}: line {line} is not kept by a write")),
        None => take(path, line, None)?.get().map_err(|e| error::describe(path, &e)),
    }
}

fn write(path: &str, line: u32, level: bool, pulse: Option<Duration>) -> Result<bool, String> {
    let failed = |e: std::io::Error| error::describe(path, &e);
    let set = held(|list| {
        let (.., line) = list.iter().find(|(chip, n, _)| chip == path && *n == line)?;
        Some(line.set(level))
    });
    match set {
        Some(set) => set.map_err(failed)?,
        None if held(|list| list.len()) >= GPIO_HELD => {
            return Err(format!("{GPIO_HELD} lines are kept already; release one first"));
        }
        None => {
            let taken = take(path, line, Some(level))?;
            held(|list| list.push((path.to_owned(), line, taken)));
        }
    }
    match pulse {
        Some(time) => {
            std::thread::sleep(time.min(GPIO_PULSE));
            write(path, line, !level, None)
        }
        None => Ok(level),
    }
}

fn chips() -> Result<String, String> {
    let list = names("/dev", &|n| n.starts_with("gpiochip")).into_iter().map(|name| {
        let chip = Chip::open(Path::new(&["/dev/", &name].concat()));
        match chip {
            Ok(chip) => format!("{name} {} ({} lines)", chip.label, chip.lines).into(),
            Err(e) => Value::from(error::describe(&["/dev/", &name].concat(), &e)),
        }
    });
    let list: Vec<Value> = list.collect();
    Ok(json_result(vec![
        ("chips", list.into()),
        ("refused", facts::refused("GPIO_REFUSED").into()),
    ]))
}

/// Lines with a name or a user.
fn lines(path: &str) -> std::io::Result<String> {
    let chip = Chip::open(Path::new(path))?;
    let mut list: Vec<Value> = Vec::new();
    for n in 0..chip.lines.min(GPIO_LINES) {
        let known = chip.known(n)?;
        if !(known.name.is_empty() && known.user.is_empty()) {
            let user = if known.user.is_empty() { "free" } else { &known.user };
            list.push([&n.to_string(), " ", &known.name, ": ", user].concat().into());
        }
    }
    Ok(json_result(vec![
        ("chip", path.into()),
        ("lines", chip.lines.into()),
        ("named_or_used", list.into()),
        ("refused", facts::refused("GPIO_REFUSED").into()),
    ]))
}
