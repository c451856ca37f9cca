//! What the pages name exists: files, folders, tests.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::documents::all_tests;
use super::{files, none, read};

/// Page and path: what a page names that is no file of this project.
const ELSEWHERE: &[(&str, &str)] = &[("docs/yocto.md", "scripts/wic")];

/// Folders that a path without a leading folder may be meant from.
const BASES: &[&str] = &["", "src", "tests/it"];

/// All pages, and what the library's own page says.
fn pages() -> Vec<(String, String)> {
    let all = files();
    let pages = all.iter().filter(|f| f.extension().is_some_and(|e| e == "md"));
    let mut pages: Vec<(String, String)> =
        pages.map(|f| (f.display().to_string(), read(f))).collect();
    let library = read("src/lib.rs");
    let library: Vec<&str> = library.lines().filter(|l| l.starts_with("//!")).collect();
    pages.push(("src/lib.rs".to_owned(), library.join("\n")));
    assert!(pages.len() > 20, "only {} pages", pages.len());
    pages
}

/// What is between backquotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Words that look like paths, of quoted text and of links.
fn paths(line: &str) -> Vec<&str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links = links.filter(|link| !link.contains(':'));
    let words = quoted(line).flat_map(str::split_whitespace).chain(links);
    let words = words.map(|w| {
        w.trim_start_matches('(').trim_end_matches(['.', ',', ';', ':', ')']).trim_matches('/')
    });
    let plain = |w: &&str| w.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    words.filter(|w| !w.is_empty()).filter(plain).collect()
}

/// Without `.` and `..`.
fn joined(base: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::Normal(name) => whole.push(name),
            _ => {}
        }
    }
    whole
}

/// Each path of the repository that a page names; `name.rs` alone may be in any folder.
#[test]
fn paths_that_pages_name_exist() {
    let all = files();
    let mut known: BTreeSet<&Path> = all.iter().map(PathBuf::as_path).collect();
    known.extend(all.iter().flat_map(|f| f.ancestors().skip(1)));
    let names: BTreeSet<_> = all.iter().filter_map(|f| f.file_name()?.to_str()).collect();
    let folders: BTreeSet<_> =
        all.iter().filter(|f| f.components().count() > 1).filter_map(|f| f.iter().next()).collect();
    let mut complaints = Vec::new();
    for (page, text) in pages() {
        let own = Path::new(&page).parent().unwrap_or(Path::new(""));
        for (n, line) in text.lines().enumerate() {
            for path in paths(line) {
                let below = path
                    .split_once('/')
                    .is_some_and(|(f, _)| folders.contains(std::ffi::OsStr::new(f)));
                let ours = below || path.ends_with(".rs");
                let here = BASES.iter().map(Path::new).chain([own]);
                let exists = here.into_iter().any(|base| known.contains(&*joined(base, path)))
                    || names.contains(path);
                if ours && !exists && !ELSEWHERE.contains(&(&page, path)) {
                    complaints.push(format!("{page}:{}: there is no {path}", n + 1));
                }
            }
        }
    }
    none(complaints);
}

/// Each file of `tests/it` that any text of the project names, comments and scripts too.
#[test]
fn test_files_that_anything_names_exist() {
    let all = files();
    let folder = ["tests", "it", ""].join("/");
    let mut complaints = Vec::new();
    for file in &all {
        for (n, line) in read(file).lines().enumerate() {
            for (at, _) in line.match_indices(&folder) {
                let rest = &line[at..];
                let end = |c: char| !(c.is_ascii_alphanumeric() || "_-./".contains(c));
                let name = rest.split(end).next().unwrap_or("").trim_end_matches(['.', '/']);
                // A pattern or a placeholder.
                if rest[name.len()..].trim_start_matches('/').starts_with(['*', '{', '$', '<']) {
                    continue;
                }
                let exists = all.iter().any(|f| f.starts_with(name));
                let module = format!("{name}.rs");
                if !exists && !all.iter().any(|f| f.as_os_str() == &*module) {
                    complaints.push(format!("{}:{}: there is no {name}", file.display(), n + 1));
                }
            }
        }
    }
    none(complaints);
}

/// Each `module::test` that a page quotes, whole or as the filter of a `cargo test`.
#[test]
fn tests_that_pages_quote_exist() {
    let known = all_tests();
    let whole: Vec<&String> = known.iter().filter(|t| t.contains("::")).collect();
    let is_module = |name: &str| whole.iter().any(|t| t.split("::").next() == Some(name));
    let (mut complaints, mut count) = (Vec::new(), 0);
    for (page, text) in pages() {
        for (n, line) in text.lines().enumerate() {
            for span in quoted(line) {
                let mut words = span.split_whitespace();
                let cargo = words.next() == Some("cargo") && words.next() == Some("test");
                let library = span.contains(" --lib");
                let filters: Vec<&str> = match span.split_once("::") {
                    _ if cargo => filters(words),
                    Some((module, _)) if is_module(module) => vec![span],
                    _ => continue,
                };
                for filter in filters {
                    count += 1;
                    let fits =
                        |t: &&&String| t.starts_with("src::") == library && t.contains(filter);
                    if !whole.iter().any(|t| fits(&t)) {
                        complaints.push(format!("{page}:{}: there is no test {filter}", n + 1));
                    }
                }
            }
        }
    }
    assert!(count > 30, "only {count} tests were found");
    none(complaints);
}

/// The names behind `cargo test` that are no options and none of their values.
fn filters<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let valued = ["-p", "--test", "--features", "--target", "--bench", "--test-threads"];
    let (mut names, mut skip) = (Vec::new(), false);
    for word in words {
        let value = std::mem::replace(&mut skip, valued.contains(&word));
        // NAME is a placeholder.
        if !value && word != "NAME" && !word.starts_with('-') {
            names.push(word);
        }
    }
    names
}

#[test]
fn names_are_found_in_their_line() {
    assert_eq!(paths("see `a/b.rs`, [c](../d.md#e) and `f::g`."), ["a/b.rs", "../d.md"]);
    assert_eq!(joined(Path::new("docs"), "../src/./a.rs"), Path::new("src/a.rs"));
    let words = "-p x --test it -- a:: b::c NAME".split_whitespace();
    assert_eq!(filters(words), ["a::", "b::c"]);
}
