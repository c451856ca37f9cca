//! The deny list (behaviour.md 4A and 4B), judged by command names and options instead of by text, so that
//! `echo "please reboot"` and `date --format x` pass and `env rm -v -rf x` does not.

use super::Reason;
use crate::proto::shell::{SimpleCommand, Word};
use crate::proto::text::listed;

/// Commands that run their arguments as a command: name, options that take a value, words before the command.
const WRAPPERS: &[(&str, &str, usize)] = &[
    ("env", "uCS", 0),
    ("nohup", "", 0),
    ("setsid", "", 0),
    ("nice", "n", 0),
    ("ionice", "cnp", 0),
    ("chrt", "", 1),
    ("taskset", "", 1),
    ("time", "fo", 0),
    ("timeout", "sk", 1),
    ("stdbuf", "ioe", 0),
    ("xargs", "InPLdEsa", 0),
    ("parallel", "j", 0),
    ("watch", "nd", 0),
    ("flock", "wE", 1),
    ("chroot", "", 1),
    ("unshare", "", 0),
    ("command", "", 0),
    ("builtin", "", 0),
    ("exec", "a", 0),
    ("busybox", "", 0),
    ("toybox", "", 0),
];

pub(super) const SHELLS: &str = "sh bash dash ash zsh ksh mksh fish";

/// Denied with any arguments.
const NEVER: &str = "sudo doas su shutdown reboot poweroff halt format diskpart mkfs mke2fs chown kill pkill \
    killall eval wipefs blkdiscard";

/// Denied together with one of the words: command, words.
const WITH: &[(&str, &str)] = &[
    ("git", "push force"),
    ("docker", "run exec"),
    ("podman", "run exec"),
    ("apt", "install remove purge"),
    ("apt-get", "install remove purge"),
    ("yum", "install remove"),
    ("dnf", "install remove"),
    ("init", "0 6"),
    ("telinit", "0 6"),
    ("systemctl", "reboot poweroff halt kexec"),
    ("del", "/f /q"),
    ("rmdir", "/s"),
];

/// Judges one simple command; returns the scripts that it passes to a shell, to be judged in turn.
pub(super) fn check(command: &SimpleCommand) -> Result<Vec<String>, Reason> {
    if command.redirects.iter().any(|r| r.write && block_device(&r.target.text)) {
        return Err(Reason::Dangerous);
    }
    let mut scripts = Vec::new();
    check_command(&command.words, command, &mut scripts)?;
    Ok(scripts)
}

fn check_command(
    words: &[Word],
    command: &SimpleCommand,
    scripts: &mut Vec<String>,
) -> Result<(), Reason> {
    let Some((first, args)) = words.split_first() else { return Ok(()) };
    // `a=rm; $a -rf x`, `/bin/r?`: the command is unknown.
    if !first.literal() {
        return Err(Reason::Dangerous);
    }
    let path = first.text.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or("");
    let has = |list: &str| args.iter().any(|a| listed(list, &a.text.to_ascii_lowercase()));
    let bad = listed(NEVER, name)
        || name.starts_with("mkfs.")
        || WITH.iter().any(|(n, with)| *n == name && subcommand(name, args, &has, with))
        || match name {
            "rm" => options(args).any(|o| long(o, &["recursive", "force"]) || short(o, "rRf")),
            "dd" => args.iter().any(|a| a.text.starts_with("if=") || device_value(&a.text)),
            "chmod" => args.iter().any(|a| octal(&a.text)),
            "ssh" => {
                args.iter().any(|a| a.text.split_once('@').is_some_and(|(u, _)| !u.is_empty()))
            }
            "npm" => has("install i add") && options(args).any(|o| o == "-g" || o == "--global"),
            "pip" | "pip3" => has("install") && has("--user"),
            "source" | "." => args.first().is_some_and(|a| a.text.ends_with(".sh")),
            "tee" | "cp" | "mv" | "install" | "shred" | "fdisk" | "sfdisk" | "parted" => {
                args.iter().any(|a| block_device(&a.text))
            }
            _ => listed(SHELLS, name) && (command.piped || command.here_document.is_some()),
        };
    let nested = inner(name, args, command, scripts);
    if bad || here_document(command) { Err(Reason::Dangerous) } else { nested }
}

/// Whether a program's subcommand or options decide if it is denied.
pub(super) fn depends_on_words(name: &str) -> bool {
    WITH.iter().any(|(n, _)| *n == name)
}

/// The scripts that a command passes to a shell.
pub(super) fn scripts(command: &SimpleCommand) -> Vec<String> {
    let mut scripts = Vec::new();
    // Whether it is dangerous is judged elsewhere.
    let _ = check_command(&command.words, command, &mut scripts);
    scripts
}

/// The commands that a command runs.
fn inner(
    name: &str,
    args: &[Word],
    command: &SimpleCommand,
    scripts: &mut Vec<String>,
) -> Result<(), Reason> {
    if listed(SHELLS, name) {
        if let Some(at) = args.iter().position(|a| short(&a.text, "c")) {
            let script = args[at + 1..].iter().find(|a| !a.text.starts_with(['-', '+']));
            scripts.extend(script.map(|s| s.text.clone()));
        }
        return Ok(());
    }
    match name {
        "find" | "fd" => {
            for (i, a) in args.iter().enumerate() {
                if matches!(&*a.text, "-exec" | "-execdir" | "-ok" | "-okdir" | "-x") {
                    check_command(&args[i + 1..], command, scripts)?;
                }
            }
        }
        "trap" => scripts.extend(args.first().map(|a| a.text.clone())),
        "python" | "python3" if args.len() > 1 && args[0].text == "-m" => {
            check_command(&args[1..], command, scripts)?;
        }
        _ => {}
    }
    match wrapped(name, args, scripts) {
        Some(rest) => check_command(rest, command, scripts),
        None => Ok(()),
    }
}

/// The command that a command like `env` or `timeout` runs; scripts it takes as one word go to `scripts`.
fn wrapped<'a>(name: &str, args: &'a [Word], scripts: &mut Vec<String>) -> Option<&'a [Word]> {
    let (_, valued, before) = WRAPPERS.iter().find(|(n, ..)| *n == name)?;
    let (mut skip, mut at) = (*before, 0);
    while let Some(word) = args.get(at) {
        let text = &*word.text;
        let is_option = text.starts_with('-') && text.len() > 1;
        if is_option && short(text, valued) && text.len() == 2 {
            // `env -S` takes a command line.
            if text == "-S" {
                scripts.extend(args.get(at + 1).map(|a| a.text.clone()));
            }
            at += 2;
        } else if is_option {
            if let Some(line) = text.strip_prefix("--split-string=") {
                scripts.push(line.to_owned());
            }
            at += 1;
        } else if name == "env" && text.contains('=') {
            at += 1;
        } else if skip > 0 {
            skip -= 1;
            at += 1;
        } else {
            break;
        }
    }
    let rest = &args[at.min(args.len())..];
    if let ([only], "watch" | "flock" | "parallel") = (rest, name) {
        scripts.push(only.text.clone());
    }
    Some(rest)
}

/// For git and docker the first word that is not an option counts: `git log push` is harmless.
fn subcommand(name: &str, args: &[Word], has: &dyn Fn(&str) -> bool, with: &str) -> bool {
    if !matches!(name, "git" | "docker" | "podman") {
        return has(with);
    }
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        if matches!(&*word.text, "-C" | "-c" | "--git-dir" | "--work-tree" | "-H" | "--context") {
            rest.next();
        } else if !word.text.starts_with('-') {
            return listed(with, &word.text);
        }
    }
    false
}

/// Options before `--`.
fn options(args: &[Word]) -> impl Iterator<Item = &str> {
    args.iter().map(|a| &*a.text).take_while(|a| *a != "--").filter(|a| a.starts_with('-'))
}

/// Whether `-abc` contains one of the letters.
fn short(option: &str, letters: &str) -> bool {
    option
        .strip_prefix('-')
        .is_some_and(|o| !o.starts_with('-') && o.contains(|c| letters.contains(c)))
}

/// `--name`, or an abbreviation of it.
pub(super) fn long(option: &str, names: &[&str]) -> bool {
    option
        .strip_prefix("--")
        .is_some_and(|o| !o.is_empty() && names.iter().any(|name| name.starts_with(o)))
}

/// `644`, `0755`.
fn octal(text: &str) -> bool {
    (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b))
}

fn device_value(text: &str) -> bool {
    text.split_once('=').is_some_and(|(_, path)| block_device(path))
}

/// `<< EOF`, the usual way to write a file or feed a program without quoting; the file tools do it better.
fn here_document(command: &SimpleCommand) -> bool {
    command.here_document.as_deref().is_some_and(|d| d.to_ascii_lowercase().starts_with("eof"))
}

/// Whether this is the name of a disk or partition.
fn block_device(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let Some(name) = path.trim_start_matches('/').strip_prefix("dev/") else { return false };
    let name = name.trim_start_matches(['/', '.']);
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let letter = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase());
    ["sd", "hd", "vd", "xvd"].iter().any(|p| name.strip_prefix(p).is_some_and(letter))
        || ["nvme", "mmcblk", "loop", "dm-", "md", "sr", "nbd", "ram", "zram", "mtdblock", "ubi"]
            .iter()
            .any(|p| name.strip_prefix(p).is_some_and(digit))
        || ["disk/", "mapper/", "block/"].iter().any(|p| name.starts_with(p))
}

/// A function that pipes into itself in the background, whatever its name.
pub(super) fn fork_bomb(line: &str) -> bool {
    let tight: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    tight.match_indices("(){").any(|(at, _)| {
        let name = tight[..at].rsplit([';', '&', '|', '{', '}', '(', ')']).next().unwrap_or("");
        let name = name.strip_prefix("function").unwrap_or(name);
        let body = &tight[at + 3..];
        let body = &body[..body.find('}').unwrap_or(body.len())];
        !name.is_empty() && body.contains(&format!("{name}|{name}"))
    })
}
