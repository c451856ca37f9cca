//! Commands that are allowed but ask first: they change the machine outside the workspace, open it to others, or send
//! data out. Judged like the deny list, by names and options; the sandbox applies whether or not a command is recognised.

use std::path::Path;

use regex_lite::Regex;

use super::deny;
use super::programs;
use super::resolve::{self, Reading};
use crate::proto::shell::{SimpleCommand, Word};
use crate::proto::text::listed;

const PACKAGES: &str = "it installs or removes software";
const LISTENS: &str = "it listens on the network";
const SERVICES: &str = "it changes services or what runs later";
const NETWORK: &str = "it changes the network";
const ACCOUNTS: &str = "it changes accounts";
const HARDWARE: &str = "it acts on hardware or the kernel";
const REMOTE: &str = "it sends to another machine";
const DELETES: &str = "it deletes what it is not given by name";
const UNREADABLE: &str = "what it runs cannot be told";

/// Whatever the arguments.
const ALWAYS: &[(&str, &str)] = &[
    (
        PACKAGES,
        "apt apt-get aptitude dpkg opkg apk dnf yum rpm zypper pacman snap flatpak emerge \
        nix-env brew easy_install",
    ),
    (
        LISTENS,
        "sshd dropbear httpd nginx lighttpd telnetd ftpd tftpd udpsvd tcpsvd inetd vsftpd \
        dnsmasq ngrok cloudflared",
    ),
    (
        SERVICES,
        "systemctl service rc-service rc-update update-rc.d start-stop-daemon initctl telinit \
        crontab at batch systemd-run",
    ),
    (
        NETWORK,
        "iptables ip6tables nft ufw firewall-cmd nmcli wpa_cli wpa_supplicant hostapd iw rfkill \
        brctl udhcpc dhclient",
    ),
    (
        ACCOUNTS,
        "passwd chpasswd useradd usermod userdel adduser deluser addgroup groupadd groupmod \
        visudo chsh",
    ),
    (
        HARDWARE,
        "insmod modprobe rmmod devmem devmem2 i2cset i2ctransfer gpioset spidev_test flashcp \
        flash_erase nandwrite mtd fw_setenv mount umount losetup hwclock rtcwake watchdog",
    ),
    (REMOTE, "ssh scp sftp rsync ftp tftp telnet mail sendmail mutt"),
];

/// Together with one of the words: command, words.
const WITH: &[(&str, &str, &str)] = &[
    (PACKAGES, "pip", "install uninstall"),
    (PACKAGES, "pip3", "install uninstall"),
    (PACKAGES, "pipx", "install run inject"),
    (PACKAGES, "uv", "install add tool run"),
    (PACKAGES, "npm", "install i add ci exec x"),
    (PACKAGES, "npx", ""),
    (PACKAGES, "yarn", "add install dlx"),
    (PACKAGES, "pnpm", "add install i dlx"),
    (PACKAGES, "gem", "install"),
    (PACKAGES, "picoclaw", "skills"),
    (PACKAGES, "cargo", "install"),
    (PACKAGES, "go", "install get"),
    (LISTENS, "python", "http.server SimpleHTTPServer"),
    (LISTENS, "python3", "http.server"),
    (LISTENS, "php", "-S"),
    (LISTENS, "iperf", "-s --server"),
    (LISTENS, "iperf3", "-s --server"),
    (NETWORK, "ip", "add del delete set change replace flush exec"),
    (NETWORK, "route", "add del"),
    (NETWORK, "ifconfig", "up down netmask hw add del"),
    (HARDWARE, "sysctl", "-w --write -p --load"),
    (HARDWARE, "date", "-s --set"),
    (REMOTE, "git", "clone fetch pull remote ls-remote"),
];

/// Options of curl that send nothing; of those with a value, the value is no file.
const CURL: &str = "--silent --show-error --location --fail --head --include --compressed --insecure \
    --progress-bar --no-progress-meter --create-dirs --remote-name --verbose --globoff --ipv4 --ipv6 \
    --http1.1 --http2 --help --version";
const CURL_VALUED: &str = "--output --output-dir --max-time --connect-timeout --retry --retry-delay \
    --max-redirs --user-agent --url --range --header --max-filesize --limit-rate";

/// Options of wget that send something, or read more options.
const WGET: &[&str] = &[
    "post-data",
    "post-file",
    "body-data",
    "body-file",
    "method",
    "execute",
    "config",
    "use-askpass",
    "input-file",
    "load-cookies",
    "header",
];

/// Programs that download text.
const FETCHERS: &str = "curl wget lynx links elinks w3m aria2c nc ncat netcat socat ftpget nslookup dig yt-dlp openssl \
    host whois npm npx yarn pnpm cargo go gem pip pip3";

/// Why `line` asks first; `None` when it does not. SimpleCommand commands that match one of `allow` need not be readable.
pub fn find(line: &str, allow: &[Regex]) -> Option<&'static str> {
    let exempt = |text: &str| {
        let text = crate::proto::text::lower(text);
        allow.iter().any(|r| r.is_match(&text))
    };
    let (why, readable) = first(line, &classify, &exempt);
    why.or((!readable).then_some(UNREADABLE))
}

/// Whether `line` may print untrusted text.
pub fn fetches(line: &str) -> bool {
    let fetcher = |command: &SimpleCommand, words: &[Word]| {
        let name = name(words);
        let hit = listed(FETCHERS, &name)
            || classify(command, words).is_some_and(|why| why == REMOTE || why == PACKAGES);
        hit.then_some(REMOTE)
    };
    let (why, readable) = first(line, &fetcher, &|_| false);
    why.is_some() || !readable
}

/// Whether everything that `line` runs can be told.
pub fn is_readable(line: &str) -> bool {
    first(line, &|_, _| None, &|_| false).1
}

/// Programs that open no connection, whatever their arguments, and run no others.
const LOCAL: &str = "cat cd cmp cp cut date df diff du echo exit false file grep head id ls mkdir mv \
    printf pwd rm rmdir sha256sum sleep stat tail test touch tr true uname uniq wc whoami [";

/// Whether `line` can print nothing that it gets from another machine. For a command of which nobody notices what it opens.
pub fn stays_local(line: &str) -> bool {
    let other = |command: &SimpleCommand, words: &[Word]| {
        let local = listed(LOCAL, &name(words))
            && !command.redirects.iter().any(|r| network_file(&r.target.text));
        (!local).then_some(REMOTE)
    };
    let (why, readable) = first(line, &other, &|_| false);
    // A function may have the name of a program.
    readable && why.is_none() && !line.contains("()")
}

/// Commands whose absolute arguments are places they write to, or may.
const WRITERS: &str =
    "tee cp mv install ln touch mkdir rm rmdir chmod chgrp truncate sed patch dd tar unzip split";

/// Whether `line` names a place outside `workspace` that it writes to. For an unrestricted workspace, where paths are not
/// checked otherwise.
pub fn writes_outside(line: &str, workspace: &Path) -> bool {
    let outside = |text: &str| {
        let text = text.rsplit('=').next().unwrap_or(text);
        let device = ["/dev/null", "/dev/stdout", "/dev/stderr"].contains(&text);
        text.starts_with('~')
            || text.starts_with("$HOME")
            || text.contains("..")
            || (text.starts_with('/') && !Path::new(text).starts_with(workspace) && !device)
    };
    let writer = |command: &SimpleCommand, words: &[Word]| {
        let hit = command.redirects.iter().any(|r| r.write && outside(&r.target.text))
            || (listed(WRITERS, &name(words)) && words[1..].iter().any(|w| outside(&w.text)));
        hit.then_some(UNREADABLE)
    };
    first(line, &writer, &|_| false).0.is_some()
}

type RiskRule<'a> = &'a dyn Fn(&SimpleCommand, &[Word]) -> Option<&'static str>;

/// The first answer of `judge`, and whether everything that `line` runs could be told.
fn first(
    line: &str,
    judge: RiskRule<'_>,
    exempt: &dyn Fn(&str) -> bool,
) -> (Option<&'static str>, bool) {
    let mut why = None;
    let mut visit = |command: &SimpleCommand, words: &[Word]| {
        if why.is_none() {
            why = judge(command, words);
        }
    };
    let readable = resolve::line(line, 0, &mut Reading { visit: &mut visit, exempt });
    (why, readable)
}

/// Whether a program's subcommand or options decide if it asks or is denied.
pub(super) fn depends_on_words(name: &str) -> bool {
    WITH.iter().any(|(_, n, _)| *n == name) || deny::depends_on_words(name)
}

pub(super) fn name(words: &[Word]) -> String {
    let first = words.first().map_or("", |w| &*w.text).to_ascii_lowercase();
    first.rsplit('/').next().unwrap_or("").to_owned()
}

fn classify(command: &SimpleCommand, words: &[Word]) -> Option<&'static str> {
    let name = name(words);
    let args = words.get(1..).unwrap_or(&[]);
    // `--form` is also `--form=x`.
    let has = |list: &str| {
        let hit = |a: &Word| listed(list, a.text.split('=').next().unwrap_or(""));
        list.is_empty() || args.iter().any(hit)
    };
    let always = ALWAYS.iter().find(|(_, names)| listed(names, &name)).map(|(why, _)| *why);
    let with = || WITH.iter().find(|(_, n, with)| *n == name && has(with)).map(|(why, ..)| *why);
    // Started by its full path from a folder of services.
    let path = words.first().map_or("", |w| &*w.text);
    if command.redirects.iter().any(|r| network_file(&r.target.text)) {
        return Some(REMOTE);
    }
    if path.starts_with("/etc/init.d/") || path.starts_with("/etc/rc") {
        return Some(SERVICES);
    }
    always.or_else(with).or_else(|| match &*name {
        "nc" | "ncat" | "netcat" if options(args, "lL", "listen") => Some(LISTENS),
        "socat" if args.iter().any(|a| a.text.to_ascii_lowercase().contains("listen")) => {
            Some(LISTENS)
        }
        "busybox" | "toybox" if args.is_empty() => None,
        "curl" if !curl(args) => Some(REMOTE),
        "wget" if wget(args) => Some(REMOTE),
        "nc" | "ncat" | "netcat" | "openssl" if command.piped || !command.redirects.is_empty() => {
            Some(REMOTE)
        }
        // `host:file` is on another machine.
        "tar" | "bsdtar" if args.iter().any(|a| a.text.contains(':')) => Some(REMOTE),
        name if programs::deletes(name, args) => Some(DELETES),
        "kill" | "renice" => Some(SERVICES),
        _ => None,
    })
}

/// `/dev/tcp/host/80`, a connection in bash.
fn network_file(path: &str) -> bool {
    path.starts_with("/dev/tcp/") || path.starts_with("/dev/udp/")
}

/// Whether these options of curl send nothing but the request.
fn curl(args: &[Word]) -> bool {
    let mut rest = args.iter().map(|a| &*a.text);
    while let Some(text) = rest.next() {
        if text.starts_with("--") {
            let valued = listed(CURL_VALUED, text);
            if !(listed(CURL, text) || (valued && !rest.next().unwrap_or("").starts_with('@'))) {
                return false;
            }
        } else if let Some(letters) = text.strip_prefix('-') {
            let Some(at) = letters.find(|c| !"sSLfkivIOJ46#gRN".contains(c)) else { continue };
            let glued = &letters[at + 1..];
            let value = if glued.is_empty() { rest.next().unwrap_or("") } else { glued };
            if !letters[at..].starts_with(['o', 'm', 'w', 'A', 'r', 'H', 'y', 'Y'])
                || value.starts_with('@')
            {
                return false;
            }
        }
    }
    true
}

/// Whether these options of wget send more than the request, or may.
fn wget(args: &[Word]) -> bool {
    args.iter().any(|a| {
        let (option, _) = a.text.split_once('=').unwrap_or((&a.text, ""));
        let letters = option.strip_prefix('-').filter(|o| !o.starts_with('-')).unwrap_or("");
        let end = letters.find(|c| "OPoTtwUaQ".contains(c)).unwrap_or(letters.len());
        letters[..end].contains(['e', 'i']) || (option.len() > 2 && deny::long(option, WGET))
    })
}

pub(super) fn is_interpreter(name: &str) -> bool {
    ["python", "perl", "ruby", "node", "lua", "php"].iter().any(|i| name.starts_with(i))
}

/// A short option with one of the letters (`-nl`), or the long one.
fn options(args: &[Word], letters: &str, long: &str) -> bool {
    args.iter().any(|a| match a.text.strip_prefix('-') {
        Some(rest) if rest.starts_with('-') => !long.is_empty() && &rest[1..] == long,
        Some(rest) => rest.contains(|c| letters.contains(c)),
        None => false,
    })
}

#[cfg(test)]
mod rows_tests;
#[cfg(test)]
mod tests;
