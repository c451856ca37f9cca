//! The commands that measure: phases, the published table, the picture.
#![cfg(feature = "simulate")]

use std::process::{Command, Output};

use picoclaw::command::timeseries::CHART_POINTS;
use serde_json::Value;

const PHASES: [&str; 5] =
    ["baseline", "config-loaded", "bus-created", "after-burst", "steady-state"];

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picoclaw"));
    // A debug build is larger than what passes on a board.
    command.args(args).args(["--target-kb", "1000000"]).env_remove("BURST");
    command.output().expect("the program runs")
}

#[track_caller]
fn shown(args: &[&str]) -> String {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The names of the elements of an XML text whose tags are balanced and whose attributes are quoted.
#[track_caller]
fn elements(xml: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let mut rest = xml;
    while let Some((text, tail)) = rest.split_once('<') {
        assert!(!text.contains(['>', '&']), "{text}");
        let (tag, tail) = tail.split_once('>').expect("an end of the tag");
        rest = tail;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let body = tag.trim_end_matches('/');
        let (name, attributes) = body.split_once(' ').unwrap_or((body, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{tag}");
        let mut parts = attributes.split('"');
        while let (Some(before), Some(_)) = (parts.next(), parts.next()) {
            assert!(before.trim().ends_with('='), "{tag}");
        }
        assert_eq!(attributes.matches('"').count() % 2, 0, "{tag}");
        all.push(name.to_owned());
        if !tag.ends_with('/') {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    all
}

/// The points of a curve.
#[track_caller]
fn curve(svg: &str, name: &str) -> Vec<(u32, u32)> {
    let line = svg.lines().find(|l| l.contains(&format!("id=\"{name}\""))).expect("the curve");
    let points = line.split("points=\"").nth(1).and_then(|l| l.split('"').next()).expect("points");
    let point = |p: &str| {
        let (x, y) = p.split_once(',').expect("two numbers");
        (x.parse().expect("x"), y.parse().expect("y"))
    };
    points.split_whitespace().map(point).collect()
}

#[track_caller]
fn check_picture(path: &std::path::Path) {
    let svg = std::fs::read_to_string(path).expect("the picture");
    let all = elements(&svg);
    assert_eq!(all[0], "svg");
    assert_eq!(all.iter().filter(|name| *name == "polyline").count(), 2, "{svg}");
    for label in ["time in ms", "memory in kB", "latency in µs", "resident memory, at most"] {
        assert!(svg.contains(label), "no `{label}` in {svg}");
    }
    assert_eq!(svg.matches(">0</text>").count(), 3, "each axis begins at 0: {svg}");
    for name in ["memory", "latency"] {
        let points = curve(&svg, name);
        assert!((2..=CHART_POINTS).contains(&points.len()), "{name}: {} points", points.len());
        assert!(points.iter().all(|(x, y)| (60..=780).contains(x) && (60..=360).contains(y)));
        assert!(points.is_sorted_by_key(|(x, _)| *x), "{name} goes back in time");
        assert!(points.iter().any(|(_, y)| *y == 60), "{name} never reaches its peak");
    }
    std::fs::remove_file(path).expect("removed");
}

fn picture(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("picoclaw-{name}-{}.svg", std::process::id()))
}

#[test]
fn simulate_prints_phases_and_the_published_table_and_draws_its_run() {
    let path = picture("simulate");
    let text = shown(&["simulate", "--burst", "100", "--svg", path.to_str().expect("UTF-8")]);
    let lines: Vec<&str> = text.lines().collect();
    for (line, phase) in lines[2..].iter().zip(PHASES) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words.len(), words[0]), (5, phase), "{text}");
        assert!(words[1..].iter().all(|w| w.parse::<u64>().is_ok()), "{text}");
    }
    assert!(lines[0].contains("100 messages, 100 answered"), "{text}");
    let row = lines.iter().find(|l| l.starts_with("100 ")).expect("the row of BURST 100");
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(row[1], "3072", "{text}");
    assert!(row[2].parse::<u64>().expect("kilobytes") > 500, "{text}");
    assert!(text.contains("PASS"), "{text}");
    check_picture(&path);
}

#[test]
fn a_burst_that_was_not_published_has_no_figure_beside_it() {
    let text = shown(&["simulate", "--burst", "7", "--json"]);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&json["answered"], &json["published_go_kb"]), (&7.into(), &Value::Null));
    assert_eq!(json["phases"].as_array().map(Vec::len), Some(PHASES.len()));
}

#[test]
fn a_missed_target_and_a_picture_nobody_can_write_are_failures() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picoclaw"));
    let missed =
        command.args(["simulate", "--burst", "1", "--target-kb", "1"]).output().expect("runs");
    assert!(!missed.status.success());
    assert!(String::from_utf8_lossy(&missed.stdout).contains("FAIL"));
    let output = run(&["simulate", "--burst", "1", "--svg", "/nowhere/at/all.svg"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("/nowhere/at/all.svg"), "{error}");
    assert!(output.stdout.is_empty(), "it ran all the same");
    for subcommand in ["simulate", "membench"] {
        let output = run(&[subcommand, "--burst", "1", "--svg", "/dev/null"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("not a regular file"), "{error}");
    }
}

#[test]
fn membench_repeats_the_published_bursts_side_by_side() {
    let path = picture("membench");
    let text = shown(&["membench", "--svg", path.to_str().expect("UTF-8")]);
    for phase in PHASES {
        let lines = text.lines().filter(|l| l.split_whitespace().next() == Some(phase));
        assert_eq!(lines.count(), 2, "{text}");
    }
    let row = |burst: &str| {
        let line = text.lines().find(|l| l.split_whitespace().next() == Some(burst));
        line.expect("a row").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    for burst in ["100", "1000"] {
        let row = row(burst);
        assert_eq!(row[1], "3072", "{text}");
        assert!(row[2].parse::<u64>().expect("kilobytes") > 500, "{text}");
    }
    check_picture(&path);
    let text = shown(&["membench", "--burst", "5", "--json"]);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["runs"][0]["burst"], 5);
}
