//! `hooks.processes`: which of them run, and what they get to see. What is wrong with one is an error, because a call that it
//! would have judged must not run unjudged.

use std::path::{Path, PathBuf};

use super::hook_files::{self, HookFolders};
use super::nearest::suggestion;
use super::section::{BuildContext, Section};
use super::table::{HookConfig, HooksConfig};
use super::tree::Node;
use crate::limits::HOOK_PROCESSES;

const OBSERVE: &str = "hooks.processes.observe";
const INTERCEPT: &str = "hooks.processes.intercept";
const COMMAND: &str = "hooks.processes.command";

/// Events of the Go original: the older name where there is one, the name, and whether this program has it.
pub const KINDS: &[(&str, &str, bool)] = &[
    ("turn_start", "agent.turn.start", true),
    ("turn_end", "agent.turn.end", true),
    ("llm_request", "agent.llm.request", true),
    ("llm_delta", "agent.llm.delta", false),
    ("llm_response", "agent.llm.response", true),
    ("llm_retry", "agent.llm.retry", false),
    ("context_compress", "agent.context.compress", false),
    ("session_summarize", "agent.session.summarize", false),
    ("tool_exec_start", "agent.tool.exec_start", true),
    ("tool_exec_end", "agent.tool.exec_end", true),
    ("tool_exec_skipped", "agent.tool.exec_skipped", true),
    ("steering_injected", "agent.steering.injected", true),
    ("follow_up_queued", "agent.follow_up.queued", false),
    ("interrupt_received", "agent.interrupt.received", false),
    ("subturn_spawn", "agent.subturn.spawn", false),
    ("subturn_end", "agent.subturn.end", false),
    ("subturn_result_delivered", "agent.subturn.result_delivered", false),
    ("subturn_orphan", "agent.subturn.orphan", false),
    ("error", "agent.error", true),
];

/// How the names of other events of the Go original begin.
const OTHERS: &[&str] = &["channel.", "bus.", "gateway.", "mcp."];

impl HookConfig {
    /// The folder that it runs in, where relative paths of its command begin.
    pub fn base(&self, home: &Path) -> PathBuf {
        if self.dir.is_empty() { "/".into() } else { home.join(&self.dir) }
    }
}

pub(super) fn build(
    top: Section<'_>,
    folders: &HookFolders<'_>,
    ctx: &mut BuildContext<'_>,
) -> HooksConfig {
    let mut hooks = HooksConfig::read(top);
    if !top.truth("hooks.enabled") {
        return hooks;
    }
    let processes = top.node.at("hooks.processes").map(Node::entries).unwrap_or_default();
    for (name, node) in processes {
        let section = ctx.section(node, "hooks.processes.*.");
        if section.truth("enabled") {
            hooks.processes.extend(process(name, section, folders, ctx));
        }
    }
    hooks.processes.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    if hooks.processes.len() > HOOK_PROCESSES {
        let origin = top.origin("hooks.processes");
        let message = format!("more than {HOOK_PROCESSES} hooks are switched on");
        ctx.error(origin, "hooks.processes", message, "let one program do the work of several");
    }
    hooks
}

fn process(
    name: &str,
    section: Section<'_>,
    folders: &HookFolders<'_>,
    ctx: &mut BuildContext<'_>,
) -> Option<HookConfig> {
    let texts = |key| section.node.at(key).map(Node::texts).unwrap_or_default();
    let mut hook = HookConfig {
        name: name.to_owned(),
        command: texts("command"),
        observe: Some(Vec::new()),
        ..HookConfig::read(section)
    };
    if hook.command.first().is_none_or(|program| program.trim().is_empty()) {
        let message = format!("the hook `{name}` has no command");
        ctx.error(
            section.node.origin,
            COMMAND,
            message,
            "write [\"python3\", \"/etc/picoclaw/hooks/gate.py\"]",
        );
    }
    let env = section.node.at("env").map(Node::entries).unwrap_or_default();
    let value = |node: &Node| node.texts().into_iter().next().unwrap_or_default();
    hook.env = env.iter().map(|(name, node)| (name.to_string(), value(node))).collect();
    for kind in section.list("observe") {
        observe(&mut hook, &kind, section, ctx);
    }
    for what in section.list("intercept") {
        match &*what {
            "before_llm" | "after_llm" => hook.llm = true,
            "before_tool" | "after_tool" => hook.tool = true,
            "approve_tool" => hook.approve = true,
            other => {
                let known =
                    ["before_llm", "after_llm", "before_tool", "after_tool", "approve_tool"];
                let message = format!("`{name}` cannot intercept `{other}`");
                let cure = suggestion(other, known.into_iter());
                ctx.error(section.origin("intercept"), INTERCEPT, message, cure);
            }
        }
    }
    let observes = hook.observe.as_ref().is_none_or(|kinds| !kinds.is_empty());
    if !(observes || hook.llm || hook.tool || hook.approve) {
        let message = format!("the hook `{name}` neither observes nor intercepts; it does not run");
        ctx.warn(section.node.origin, "hooks.processes", message, "");
        return None;
    }
    hook_files::warn(&hook, section, folders, ctx);
    Some(hook)
}

/// Takes in one entry of `observe`.
fn observe(hook: &mut HookConfig, kind: &str, section: Section<'_>, ctx: &mut BuildContext<'_>) {
    if matches!(kind, "*" | "all") {
        hook.observe = None;
        return;
    }
    let found = KINDS.iter().find(|(old, name, _)| *old == kind || *name == kind);
    match (found, &mut hook.observe) {
        (Some((_, name, true)), Some(kinds)) => kinds.push((*name).to_owned()),
        (Some((_, _, true)), None) => {}
        (None, _) if !OTHERS.iter().any(|prefix| kind.starts_with(prefix)) => {
            let known = KINDS.iter().map(|(_, name, _)| *name);
            let message = format!("no event is called `{kind}`");
            ctx.error(section.origin("observe"), OBSERVE, message, suggestion(kind, known));
        }
        _ => {
            let message = format!("this build has no event `{kind}`: the hook never gets it");
            ctx.warn(section.origin("observe"), OBSERVE, message, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigErrors, LoadOptions, Loaded, load};
    use crate::sys::scratch::Scratch;

    fn loaded(hooks: &str) -> Result<Loaded, ConfigErrors> {
        let home = Scratch::new();
        home.file("hooks/own", "");
        home.file("workspace/AGENT.md", "");
        home.file("config.json", format!(r#"{{"version":3,"hooks":{hooks}}}"#));
        let path = home.path().to_string_lossy().into_owned();
        let env = [("PICOCLAW_HOME".to_owned(), path)].into();
        load(&LoadOptions { env, allow_empty: true, ..LoadOptions::default() })
    }

    #[test]
    fn processes_are_read_in_their_order() {
        let of = |name: &str, priority: i32| {
            format!(
                r#""{name}":{{"enabled":true,"priority":{priority},"command":["sh","-c"," x "],"env":{{"A":"b"}},"observe":["turn_end","agent.error"],"intercept":["before_tool","approve_tool"]}}"#
            )
        };
        let all = format!(
            r#"{{"defaults":{{"approval_timeout_ms":9999999}},"processes":{{{},{},{},"off":{{"command":[]}}}}}}"#,
            of("c", -1),
            of("b", 0),
            of("a", 0)
        );
        let hooks = loaded(&all).expect("a configuration").config.hooks;
        let names: Vec<&str> = hooks.processes.iter().map(|p| &*p.name).collect();
        assert_eq!(names, ["c", "a", "b"]);
        let first = &hooks.processes[0];
        assert_eq!(first.command, ["sh", "-c", " x "]);
        assert_eq!(first.env, [("A".to_owned(), "b".to_owned())]);
        assert_eq!(
            first.observe.as_deref(),
            Some(&["agent.turn.end".to_owned(), "agent.error".to_owned()][..])
        );
        assert!(first.tool && first.approve && !first.llm);
        assert_eq!((hooks.interceptor_timeout_ms, hooks.approval_timeout_ms), (5000, 600_000));
        let off = all.replacen('{', r#"{"enabled":false,"#, 1);
        assert!(loaded(&off).expect("a configuration").config.hooks.processes.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_hook_is_an_error() {
        let one =
            |inner: &str| loaded(&format!(r#"{{"processes":{{"x":{{"enabled":true,{inner}}}}}}}"#));
        for (inner, what) in [
            (r#""intercept":["approve_tool"]"#, "has no command"),
            (r#""command":["x"],"intercept":["aprove_tool"]"#, "approve_tool"),
            (r#""command":["x"],"observe":["agent.turn.begin"]"#, "no event is called"),
            (r#""command":["x"],"observe":["*"],"transport":"http""#, "transport"),
        ] {
            let told = one(inner).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(told.contains(what), "{inner}: {told}");
        }
        let many = |n: usize| {
            let all: Vec<String> = (0..n)
                .map(|i| format!(r#""h{i}":{{"enabled":true,"command":["x"],"observe":["*"]}}"#))
                .collect();
            loaded(&format!(r#"{{"processes":{{{}}}}}"#, all.join(",")))
        };
        assert!(many(4).is_ok() && many(5).is_err());
        for (inner, what) in [
            (r#""command":["x"]"#, "neither observes nor intercepts"),
            (r#""command":["x"],"observe":["mcp.server.failed","*"]"#, "never gets it"),
            (
                r#""command":["sh","hooks/x.py"],"observe":["*"]"#,
                "`x`: /hooks/x.py does not exist (write the whole path, or set `dir`)",
            ),
            (r#""command":["sh","./x.py"],"dir":"hooks","observe":["*"]"#, "x.py does not exist"),
            (
                r#""command":["sh","-u","x.py"],"dir":"hooks","observe":["*"]"#,
                "x.py does not exist",
            ),
            (r#""command":["sh","x.py"],"observe":["*"]"#, "/x.py does not exist (write the"),
            (
                r#""command":["nosuch4","x"],"observe":["*"]"#,
                "no folder of PATH has a program `nos",
            ),
            (r#""command":["own"],"dir":"hooks","observe":["*"]"#, "write `./own` for the one in"),
            (
                r#""command":["./own"],"dir":"hooks","observe":["*"]"#,
                "own cannot be executed (`chm",
            ),
            (r#""command":["sh"],"dir":"hoks","observe":["*"]"#, "dir: the hook `x`: "),
            (r#""command":["sh"],"dir":"hoks","observe":["*"]"#, "hoks does not exist (a relative"),
            (r#""command":["sh"],"dir":"hooks/own","observe":["*"]"#, "own is no folder"),
            (r#""command":["sh"],"dir":"workspace","observe":["*"]"#, "can be changed by commands"),
            (r#""command":["/nowhere/x"],"observe":["*"]"#, "`x`: /nowhere/x does not exist"),
        ] {
            let told = one(inner).expect("a configuration").warnings;
            assert!(told.iter().any(|w| w.to_string().contains(what)), "{inner}: {told:?}");
        }
        let good = one(r#""command":["/bin/sh","-c","/nowhere/x"],"observe":["*"]"#);
        let told = good.expect("a configuration").warnings;
        assert!(!told.iter().any(|w| w.to_string().contains("exist")), "{told:?}");
    }
}
