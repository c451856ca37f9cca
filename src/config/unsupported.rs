//! Settings of the Go version that judged tool calls and that this version lacks. Until the owner lists them in
//! `ignore_unsupported`, each call that they would have judged asks.

use super::section::{BuildContext, Section};
use super::tools::runs_commands;

/// What may be in `ignore_unsupported`, whether this build has it or not.
#[cfg(feature = "doctor")]
pub(super) const IGNORABLE: &[&str] = &["hooks", "isolation", "turn_profile.history"];

/// Whether calls of every tool ask, and whether those that run commands do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Judged {
    all: bool,
    commands: bool,
}

impl Judged {
    pub(super) fn asks(self, tool: &str) -> bool {
        self.all || (self.commands && runs_commands(tool))
    }
}

/// What the settings in force would have judged; each gives a warning.
pub(super) fn judged(top: Section<'_>, ctx: &mut BuildContext<'_>) -> Judged {
    let ignored = top.list("ignore_unsupported");
    let set = |key: &str| top.node.at(key).is_some_and(|n| n.to_value() == true);
    let off = |key: &str| top.node.at(key).is_some_and(|n| n.to_value() == false);
    // A build with hooks uses them instead.
    let processes = !cfg!(feature = "hooks")
        && top.node.at("hooks.processes").is_some_and(|n| !n.entries().is_empty());
    let mut in_force = |key: &'static str, is_set: bool, calls: &str| {
        let counts = is_set && !ignored.iter().any(|name| name == key);
        if counts {
            let message = format!("not supported by this build: {calls} asks");
            let cure = format!("add \"{key}\" to ignore_unsupported if that is not wanted");
            ctx.warn(top.origin(key), key, message, cure);
        }
        counts
    };
    let profile = |key: &str| ["agents.defaults.turn_profile.", key].concat();
    let forgets = top.truth(&profile("enabled")) && top.word(&profile("history.mode")) == "off";
    // Turns that remember nothing could not be talked into anything by an earlier one.
    let remembers = in_force("turn_profile.history", forgets, "every command");
    Judged {
        all: in_force("hooks", processes && !off("hooks.enabled"), "every call of a tool"),
        commands: in_force("isolation", set("isolation.enabled"), "every command") || remembers,
    }
}

/// Whether `agents.defaults.turn_profile.tools` offers a tool.
pub(super) fn offered(top: Section<'_>, tool: &str) -> bool {
    let at = |key: &str| ["agents.defaults.turn_profile.", key].concat();
    let mode = if top.truth(&at("enabled")) { top.word(&at("tools.mode")) } else { String::new() };
    match &*mode {
        "off" => false,
        "custom" => top.list(&at("tools.allow")).iter().any(|name| name == tool),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Approval, LoadOptions, Loaded, load};
    use crate::sys::scratch::Scratch;

    fn loaded(json: &str) -> (Scratch, Loaded) {
        let home = Scratch::new();
        home.file("config.json", json);
        let path = home.path().to_string_lossy().into_owned();
        let env = [("PICOCLAW_HOME".to_owned(), path)].into();
        let options = LoadOptions { env, allow_empty: true, ..LoadOptions::default() };
        let loaded = load(&options).expect("a configuration");
        (home, loaded)
    }

    fn asking(json: &str) -> Vec<String> {
        let (_home, loaded) = loaded(json);
        let approvals = &loaded.config.tools.approvals;
        approvals
            .iter()
            .filter(|(_, a)| *a == Approval::Ask)
            .map(|(tool, _)| tool.clone())
            .collect()
    }

    fn with(json: &str, more: &str) -> Vec<String> {
        asking(&format!("{{{json}{more}}}"))
    }

    #[test]
    #[cfg(not(feature = "hooks"))]
    fn a_build_without_hooks_asks_for_every_call_that_they_judged() {
        const HOOKS: &str =
            r#""version":3,"hooks":{"processes":{"gate":{"intercept":["approve_tool"]}}}"#;
        let all = with(HOOKS, r#","tools":{"exec":{"approval":"never"}}"#);
        assert!(["exec", "read_file", "message"].iter().all(|t| all.iter().any(|a| a == t)));
        let (_home, told) = loaded(&format!("{{{HOOKS}}}"));
        assert!(told.warnings.iter().any(|w| w.to_string().contains("every call of a tool asks")));
        assert!(with(HOOKS, r#","ignore_unsupported":["hooks"]"#).is_empty());
        assert!(with(r#""version":3,"hooks":{"enabled":true,"processes":{}}"#, "").is_empty());
    }

    #[test]
    fn what_guarded_calls_makes_them_ask_until_it_is_acknowledged() {
        const ISOLATION: &str = r#""version":3,"isolation":{"enabled":true}"#;
        assert_eq!(with(ISOLATION, ""), ["exec"]);
        assert!(with(ISOLATION, r#","ignore_unsupported":["isolation"]"#).is_empty());
    }

    #[test]
    fn turns_that_were_to_forget_make_commands_ask() {
        let profile = |enabled: bool, mode: &str| {
            format!(
                r#""version":3,"agents":{{"defaults":{{"turn_profile":{{"enabled":{enabled},"history":{{"mode":"{mode}"}}}}}}}}"#
            )
        };
        assert_eq!(with(&profile(true, "off"), ""), ["exec"]);
        assert!(with(&profile(true, "default"), "").is_empty());
        assert!(with(&profile(false, "off"), "").is_empty());
        let ignored = r#","ignore_unsupported":["turn_profile.history"]"#;
        assert!(with(&profile(true, "off"), ignored).is_empty());
    }

    #[test]
    fn settings_that_are_not_used_are_named() {
        for (key, json) in [
            ("bindings", r#""bindings":[{"agent_id":"main","match":{"channel":"telegram"}}]"#),
            ("agents.defaults.routing", r#""agents":{"defaults":{"routing":{"enabled":true}}}"#),
            (
                "agents.defaults.tool_feedback",
                r#""agents":{"defaults":{"tool_feedback":{"enabled":true}}}"#,
            ),
            ("isolation", r#""isolation":{"enabled":true}"#),
            (
                "turn_profile.history",
                r#""agents":{"defaults":{"turn_profile":{"enabled":true,"history":{"mode":"off"}}}}"#,
            ),
        ] {
            let (_home, told) = loaded(&format!("{{\"version\":3,{json}}}"));
            let named = told.warnings.iter().any(|w| w.to_string().contains(key));
            assert!(named, "{key}: {:?}", told.warnings.iter().map(ToString::to_string));
        }
    }

    #[test]
    fn the_profile_of_turns_limits_tools() {
        let of = |tools: &str| {
            let (_home, loaded) = loaded(&format!(
                r#"{{"version":3,"agents":{{"defaults":{{"turn_profile":{{"enabled":true,"tools":{tools}}}}}}}}}"#
            ));
            loaded.config.tools.disabled
        };
        let off = of(r#"{"mode":"off"}"#);
        let one = of(r#"{"mode":"custom","allow":["read_file"]}"#);
        assert!(off.iter().any(|t| t == "read_file") && one.len() + 1 == off.len());
        assert!(!of(r#"{"mode":"default"}"#).iter().any(|t| t == "read_file"));
    }
}
