//! `picoclaw-rig`: the daemon on a test bench, as a user would see it (`demo`), as numbers (`bench`), or for a
//! while (`soak`). scripts/measure/rig builds and starts it.
//!
//! # Layout
//! - `home`: a configuration for the peer or for real services; `daemon`: starts, asks and stops the real binary.
//! - `demo`, `bench`, `grow`, `soak`: one command each; `table`: what they print.
//!
//! It must measure the binary as it ships, from outside: nothing of the daemon's code is linked in here.

#![forbid(unsafe_code)]

mod bench;
mod daemon;
mod demo;
mod home;
mod live;
mod memory_growth;
mod soak;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;

/// What went wrong, in words.
type Result<T> = std::result::Result<T, String>;

/// Run the daemon against the test peer or the real services
#[derive(FromArgs)]
struct Arguments {
    /// the daemon's binary
    #[argh(option)]
    daemon: PathBuf,
    /// an empty folder for everything that is written
    #[argh(option)]
    work: PathBuf,
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Demo(demo::Demo),
    Bench(bench::Bench),
    Grow(memory_growth::Grow),
    Soak(soak::Soak),
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let place = home::Place { daemon: arguments.daemon, work: arguments.work };
    let done = match arguments.command {
        Command::Demo(demo) => demo.run(&place),
        Command::Bench(bench) => bench.run(&place),
        Command::Grow(grow) => grow.run(&place),
        Command::Soak(soak) => soak.run(&place),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("picoclaw-rig: {e}");
            ExitCode::FAILURE
        }
    }
}
