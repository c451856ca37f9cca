//! Finds the programs that a command line runs: also those behind `env`, `xargs`, `sh -c` and the like. What cannot be
//! resolved is unreadable: a command whose name is only known after expansion, an interpreter with code, a program that
//! runs others.
//!
//! Options that are not listed here count as unreadable, because their meaning decides which word is the command.

use super::programs::{self, DIALECTS, OPAQUE, SENSITIVE};
use super::{deny, risk};
use crate::limits::SHELL_DEPTH;
use crate::proto::shell::{self, RESERVED, SimpleCommand, Word};
use crate::proto::text::listed;

/// Commands that run their arguments as a command: name, options, options with a value, words before the command.
const WRAPPERS: &[(&str, &str, &str, usize)] = &[
    ("env", "i0v", "uC", 0),
    ("nohup", "", "", 0),
    ("setsid", "cfw", "", 0),
    ("nice", "0123456789", "n", 0),
    ("ionice", "t", "cn", 0),
    ("time", "pv", "fo", 0),
    ("timeout", "v", "sk", 1),
    ("stdbuf", "", "ioe", 0),
    ("xargs", "0rtx", "nPLIdEsa", 0),
    ("command", "p", "", 0),
    ("builtin", "", "", 0),
    ("exec", "cl", "a", 0),
    ("busybox", "", "", 0),
    ("toybox", "", "", 0),
];

/// Their long options, and those that take a value after `=`.
const LONG: &str = "foreground preserve-status verbose null no-run-if-empty wait fork ctty \
    ignore-environment portability exit";
const LONG_VALUED: &str = "signal kill-after adjustment max-args max-procs max-lines unset chdir \
    delimiter class classdata format output input error arg-file";

/// Variables that decide what a program runs, by their beginning or end.
const STEERING: &str = "PATH ENV BASH_ENV HOME SHELL EDITOR VISUAL BROWSER PS4 PROMPT_COMMAND \
    TAR_OPTIONS MAKEFLAGS LESSOPEN LESSCLOSE RSYNC_RSH CURL_HOME WGETRC XDG_CONFIG_HOME AWKPATH \
    ZIPOPT UNZIP POSIXLY_CORRECT";
const STEERING_STARTS: &str = "GIT_ LD_ PYTHON PERL RUBY NODE_ LUA_ PHP JAVA_ SSH_ SUDO_ DYLD_ MAN";
const STEERING_ENDS: &str = "PAGER ASKPASS";

/// Commands that assign to the variables that their arguments name.
const ASSIGN: &str = "export readonly declare typeset local read getopts";

/// Programs outside these folders are files that anybody may have written.
const FOLDERS: &[&str] =
    &["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/"];

/// What is done with the programs that are found.
pub(super) struct Reading<'a> {
    /// Gets each with its arguments, and the simple command that it is part of.
    pub visit: &'a mut dyn FnMut(&SimpleCommand, &[Word]),
    /// SimpleCommand commands that count as readable whatever they are.
    pub exempt: &'a dyn Fn(&str) -> bool,
}

/// Whether `text` shows everything that it runs.
pub(super) fn line(text: &str, depth: usize, reading: &mut Reading<'_>) -> bool {
    if depth == SHELL_DEPTH {
        return false;
    }
    let script = shell::parse(text);
    let (mut readable, mut all_exempt) = (true, true);
    for simple in &script.commands {
        let exempt = (reading.exempt)(text.get(simple.span.0..simple.span.1).unwrap_or(""));
        let steered = simple.assigned.iter().any(|(name, value)| steers(name, Some(value)));
        let told = command(simple, &simple.words, depth, reading);
        readable &= exempt || (told && !steered);
        all_exempt &= exempt;
    }
    readable && (all_exempt || !(script.substitution || script.unclear || deny::fork_bomb(text)))
}

fn command(
    simple: &SimpleCommand,
    words: &[Word],
    depth: usize,
    reading: &mut Reading<'_>,
) -> bool {
    let Some((first, args)) = words.split_first() else { return true };
    if listed(RESERVED, &first.text) && !first.quoted {
        return command(simple, args, depth, reading);
    }
    (reading.visit)(simple, words);
    let in_folder = |dir: &&str| first.text.strip_prefix(*dir).is_some_and(|n| !n.contains('/'));
    if !first.literal() || (first.text.contains('/') && !FOLDERS.iter().any(in_folder)) {
        return false;
    }
    let name = risk::name(words);
    let name = &*name;
    let sensitive = listed(SENSITIVE, name)
        || DIALECTS.iter().any(|(names, ..)| listed(names, name))
        || risk::depends_on_words(name)
        || WRAPPERS.iter().any(|(n, ..)| *n == name);
    if listed(OPAQUE, name) || (sensitive && args.iter().any(|w| programs::may_be_option(w, name)))
    {
        return false;
    }
    let fed =
        simple.piped || simple.here_document.is_some() || simple.redirects.iter().any(|r| !r.write);
    match name {
        "find" | "fd" | "fdfind" => found(simple, args, depth, reading),
        "trap" => match args.first() {
            Some(script) if args.len() > 1 => {
                script.literal() && line(&script.text, depth + 1, reading)
            }
            _ => true,
        },
        "for" | "select" => !args.first().is_some_and(assigns),
        name if listed(ASSIGN, name) => !args.iter().any(assigns),
        name if listed(deny::SHELLS, name) => shell(args, fed, depth, reading),
        "awk" | "gawk" | "mawk" | "nawk" => programs::awk(args),
        name if risk::is_interpreter(name) => programs::interpreter(args, fed),
        name if WRAPPERS.iter().any(|(n, ..)| *n == name) => {
            wrapped(simple, name, args).is_some_and(|rest| command(simple, &rest, depth, reading))
        }
        _ => programs::readable(name, args, fed),
    }
}

/// `sh -c 'script'`; a script in a file, or one that arrives on the input, is not read.
fn shell(args: &[Word], fed: bool, depth: usize, reading: &mut Reading<'_>) -> bool {
    let (mut at, mut takes_script) = (0, false);
    while let Some(word) = args.get(at) {
        match word.text.strip_prefix('-') {
            _ if !word.literal() || word.text.starts_with('+') => return false,
            Some("-") => {
                at += 1;
                break;
            }
            Some("o") => at += 2,
            Some(letters) if !letters.is_empty() => {
                if !letters.bytes().all(|b| b"ceuxfvnC".contains(&b)) {
                    return false;
                }
                takes_script |= letters.contains('c');
                at += 1;
            }
            _ => break,
        }
    }
    match args.get(at) {
        Some(script) if takes_script && script.literal() => line(&script.text, depth + 1, reading),
        None => !takes_script && !fed,
        Some(file) => !takes_script && programs::of_the_system(file),
    }
}

/// The command that a wrapper runs; empty if it runs none.
fn wrapped(simple: &SimpleCommand, name: &str, args: &[Word]) -> Option<Vec<Word>> {
    let (_, flags, valued, before) = WRAPPERS.iter().find(|(n, ..)| *n == name)?;
    let (mut skip, mut at, mut replaced) = (*before, 0, None);
    while let Some(word) = args.get(at) {
        let text = word.text.as_str();
        if name == "command" && (text == "-v" || text == "-V") {
            return Some(Vec::new());
        }
        if let Some((variable, _)) = text.split_once('=').filter(|_| name == "env") {
            if let Some(option) = text.strip_prefix("--") {
                long_option(option)?;
            } else if steers(variable, None) || word.known <= variable.len() {
                return None;
            }
        } else if !word.literal() && (text.starts_with('-') || skip > 0) {
            return None;
        } else if text == "--" {
            at += 1;
            break;
        } else if let Some(option) = text.strip_prefix("--") {
            long_option(option)?;
        } else if name == "env" && text == "-" {
            // The same as -i.
        } else if let Some(letters) = text.strip_prefix('-').filter(|l| !l.is_empty()) {
            let value = letters.find(|c| valued.contains(c)).unwrap_or(letters.len());
            if !letters[..value].chars().all(|c| flags.contains(c)) {
                return None;
            }
            at += usize::from(value + 1 == letters.len());
            if letters[value..].starts_with('I') {
                let glued = &letters[value + 1..];
                let next = args.get(at).map_or("", |w| &w.text);
                replaced = Some(if glued.is_empty() { next } else { glued });
            }
        } else if skip > 0 {
            skip -= 1;
        } else {
            break;
        }
        at += 1;
    }
    let mut rest = args.get(at..).unwrap_or(&[]).to_vec();
    match (name, replaced) {
        ("xargs", Some(text)) => rest.iter_mut().for_each(|w| fill(w, text)),
        ("xargs", None) => {
            rest.push(Word { text: "?".into(), expands: true, splits: true, ..Word::default() })
        }
        // An applet may be any of its programs, a shell included.
        ("busybox" | "toybox", _) if rest.is_empty() && simple.piped => return None,
        _ => {}
    }
    Some(rest)
}

fn long_option(option: &str) -> Option<()> {
    let known = match option.split_once('=') {
        Some((name, _)) => listed(LONG_VALUED, name),
        None => listed(LONG, option),
    };
    known.then_some(())
}

/// Marks a word in which `text` is replaced by something unknown.
fn fill(word: &mut Word, text: &str) {
    if let Some(at) = word.text.find(text) {
        word.known = word.known.min(at);
        word.expands = true;
    }
}

/// The commands of `find -exec`.
fn found(simple: &SimpleCommand, args: &[Word], depth: usize, reading: &mut Reading<'_>) -> bool {
    let mut readable = true;
    let mut at = 0;
    while let Some(word) = args.get(at) {
        at += 1;
        match &*word.text {
            "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch" => {}
            other => {
                readable &= !other.starts_with("--exec") && !(other.starts_with("-x"));
                continue;
            }
        }
        let end = args[at..].iter().position(|w| w.text == ";" || w.text == "+");
        let end = at + end.unwrap_or(args.len() - at);
        let mut inner = args[at..end].to_vec();
        // A path is never an option, but it can be a command, or be inserted into a script.
        for (i, word) in inner.iter_mut().enumerate() {
            if i == 0 || word.text != "{}" {
                fill(word, "{");
            }
        }
        readable &= command(simple, &inner, depth, reading);
        at = end;
    }
    readable
}

/// Whether a variable decides what programs run, or its value would be code for some shells.
fn steers(name: &str, value: Option<&Word>) -> bool {
    let any = |list: &str, hit: &dyn Fn(&str) -> bool| list.split(' ').any(hit);
    listed(STEERING, name)
        || any(STEERING_STARTS, &|start| name.starts_with(start))
        || any(STEERING_ENDS, &|end| name.ends_with(end))
        || value.is_some_and(|v| v.text.contains("$(") || v.text.contains('`'))
}

fn assigns(word: &Word) -> bool {
    let name = word.text.split('=').next().unwrap_or("");
    word.known < name.len() || steers(name, None)
}
