//! What is known about single programs: which run others, which carry code, which delete what they are not given by name.

use super::deny::long;
use crate::proto::shell::Word;
use crate::proto::text::listed;

/// Programs that run other programs or code, whatever their arguments.
pub(super) const OPAQUE: &str = "eval source . alias function coproc fc nsenter setpriv unshare \
    chroot strace ltrace gdb gdbserver valgrind perf parallel watch script flock taskset chrt \
    expect tclsh wish sudo doas su runuser pkexec run0 runcon capsh firejail bwrap unbuffer make \
    gmake bmake ninja cmake meson scons rake ant mvn gradle just run-parts chpst daemonize setarch \
    linux32 linux64 uname26 faketime fakeroot proot prlimit cgexec numactl choom dbus-run-session \
    dbus-launch xvfb-run screen tmux dtach abduco entr logrotate run-mailcap xdg-open ed ex vi \
    vim view nvim emacs nano deno bun guile gjs qjs jshell pwsh java Rscript julia octave runghc \
    erl elixir escript iex groovy scala kotlin clojure racket sbcl ecl clisp micropython \
    circuitpython janet raku m4 dc gnuplot gs tex latex pdflatex xelatex lualatex rename prename \
    file-rename ssh-agent sg newgrp script-exec start-stop-daemon systemd-run dpkg-buildpackage \
    softlimit setuidgid envdir envuidgid runsv svlogd tcpsvd udpsvd inetd crond bash-static \
    qemu-user setlock pipexec trickle torsocks proxychains proxychains4 stress-ng hyperfine";

/// Programs for which an argument from a variable could be an option or subcommand that changes everything.
pub(super) const SENSITIVE: &str = "rm find fd fdfind tar bsdtar sed awk gawk mawk nawk curl wget \
    chmod dd";

/// Programs with options that run others: names, long options, letters.
pub(super) const DIALECTS: &[(&str, &str, &str)] = &[
    (
        "tar bsdtar",
        "checkpoint-action to-command use-compress-program rsh-command info-script \
        new-volume-script",
        "IF",
    ),
    ("cpio", "rsh-command", ""),
    ("sort", "compress-program", ""),
    ("split", "filter", ""),
    ("rg", "pre hostname-bin", ""),
    ("zip", "unzip-command", "T"),
    ("install", "strip-program", ""),
    ("sdiff diff3", "diff-program", ""),
    ("tcpdump", "", "z"),
    ("man", "pager html", "PH"),
    ("mapfile readarray complete", "", "C"),
    ("hash", "", "p"),
    ("enable", "", "f"),
    ("jobs bind", "", "x"),
    ("nc ncat netcat", "exec sh-exec lua-exec", "ec"),
    ("ip", "batch", "b"),
];

/// Options with which nothing runs.
const HARMLESS: &str = "--version -V -v --help -h";

/// Subcommands of git that run no other program by themselves.
const GIT: &str = "add am annotate apply archive blame branch cat-file check-ignore checkout cherry \
    cherry-pick clean clone commit config count-objects describe diff diff-files diff-index \
    diff-tree fetch for-each-ref format-patch fsck gc grep hash-object init log ls-files ls-remote \
    ls-tree merge merge-base mv name-rev notes prune pull push range-diff rebase reflog remote reset \
    restore rev-list rev-parse revert rm shortlog show show-ref stash status switch symbolic-ref tag \
    update-index version whatchanged worktree write-tree";

/// Settings that name no program.
const GIT_SETTINGS: &str = "user color init push pull fetch advice branch i18n log status commit";

/// Whether `word` of `name` could turn out to be an option.
pub(super) fn may_be_option(word: &Word, name: &str) -> bool {
    if word.literal() {
        return false;
    }
    let ends_open = word.text.ends_with(['*', '?', ']', '}']);
    // tar takes commands in options with any ending: `--checkpoint-action=exec=sh x.txt`.
    let any_name = matches!(name, "tar" | "bsdtar" | "zip");
    word.splits
        || word.text.starts_with('-')
        || (word.known == 0 && (word.expands || ends_open || any_name))
}

/// Whether an interpreter runs nothing but itself.
pub(super) fn interpreter(args: &[Word], fed: bool) -> bool {
    args.first().is_some_and(of_the_system)
        || (!fed && args.iter().all(|a| a.literal() && listed(HARMLESS, &a.text)))
}

/// Whether a script is as much part of the system as its programs.
pub(super) fn of_the_system(file: &Word) -> bool {
    file.literal() && file.text.starts_with("/usr/") && !file.text.contains("..")
}

/// Whether a program that is no wrapper, shell or interpreter runs no other.
pub(super) fn readable(name: &str, args: &[Word], fed: bool) -> bool {
    let any = |hit: &dyn Fn(&str) -> bool| args.iter().any(|a| hit(&a.text));
    let dialect = DIALECTS.iter().find(|(names, ..)| listed(names, name));
    if dialect.is_some_and(|(_, long, letters)| runs(name, args, long, letters)) {
        return false;
    }
    match name {
        "sed" => super::sed::readable(args),
        "git" => git(args),
        "cc" | "gcc" | "g++" | "c++" | "clang" | "clang++" => !any(&|a| {
            ["-wrapper", "-B", "@", "-fplugin", "-specs"].iter().any(|p| a.starts_with(p))
        }),
        "sqlite3" => !fed && !any(&|a| a.contains(".s") || a.contains(".l") || a.contains("-init")),
        "psql" | "mysql" => !fed && !any(&|a| a.contains("\\!") || a.contains("system")),
        // `test 'a[$(x)]' -eq 1` runs x in bash.
        "test" | "[" | "printf" | "let" | "unset" => {
            !any(&|a| a.contains("[$(") || a.contains("[`"))
        }
        _ => true,
    }
}

/// Whether one of the options is there; abbreviations count.
fn runs(name: &str, args: &[Word], names: &str, letters: &str) -> bool {
    args.iter().enumerate().any(|(i, a)| {
        let (option, _) = a.text.split_once('=').unwrap_or((&a.text, ""));
        if option.starts_with("--") {
            return names.split(' ').any(|name| !name.is_empty() && long(option, &[name]));
        }
        // `tar xIf prog a`: the first word may lack the dash.
        let cluster = match option.strip_prefix('-') {
            Some(cluster) => cluster,
            None if i == 0 && name.ends_with("tar") => return option.contains(['I', 'F']),
            None => return false,
        };
        // What follows `f` or `C` is its value.
        let end = if name.ends_with("tar") { cluster.find(['f', 'C', 'T', 'X']) } else { None };
        cluster[..end.unwrap_or(cluster.len())].contains(|c| letters.contains(c))
    })
}

/// Whether an awk program, which has to be the first word after options, runs no command.
pub(super) fn awk(args: &[Word]) -> bool {
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        let text = &*word.text;
        match text {
            "-F" | "-v" => {
                rest.next();
            }
            "--" => {}
            _ if listed(HARMLESS, text) => return true,
            _ if text.starts_with("-F") || text.starts_with("-v") => {}
            _ if text.starts_with('-') || !word.literal() => return false,
            code => {
                // `print | "sh"`: a pipe follows a print. `a||b` is none.
                let pipes = code.replace("||", "").rfind('|');
                let printed = code.replace("||", "").find("print");
                let piped = pipes.is_some_and(|pipe| printed.is_some_and(|print| print < pipe));
                return !piped
                    && !["system", "getline", "@"].iter().any(|word| code.contains(word));
            }
        }
    }
    true
}

/// Whether a git command runs no program that its arguments name.
fn git(args: &[Word]) -> bool {
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        match &*word.text {
            "-C" | "--git-dir" | "--work-tree" => {
                rest.next();
            }
            "-c" => {
                if !rest.next().is_some_and(|setting| plain_setting(&setting.text)) {
                    return false;
                }
            }
            "--no-pager" | "--version" | "--help" | "-P" | "--bare" => {}
            option if option.starts_with('-') => return false,
            "config" => {
                let mut words = rest.map(|w| &*w.text);
                return words.clone().any(|w| w.starts_with("--get") || w == "-l" || w == "--list")
                    || words.find(|w| !w.starts_with('-')).is_none_or(plain_setting);
            }
            subcommand => {
                return listed(GIT, subcommand) && !rest.any(|w| git_runs(subcommand, &w.text));
            }
        }
    }
    true
}

fn git_runs(subcommand: &str, word: &str) -> bool {
    let (option, _) = word.split_once('=').unwrap_or((word, ""));
    let names =
        ["exec", "open-files-in-pager", "upload-pack", "receive-pack", "ext-diff", "textconv"];
    (option.len() > 4 && long(option, &names))
        || (subcommand == "rebase" && word.starts_with("-x"))
        || (subcommand == "grep" && word.starts_with("-O"))
        || (subcommand == "clone" && (word.starts_with("-c") || word.starts_with("--c")))
        || word.contains("ext::")
}

fn plain_setting(setting: &str) -> bool {
    let section = setting.split('.').next().unwrap_or("");
    listed(GIT_SETTINGS, &section.to_ascii_lowercase()) || setting.starts_with("core.quotepath")
}

/// Whether `find` or `git` deletes what it is not given by name.
pub(super) fn deletes(name: &str, args: &[Word]) -> bool {
    match name {
        "find" => args.iter().any(|a| a.text == "-delete"),
        "git" => args.iter().find(|a| !a.text.starts_with('-')).is_some_and(|a| a.text == "clean"),
        _ => false,
    }
}
