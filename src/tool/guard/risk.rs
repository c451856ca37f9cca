//! Commands that are allowed but ask first: they change the machine outside the workspace, open it to others, or send
//! data out. Judged like the deny list, by names and options; the sandbox applies whether or not a command is recognised.

use std::path::Path;

use super::deny::{self, SHELLS};
use crate::limits::SHELL_DEPTH;
use crate::proto::shell::{self, SimpleCommand, Word};
use crate::proto::text::listed;

const PACKAGES: &str = "it installs or removes software";
const LISTENS: &str = "it listens on the network";
const SERVICES: &str = "it changes services or what runs later";
const NETWORK: &str = "it changes the network";
const ACCOUNTS: &str = "it changes accounts";
const HARDWARE: &str = "it acts on hardware or the kernel";
const REMOTE: &str = "it sends to another machine";
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
    (REMOTE, "git", "clone fetch pull remote"),
    (REMOTE, "wget", "--post-data --post-file --body-data --body-file"),
];

/// Options of curl that send something.
const CURL: &str = "--data --form --upload-file --json --request --url-query";

/// Programs that download text.
const FETCHERS: &str =
    "curl wget lynx links elinks w3m aria2c nc ncat netcat socat ftpget nslookup dig yt-dlp";

/// Why `line` asks first; `None` when it does not.
pub fn find(line: &str) -> Option<&'static str> {
    script(line, 0, &classify)
}

/// Whether `line` may print untrusted text.
pub fn fetches(line: &str) -> bool {
    let fetcher = |command: &SimpleCommand, words: &[Word]| {
        let name = name(words);
        let hit = listed(FETCHERS, &name)
            || classify(command, words).is_some_and(|why| why == REMOTE || why == PACKAGES);
        hit.then_some(REMOTE)
    };
    script(line, 0, &fetcher).is_some()
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
    script(line, 0, &writer).is_some()
}

type RiskRule<'a> = &'a dyn Fn(&SimpleCommand, &[Word]) -> Option<&'static str>;

fn script(line: &str, depth: usize, judge: RiskRule<'_>) -> Option<&'static str> {
    if depth == SHELL_DEPTH {
        return Some(UNREADABLE);
    }
    let script_text = shell::parse(line);
    for command in &script_text.commands {
        let mut words = &command.words[..];
        let mut inner = deny::scripts(command);
        loop {
            if let Some(why) = classify(command, words) {
                return Some(why);
            }
            let name = name(words);
            match deny::wrapped(&name, words.get(1..).unwrap_or(&[]), &mut inner) {
                Some(rest) if rest.len() < words.len() && !rest.is_empty() => words = rest,
                _ => break,
            }
        }
        // `find -exec`, `xargs` with options: any later word may be the command that counts.
        if matches!(&*name(words), "find" | "fd") {
            for at in 1..words.len() {
                if words[at].text.starts_with("-exec") || words[at].text.starts_with("-ok") {
                    if let Some(why) = classify(command, &words[at + 1..]) {
                        return Some(why);
                    }
                }
            }
        }
        for text in inner {
            if let Some(why) = self::script(&text, depth + 1, judge) {
                return Some(why);
            }
        }
    }
    None
}

fn name(words: &[Word]) -> String {
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
    if path.starts_with("/etc/init.d/") || path.starts_with("/etc/rc") {
        return Some(SERVICES);
    }
    always.or_else(with).or_else(|| match &*name {
        "nc" | "ncat" | "netcat" if options(args, "lL", "listen") => Some(LISTENS),
        "socat" if args.iter().any(|a| a.text.to_ascii_lowercase().contains("listen")) => {
            Some(LISTENS)
        }
        "busybox" | "toybox" if args.is_empty() => None,
        "curl" if options(args, "dFTX", "") || has(CURL) => Some(REMOTE),
        "kill" | "renice" => Some(SERVICES),
        // An interpreter that reads its program from a pipe: it would run downloaded code.
        name if (listed(SHELLS, name) || is_interpreter(name)) && command.piped => Some(UNREADABLE),
        _ => None,
    })
}

fn is_interpreter(name: &str) -> bool {
    ["python", "perl", "ruby", "node", "lua", "php", "awk"].iter().any(|i| name.starts_with(i))
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
mod tests;
