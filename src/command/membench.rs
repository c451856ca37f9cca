//! `picoclaw membench`: the seeds' benchmark. [`simulate`](super::simulate) at the bursts of the published table, each in a process
//! of its own, so that no run is measured on the heap of another; then the table beside the published figures.

use std::process::{Command, ExitCode, Stdio};

use super::simulate::{self, PUBLISHED_BURSTS};
use crate::args;
use crate::error::{Context, Error, Result};
use crate::proto::json::{Json, TypeMismatch};
use crate::proto::text;

/// Runs the bursts; exit status 1 when one of them misses its target.
///
/// # Errors
/// The program cannot start itself, or a run ends without its figures.
pub fn run(args: &args::MembenchArgs) -> Result<ExitCode> {
    simulate::check_picture(args.svg.as_deref())?;
    let mut outputs = Vec::new();
    let mut all_passed = true;
    let bursts = args.burst.map_or(PUBLISHED_BURSTS.to_vec(), |one| vec![one]);
    for (at, burst) in bursts.iter().enumerate() {
        let program = std::env::current_exe().context("this program")?;
        let mut command = Command::new(program);
        command.args(["simulate", "--json", "--burst", &burst.to_string()]);
        if let Some(target) = args.target_kb {
            command.args(["--target-kb", &target.to_string()]);
        }
        if let Some(svg) = args.svg.as_deref().filter(|_| at + 1 == bursts.len()) {
            command.args(["--svg", svg]);
        }
        let output = command.stderr(Stdio::inherit()).output().context("picoclaw simulate")?;
        let line = text::utf8(&output.stdout).context("picoclaw simulate")?.trim().to_owned();
        if line.is_empty() {
            return Err(Error::new(format!(
                "the run of {burst} messages ended with {}",
                output.status
            )));
        }
        all_passed &= output.status.success();
        if !args.json {
            println!("BURST={burst} picoclaw simulate");
            let mismatch = TypeMismatch::default();
            let json = Json::parse(&line, &mismatch).context("picoclaw simulate")?;
            simulate::header();
            for phase in json.get("phases").items() {
                let number = |key: &str| phase.get(key).uint();
                simulate::line(
                    &phase.get("phase").str(),
                    [
                        number("vmrss_kb"),
                        number("rssanon_kb"),
                        number("heap_bytes"),
                        number("messages_per_s"),
                    ],
                );
            }
            println!();
        }
        outputs.push((*burst, line));
    }
    if args.json {
        let runs: Vec<&str> = outputs.iter().map(|(_, line)| line.as_str()).collect();
        println!("{{\"runs\":[{}]}}", runs.join(","));
    } else {
        let rows = outputs.iter().map(|(burst, line)| {
            let mismatch = TypeMismatch::default();
            let last = Json::parse(line, &mismatch).ok().and_then(|json| {
                json.get("phases").items().last().map(|phase| phase.get("vmrss_kb").uint())
            });
            (*burst, last.unwrap_or(0))
        });
        simulate::beside_published(&rows.collect::<Vec<_>>());
    }
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
