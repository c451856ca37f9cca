//! spi: devices on an SPI bus.

use std::path::Path;

use serde_json::Value;

use super::job::{DEVICE, HardwareCall, data, json_result, names, read_result, run_job};
use super::{error, facts};
use crate::limits::{SPI_BYTES, SPI_SPEED};
use crate::sys::hardware::spi::{SpiConfig, transfer};
use crate::tool::args::{Args, integer, text};
use crate::tool::spec::{Effect, ToolSpec};

/// Transfers bytes over SPI.
pub static SPI: ToolSpec = ToolSpec {
    name: "spi",
    description: "Devices on an SPI bus of the board. list shows them, transfer sends bytes and returns what came at the same time, read sends zeros. A transfer waits for the user's yes.",
    schema: r#"{"type":"object","properties":{"action":{"type":"string","enum":["list","transfer","read"]},"device":{"type":"string","description":"Bus and chip, like 0.0"},"speed":{"type":"integer","minimum":1,"maximum":125000000,"description":"Hertz, 1000000 if left out"},"mode":{"type":"integer","minimum":0,"maximum":3},"bits":{"type":"integer","minimum":1,"maximum":32,"description":"Of a word, 8 if left out"},"data":{"type":"array","items":{"type":"integer","minimum":0,"maximum":255},"description":"Bytes to send"},"length":{"type":"integer","minimum":1,"maximum":4096,"description":"Bytes to read"}},"required":["action"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(run_job(ctx, &SPI, args, job(args))),
    asks_itself: true,
    acts_on_machine: true,
    asks: |_, args| matches!(text(args, "action"), "transfer").then_some(DEVICE),
    ..ToolSpec::PLAIN
};

pub(super) fn job(args: &Args) -> Result<HardwareCall, String> {
    let action = text(args, "action");
    if action == "list" {
        return Ok(HardwareCall::without_device(|| {
            let nodes = names("/dev", &|n| n.starts_with("spidev")).into_iter();
            let list: Vec<Value> = nodes.map(|n| n.trim_start_matches("spidev").into()).collect();
            Ok(json_result(vec![
                ("devices", list.into()),
                ("refused", facts::refused("SPI_REFUSED").into()),
            ]))
        }));
    }
    let name = text(args, "device").to_owned();
    let number = |n: &str| (1..=5).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit());
    if !name.split_once('.').is_some_and(|(bus, chip)| number(bus) && number(chip)) {
        return Err("device must be bus and chip like 0.0, as list shows them".into());
    }
    let or = |key: &str, usual: i64| integer(args, key).unwrap_or(usual);
    let manner = SpiConfig {
        mode: or("mode", 0).clamp(0, 3) as u8,
        speed: or("speed", 1_000_000).clamp(1, SPI_SPEED) as u32,
        bits: or("bits", 8).clamp(1, 32) as u8,
    };
    let mut bytes = if action == "transfer" {
        data(args, "data", SPI_BYTES)?
    } else {
        match integer(args, "length") {
            Some(length) => vec![0; length.clamp(1, SPI_BYTES) as usize],
            None => return Err("length is required".into()),
        }
    };
    let device = ["/dev/spidev", &name].concat();
    let path = device.clone();
    let work = move || match transfer(Path::new(&path), manner, &mut bytes) {
        Ok(()) => Ok(read_result("device", &name, bytes)),
        Err(e) => Err(error::describe(&path, &e)),
    };
    Ok(HardwareCall { device, rule: "SPI_REFUSED", line: None, work: Box::new(work) })
}
