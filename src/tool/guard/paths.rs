//! The path rule of a restricted workspace: every path in a command line must be inside it.
//!
//! URLs are not paths. Links are resolved, in relative words too, so that a link made by an earlier command does
//! not help. Files that a program opens by itself, or that a pattern (`*`) matches, are not seen here.

use std::path::{Path, PathBuf};

use super::{Reason, deny};
use crate::limits::{PATH_LINKS, SHELL_DEPTH};
use crate::proto::shell::{self, Word};
use crate::tool::scope::{PathUse, Scope};

/// Devices anyone may use.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
];

/// Programs may be run from here by their full path.
const PROGRAMS: &[&str] =
    &["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/"];

/// Schemes whose addresses name no local file; `file:` is not among them.
const SCHEMES: &[&str] = &["http", "https", "ftp", "ftps", "sftp", "ssh", "git"];

/// Commands whose quoted arguments contain many slashes that are not paths.
const PATTERNS: &[&str] =
    &["sed", "awk", "gawk", "mawk", "grep", "egrep", "fgrep", "rg", "perl", "jq", "tr", "expr"];

pub(super) fn check(line: &str, cwd: &Path, scope: &Scope, depth: usize) -> Result<(), Reason> {
    if depth == SHELL_DEPTH {
        return Err(Reason::Dangerous);
    }
    if line.contains("../") || line.contains("..\\") {
        return Err(Reason::Traversal);
    }
    let mut here = cwd.to_path_buf();
    for command in shell::parse(line).commands {
        let name = command.words.first().map_or("", |w| w.text.rsplit('/').next().unwrap_or(""));
        for redirect in &command.redirects {
            let want = if redirect.write { PathUse::Write } else { PathUse::Read };
            word(&redirect.target, "", want, &here, scope)?;
        }
        for (_, value) in &command.assigned {
            word(value, "", PathUse::Read, &here, scope)?;
        }
        for (i, w) in command.words.iter().enumerate() {
            if i > 0 || !program(&w.text) {
                word(w, name, PathUse::Read, &here, scope)?;
            }
        }
        for script in deny::scripts(&command) {
            check(&script, &here, scope, depth + 1)?;
        }
        // Relative words of later commands are relative to it.
        if let ("cd" | "pushd", Some(to)) = (name, command.words.get(1)) {
            here = here.join(&to.text);
        } else if name == "cd" {
            // Home is outside, and so is every relative path after it.
            return Err(Reason::Outside);
        }
    }
    Ok(())
}

/// The command itself may be a program of the system.
fn program(text: &str) -> bool {
    PROGRAMS.iter().any(|dir| text.strip_prefix(dir).is_some_and(|rest| !rest.contains('/')))
}

fn word(word: &Word, name: &str, want: PathUse, here: &Path, scope: &Scope) -> Result<(), Reason> {
    let text = &*word.text;
    if text == ".." || text.ends_with("/..") || text.ends_with("=..") {
        return Err(Reason::Traversal);
    }
    if home(text) {
        return Err(Reason::Outside);
    }
    // A quoted script or sentence names a path only if it exists.
    let strict = !word.quoted || !(PATTERNS.contains(&name) || text.contains(char::is_whitespace));
    let script_first = matches!(name, "sed" | "awk" | "gawk" | "mawk");
    for path in absolute_paths(text) {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or("");
        let glob = first.contains(['*', '?', '[']);
        if !strict && !glob && !Path::new("/").join(first).exists() {
            continue;
        }
        // `awk '/bin/ {print}'`: these commands cannot read a folder.
        if !strict && script_first && path.ends_with('/') {
            continue;
        }
        if !allowed(Path::new(path), want, scope) {
            return Err(Reason::Outside);
        }
    }
    // A relative name may be a link, or be below one. `name=value` contains a second name.
    for part in [text, text.split_once('=').map_or("", |(_, v)| v)] {
        if !part.is_empty() && !part.starts_with('/') && !part.contains("://") {
            let path = here.join(part);
            if (path.symlink_metadata().is_ok() || part.contains('/'))
                && !allowed(&path, want, scope)
            {
                return Err(Reason::Outside);
            }
        }
    }
    Ok(())
}

/// `~`, `~user`, `$HOME` lead home, which is not the workspace; `~5` in a sentence is not a path.
fn home(text: &str) -> bool {
    text.split([' ', '\t', '\n', '=', ':', '\'', '"', '(']).any(|t| {
        t.starts_with("$HOME")
            || t.starts_with("$OLDPWD")
            || t.strip_prefix('~').is_some_and(|t| {
                t.is_empty() || t.starts_with(|c: char| c == '/' || c.is_alphabetic())
            })
    })
}

/// Absolute paths in a word: at its start, glued to an option (`-I/etc`), or after a character that is not part of
/// a name (`a=/x`, `"cat /x"`, `open('/x')`). URLs are skipped.
fn absolute_paths(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'/' {
            at += 1;
            continue;
        }
        if bytes[at..].starts_with(b"//") && at > 0 && bytes[at - 1] == b':' {
            let scheme =
                text[..at - 1].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
            if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
                at += bytes[at..].iter().position(|b| ends_url(*b)).unwrap_or(bytes.len() - at);
                continue;
            }
        }
        if at == 0 || starts_path(&bytes[..at]) {
            let length = bytes[at..].iter().position(|b| ends(*b) || *b == b':');
            let end = at + length.unwrap_or(bytes.len() - at);
            // A single slash in a sentence is punctuation.
            if end - at > 1 || bytes.len() == 1 {
                found.push(&text[at..end]);
            }
            at = end.max(at + 1);
        } else {
            // The rest of a relative path.
            while at < bytes.len() && !ends(bytes[at]) && bytes[at] != b':' && bytes[at] != b'=' {
                at += 1;
            }
        }
    }
    found
}

/// A URL that is a whole word may contain `&`, `;` and `,`; in a script it ends at the quote.
fn ends_url(b: u8) -> bool {
    b.is_ascii_whitespace() || matches!(b, b'\'' | b'"' | b'`' | b'<' | b'>' | b'|' | b'(' | b')')
}

fn ends(b: u8) -> bool {
    b.is_ascii_whitespace()
        || matches!(b, b'\'' | b'"' | b'`' | b';' | b'|' | b'&' | b'<' | b'>' | b'(' | b')' | b',')
}

fn starts_path(before: &[u8]) -> bool {
    let last = before[before.len() - 1];
    let name = last.is_ascii_alphanumeric() || last >= 0x80 || b"_.~+%@-*?]}$#^\\/".contains(&last);
    // `-I/etc`, `-L/usr/lib`: letters glued to a single dash.
    let option = before.len() > 1
        && before[0] == b'-'
        && before[1..].iter().all(|b| b.is_ascii_alphabetic());
    option || !name
}

/// Inside the workspace after links are resolved, a harmless device, or allowed by the configuration.
fn allowed(path: &Path, want: PathUse, scope: &Scope) -> bool {
    if path.to_str().is_some_and(|p| DEVICES.contains(&p)) {
        return true;
    }
    resolve(path, 0).is_some_and(|real| scope.covers(&real, want))
}

/// `path` without links; only the existing part is resolved.
fn resolve(path: &Path, links: usize) -> Option<PathBuf> {
    let mut missing = Vec::new();
    let mut known = path;
    loop {
        match known.canonicalize() {
            Ok(mut real) => {
                real.extend(missing.iter().rev());
                return Some(real);
            }
            // A dangling link: writing to it creates the file that it names.
            Err(_) if known.is_symlink() => {
                let target = known.parent()?.join(known.read_link().ok()?);
                let mut real = (links < PATH_LINKS).then(|| resolve(&target, links + 1))??;
                real.extend(missing.iter().rev());
                return Some(real);
            }
            Err(_) => {
                missing.push(known.file_name()?.to_owned());
                known = known.parent()?;
            }
        }
    }
}
