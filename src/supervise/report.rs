//! What limits are in force, as the kernel gives them back: `/run/picoclaw/limits.json` for `picoclaw status`, one
//! line for the log.

use std::fmt::Write;
use std::fs;

use super::cgroup::Groups;
use super::settings::{Settings, Wanted};

/// Kind of limit that really holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Memory of the daemon is bounded by its cgroup.
    Cgroup,
    /// By RLIMIT_DATA.
    Rlimit,
    /// By nothing.
    None,
}

impl Mode {
    /// The word in status, log and environment.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Cgroup => "cgroup",
            Mode::Rlimit => "rlimit",
            Mode::None => "none",
        }
    }
}

/// What to try before the daemon starts: cgroups that hold, else rlimits unless neither is wanted.
pub fn plan(settings: &Settings, groups: Option<&Groups>) -> Mode {
    let holds = groups.is_some_and(Groups::memory_holds);
    match settings.limits {
        Wanted::None => Mode::None,
        Wanted::Auto | Wanted::Cgroup if holds => Mode::Cgroup,
        Wanted::Cgroup => Mode::None,
        Wanted::Auto | Wanted::Rlimit => Mode::Rlimit,
    }
}

/// What the kernel says about one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// RLIMIT_DATA in bytes, None for unlimited.
    pub data: Option<u64>,
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// Path in cgroup v2.
    pub cgroup: Option<String>,
}

impl Seen {
    /// Reads `/proc/<pid>`; what cannot be read stays unknown.
    pub fn of(pid: u32) -> Seen {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        Seen {
            data: data_limit(&read("limits")),
            oom_score_adj: read("oom_score_adj").trim().parse().ok(),
            cgroup: read("cgroup").lines().find_map(|l| l.strip_prefix("0::")).map(str::to_owned),
        }
    }

    /// What of `planned` is true for this process.
    pub fn confirm(&self, planned: Mode, settings: &Settings) -> Mode {
        match planned {
            Mode::Cgroup if self.cgroup.as_deref().is_some_and(|c| c.ends_with("/daemon")) => {
                Mode::Cgroup
            }
            Mode::Rlimit if self.data.is_some_and(|n| n <= settings.data_max) => Mode::Rlimit,
            _ => Mode::None,
        }
    }
}

/// The soft limit of the line `Max data size` in `/proc/<pid>/limits`.
fn data_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max data size"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// JSON for programs. `why`: what stood in the way of cgroups, or empty.
pub fn json(mode: Mode, why: &str, groups: Option<&Groups>, seen: &Seen) -> String {
    let mut out = String::with_capacity(512);
    let _ = write!(out, "{{\"mode\":\"{}\",\"why\":\"{}\"", mode.name(), plain(why));
    if let Some(groups) = groups {
        let _ = write!(out, ",\"cgroup\":\"{}\"", plain(&groups.base.display().to_string()));
        for leaf in ["daemon", "tools"] {
            let _ = write!(out, ",\"{leaf}\":{{");
            let mut comma = "";
            for limit in groups.limits.iter().filter(|l| l.leaf == leaf) {
                if let Some(value) = &limit.value {
                    let _ = write!(out, "{comma}\"{}\":\"{}\"", limit.file, plain(value));
                    comma = ",";
                }
            }
            out.push('}');
        }
        out.push_str(",\"skipped\":[");
        let mut comma = "";
        for limit in groups.limits.iter().filter(|l| !l.holds) {
            let _ = write!(out, "{comma}\"{}/{}\"", limit.leaf, limit.file);
            comma = ",";
        }
        out.push(']');
    }
    if let Some(data) = seen.data {
        let _ = write!(out, ",\"rlimit_data\":{data}");
    }
    if let Some(score) = seen.oom_score_adj {
        let _ = write!(out, ",\"oom_score_adj\":{score}");
    }
    out.push_str("}\n");
    out
}

/// One line for the log.
pub fn line(mode: Mode, why: &str, groups: Option<&Groups>, seen: &Seen) -> String {
    let mut out = format!("limits: {}", mode.name());
    match (mode, groups) {
        (Mode::Cgroup, Some(groups)) => {
            for limit in &groups.limits {
                let _ = match (&limit.value, limit.holds) {
                    (Some(value), true) => write!(out, ", {} {} {value}", limit.leaf, limit.file),
                    (Some(value), false) => {
                        write!(out, ", {} {} NOT as asked: {value}", limit.leaf, limit.file)
                    }
                    (None, _) => {
                        write!(out, ", {} {} skipped: not in this kernel", limit.leaf, limit.file)
                    }
                };
            }
        }
        (Mode::Rlimit, _) => {
            let _ = write!(out, ", RLIMIT_DATA {}", seen.data.unwrap_or(u64::MAX));
            if let Some(score) = seen.oom_score_adj {
                let _ = write!(out, ", oom_score_adj {score}");
            }
        }
        _ => {}
    }
    if !why.is_empty() {
        let _ = write!(out, " ({why})");
    }
    out
}

/// Without what would need escaping in JSON; the texts are ours and the kernel's.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c == '"' || c == '\\' || c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::cgroup::Limit;

    fn groups(holds: bool) -> Groups {
        let value = holds.then(|| "8388608".to_owned());
        Groups {
            base: "/sys/fs/cgroup/picoclaw".into(),
            limits: vec![Limit { leaf: "daemon", file: "memory.max", value, holds }],
        }
    }

    #[track_caller]
    fn check(limits: Wanted, groups_hold: Option<bool>, seen: &Seen, want: (Mode, Mode)) {
        let settings = Settings { limits, ..Settings::read(|_| None).expect("defaults") };
        let groups = groups_hold.map(groups);
        let planned = plan(&settings, groups.as_ref());
        assert_eq!((planned, seen.confirm(planned, &settings)), want);
    }

    #[test]
    fn only_what_is_read_back_counts() {
        let inside = Seen { cgroup: Some("/picoclaw/daemon".into()), ..Seen::default() };
        let limited = Seen { data: Some(16 << 20), ..Seen::default() };
        let nothing = Seen::default();
        check(Wanted::Auto, Some(true), &inside, (Mode::Cgroup, Mode::Cgroup));
        check(Wanted::Auto, Some(true), &nothing, (Mode::Cgroup, Mode::None));
        check(Wanted::Auto, Some(false), &limited, (Mode::Rlimit, Mode::Rlimit));
        check(Wanted::Auto, None, &limited, (Mode::Rlimit, Mode::Rlimit));
        check(Wanted::Auto, None, &nothing, (Mode::Rlimit, Mode::None));
        check(Wanted::Cgroup, None, &limited, (Mode::None, Mode::None));
        check(Wanted::Rlimit, Some(true), &limited, (Mode::Rlimit, Mode::Rlimit));
        check(Wanted::None, Some(true), &inside, (Mode::None, Mode::None));
    }

    #[test]
    fn proc_limits() {
        let text = "Limit  Soft  Hard  Units\nMax data size             16777216             16777216             bytes     \n";
        assert_eq!(data_limit(text), Some(16 << 20));
        assert_eq!(data_limit("Max data size   unlimited  unlimited  bytes"), None);
        assert_eq!(data_limit(""), None);
    }

    #[test]
    fn the_report_is_json_and_names_what_is_missing() {
        let seen = Seen { data: Some(1), oom_score_adj: Some(-250), cgroup: None };
        let text = json(Mode::Rlimit, "no \"memory\"", Some(&groups(false)), &seen);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["skipped"][0], "daemon/memory.max");
        assert_eq!(value["oom_score_adj"], -250);
        assert_eq!(
            line(Mode::Cgroup, "", Some(&groups(true)), &seen),
            "limits: cgroup, daemon memory.max 8388608"
        );
        assert_eq!(line(Mode::None, "x", None, &seen), "limits: none (x)");
    }
}
