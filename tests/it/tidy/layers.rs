//! Dependencies between modules point down only.

use super::text::{is_test_file, shipped};
use super::{none, texts};

/// From the top. A module may use those of the lines below it, none of its own line.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["command"],
    &["app", "args"],
    &["agent", "channel", "sched", "supervise"],
    &["import"],
    &["provider"],
    &["tool"],
    &["skill"],
    &["store", "net"],
    &["bus"],
    &["version"],
    &["log"],
    &["config", "message"],
    &["sys"],
    &["proto"],
    &["error", "limits", "registry"],
];

/// Arrows that still point up, to be turned; the list may only shrink.
const UPWARDS: &[(&str, &str)] = &[];

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// `src/net/http.rs` is of `net`, `src/log.rs` of `log`. A channel's `settings.rs` is a module of `config`.
fn module_of(path: &str) -> Option<&str> {
    if path.starts_with("src/channel/") && path.ends_with("/settings.rs") {
        return Some("config");
    }
    path.strip_prefix("src/")?
        .split('/')
        .next()
        .map(|name| name.strip_suffix(".rs").unwrap_or(name))
}

/// Modules that a line of code names after `crate::`, also in a group.
fn used(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push((line, first_name(rest))),
            Some(group) => {
                let mut depth = 0;
                let mut begin = 0;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' | ',' if depth == 0 => {
                            found.push((line, first_name(&group[begin..i])));
                            begin = i + 1;
                            if c == '}' {
                                break;
                            }
                        }
                        '}' => depth -= 1,
                        _ => {}
                    }
                }
            }
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}

fn first_name(text: &str) -> String {
    let name: String =
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    // The crate's root re-exports them.
    if name == "Error" || name == "Result" { "error".into() } else { name }
}

#[test]
fn modules_use_only_what_is_below_them() {
    let mut complaints = Vec::new();
    let mut needed = Vec::new();
    for (path, source) in texts("src", ".rs") {
        if is_test_file(&path) || path == "src/lib.rs" {
            continue;
        }
        let Some(module) = module_of(&path) else { continue };
        let Some(own) = rank(module) else {
            complaints.push(format!("{path}: the layer of `{module}` is not in the table"));
            continue;
        };
        let code = shipped(&source);
        for (line, name) in used(&code) {
            let below = name == module || rank(&name).is_some_and(|r| r > own);
            if let Some(known) = UPWARDS.iter().find(|u| **u == (module, name.as_str())) {
                needed.push(*known);
            } else if !below {
                let text = source.lines().nth(line - 1).unwrap_or("").trim();
                complaints.push(format!("{path}:{line}: {module} must not use {name}: {text}"));
            }
        }
    }
    let turned = UPWARDS.iter().filter(|u| !needed.contains(u));
    complaints.extend(turned.map(|(a, b)| format!("{a} uses {b} no longer: take it off UPWARDS")));
    none(complaints);
}

#[test]
fn groups_and_paths_are_read() {
    #[track_caller]
    fn check(code: &str, want: &[&str]) {
        let names: Vec<String> = used(code).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, want, "{code}");
    }
    check("use crate::net::http::{Client, Error};", &["net"]);
    check("use crate::{net::{a, b}, store, Error};", &["net", "store", "error"]);
    check("use crate::{self as c};", &["self"]);
    check("fn f() { crate::sys::x(crate::log::y()) }", &["sys", "log"]);
}

#[test]
fn parsers_are_pure() {
    let mut complaints = Vec::new();
    for (path, source) in
        texts("src/proto", ".rs").into_iter().filter(|(path, _)| !is_test_file(path))
    {
        for (n, line) in shipped(&source).lines().enumerate() {
            let forbidden = [
                "std::fs",
                "std::net::Tcp",
                "std::time",
                "std::process",
                "std::env",
                "async ",
                ".await",
                "tracing::",
            ];
            if let Some(word) = forbidden.iter().find(|w| line.contains(**w)) {
                complaints
                    .push(format!("{path}:{}: a parser does no I/O, has no clock: {word}", n + 1));
            }
        }
    }
    none(complaints);
}
