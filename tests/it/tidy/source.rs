//! Sizes, unfinished places, unsafe code, limits.

use super::text::{code, has_word, is_test_file, shipped};
use super::{files, none, read, root, texts};

/// Lines of a source file, its tests included.
const FILE_LINES: usize = 400;

/// Files that are longer, with their length; a line may only shrink or go.
const LONG: &[(&str, usize)] = &[];

/// What nobody writes or reads as a text: lists that a script makes.
const LISTS: &[&str] = &["scripts/build/toolchain/symbol-order"];

#[test]
fn files_are_short() {
    let mut complaints = Vec::new();
    for path in files() {
        let name = path.display().to_string();
        if !name.ends_with(".rs") && !name.starts_with("scripts/") || LISTS.contains(&&*name) {
            continue;
        }
        let lines = read(&path).lines().count();
        let allowed = LONG.iter().find(|(long, _)| *long == name).map_or(FILE_LINES, |(_, n)| *n);
        if lines > allowed {
            complaints.push(format!(
                "{name}: {lines} lines, at most {allowed}: split it by responsibility"
            ));
        }
        if allowed > FILE_LINES && lines < allowed {
            complaints.push(format!("{name}: it shrank to {lines} lines: say so in LONG"));
        }
    }
    none(complaints);
}

/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;

/// Functions that are longer, with their length; a line may only shrink or go.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// Columns of a line of code; what strings and comments add does not count, they cannot always be broken.
const CODE_COLUMNS: usize = 100;

/// Name and length of each function of a file.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let begin = line.trim_start();
        let Some(at) = begin.find("fn ").filter(|at| *at == 0 || begin[..*at].ends_with(' '))
        else {
            continue;
        };
        let words = begin[..at].split_whitespace();
        let known = ["pub", "async", "const", "unsafe", "extern"];
        let head = |w: &str| known.contains(&w) || w.starts_with("pub(") || w.ends_with(')');
        // A trait's or a macro's signature is no function.
        if !words.into_iter().all(head) || begin.ends_with(';') {
            continue;
        }
        let name = begin[at + 3..].split(|c: char| !c.is_alphanumeric() && c != '_').next();
        let indent = &line[..line.len() - begin.len()];
        let end = format!("{indent}}}");
        let length = lines[n..].iter().position(|l| **l == *end);
        if let Some(length) = length {
            found.push((name.unwrap_or_default().to_owned(), length + 1));
        }
    }
    found
}

#[test]
fn functions_are_short_and_lines_narrow() {
    let mut complaints = Vec::new();
    for (path, source) in texts("src", ".rs") {
        let code = code(&source);
        for (name, lines) in functions(&code) {
            let known = LONG_FUNCTIONS.iter().find(|(p, f, _)| *p == path && *f == name);
            let allowed = known.map_or(FUNCTION_LINES, |(_, _, lines)| *lines);
            if lines > allowed {
                complaints.push(format!("{path}: {name} has {lines} lines, at most {allowed}"));
            }
            if known.is_some() && lines < allowed {
                complaints.push(format!("{path}: {name} shrank to {lines}: say so in the list"));
            }
        }
        for (n, (line, whole)) in code.lines().zip(source.lines()).enumerate() {
            // Blanks that code() left for a string are not counted.
            let columns =
                line.split_whitespace().map(|word| word.chars().count() + 1).sum::<usize>();
            if columns == 0 {
                continue;
            }
            let indent = whole.len() - whole.trim_start().len();
            if indent + columns > CODE_COLUMNS + 1 {
                complaints.push(format!("{path}:{}: {} columns of code", n + 1, indent + columns));
            }
        }
    }
    let all: Vec<(String, String)> = texts("src", ".rs")
        .iter()
        .flat_map(|(p, s)| functions(&code(s)).into_iter().map(|(f, _)| (p.clone(), f)))
        .collect();
    for (path, name, _) in LONG_FUNCTIONS {
        if !all.iter().any(|(p, f)| p == path && f == name) {
            complaints.push(format!("{path}: {name} is gone: take it off the list"));
        }
    }
    none(complaints);
}

#[test]
fn nothing_is_unfinished_or_switched_off() {
    let mut complaints = Vec::new();
    for (path, source) in texts("src", ".rs") {
        if is_test_file(&path) {
            continue;
        }
        for (n, line) in shipped(&source).lines().enumerate() {
            for word in [".unwrap()", "todo!", "unimplemented!", "dbg!", "allow(dead_code"] {
                if line.contains(word) {
                    complaints.push(format!("{path}:{}: {word}", n + 1));
                }
            }
        }
    }
    // Written in two halves, so that this file does not find itself.
    let marks = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("#[ig", "nore")];
    for path in files().iter().filter(|f| !f.ends_with("Cargo.lock")) {
        for (n, line) in read(path).lines().enumerate() {
            if let Some(mark) = marks.iter().find(|m| has_word(line, m)) {
                complaints.push(format!("{}:{}: {mark}", path.display(), n + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn unsafe_code_is_in_sys_and_says_why_it_is_sound() {
    let mut complaints = Vec::new();
    for (path, source) in texts("src", ".rs") {
        let lines: Vec<&str> = source.lines().collect();
        for (n, line) in shipped(&source).lines().enumerate() {
            if !has_word(line, "unsafe") || line.contains("unsafe_code") {
                continue;
            }
            if !path.starts_with("src/sys/") {
                complaints.push(format!("{path}:{}: unsafe outside of src/sys", n + 1));
            }
            // A method of an unsafe trait is covered by the reason of its impl; other functions say what is asked of
            // their callers.
            let function = line.contains("unsafe fn");
            let method = function && of_unsafe_impl(&lines[..n]);
            let why = if function { "# Safety" } else { "SAFETY:" };
            // The formatter may have broken the statement on the line before.
            let begun = usize::from(n > 0 && lines[n - 1].trim_end().ends_with('='));
            let above = lines[..n - begun].iter().rev();
            let above = above.take_while(|l| l.trim_start().starts_with(['/', '#']));
            let same = lines[n].contains(why);
            if !method && !same && !above.into_iter().any(|l| l.contains(why)) {
                complaints.push(format!("{path}:{}: no {why:?} right above", n + 1));
            }
        }
    }
    let lib = read("src/lib.rs");
    if !lib.contains("#![deny(unsafe_code)]") || lib.matches("allow(unsafe_code)").count() != 1 {
        complaints.push("src/lib.rs: unsafe code is denied in all modules but sys".into());
    }
    none(complaints);
}

/// Whether the lines end within the block of an `unsafe impl`, as the formatter writes it.
fn of_unsafe_impl(above: &[&str]) -> bool {
    let begin = above.iter().rev().find(|line| line.ends_with('{') && !line.starts_with(' '));
    begin.is_some_and(|line| line.starts_with("unsafe impl"))
}

#[test]
fn limits_are_used_and_explained() {
    let is_limits = |path: &str| path == "src/limits.rs" || path.starts_with("src/limits/");
    let (own, others): (Vec<_>, Vec<_>) = texts("src", ".rs")
        .into_iter()
        .filter(|(path, _)| !is_test_file(path))
        .partition(|(path, _)| is_limits(path));
    let elsewhere: String = others.iter().map(|(_, source)| shipped(source)).collect();
    let mut complaints = Vec::new();
    let mut count = 0;
    for (path, limits) in own {
        let code = shipped(&limits);
        for (n, line) in code.lines().enumerate() {
            let Some(rest) = line.strip_prefix("pub const ") else { continue };
            let name = rest.split(':').next().unwrap_or("");
            count += 1;
            let within = code.lines().enumerate().any(|(m, l)| m != n && has_word(l, name));
            if !within && !has_word(&elsewhere, name) {
                complaints.push(format!("{path}:{}: nothing is limited by {name}", n + 1));
            }
            let above = limits.lines().nth(n.wrapping_sub(1)).unwrap_or("");
            if !above.starts_with("///") {
                complaints.push(format!("{path}:{}: what is {name}, and why?", n + 1));
            }
        }
    }
    assert!(count > 20, "only {count} limits were found");
    none(complaints);
}

/// Paths of the machine that this runs on have no place in the project.
#[test]
fn no_file_names_this_machine() {
    let above = root().parent().map(|p| format!("{}/", p.display())).unwrap_or_default();
    let home = std::env::var("HOME").map(|h| format!("{h}/")).unwrap_or_default();
    // A clone right below a folder that every machine has says nothing of this one.
    let common =
        ["/", "//", "/tmp/", "/home/", "/root/", "/var/tmp/", "/srv/", "/opt/", "/usr/src/"];
    let words: Vec<&String> = [&above, &home]
        .into_iter()
        .filter(|w| w.len() > 2 && !common.contains(&w.as_str()))
        .collect();
    let mut complaints = Vec::new();
    for path in files().iter().filter(|f| !f.ends_with("Cargo.lock")) {
        for (n, line) in read(path).lines().enumerate() {
            if let Some(word) = words.iter().find(|w| line.contains(w.as_str())) {
                complaints.push(format!("{}:{}: {word}", path.display(), n + 1));
            }
        }
    }
    none(complaints);
}

/// Where programs may be started: no text of a server or a model reaches a shell but through the sandbox.
const STARTERS: &[&str] = &[
    "src/sys/process/keeper.rs",
    "src/sys/process_image.rs",
    "src/sys/exec_broker.rs",
    "src/sys/service.rs",
    "src/supervise/time.rs",
    "src/command/membench.rs",
];

#[test]
fn programs_are_started_in_few_places() {
    let found: Vec<String> = texts("src", ".rs")
        .into_iter()
        .filter(|(path, source)| {
            let text = super::text::shipped(source);
            !super::text::is_test_file(path)
                && ["Command::new(", "libc::execve("].iter().any(|call| text.contains(call))
        })
        .map(|(path, _)| path)
        .collect();
    let more = found.iter().filter(|path| !STARTERS.contains(&path.as_str()));
    let gone = STARTERS.iter().filter(|path| !found.iter().any(|f| f == *path));
    let complaints: Vec<String> = more
        .map(|path| format!("{path}: starts programs"))
        .chain(gone.map(|path| format!("{path}: starts none any more: off the list")))
        .collect();
    none(complaints);
}
