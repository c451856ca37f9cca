//! Commands whose reader has gone, as in `picoclaw config keys | head -1`.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use crate::harness::{Home, SOON, peer, wait};

/// Writing end of a pipe that nobody reads.
fn nobody() -> Stdio {
    rustix::pipe::pipe().expect("a pipe").1.into()
}

#[test]
fn a_closed_output_ends_every_printing_command_quietly() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let commands = [
        "",
        "--help",
        "version",
        "status",
        "status --json",
        "config keys",
        "config show",
        "config check",
        "auth status",
        "cron list",
        "skills list",
        "doctor --help",
        "onboard",
        "backup -",
    ];
    for arguments in commands {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let run = |both: bool| {
            let mut command = home.command(&words);
            command.stdout(nobody());
            command.stderr(if both { nobody() } else { Stdio::piped() });
            let mut child = command.spawn().expect("it starts");
            let status = wait(&mut child, SOON).expect("it ends");
            let mut said = String::new();
            if let Some(mut pipe) = child.stderr.take() {
                pipe.read_to_string(&mut said).expect("text");
            }
            (status.code(), said)
        };
        let (status, said) = run(false);
        // Without arguments the help goes to the other output.
        let expected = if arguments.is_empty() { Some(1) } else { Some(141) };
        assert_eq!(status, expected, "{arguments}: {said}");
        assert!(!said.contains("roken pipe") && !said.contains("panicked"), "{arguments}: {said}");
        assert_eq!(run(true).0, expected, "{arguments}, both outputs");
    }
}

#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut command = home.command(&["config", "keys"]);
    let full = File::options().write(true).open("/dev/full").expect("a full device");
    command.stdout(full).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    assert_eq!(wait(&mut child, SOON).expect("it ends").code(), Some(1));
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert!(said.contains("standard output: No space left on device"), "{said}");
}
