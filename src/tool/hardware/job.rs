//! A call: its checks, its approval, its work, and the forms of its result.

use serde_json::Value;

use super::facts;
use super::worker::{self, Work};
use crate::limits::HARDWARE_LISTED;
use crate::proto::json::object;
use crate::proto::text;
use crate::sys::spawn_blocking;
use crate::tool::approval;
use crate::tool::args::Args;
use crate::tool::context::ToolContext;
use crate::tool::result::ToolResult;
use crate::tool::spec::ToolSpec;

/// A call with valid arguments.
pub(super) struct HardwareCall {
    /// The device file; `/sys` for calls that only read information.
    pub(super) device: String,
    /// Key of the board's facts that lists refused devices, or empty.
    pub(super) rule: &'static str,
    /// The line of a chip.
    pub(super) line: Option<u32>,
    pub(super) work: Work,
}

impl HardwareCall {
    /// A job that opens no device.
    pub(super) fn without_device(
        work: impl FnOnce() -> Result<String, String> + Send + 'static,
    ) -> HardwareCall {
        HardwareCall { device: "/sys".into(), rule: "", line: None, work: Box::new(work) }
    }
}

/// Why a call that changes something asks.
pub(super) const DEVICE: &str = "it acts on what is connected to the board";

/// Runs a call of one of them.
pub(super) async fn run_job(
    ctx: &ToolContext,
    spec: &ToolSpec,
    args: &Args,
    job: Result<HardwareCall, String>,
) -> ToolResult {
    let done = async { run_job_on_worker(ctx, spec, args, job?).await };
    match done.await {
        Ok(text) => ToolResult::silent(text),
        Err(why) => ToolResult::error(why),
    }
}

async fn run_job_on_worker(
    ctx: &ToolContext,
    spec: &ToolSpec,
    args: &Args,
    job: HardwareCall,
) -> Result<String, String> {
    let HardwareCall { device, rule, line, work } = job;
    if !rule.is_empty() {
        let asked = device.clone();
        spawn_blocking(Box::new(move || facts::allowed(rule, &asked, line))).await?;
    }
    approval::gate(ctx, spec, args).await?;
    worker::run(device, work).await
}

/// Matching names in a folder, the shortest first, at most [`HARDWARE_LISTED`].
pub(super) fn names(folder: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|n| wanted(n)).collect();
    names.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    names.truncate(HARDWARE_LISTED);
    names
}

/// First line of a small kernel file, or empty.
pub(super) fn line_of(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("").trim().to_owned()
}

/// The result: an object with these members.
pub(super) fn json_result(members: Vec<(&str, Value)>) -> String {
    object(members.into_iter().map(|(k, v)| (k.to_owned(), v))).to_string()
}

/// Bytes as hex digits in pairs, like `12 ff`.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| text::hex(&[*b])).collect::<Vec<_>>().join(" ")
}

/// The result of reading.
pub(super) fn read_result(key: &str, device: &str, bytes: Vec<u8>) -> String {
    json_result(vec![
        (key, device.into()),
        ("hex", hex(&bytes).into()),
        ("length", bytes.len().into()),
        ("bytes", bytes.into()),
    ])
}

/// An array of bytes, 1 to `most` of them.
pub(super) fn data(args: &Args, key: &str, most: i64) -> Result<Vec<u8>, String> {
    let list = args.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if list.is_empty() || list.len() as i64 > most {
        return Err(format!("{key} must be 1 to {most} bytes"));
    }
    let bytes = list.iter().map(|v| v.as_u64().and_then(|n| u8::try_from(n).ok()));
    bytes.collect::<Option<_>>().ok_or_else(|| format!("{key} must be whole numbers from 0 to 255"))
}
