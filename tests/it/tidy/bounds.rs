//! What waits is bounded by a named limit: channels, and times.

use super::text::{is_test_file, shipped};
use super::{none, texts};

/// File, lines in it that have a bound without a name in `limits`, and why. A line may only shrink or go.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    ("src/app/assistant.rs", 1, "`JOB_ENDS` bounds it where ends are told"),
    ("src/command/simulate.rs", 3, "measures"),
    ("src/command/timeseries.rs", 1, "measures"),
    ("src/provider/cooldown.rs", 3, "a minute, an hour, a day"),
    ("src/sys/process/reaper.rs", 1, "a scheduler tick"),
];

/// Without a bound, or one that is a number. A channel of one is a signal or takes one answer: that is no limit.
fn has_no_named_bound(line: &str) -> bool {
    let number = |call: &str| {
        let argument = call.split(')').next().unwrap_or("").trim();
        let literal = |c: char| c.is_ascii_digit() || "_* ".contains(c);
        argument.starts_with(|c: char| c.is_ascii_digit()) && argument.chars().all(literal)
    };
    let after = |what: &str| line.split(what).skip(1).map(str::to_owned).collect::<Vec<_>>();
    let time = after("Duration::from_")
        .iter()
        .any(|rest| rest.split_once('(').is_some_and(|(_, argument)| number(argument)));
    let is_bounded = |line: &&str| !line.ends_with("un");
    let parts: Vec<&str> = line.split("bounded(").collect();
    let channel = parts
        .windows(2)
        .any(|pair| !is_bounded(&pair[0]) || number(pair[1]) && !pair[1].starts_with("1)"));
    time || channel
}

#[test]
fn bounds_have_names() {
    let mut complaints = Vec::new();
    let mut unused: Vec<&str> = EXCEPTIONS.iter().map(|(path, _, _)| *path).collect();
    for (path, source) in texts("src", ".rs") {
        if path.starts_with("src/limits") || is_test_file(&path) {
            continue;
        }
        let code = shipped(&source);
        let found: Vec<usize> = code
            .lines()
            .enumerate()
            .filter(|(_, line)| has_no_named_bound(line))
            .map(|(n, _)| n + 1)
            .collect();
        let most = EXCEPTIONS.iter().find(|(file, _, _)| *file == path).map_or(0, |(_, n, _)| *n);
        unused.retain(|file| *file != path);
        if found.len() > most {
            complaints.push(format!(
                "{path}: no bound, or one without a name in limits, in lines {found:?} (at most {most})"
            ));
        }
    }
    complaints.extend(unused.iter().map(|path| format!("{path} is gone: off the list")));
    none(complaints);
}

#[test]
fn bounds_without_a_name_are_found() {
    for line in [
        "let (a, b) = smol::channel::unbounded();",
        "wake: smol::channel::bounded(16),",
        "Timer::after(Duration::from_secs(5)).await;",
        "const X: Duration = Duration::from_millis(24 * 3_600);",
    ] {
        assert!(has_no_named_bound(line), "{line}");
    }
    for line in [
        "let (a, b) = bounded(1);",
        "let (a, b) = bounded(QUEUE);",
        "Timer::after(Duration::from_secs(since.max(0) as u64)).await;",
        "Duration::from_secs(60 * u64::from(self.count(path)))",
        "Timer::after(HEALTH_WAIT).await;",
    ] {
        assert!(!has_no_named_bound(line), "{line}");
    }
}
