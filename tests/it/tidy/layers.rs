//! Dependencies between modules point down only.

use super::imports::Tree;
use super::text::{is_test_file, shipped};
use super::{none, texts};

/// From the top. A module may use those of the lines below it, none of its own line.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["command"],
    &["app", "args"],
    &["agent", "channel", "sched", "supervise"],
    &["import"],
    &["hook", "provider"],
    &["tool"],
    &["skill"],
    &["store", "net"],
    &["bus"],
    &["version"],
    &["log"],
    &["config", "message"],
    &["sys"],
    &["proto"],
    &["environment", "error", "exit_code", "limits", "registry"],
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

#[test]
fn modules_use_only_what_is_below_them() {
    let mut complaints = Vec::new();
    let mut needed = Vec::new();
    for (path, line, named) in Tree::of_src().paths() {
        let Some(module) = module_of(path).filter(|_| path != "src/lib.rs") else { continue };
        let Some(own) = rank(module) else {
            complaints.push(format!("{path}: the layer of `{module}` is not in the table"));
            continue;
        };
        // The crate's root re-exports them.
        let Some(name) = named.first().map(|name| match name.as_str() {
            "Error" | "Result" => "error",
            name => name,
        }) else {
            continue;
        };
        let below = name == module || rank(name).is_some_and(|r| r > own);
        if let Some(known) = UPWARDS.iter().find(|u| **u == (module, name)) {
            needed.push(*known);
        } else if !below {
            complaints.push(format!("{path}:{line}: {module} must not use {}", named.join("::")));
        }
    }
    let turned = UPWARDS.iter().filter(|u| !needed.contains(u));
    complaints.extend(turned.map(|(a, b)| format!("{a} uses {b} no longer: take it off UPWARDS")));
    none(complaints);
}

#[test]
fn each_path_of_a_file_is_read() {
    #[track_caller]
    fn check(code: &str, want: &[&str]) {
        let sources = [("src/a/b.rs", code), ("src/net.rs", ""), ("src/store.rs", "")];
        let tree = Tree::new(sources.map(|(f, s)| (f.to_owned(), s.to_owned())).to_vec());
        let names: Vec<String> = tree.paths().map(|(_, _, path)| path.join("::")).collect();
        assert_eq!(names, want, "{code}");
    }
    check(
        "use crate::net::http::{HttpClient, Error};",
        &["net::http::HttpClient", "net::http::Error"],
    );
    check("use crate::{net::{a, b}, store, Error};", &["net::a", "net::b", "store", "Error"]);
    check("use super::super::net;", &["net"]);
    check("fn f() { super::super::store::x(crate::net::y()) }", &["store::x", "net::y"]);
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
