//! A home of OpenClaw (behaviour.md 7A): openclaw.json becomes our configuration, notes and skills are copied.
//!
//! Its conversations and jobs have forms of their own and stay; the report says so.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::migrator::Migrator;
use super::report::{FileOutcome, MigrationReport};
use crate::config::providers;
use crate::error::{Context, Error, Result};
use crate::limits::{CONFIG_BYTES, MIGRATE_MODELS};
use crate::proto::json::object;
use crate::proto::json5;
use crate::sys::beneath::Root;
use crate::sys::files;

/// Channels that PicoClaw has, too.
const CHANNELS: &[&str] =
    &["telegram", "discord", "whatsapp", "feishu", "qq", "dingtalk", "maixcam", "slack", "matrix"];
/// Members of a channel that are common to all.
const COMMON: &[&str] = &["enabled", "allow_from"];
/// What an old name is called here.
const NAMES: &[(&str, &str)] = &[
    ("telegram.bot_token", "token"),
    ("dingtalk.app_id", "client_id"),
    ("dingtalk.app_secret", "client_secret"),
];
/// Settings of theirs that mean nothing here.
const POLICIES: &[&str] = &["dm_policy", "group_policy", "groups", "accounts", "guilds"];
/// Files of the workspace.
const FILES: &[&str] =
    &["AGENTS.md", "SOUL.md", "USER.md", "TOOLS.md", "HEARTBEAT.md", "IDENTITY.md"];
/// What else there may be in the home, and why it stays.
const LEFT: &[(&str, &str)] = &[
    ("agents/main/sessions", "conversations in a form of its own"),
    ("cron/jobs.json", "jobs in a form of its own: picoclaw cron add"),
    ("memory", "an index in a form of its own; the notes are in the workspace"),
];

/// Our name of a provider of theirs.
pub fn provider(name: &str) -> String {
    match &*name.to_ascii_lowercase() {
        "claude" => "anthropic",
        "gpt" => "openai",
        "gemini" => "google",
        "grok" => "xai",
        other => return other.to_owned(),
    }
    .to_owned()
}

/// `apiBase` as `api_base`.
pub fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Refuses a folder without an openclaw.json, but with a config.json as the Go PicoClaw writes it.
///
/// # Errors
/// It is one.
pub fn refuse_go_home(root: &Root) -> Result<()> {
    let text = |name: &str| {
        let (file, _) = root.locate(Path::new(name), false).ok()?.read().ok()?;
        String::from_utf8(files::read_bounded(file, CONFIG_BYTES).ok()?).ok()
    };
    let config = text("config.json").and_then(|text| read(&text).ok()).unwrap_or_default();
    let own = config["version"].is_u64()
        || ["model_list", "channel_list"].iter().any(|name| !config[name].is_null());
    if own && !root.path().join("openclaw.json").exists() {
        return Err(Error::new(format!(
            "{} is a home of PicoClaw, not of OpenClaw: use --from picoclaw",
            root.path().display()
        )));
    }
    Ok(())
}

/// Takes over what was asked for.
///
/// # Errors
/// A full disk.
pub fn migrate(root: &Root, migrator: &mut Migrator) -> Result<()> {
    let name = match root.path().join("openclaw.json").exists() {
        true => "openclaw.json",
        false => "config.json",
    };
    let theirs = parsed(root, name, true, migrator);
    if let (Some(theirs), true) = (&theirs, migrator.config) {
        let models = parsed(root, "agents/main/agent/models.json", false, migrator);
        let profiles = parsed(root, "agents/main/agent/auth-profiles.json", false, migrator);
        let paired = parsed(root, "credentials/telegram-allowFrom.json", false, migrator);
        let more = [models, profiles, paired].map(Option::unwrap_or_default);
        let ours = convert(theirs, &more, &mut migrator.report);
        let bytes = serde_json::to_vec_pretty(&ours).context("config.json")?;
        let to = migrator.target.join("config.json");
        migrator.put(&bytes, &to, name, FileOutcome::Converted, "as config.json")?;
        migrator.check_config(Some((to, ours.to_string())));
    }
    if !migrator.workspace {
        return Ok(());
    }
    for (path, why) in LEFT {
        if root.path().join(path).exists() {
            migrator.report.add(FileOutcome::LeftOut, path, why);
        }
    }
    let to = migrator.target.join("skills");
    migrator.tree(root, "skills", &to, "skills", &|_| Ok(None))?;
    let named = theirs.as_ref().and_then(|c| c.pointer("/agents/defaults/workspace")?.as_str());
    let workspace = super::source::workspace(root, named, migrator);
    let Ok(root) = Root::open(&workspace) else {
        let why = format!("{} is no folder that can be read", workspace.display());
        migrator.report.add(FileOutcome::Failed, "workspace", &why);
        return Ok(());
    };
    work(&root, migrator)
}

fn work(root: &Root, migrator: &mut Migrator) -> Result<()> {
    let dest = migrator.dest();
    let renamed = dest.join("AGENT.md").exists();
    migrator.tree(root, "", &dest, "workspace", &|path| {
        let (top, rest) = path.split_once('/').unwrap_or((path, ""));
        match top {
            // Whoever has an AGENT.md never reads AGENTS.md: here that would be our template.
            "AGENTS.md" if renamed => Ok(Some("AGENT.md".into())),
            "MEMORY.md" => Ok(Some("memory/MEMORY.md".into())),
            "memory" => Ok(note(rest)),
            "skills" => Ok(None),
            top if FILES.contains(&top) => Ok(None),
            _ => Err("neither notes nor skills; copy it by hand if you need it"),
        }
    })
}

/// `2026-02-17.md` is `memory/202602/20260217.md` here.
fn note(name: &str) -> Option<String> {
    let digits: String = name.strip_suffix(".md")?.split('-').collect();
    let day = name.len() == 13 && digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
    day.then(|| format!("memory/{}/{digits}.md", &digits[..6]))
}

fn parsed(root: &Root, name: &str, needed: bool, migrator: &mut Migrator) -> Option<Value> {
    let text = migrator.text(root, name, needed)?;
    match read(&text) {
        Ok(value) => Some(value),
        Err(e) => {
            let why = format!("not JSON: {e}; correct it there and run this again");
            migrator.report.add(FileOutcome::Failed, name, &why);
            None
        }
    }
}

/// A file of theirs, its members named in our way.
///
/// # Errors
/// It is no JSON5.
pub fn read(text: &str) -> serde_json::Result<Value> {
    Ok(to_snake_case(serde_json::from_str(&json5::to_json(text))?, true))
}

/// Names of members in our way of writing; those of providers and profiles are names that people gave.
fn to_snake_case(value: Value, rename: bool) -> Value {
    match value {
        Value::Object(map) => object(map.into_iter().map(|(name, value)| {
            let own = matches!(&*name, "providers" | "profiles");
            (if rename { snake(&name) } else { name }, to_snake_case(value, !own))
        })),
        Value::Array(list) => list.into_iter().map(|v| to_snake_case(v, true)).collect(),
        other => other,
    }
}

/// A secret: the text, or what the variable has that it names.
fn secret(value: &Value, what: &str, report: &mut MigrationReport) -> String {
    let text = value.as_str().unwrap_or_default();
    match text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) {
        None if value.is_object() => {
            report.add(FileOutcome::LeftOut, what, "it is kept elsewhere: put it into config.json");
            String::new()
        }
        None => text.to_owned(),
        Some(name) => std::env::var(name).unwrap_or_else(|_| {
            report.add(FileOutcome::LeftOut, what, &format!("the variable {name} is not set here"));
            String::new()
        }),
    }
}

/// Our configuration, of schema version 3, from openclaw.json and their files of models, keys and paired users.
pub fn convert(
    theirs: &Value,
    [models, profiles, paired]: &[Value; 3],
    report: &mut MigrationReport,
) -> Value {
    let defaults = &theirs["agents"]["defaults"];
    let model = &defaults["model"];
    let primary = model.as_str().or_else(|| model["primary"].as_str());
    let primary = primary.unwrap_or("anthropic/claude-sonnet-4-20250514");
    let fallbacks = model["fallbacks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut models = Models {
        providers: [&models["providers"], &theirs["models"]["providers"], &theirs["providers"]],
        profiles: &profiles["profiles"],
        list: Vec::new(),
    };
    let first = models.add(primary, report);
    let others: Vec<String> =
        fallbacks.iter().filter_map(|f| models.add(f.as_str()?, report)).collect();
    let mut agent = json!({"model_fallbacks": others});
    if let Some(first) = first {
        agent["model_name"] = first.into();
    }
    for key in ["max_tokens", "temperature", "max_tool_iterations"] {
        if !defaults[key].is_null() {
            agent[key] = defaults[key].clone();
        }
    }
    for section in ["tools", "hooks", "cron", "session", "gateway", "plugins", "bindings"] {
        if !theirs[section].is_null() {
            report.add(
                FileOutcome::LeftOut,
                &format!("openclaw.json: {section}"),
                "it has no counterpart",
            );
        }
    }
    json!({
        "version": 3, "agents": {"defaults": agent}, "model_list": models.list,
        "channel_list": channels(&theirs["channels"], paired, report),
    })
}

/// The `model_list` that is put together.
struct Models<'a> {
    /// Where they say addresses and keys; the first that has one counts.
    providers: [&'a Value; 3],
    /// Keys that their `auth-profiles.json` holds.
    profiles: &'a Value,
    list: Vec<Value>,
}

impl Models<'_> {
    /// Adds an entry for `PROVIDER/ID` unless the list has it or is full; its `model_name`, none where no provider of ours
    /// serves it.
    fn add(&mut self, wanted: &str, report: &mut MigrationReport) -> Option<String> {
        let (given, id) = wanted.split_once('/').unwrap_or(("anthropic", wanted));
        let name = provider(given);
        let base = self.find(&name, "base_url").or_else(|| self.find(&name, "api_base"));
        let base = base.and_then(Value::as_str);
        let key = self.find(&name, "api_key").or_else(|| self.profile_key(&name));
        let key = secret(key.unwrap_or(&Value::Null), &format!("key of {name}"), report);
        if self.list.iter().any(|m| m["model_name"] == id) || self.list.len() == MIGRATE_MODELS {
            return Some(id.to_owned());
        }
        let provider = match (providers::canonical(&name), base) {
            (Some(known), _) => known,
            // A server of somebody's own speaks OpenAI's protocol.
            (None, Some(_)) => "openai",
            (None, None) => {
                report.add(FileOutcome::LeftOut, wanted, "no such provider here, and no base_url");
                return None;
            }
        };
        let mut entry = json!({"model_name": id, "provider": provider, "model": id});
        if let Some(base) = base {
            entry["api_base"] = base.into();
        }
        if !key.is_empty() {
            entry["api_keys"] = json!([key]);
        }
        self.list.push(entry);
        Some(id.to_owned())
    }

    /// What they say of a provider, by our name of it.
    fn find(&self, name: &str, key: &str) -> Option<&Value> {
        let all = self.providers.iter().filter_map(|s| s.as_object()).flatten();
        all.filter(|(n, _)| provider(n) == name).map(|(_, p)| &p[key]).find(|v| !v.is_null())
    }

    fn profile_key(&self, name: &str) -> Option<&Value> {
        let mut all = self.profiles.as_object()?.values();
        all.find(|p| p["provider"].as_str().is_some_and(|p| provider(p) == name))?.get("key")
    }
}

fn channels(theirs: &Value, paired: &Value, report: &mut MigrationReport) -> Value {
    let mut out = Map::new();
    for (name, channel) in theirs.as_object().into_iter().flatten() {
        let (Some(members), true) = (channel.as_object(), CHANNELS.contains(&&**name)) else {
            report.add(FileOutcome::LeftOut, &format!("channel {name}"), "picoclaw has none");
            continue;
        };
        let mut entry = json!({"enabled": true, "type": name, "settings": {}});
        for (key, value) in members {
            let old = [name, ".", key].concat();
            let key = NAMES.iter().find(|(n, _)| *n == old).map_or(&**key, |(_, ours)| ours);
            if COMMON.contains(&key) {
                entry[key] = value.clone();
            } else if POLICIES.contains(&key) {
                report.add(
                    FileOutcome::LeftOut,
                    &format!("channel {name}: {key}"),
                    "see allow_from, group_trigger",
                );
            } else if value.is_string() && key.contains("token")
                || key.contains("secret")
                || value.is_object()
            {
                let text = secret(value, &format!("channel {name}: {key}"), report);
                entry["settings"][key] = text.into();
            } else {
                entry["settings"][key] = value.clone();
            }
        }
        if name == "telegram" {
            // Their groups are answered when the bot is mentioned, unless the file says otherwise.
            let all = channel["groups"]["*"]["require_mention"].as_bool();
            entry["group_trigger"] = json!({"mention_only": all.unwrap_or(true)});
            let known = paired["allow_from"].as_array().cloned().unwrap_or_default();
            if !known.is_empty() {
                let mut allowed = entry["allow_from"].as_array().cloned().unwrap_or_default();
                allowed.extend(known);
                entry["allow_from"] = allowed.into();
            }
        }
        out.insert(name.clone(), entry);
    }
    out.into()
}
