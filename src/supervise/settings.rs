//! `/etc/default/picoclaw`, as it arrives in the environment.

use std::path::PathBuf;

use super::respawn::Policy;
use crate::environment;
use crate::import::ImportPaths;
use crate::limits::KEEPALIVE_STALE;
use crate::{Error, Result};

/// Which kind of limits the daemon and its commands get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitMode {
    /// cgroup v2 where it is, rlimits otherwise.
    Auto,
    /// cgroup v2 or a complaint.
    Cgroup,
    /// rlimits even where cgroups are.
    Rlimit,
    /// Nothing.
    None,
}

/// Everything the supervisor was told. Sizes are bytes; `u64::MAX` means `max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisorSettings {
    /// User of the daemon.
    pub user: String,
    /// User of commands; empty for none.
    pub tool_user: String,
    /// The daemon's home.
    pub home: PathBuf,
    /// Root's own folder on the data partition.
    pub system: PathBuf,
    /// What others may read about us: `limits.json`, `daemon.pid`, `clock`, `import.txt`. In RAM.
    pub run: PathBuf,
    /// What to start as daemon, or empty for this program.
    pub program: PathBuf,
    /// Mount point of the boot partition, or empty.
    pub boot: PathBuf,
    /// The image is PicoClaw's own: more than `picoclaw.json` is taken from the boot partition.
    pub own_image: bool,
    /// More arguments for the gateway.
    pub gateway_args: Vec<String>,
    /// Kind of limits.
    pub limits: LimitMode,
    /// `memory.high` of the daemon.
    pub memory_high: u64,
    /// `memory.max` of the daemon.
    pub memory_max: u64,
    /// `memory.max` of all tools together.
    pub tools_memory_max: u64,
    /// `memory.swap.max` of each.
    pub swap_max: u64,
    /// `pids.max` of each.
    pub pids_max: u64,
    /// RLIMIT_DATA of the daemon without cgroups.
    pub data_max: u64,
    /// RLIMIT_DATA of each tool without cgroups.
    pub tools_data_max: u64,
    /// `oom_score_adj` of the daemon without cgroups.
    pub oom_score_adj: i32,
    /// When to start again.
    pub respawn: Policy,
    /// Watchdog device, or empty.
    pub watchdog: PathBuf,
    /// Seconds to ask of it.
    pub watchdog_timeout: u32,
    /// Seconds without a keepalive that are forgiven.
    pub keepalive: u64,
    /// Ask time servers: yes, no, or unless systemd started us.
    pub sntp: Option<bool>,
    /// Time servers until the daemon names others.
    pub time_servers: Vec<String>,
    /// Log to syslog: yes, no (stderr), or unless systemd started us.
    pub syslog: Option<bool>,
}

impl SupervisorSettings {
    /// Where the import from the boot partition reads and writes.
    pub fn import_places(&self) -> ImportPaths {
        ImportPaths {
            boot: self.boot.clone(),
            home: self.home.clone(),
            system: self.system.clone(),
            run: self.run.clone(),
            own_image: self.own_image,
        }
    }

    /// Reads `PICOCLAW_*` through `get`. Unset and empty mean the default. The error names the variable.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<SupervisorSettings> {
        let env = Variables(&get);
        let policy = Policy::default();
        Ok(SupervisorSettings {
            user: env.text(environment::USER, "picoclaw"),
            tool_user: match env.text(environment::TOOL_USER, "picoclaw-tool") {
                none if none == "none" => String::new(),
                name => name,
            },
            home: env.text(environment::HOME, "/var/lib/picoclaw").into(),
            system: env.text(environment::SYSTEM, "/var/lib/picoclaw-system").into(),
            run: env.text(environment::RUN, "/run/picoclaw").into(),
            program: env.text(environment::PROGRAM, "").into(),
            boot: env.text(environment::BOOT, "").into(),
            own_image: env.choice(environment::OWN_IMAGE, "yes", "no")?.unwrap_or(false),
            gateway_args: split_blanks(&env.text(environment::GATEWAY_ARGS, "")),
            limits: match &*env.text(environment::LIMITS, "auto") {
                "auto" => LimitMode::Auto,
                "cgroup" => LimitMode::Cgroup,
                "rlimit" => LimitMode::Rlimit,
                "none" => LimitMode::None,
                other => {
                    return Err(invalid(
                        environment::LIMITS,
                        other,
                        "auto, cgroup, rlimit or none",
                    ));
                }
            },
            memory_high: env.size(environment::MEMORY_HIGH, 6 << 20)?,
            memory_max: env.size(environment::MEMORY_MAX, 8 << 20)?,
            tools_memory_max: env.size(environment::TOOLS_MEMORY_MAX, 32 << 20)?,
            swap_max: env.size(environment::SWAP_MAX, 0)?,
            pids_max: env.size(environment::PIDS_MAX, 64)?,
            data_max: env.size(environment::DATA_MAX, 16 << 20)?,
            tools_data_max: env.size(environment::TOOLS_DATA_MAX, 32 << 20)?,
            oom_score_adj: env.number(environment::OOM_SCORE_ADJ, -250, -1000, 1000)? as i32,
            respawn: Policy {
                threshold: env.number(
                    environment::RESPAWN_THRESHOLD,
                    policy.threshold as i64,
                    1,
                    1 << 31,
                )? as u64,
                delay: env.number(environment::RESPAWN_DELAY, policy.delay as i64, 0, 3600)? as u64,
                tries: env.number(environment::RESPAWN_TRIES, i64::from(policy.tries), 1, 1000)?
                    as u32,
            },
            watchdog: env.text(environment::WATCHDOG, "").into(),
            watchdog_timeout: env.number(environment::WATCHDOG_TIMEOUT, 30, 4, 3600)? as u32,
            keepalive: env.number(environment::KEEPALIVE, KEEPALIVE_STALE as i64, 15, 3600)? as u64,
            sntp: env.choice(environment::SNTP, "yes", "no")?,
            time_servers: split_blanks(&env.text(
                environment::TIME_SERVERS,
                "0.pool.ntp.org 1.pool.ntp.org time.cloudflare.com 162.159.200.1",
            )),
            syslog: env.choice(environment::LOG, "syslog", "stderr")?,
        })
    }
}

/// The environment, read by kind of value. Unset and empty mean the default; errors name the variable.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or_else(|| default.to_owned())
    }

    fn size(&self, name: &str, default: u64) -> Result<u64> {
        let Some(value) = self.get(name) else { return Ok(default) };
        bytes(&value).ok_or_else(|| invalid(name, &value, "a number with K, M, G, or max"))
    }

    fn number(&self, name: &str, default: i64, least: i64, most: i64) -> Result<i64> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let number = value.parse().ok().filter(|n| (least..=most).contains(n));
        number.ok_or_else(|| invalid(name, &value, "a number in its range"))
    }

    /// `None` for `auto`.
    fn choice(&self, name: &str, yes: &str, no: &str) -> Result<Option<bool>> {
        match &*self.text(name, "auto") {
            "auto" => Ok(None),
            value if value == yes => Ok(Some(true)),
            value if value == no => Ok(Some(false)),
            value => Err(invalid(name, value, "auto or one of the two others")),
        }
    }
}

fn split_blanks(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn invalid(name: &str, value: &str, want: &str) -> Error {
    Error::new(format!("{name}={value}: not {want}"))
}

/// `64`, `512K`, `6M`, `1G`, `max`.
fn bytes(text: &str) -> Option<u64> {
    if text == "max" {
        return Some(u64::MAX);
    }
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let n: u64 = digits.parse().ok()?;
    n.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, want: Result<fn(&SupervisorSettings) -> bool, &str>) {
        let got = SupervisorSettings::read(|n| (n == name).then(|| value.to_owned()));
        match (got, want) {
            (Ok(settings), Ok(holds)) => assert!(holds(&settings), "{settings:?}"),
            (Err(e), Err(text)) => assert_eq!(e.as_str(), text),
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn values() {
        check("X", "", Ok(|s| s.memory_max == 8 << 20 && s.user == "picoclaw" && s.swap_max == 0));
        check("PICOCLAW_MEMORY_MAX", "10M", Ok(|s| s.memory_max == 10 << 20));
        check("PICOCLAW_MEMORY_MAX", "max", Ok(|s| s.memory_max == u64::MAX));
        check("PICOCLAW_MEMORY_MAX", "", Ok(|s| s.memory_max == 8 << 20));
        check("PICOCLAW_PIDS_MAX", "9", Ok(|s| s.pids_max == 9));
        check("PICOCLAW_LIMITS", "rlimit", Ok(|s| s.limits == LimitMode::Rlimit));
        check("PICOCLAW_SNTP", "no", Ok(|s| s.sntp == Some(false)));
        check("PICOCLAW_LOG", "stderr", Ok(|s| s.syslog == Some(false)));
        check("PICOCLAW_TIME_SERVERS", " a:99  b ", Ok(|s| s.time_servers == ["a:99", "b"]));
        check("PICOCLAW_RESPAWN_TRIES", "2", Ok(|s| s.respawn.tries == 2 && s.respawn.delay == 5));
    }

    #[test]
    fn bad_values_name_their_variable() {
        let size = "not a number with K, M, G, or max";
        check("PICOCLAW_MEMORY_MAX", "8 MB", Err(&format!("PICOCLAW_MEMORY_MAX=8 MB: {size}")));
        check("PICOCLAW_SWAP_MAX", "-1", Err(&format!("PICOCLAW_SWAP_MAX=-1: {size}")));
        check("PICOCLAW_PIDS_MAX", "K", Err(&format!("PICOCLAW_PIDS_MAX=K: {size}")));
        check(
            "PICOCLAW_MEMORY_MAX",
            "99999999999G",
            Err(&format!("PICOCLAW_MEMORY_MAX=99999999999G: {size}")),
        );
        check(
            "PICOCLAW_LIMITS",
            "yes",
            Err("PICOCLAW_LIMITS=yes: not auto, cgroup, rlimit or none"),
        );
        check("PICOCLAW_KEEPALIVE", "1", Err("PICOCLAW_KEEPALIVE=1: not a number in its range"));
    }
}
