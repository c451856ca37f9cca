//! What limits are in force, as the kernel gives them back: `/run/picoclaw/limits.json` for `picoclaw status`, one
//! line for the log.

use std::fmt::Write;
use std::fs;

use super::cgroup::Groups;
use super::settings::{LimitMode, SupervisorSettings};

/// The kind of limit that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsInForce {
    /// Memory of the daemon is bounded by its cgroup.
    Cgroup,
    /// By RLIMIT_DATA.
    Rlimit,
    /// By nothing.
    None,
}

impl LimitsInForce {
    /// The word in status, log and environment.
    pub fn name(self) -> &'static str {
        match self {
            LimitsInForce::Cgroup => "cgroup",
            LimitsInForce::Rlimit => "rlimit",
            LimitsInForce::None => "none",
        }
    }
}

/// What to try before the daemon starts: cgroups that hold, else rlimits unless neither is wanted.
pub fn plan(settings: &SupervisorSettings, groups: Option<&Groups>) -> LimitsInForce {
    let holds = groups.is_some_and(Groups::memory_holds);
    match settings.limits {
        LimitMode::None => LimitsInForce::None,
        LimitMode::Auto | LimitMode::Cgroup if holds => LimitsInForce::Cgroup,
        LimitMode::Cgroup => LimitsInForce::None,
        LimitMode::Auto | LimitMode::Rlimit => LimitsInForce::Rlimit,
    }
}

/// What the kernel says about one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessState {
    /// RLIMIT_DATA in bytes, None for unlimited.
    pub data: Option<u64>,
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// Path in cgroup v2.
    pub cgroup: Option<String>,
}

impl ProcessState {
    /// Reads `/proc/<pid>`; what cannot be read stays unknown.
    pub fn of(pid: u32) -> ProcessState {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        ProcessState {
            data: data_limit(&read("limits")),
            oom_score_adj: read("oom_score_adj").trim().parse().ok(),
            cgroup: read("cgroup").lines().find_map(|l| l.strip_prefix("0::")).map(str::to_owned),
        }
    }

    /// What of `planned` is true for this process.
    pub fn confirm(&self, planned: LimitsInForce, settings: &SupervisorSettings) -> LimitsInForce {
        match planned {
            LimitsInForce::Cgroup
                if self.cgroup.as_deref().is_some_and(|c| c.ends_with("/daemon")) =>
            {
                LimitsInForce::Cgroup
            }
            LimitsInForce::Rlimit if self.data.is_some_and(|n| n <= settings.data_max) => {
                LimitsInForce::Rlimit
            }
            _ => LimitsInForce::None,
        }
    }
}

/// The soft limit of the line `Max data size` in `/proc/<pid>/limits`.
fn data_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max data size"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// JSON for programs. `why`: why there are no cgroups, or empty.
pub fn json(
    mode: LimitsInForce,
    why: &str,
    groups: Option<&Groups>,
    seen: &ProcessState,
) -> String {
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
pub fn line(
    mode: LimitsInForce,
    why: &str,
    groups: Option<&Groups>,
    seen: &ProcessState,
) -> String {
    let mut out = format!("limits: {}", mode.name());
    match (mode, groups) {
        (LimitsInForce::Cgroup, Some(groups)) => {
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
        (LimitsInForce::Rlimit, _) => {
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
    fn check(
        limits: LimitMode,
        groups_hold: Option<bool>,
        seen: &ProcessState,
        want: (LimitsInForce, LimitsInForce),
    ) {
        let settings =
            SupervisorSettings { limits, ..SupervisorSettings::read(|_| None).expect("defaults") };
        let groups = groups_hold.map(groups);
        let planned = plan(&settings, groups.as_ref());
        assert_eq!((planned, seen.confirm(planned, &settings)), want);
    }

    #[test]
    fn only_verified_places_count() {
        let inside =
            ProcessState { cgroup: Some("/picoclaw/daemon".into()), ..ProcessState::default() };
        let limited = ProcessState { data: Some(16 << 20), ..ProcessState::default() };
        let nothing = ProcessState::default();
        check(LimitMode::Auto, Some(true), &inside, (LimitsInForce::Cgroup, LimitsInForce::Cgroup));
        check(LimitMode::Auto, Some(true), &nothing, (LimitsInForce::Cgroup, LimitsInForce::None));
        check(
            LimitMode::Auto,
            Some(false),
            &limited,
            (LimitsInForce::Rlimit, LimitsInForce::Rlimit),
        );
        check(LimitMode::Auto, None, &limited, (LimitsInForce::Rlimit, LimitsInForce::Rlimit));
        check(LimitMode::Auto, None, &nothing, (LimitsInForce::Rlimit, LimitsInForce::None));
        check(LimitMode::Cgroup, None, &limited, (LimitsInForce::None, LimitsInForce::None));
        check(
            LimitMode::Rlimit,
            Some(true),
            &limited,
            (LimitsInForce::Rlimit, LimitsInForce::Rlimit),
        );
        check(LimitMode::None, Some(true), &inside, (LimitsInForce::None, LimitsInForce::None));
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
        let seen = ProcessState { data: Some(1), oom_score_adj: Some(-250), cgroup: None };
        let text = json(LimitsInForce::Rlimit, "no \"memory\"", Some(&groups(false)), &seen);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["skipped"][0], "daemon/memory.max");
        assert_eq!(value["oom_score_adj"], -250);
        assert_eq!(
            line(LimitsInForce::Cgroup, "", Some(&groups(true)), &seen),
            "limits: cgroup, daemon memory.max 8388608"
        );
        assert_eq!(line(LimitsInForce::None, "x", None, &seen), "limits: none (x)");
    }
}
