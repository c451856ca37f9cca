//! `picoclaw status`: configuration, keys, and the running gateway. Asks the daemon once, opens no connection.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::app::control::{self, GatewayReport};
use crate::app::last_crash;
use crate::args;
use crate::channel::paired::Paired;
use crate::config::{self, Config, LoadOptions, providers};
use crate::error::{Error, Result};
use crate::proto::{binschema, text};
use crate::tool::allowed::AllowedTools;
use crate::tool::sandbox_plan;
use crate::version;
use crate::{import, supervise};

/// Prints the state; exit status 1 when the configuration has errors.
///
/// # Errors
/// A gateway that does not answer.
pub fn run(args: &args::StatusArgs) -> Result<ExitCode> {
    let options = LoadOptions::from_process();
    let loaded = config::load(&options);
    let home = options.home()?;
    let report = ask(&home)?;
    let run = supervise::run_folder();
    let limits = std::fs::read_to_string(run.join("limits.json")).ok();
    let limits: Option<Value> = limits.and_then(|text| serde_json::from_str(&text).ok());
    let mut lines = StatusOutput { json: serde_json::Map::new(), text: String::new() };
    lines.put("version", "Version", json!(version::VERSION));
    lines.put("home", "Home", json!(home.display().to_string()));
    lines.field("config_valid", loaded.is_ok().into());
    let code = match &loaded {
        Ok(loaded) => {
            configured(&mut lines, &loaded.config);
            for warning in &loaded.warnings {
                lines.list("warnings", "Warning", &warning.to_string());
            }
            ExitCode::SUCCESS
        }
        Err(errors) => {
            let text = format!("✗ {errors}");
            for line in text.lines() {
                lines.text.push_str(&format!("Config: {}\n", text::escape(line, true)));
            }
            lines.field("config", text.into());
            ExitCode::FAILURE
        }
    };
    match &report {
        Some(report) => running(&mut lines, report),
        None => stopped(&mut lines, loaded.as_ref().map(|l| &l.config).ok()),
    }
    lines.put(
        "limits",
        "Limits",
        limits.unwrap_or_else(|| json!("none in force (not started by the supervisor)")),
    );
    // Who may talk without being in the configuration, each channel's ids.
    match Paired::load(&home) {
        Ok(paired) => {
            for (channel, ids) in paired.users() {
                lines.entry("paired", channel, json!(ids));
            }
        }
        Err(e) => lines.entry("paired", "error", json!(e.to_string())),
    }
    if let Some(how) = last_crash::summary(&home.join("state")) {
        lines.put("last_crash", "Last unexpected exit", json!(how));
    }
    // What of the boot partition was taken and what was wrong, where there is one.
    let card = std::fs::read_to_string(run.join(import::REPORT)).unwrap_or_default();
    for line in card.lines() {
        lines.list("boot_partition", "Boot partition", line);
    }
    if args.json {
        println!("{}", Value::Object(lines.json));
    } else {
        print!("🦞 picoclaw status\n{}", lines.text);
    }
    Ok(code)
}

/// What the running gateway says of itself; `None` where none runs.
fn ask(home: &Path) -> Result<Option<GatewayReport>> {
    let Some(bytes) = control::ask(home, control::STATUS, &[])? else { return Ok(None) };
    match binschema::decode::<GatewayReport>(GatewayReport::SHAPE, &bytes) {
        Some(report) => Ok(Some(report)),
        None => Err(Error::new("the running gateway is of another version; restart it")),
    }
}

/// What the files say.
fn configured(lines: &mut StatusOutput, config: &Config) {
    lines.put("config", "Config", json!("✓"));
    let workspace = &config.agent.workspace;
    let mark = if workspace.is_dir() { "✓" } else { "✗ (made on first use)" };
    lines.put("workspace", "Workspace", json!(format!("{} {mark}", workspace.display())));
    lines.field("workspace_path", json!(workspace.display().to_string()));
    if let Some(allowed) = AllowedTools::of(workspace) {
        lines.put("agent_tools", "Tools that AGENT.md leaves", json!(allowed.to_string()));
    }
    lines.put("model", "Model", json!(config.agent.model));
    for model in &config.models {
        let set = if model.signed_in.is_some() {
            "not needed, signed in"
        } else if model.api_key.is_empty() && providers::needs_key(&model.provider) {
            "not set"
        } else {
            "✓"
        };
        lines.entry("models", &model.model_name, json!(format!("{} key {set}", model.provider)));
        lines.member("models_ready", &model.model_name, json!(set != "not set"));
    }
    #[cfg(feature = "hooks")]
    for hook in &config.hooks.processes {
        lines.entry("hook_commands", &hook.name, json!(hook.command.join(" ")));
    }
    for channel in &config.channels {
        let state = if channel.enabled { "enabled" } else { "disabled" };
        lines.entry("channels", &channel.name, json!(state));
    }
}

/// What a gateway would do; with errors in the configuration, one without any.
fn stopped(lines: &mut StatusOutput, config: Option<&Config>) {
    lines.put("gateway", "Gateway", json!("not running"));
    let tools =
        config.map_or_else(|| sandbox_plan::describe(&Config::default()), sandbox_plan::describe);
    lines.put("tools", "Tools", json!(tools));
}

fn running(lines: &mut StatusOutput, r: &GatewayReport) {
    let reloaded = match r.reloaded {
        0 => String::new(),
        seconds => format!(", reloaded {seconds} s ago"),
    };
    let state = format!("running, PID {}, up {} s{reloaded}", r.pid, r.uptime);
    lines.put("gateway", "Gateway", json!(state));
    for (key, number) in
        [("pid", r.pid.into()), ("uptime_seconds", r.uptime), ("reloaded_seconds_ago", r.reloaded)]
    {
        lines.field(key, number.into());
    }
    for (key, label, text) in [
        ("config_in_force", "Config in force", &r.config),
        ("durability", "Durability", &r.durability),
        ("tools", "Tools", &r.tools),
        ("model_in_use", "Model in use", &r.model),
    ] {
        lines.put(key, label, text.as_str().into());
    }
    for (key, label, number) in [
        ("waiting", "Messages waiting", r.waiting),
        ("running", "Turns running", r.running),
        ("turns", "Turns since start", r.turns),
        ("unfinished", "Messages unfinished", r.unfinished),
        ("refused", "Replies refused", r.refused),
        ("syncs", "Disk flushes (fsync)", r.syncs),
        ("journal_torn", "Journal writes cut short", r.torn),
    ] {
        lines.put(key, label, number.into());
    }
    lines.bytes("bytes_written", "Written to disk", r.bytes);
    lines.bytes("heap_bytes", "Heap in use", r.heap);
    lines.put("cron", "Cron jobs", json!(r.cron));
    for line in &r.failing {
        lines.list("failing_sessions", "Session not written", line);
    }
    for line in &r.hooks {
        let (name, state) = line.split_once(": ").unwrap_or((line, ""));
        lines.entry("hooks", name, json!(state));
    }
    for line in &r.tokens {
        let (model, error) = line.split_once(": ").unwrap_or((line, ""));
        lines.entry("token_estimate", model, json!(error));
    }
    for channel in &r.channels {
        lines.entry("channel_state", &channel.name, json!(channel.state));
        let receives = channel.state.starts_with(control::RUNNING);
        lines.member("channels_running", &channel.name, receives.into());
        if !channel.link.is_empty() {
            lines.entry("channel_link", &channel.name, json!(channel.link));
        }
        if !channel.pairing_code.is_empty() {
            lines.entry("pairing_code", &channel.name, json!(channel.pairing_code));
        }
    }
    for task in r.tasks.iter().filter(|t| t.restarts > 0) {
        let state = format!("restarts: {}, last: {}", task.restarts, task.last_error);
        lines.entry("tasks", &task.name, json!(state));
        lines.member("task_restarts", &task.name, task.restarts.into());
    }
    for line in &r.listening {
        let (address, told) = line.split_once(": ").unwrap_or((line, ""));
        lines.entry("listening", address, json!(told));
    }
}

/// The same facts as lines for people and as one object for scripts.
struct StatusOutput {
    json: serde_json::Map<String, Value>,
    text: String,
}

impl StatusOutput {
    /// For scripts alone, where the line for people has the fact among words.
    fn field(&mut self, key: &str, value: Value) {
        self.json.insert(key.into(), value);
    }

    fn put(&mut self, key: &str, label: &str, value: Value) {
        self.text.push_str(&format!("{label}: {}\n", plain(&value)));
        self.field(key, value);
    }

    /// A number of bytes: in kB for people, exact for scripts.
    fn bytes(&mut self, key: &str, label: &str, bytes: u64) {
        self.text.push_str(&format!("{label}: {} kB\n", bytes.div_ceil(1000)));
        self.field(key, bytes.into());
    }

    fn list(&mut self, key: &str, label: &str, line: &str) {
        self.text.push_str(&format!("{label}: {}\n", text::escape(line, true)));
        let list = self.json.entry(key).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(line.into());
        }
    }

    fn entry(&mut self, key: &str, name: &str, value: Value) {
        self.text.push_str(&format!("  {} {name}: {}\n", key.replace('_', " "), plain(&value)));
        self.member(key, name, value);
    }

    /// As [`StatusOutput::field`], in the object `key`.
    fn member(&mut self, key: &str, name: &str, value: Value) {
        let object = self.json.entry(key).or_insert_with(|| json!({}));
        if let Some(object) = object.as_object_mut() {
            object.insert(name.into(), value);
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |plain| text::escape(plain, true))
}
