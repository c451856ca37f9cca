//! Circles of imports: at most three files, and never across folders.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{is_test_file, shipped};
use super::{none, texts};

/// Files that may import each other in a circle: a type and the two or three files that carry its work.
const CIRCLE_FILES: usize = 3;

/// Larger circles, by one of their files; the list may only shrink.
const LARGE: &[&str] = &[];

/// Module paths that a file names in `use` and in expressions, from the crate's root.
fn named(code: &str, module: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' || before == ':' {
                continue;
            }
            let mut base: Vec<String> = match start {
                "crate::" => Vec::new(),
                "self::" => module.iter().map(|m| (*m).to_owned()).collect(),
                _ => module[..module.len() - 1].iter().map(|m| (*m).to_owned()).collect(),
            };
            let mut rest = &code[at + start.len()..];
            while let Some(above) = rest.strip_prefix("super::") {
                base.pop();
                rest = above;
            }
            expand(rest, &base, &mut found);
        }
    }
    found
}

/// Writes out `a::{b, c::d}` behind `base`.
fn expand(tree: &str, base: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = base.to_vec();
    let mut rest = tree.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut begin) = (0, 0);
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    ',' | '}' if depth == 0 => {
                        expand(&group[begin..i], &path, found);
                        begin = i + 1;
                        if c == '}' {
                            return;
                        }
                    }
                    '}' => depth -= 1,
                    _ => {}
                }
            }
            return;
        }
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            break;
        }
        rest = &rest[name.len()..];
        if name != "self" {
            path.push(name);
        }
        match rest.strip_prefix("::") {
            Some(next) => rest = next,
            None => break,
        }
    }
    found.push(path);
}

/// The files that each file imports.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let sources: Vec<(String, String)> = texts("src", ".rs")
        .into_iter()
        .filter(|(path, _)| !is_test_file(path) && path != "src/lib.rs" && path != "src/main.rs")
        .collect();
    let module = |path: &str| {
        let name = path.trim_start_matches("src/").trim_end_matches(".rs");
        name.strip_suffix("/mod").unwrap_or(name).to_owned()
    };
    let files: BTreeMap<String, String> =
        sources.iter().map(|(path, _)| (module(path), path.clone())).collect();
    let mut arrows = BTreeMap::new();
    for (path, source) in &sources {
        let own = module(path);
        let parts: Vec<&str> = own.split('/').collect();
        let mut to = BTreeSet::new();
        for name in named(&shipped(source), &parts) {
            let longest = (1..=name.len()).rev().find_map(|n| files.get(&name[..n].join("/")));
            to.extend(longest.filter(|file| *file != path).cloned());
        }
        arrows.insert(path.clone(), to);
    }
    arrows
}

/// Everything that can be reached from `start`, itself only by way of a circle.
fn reached(arrows: &BTreeMap<String, BTreeSet<String>>, start: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(file) = open.pop() {
        for next in arrows.get(&file).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn circles_of_imports_are_small_and_stay_in_their_folder() {
    let arrows = arrows();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        arrows.keys().map(|file| (file, reached(&arrows, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, to) in &reach {
        let mut circle: BTreeSet<&String> =
            to.iter().filter(|other| reach[*other].contains(*file)).collect();
        circle.insert(file);
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    let folder = |file: &str| file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let mut complaints = Vec::new();
    let mut needed = Vec::new();
    for circle in circles {
        let folders: BTreeSet<String> = circle.iter().map(|f| folder(f)).collect();
        let list: Vec<&str> = circle.iter().map(|f| f.as_str()).collect();
        if let Some(known) = LARGE.iter().find(|large| list.contains(large)) {
            needed.push(*known);
        } else if list.len() > CIRCLE_FILES {
            complaints.push(format!("a circle of {} files: {}", list.len(), list.join(", ")));
        } else if folders.len() > 1 {
            complaints.push(format!("a circle across folders: {}", list.join(", ")));
        }
    }
    let gone = LARGE.iter().filter(|large| !needed.contains(large));
    complaints.extend(gone.map(|large| format!("{large}: no large circle any more: off LARGE")));
    none(complaints);
}

#[test]
fn paths_are_resolved() {
    #[track_caller]
    fn check(code: &str, want: &[&str]) {
        let names: Vec<String> = named(code, &["a", "b"]).iter().map(|n| n.join("/")).collect();
        assert_eq!(names, want, "{code}");
    }
    check(
        "use crate::net::{self, http::{Client, Error}};",
        &["net", "net/http/Client", "net/http/Error"],
    );
    check("use super::c::D;", &["a/c/D"]);
    check("super::super::x::y()", &["x/y"]);
    check("self::inner::f()", &["a/b/inner/f"]);
}
