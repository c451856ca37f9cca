//! board: the board's name, temperatures, uptime, and refused devices.

use serde_json::Value;

use super::facts;
use super::job::{HardwareCall, json_result, line_of, names, run_job};
use crate::tool::spec::{Effect, ToolSpec};

/// `board`: the board's name, temperatures and load, and what must not be touched.
pub static BOARD: ToolSpec = ToolSpec {
    name: "board",
    description: "The board you live on: its name, temperatures in degrees Celsius, seconds since its start, load, and which buses and lines must not be used.",
    schema: r#"{"type":"object","properties":{}}"#,
    effect: Effect::Reads,
    run: |ctx, args| Box::pin(run_job(ctx, &BOARD, args, Ok(job()))),
    asks_itself: true,
    ..ToolSpec::PLAIN
};

/// Keys of the facts that are copied into the answer.
const RULES: [&str; 4] = ["I2C_REFUSED", "SPI_REFUSED", "UART_REFUSED", "GPIO_REFUSED"];

pub(super) fn job() -> HardwareCall {
    HardwareCall::without_device(|| {
        let facts = facts::read()?;
        let mut title = facts::value(&facts, "TITLE").to_owned();
        if facts.is_empty() {
            let model = line_of("/proc/device-tree/model");
            title = ["unknown, so nothing is refused: ", model.trim_end_matches('\0')].concat();
        }
        let refused: Vec<&str> = RULES.iter().map(|key| facts::value(&facts, key)).collect();
        let up = line_of("/proc/uptime");
        let up = up.split('.').next().and_then(|s| s.parse::<u64>().ok());
        Ok(json_result(vec![
            ("board", title.trim_end_matches([':', ' ']).into()),
            ("uptime_seconds", up.into()),
            ("load", line_of("/proc/loadavg").into()),
            ("temperatures", temperatures("/sys/class/thermal").into()),
            ("refused", refused.join(" ").trim().into()),
        ]))
    })
}

/// Each thermal zone of a folder, `cpu-thermal 47.2`.
pub fn temperatures(folder: &str) -> Vec<Value> {
    let mut list = Vec::new();
    for zone in names(folder, &|n| n.starts_with("thermal_zone")) {
        let of = |file: &str| line_of(&[folder, "/", &zone, "/", file].concat());
        if let Ok(milli) = of("temp").parse::<i32>() {
            let sign = if milli < 0 { "-" } else { "" };
            let tenths = milli.unsigned_abs() / 100;
            list.push(format!("{} {sign}{}.{}", of("type"), tenths / 10, tenths % 10).into());
        }
    }
    list
}
