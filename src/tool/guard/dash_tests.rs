//! The reader compared with dash: generated commands run in a folder of stub programs that record their arguments. Whatever
//! dash executes, the reader has seen, or it calls the command unreadable.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::generate_tests::Generator;
use super::resolve::{self, Reading};
use crate::proto::shell::{SimpleCommand, Word};
use crate::sys::scratch::Scratch;

const COMMANDS: usize = 5000;
const SEED: u64 = 0x5eed_0f00_d00d;

/// Record each execution on descriptor 9: words between U+001F, ended by U+001E.
pub(super) const STUBS: &[&str] =
    &["rm", "curl", "ls", "cat", "git", "make", "tee", "reboot", "setpriv"];

/// Real programs that run others.
const REAL: &[&str] = &[
    "env", "nice", "nohup", "setsid", "timeout", "stdbuf", "xargs", "find", "sh", "dash", "awk",
    "sed", "tar", "split", "perl",
];

const STUB: &str = "#!/bin/dash\ns=\"${0##*/}\"\nfor a do s=\"$s\u{1f}$a\"; done\n\
    printf '%s\u{1e}' \"$s\" >&9\n";

/// What each command executed, by dash itself.
fn executed(commands: &[String], place: &Path) -> Vec<Vec<Vec<String>>> {
    let mut driver = String::from(
        "run() { r=$(dash -c \"$1\" 9>&1 >/dev/null 2>&1 </dev/null); printf '%s\u{1d}' \"$r\"; }\n",
    );
    for command in commands {
        driver += &format!("run '{}'\n", command.replace('\'', "'\\''"));
    }
    let script = place.join("driver");
    std::fs::write(&script, driver).expect("the driver");
    let output = Command::new("dash")
        .arg(&script)
        .current_dir(place.join("cwd"))
        .env_clear()
        .env("PATH", place.join("bin"))
        .env("n", "5")
        .stdin(Stdio::null())
        .output()
        .expect("dash runs");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "dash: {}: {why}", output.status);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut all = Vec::new();
    for record in text.split_terminator('\u{1d}') {
        let words = |run: &str| run.split('\u{1f}').map(str::to_owned).collect();
        all.push(record.split_terminator('\u{1e}').map(words).collect());
    }
    all
}

/// The programs that the reader sees; `None` if the command is unreadable.
fn seen(command: &str) -> Option<Vec<Vec<Word>>> {
    let mut seen = Vec::new();
    let mut visit = |_: &SimpleCommand, words: &[Word]| seen.push(words.to_vec());
    let mut reading = Reading { visit: &mut visit, exempt: &|_| false };
    resolve::line(command, 0, &mut reading).then_some(seen)
}

fn is(words: &[Word], run: &[String]) -> bool {
    let all_known = words.iter().all(|w| w.literal() && !w.text.contains(['~', '{']));
    let same = || words.iter().map(|w| &*w.text).eq(run.iter().map(|r| &**r));
    words[0].text == run[0] && (!all_known || same())
}

fn prepare(place: &Path) {
    let bin = place.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    for name in STUBS {
        let path = bin.join(name);
        std::fs::write(&path, STUB).expect("a stub");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    for name in REAL {
        for folder in ["/bin", "/usr/bin"] {
            let path = Path::new(folder).join(name);
            if path.exists() {
                // It may be there from the other folder.
                let _ = symlink(path, bin.join(name));
            }
        }
    }
    let cwd = place.join("cwd");
    std::fs::create_dir_all(&cwd).expect("a folder");
    for name in ["rm", "curl", "x", "f"] {
        std::fs::write(cwd.join(name), "").expect("a file");
    }
    std::fs::write(cwd.join("script"), "rm from-script\n").expect("a script");
}

#[test]
fn whatever_dash_runs_was_seen_or_is_unreadable() {
    let scratch = Scratch::new();
    let halves: Vec<_> = [0, 1].map(|n| scratch.path().join(n.to_string())).into();
    halves.iter().for_each(|place| prepare(place));
    let mut generator = Generator(SEED);
    let commands: Vec<String> = (0..COMMANDS).map(|_| generator.list(0)).collect();
    let (first, second) = commands.split_at(COMMANDS / 2);
    let runs = std::thread::scope(|scope| {
        let jobs = [first, second].into_iter().zip(&halves).map(|(commands, place)| {
            let bin = place.join("bin").to_string_lossy().into_owned();
            let commands: Vec<String> = commands.iter().map(|c| c.replace("BIN", &bin)).collect();
            scope.spawn(move || executed(&commands, place))
        });
        let jobs: Vec<_> = jobs.collect();
        jobs.into_iter().flat_map(|job| job.join().expect("a half")).collect::<Vec<_>>()
    });
    assert_eq!(runs.len(), COMMANDS);
    let (mut missed, mut readable, mut ran) = (Vec::new(), 0, 0);
    for (command, runs) in commands.iter().zip(&runs) {
        ran += usize::from(!runs.is_empty());
        let Some(seen) = seen(command) else { continue };
        readable += 1;
        for run in runs {
            if !seen.iter().any(|words| is(words, run)) {
                missed.push(format!("{command:?} ran {run:?}"));
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{} missed: {}",
        missed.len(),
        missed[..missed.len().min(40)].join("\n")
    );
    // A reader that calls everything unreadable would pass, too.
    assert!(readable > COMMANDS / 10 && ran > COMMANDS / 2, "{readable} readable, {ran} ran");
}
