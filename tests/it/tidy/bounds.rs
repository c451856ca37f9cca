//! What waits is bounded by a named limit: channels, times, and lists that are cut to a length.

use super::text::{is_test_file, shipped};
use super::{none, texts};

/// File, lines in it that have a bound without a name in `limits`, and why. A line may only shrink or go.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    ("src/app/assistant.rs", 1, "`JOB_ENDS` bounds it where ends are told"),
    ("src/command/simulate.rs", 3, "measures"),
    ("src/command/timeseries.rs", 1, "measures"),
    ("src/provider/cooldown.rs", 3, "a minute, an hour, a day"),
];

/// The text up to the bracket that closes the call.
fn argument(call: &str) -> &str {
    let mut depth = 0;
    let end = call.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0
    });
    call[..end.unwrap_or(call.len())].trim()
}

/// Numbers only, or a shift by what no constant bounds. (`60 * x` is a unit.)
fn is_literal(argument: &str) -> bool {
    let words = argument.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut words = words.filter(|word| !word.is_empty()).peekable();
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let is_constant = |word: &str| word.len() > 1 && !word.contains(|c: char| c.is_lowercase());
    let is_shift = argument.contains("<<");
    words.peek().is_some() && words.all(|word| is_number(word) || is_shift && !is_constant(word))
}

/// Without a bound, or one that is a number. A channel of one is a signal or takes one answer: that is no limit.
fn has_no_named_bound(line: &str) -> bool {
    let number = |call: &str| is_literal(argument(call));
    let after = |what: &str| line.split(what).skip(1).map(str::to_owned).collect::<Vec<_>>();
    let time = after("Duration::from_")
        .iter()
        .any(|rest| rest.split_once('(').is_some_and(|(_, argument)| number(argument)));
    let shortened = after("truncate(").iter().any(|rest| number(rest) && argument(rest) != "0");
    let is_bounded = |line: &&str| !line.ends_with("un");
    let parts: Vec<&str> = line.split("bounded(").collect();
    let channel = parts
        .windows(2)
        .any(|pair| !is_bounded(&pair[0]) || number(pair[1]) && !pair[1].starts_with("1)"));
    time || shortened || channel
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
        if found.len() < most {
            complaints.push(format!(
                "{path}: only {} lines without a named bound are left: say so in EXCEPTIONS",
                found.len()
            ));
        }
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
        "sleep(Duration::from_millis(1 << round.min(7)));",
        "Duration::from_secs((5 + 10) / 3)",
        "names.truncate(20);",
        "let (a, b) = bounded(4 * 4);",
    ] {
        assert!(has_no_named_bound(line), "{line}");
    }
    for line in [
        "let (a, b) = bounded(1);",
        "let (a, b) = bounded(QUEUE);",
        "Timer::after(Duration::from_secs(since.max(0) as u64)).await;",
        "Duration::from_secs(60 * u64::from(self.count(path)))",
        "Timer::after(HEALTH_WAIT).await;",
        "Duration::from_millis(1 << round.min(REAPER_DOUBLINGS))",
        "text.truncate(LINE_BYTES); text.truncate(0);",
    ] {
        assert!(!has_no_named_bound(line), "{line}");
    }
}
