//! Builds the typed [`Config`] from the merged tree; checks values that depend on each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::secret::{Secret, is_placeholder};
use super::section::{BuildContext, Section};
use super::table::{
    AgentConfig, Config, ExecConfig, FETCH_LIMIT, GatewayConfig, SearchEngine, SessionConfig,
    SkillsConfig, SubturnConfig, ToolsConfig, VoiceConfig, WebConfig,
};
use super::tools::{Approval, TOOLS};
use super::tree::Node;
use super::{channels, models, unsupported, unused};
use crate::sys::beneath::path_meta;
use crate::sys::files::may_write;

/// Schema versions that are read.
pub const VERSIONS: std::ops::RangeInclusive<u32> = 0..=3;

/// The default workspace in upstream's files; it moves with `PICOCLAW_HOME`.
const OLD_WORKSPACE: &str = "~/.picoclaw/workspace";

/// Builds the configuration. `expand` replaces `~`.
pub(super) fn build(
    root: &Node,
    home: &Path,
    expand: &dyn Fn(&str) -> PathBuf,
    ctx: &mut BuildContext<'_>,
) -> Config {
    let top = ctx.section(root, "");
    unused::warn(root, ctx);
    #[cfg(feature = "doctor")]
    super::unknown_names::warn(top, ctx);
    let mut agent = agent(top, home, expand, ctx);
    let models = models::build(root, home, &mut agent, ctx);
    #[cfg(feature = "hooks")]
    let hooks = {
        let folders = super::hook_files::HookFolders { home, workspace: &agent.workspace };
        super::hooks::build(top, &folders, ctx)
    };
    let gateway = gateway(top, ctx);
    let channels = channels::build(root, gateway.port, ctx);
    Config {
        home: home.to_path_buf(),
        version: ctx.version,
        agent,
        models,
        channels,
        gateway,
        tools: tools(top, ctx),
        session: session(top, ctx),
        heartbeat: heartbeat(top),
        consolidation: consolidation(top, ctx),
        #[cfg(feature = "hooks")]
        hooks,
        usb_notices: top.truth("devices.enabled") && top.truth("devices.monitor_usb"),
        ..Config::read(top)
    }
}

fn agent(
    top: Section<'_>,
    home: &Path,
    expand: &dyn Fn(&str) -> PathBuf,
    ctx: &mut BuildContext<'_>,
) -> AgentConfig {
    let at = |key: &str| ["agents.defaults.", key].concat();
    let workspace = top.text(&at("workspace"));
    let workspace = match workspace.strip_prefix("$PICOCLAW_HOME/") {
        Some(rest) => home.join(rest),
        None if workspace.is_empty() || workspace == OLD_WORKSPACE => home.join("workspace"),
        None => home.join(expand(&workspace)),
    };
    let written = top.node.at(&at("workspace")).filter(|node| !node.is_null());
    if let Some((node, fault)) = written.zip(written.and_then(|_| folder_fault(&workspace))) {
        let cure = "choose a folder that the assistant may make and write";
        ctx.warn(node.origin, &at("workspace"), fault, cure);
    }
    let agent = AgentConfig::read(top);
    AgentConfig {
        workspace,
        context_window: match top.count(&at("context_window")) {
            0 => agent.max_tokens.saturating_mul(4),
            tokens => tokens,
        },
        skills: agent_skills(top),
        steer_all: top.word(&at("steering_mode")) == "all",
        subturn: SubturnConfig::read(top),
        voice: VoiceConfig::read(top),
        ..agent
    }
}

/// Why this is no folder that we can write, and none that we can make.
fn folder_fault(folder: &Path) -> Option<String> {
    let there = folder.ancestors().find(|above| path_meta(above).is_some())?;
    let why = may_write(there).err()?;
    let (folder, there) = (folder.display(), there.display());
    Some(format!("{folder} cannot be used: {there}: {why}"))
}

/// Which skills the agent sees: its own list in `agents.list`, else the profile of turns.
fn agent_skills(top: Section<'_>) -> Option<Vec<String>> {
    let agents = top.node.at("agents.list").map(Node::items).unwrap_or_default();
    let is_default = |a: &&Node| a.get("default").is_some_and(|d| d.to_value() == true);
    let agent = agents.iter().find(is_default).or_else(|| agents.first());
    if let Some(list) = agent.and_then(|a| a.get("skills")).map(Node::texts) {
        // As upstream has it, an empty list is no list.
        return Some(list).filter(|l| !l.is_empty());
    }
    let at = |key: &str| ["agents.defaults.turn_profile.", key].concat();
    let mode = if top.truth(&at("enabled")) { top.word(&at("skills.mode")) } else { String::new() };
    match &*mode {
        "off" => Some(Vec::new()),
        "custom" => Some(top.list(&at("skills.allow"))),
        _ => None,
    }
}

fn heartbeat(top: Section<'_>) -> Duration {
    let interval = top.minutes("heartbeat.interval");
    if top.truth("heartbeat.enabled") { interval } else { Duration::ZERO }
}

fn consolidation(top: Section<'_>, ctx: &mut BuildContext<'_>) -> Option<u32> {
    const KEY: &str = "memory.consolidation.time";
    let text = top.text(KEY);
    let parts = text.split_once(':').and_then(|(h, m)| Some((h.parse().ok()?, m.parse().ok()?)));
    match parts.filter(|(hour, minute): &(u32, u32)| *hour < 24 && *minute < 60) {
        Some((hour, minute)) => {
            top.truth("memory.consolidation.enabled").then_some(hour * 60 + minute)
        }
        None => {
            let cure = "write hours and minutes, like \"03:30\"";
            ctx.error(top.origin(KEY), KEY, format!("`{text}` is not a time of day"), cure);
            None
        }
    }
}

/// Addresses of `gateway.host`: trimmed, brackets off, each once; commas separate as in the Go original.
pub fn hosts(given: &[String]) -> Result<Vec<String>, String> {
    let mut out: Vec<String> = Vec::new();
    for part in given.iter().flat_map(|g| g.split(',')) {
        let host = part.trim();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if host.parse::<std::net::IpAddr>().is_err() && (host.is_empty() || !host.bytes().all(name))
        {
            return Err(if host.is_empty() {
                "an address is empty".to_owned()
            } else {
                format!("`{host}` is not an address")
            });
        }
        if !out.iter().any(|o| o == host) {
            out.push(host.to_owned());
        }
    }
    Ok(out)
}

fn gateway(top: Section<'_>, ctx: &mut BuildContext<'_>) -> GatewayConfig {
    let hosts = hosts(&top.list("gateway.host")).unwrap_or_else(|message| {
        ctx.error(
            top.origin("gateway.host"),
            "gateway.host",
            message,
            "write 127.0.0.1, ::1 or a name, not a port or address with http",
        );
        Vec::new()
    });
    let log_level = match top.word("gateway.log_level").as_str() {
        "warning" => "warn".to_owned(),
        level => level.to_owned(),
    };
    let hosts = if hosts.is_empty() { vec!["127.0.0.1".to_owned()] } else { hosts };
    let gateway = GatewayConfig::read(top);
    let gateway = GatewayConfig { hosts, log_level, ..gateway };
    if let Some(message) = unserved(&gateway) {
        let origin = top.origin("gateway.host");
        ctx.warn(origin, "gateway.host", message, UNSERVED_CURE);
    }
    gateway
}

/// The cure for what [`unserved`] says.
pub const UNSERVED_CURE: &str = "`picoclaw config set gateway.token -`, or leave gateway.host out";

/// An address of `gateway.host` that is not served as it is written, because there is no token.
pub fn unserved(gateway: &GatewayConfig) -> Option<String> {
    gateway.hosts.iter().filter(|_| gateway.token.is_empty()).find_map(|host| {
        let ip: Result<std::net::IpAddr, _> = host.trim_matches(['[', ']']).parse();
        match ip.map(|ip| ip.to_canonical()) {
            Ok(ip) if ip.is_loopback() => None,
            // Upstream's examples have it.
            Ok(ip) if ip.is_unspecified() => {
                Some(format!("{host} without a token serves this machine only (loopback)"))
            }
            Err(_) if host == "localhost" => None,
            _ => {
                Some(format!("{host} is not loopback, so nothing is served there without a token"))
            }
        }
    })
}

fn tools(top: Section<'_>, ctx: &mut BuildContext<'_>) -> ToolsConfig {
    const EXEC: &str = "tools.exec.approval";
    let judged = unsupported::judged(top, ctx);
    if top.word(EXEC) == "never" && top.truth("tools.exec.enabled") {
        let message = "commands run without your yes, also those that text of others led to";
        ctx.warn(top.origin(EXEC), EXEC, message, "auto asks for what is risky");
    }
    ToolsConfig {
        disabled: TOOLS
            .iter()
            .filter(|t| !top.truth(&format!("tools.{t}.enabled")) || !unsupported::offered(top, t))
            .map(|t| (*t).to_owned())
            .collect(),
        approvals: TOOLS
            .iter()
            .filter_map(|t| match top.word(&format!("tools.{t}.approval")).as_str() {
                _ if judged.asks(t) => Some(((*t).to_owned(), Approval::Ask)),
                "never" => Some(((*t).to_owned(), Approval::Never)),
                "ask" => Some(((*t).to_owned(), Approval::Ask)),
                _ => None,
            })
            .collect(),
        allow_read_paths: patterns(top, "tools.allow_read_paths", ctx),
        allow_write_paths: patterns(top, "tools.allow_write_paths", ctx),
        exec: ExecConfig {
            custom_deny_patterns: patterns(top, "tools.exec.custom_deny_patterns", ctx),
            custom_allow_patterns: patterns(top, "tools.exec.custom_allow_patterns", ctx),
            env: exec_env(top, ctx),
            unsandboxed: top.word("tools.exec.sandbox") == "none",
            ..ExecConfig::read(top)
        },
        web: web(top, ctx),
        skills: SkillsConfig::read(top),
        read_file_lines: top.word("tools.read_file.mode") == "lines",
        ..ToolsConfig::read(top)
    }
}

/// Regular expressions; an invalid one is an error here, not when a tool first uses it.
fn patterns(top: Section<'_>, path: &str, ctx: &mut BuildContext<'_>) -> Vec<String> {
    let list = top.list(path);
    for pattern in &list {
        if let Err(e) = regex_lite::Regex::new(pattern) {
            ctx.error(
                top.origin(path),
                path,
                format!("`{pattern}` is not a regular expression: {e}"),
                "",
            );
        }
    }
    list
}

fn exec_env(top: Section<'_>, ctx: &mut BuildContext<'_>) -> Vec<String> {
    let names = top.list("tools.exec.env");
    for name in &names {
        let good = !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !good {
            ctx.error(
                top.origin("tools.exec.env"),
                "tools.exec.env",
                format!("`{name}` is not the name of a variable"),
                "names only, no values",
            );
        }
    }
    names
}

fn web(top: Section<'_>, ctx: &mut BuildContext<'_>) -> WebConfig {
    if top.int("tools.web.fetch_limit_bytes") > FETCH_LIMIT {
        ctx.warn(
            top.origin("tools.web.fetch_limit_bytes"),
            "tools.web.fetch_limit_bytes",
            format!("lowered to {FETCH_LIMIT}"),
            "",
        );
    }
    let engine = |name: &str| {
        let at = |key: &str| format!("tools.web.{name}.{key}");
        let key =
            top.list(&at("api_keys")).into_iter().find(|k| !is_placeholder(k)).unwrap_or_default();
        SearchEngine {
            enabled: top.truth(&at("enabled")),
            api_key: Secret::new(key),
            base_url: top.address(&at("base_url")),
            max_results: top.count(&at("max_results")),
        }
    };
    let provider = top.word("tools.web.provider");
    let known = ["auto", "brave", "duckduckgo", "tavily", "searxng"];
    let provider = if known.contains(&provider.as_str()) {
        provider
    } else {
        ctx.warn(
            top.origin("tools.web.provider"),
            "tools.web.provider",
            format!("{provider} is not supported by this build; auto is used"),
            "",
        );
        "auto".to_owned()
    };
    WebConfig {
        provider,
        engines: ["brave", "duckduckgo", "tavily", "searxng"]
            .into_iter()
            .map(|n| (n.to_owned(), engine(n)))
            .collect(),
        ..WebConfig::read(top)
    }
}

fn session(top: Section<'_>, ctx: &mut BuildContext<'_>) -> SessionConfig {
    if let Some(node) = top.node.at("session.dm_scope").filter(|n| !n.is_null()) {
        ctx.warn(
            node.origin,
            "session.dm_scope",
            "unknown scope, ignored",
            "per-channel-peer, per-peer and global are known; better use dimensions",
        );
    }
    const DIMENSIONS: &str = "session.dimensions";
    let mut session = SessionConfig::read(top);
    session.dimensions.retain(|d| {
        let fine = matches!(&**d, "chat" | "topic" | "sender" | "space");
        if !fine {
            ctx.warn(
                top.origin(DIMENSIONS),
                DIMENSIONS,
                format!("unknown dimension `{d}`, ignored"),
                "chat, topic, sender and space are known",
            );
        }
        fine
    });
    // An empty list joins all chats, which nobody means by a mistyped word.
    if session.dimensions.is_empty() && !top.list(DIMENSIONS).is_empty() {
        session.dimensions.push("chat".into());
    }
    let links = top.node.at("session.identity_links").map(Node::entries).unwrap_or_default();
    session.identity_links =
        links.iter().map(|(name, ids)| (name.to_string(), ids.texts())).collect();
    session
}
