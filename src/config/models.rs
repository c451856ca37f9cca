//! `model_list` and old `providers` turned into the models the program can call.
//!
//! An entry is left out, not an error, while nothing uses it: Go's PicoClaw ships thirty without keys.

use std::path::Path;

use super::layers;
use super::logins::Logins;
use super::media;
use super::nearest::suggestion;
use super::providers::{self, Dialect, Quirk};
use super::secret::{Secret, UNSENDABLE, is_placeholder, is_unsendable};
use super::section::{BuildContext, Section};
use super::table::{AgentConfig, ModelConfig};
use super::tree::{Node, Origin};
use super::unusable::{NO_KEY, Unusable, UnusableEntries, key_cure, warn_of_keyless};

/// Builds the models and resolves `agent.model` and `agent.fallbacks`.
pub(super) fn build(
    root: &Node,
    home: &Path,
    agent: &mut AgentConfig,
    ctx: &mut BuildContext<'_>,
) -> Vec<ModelConfig> {
    let logins = Logins::of(home);
    let mut models = Vec::new();
    let mut left_out = UnusableEntries::new();
    for item in root.get("model_list").map(Node::items).unwrap_or_default() {
        let section = ctx.section(item, "model_list.*.");
        entry(section, &logins, &mut models, &mut left_out, ctx);
    }
    choose(root, &logins, agent, &mut models, &left_out, ctx);
    let mut fallbacks = std::mem::take(&mut agent.fallbacks);
    let origin = root.at("agents.defaults.model_fallbacks").map_or(Origin::default(), |n| n.origin);
    keep_known(&mut fallbacks, &models, &left_out, origin, "agents.defaults.model_fallbacks", ctx);
    agent.fallbacks = fallbacks;
    media::resolve_models(root, agent, &models, &left_out, ctx);
    for i in 0..models.len() {
        let Some(model) = models.get_mut(i) else { break };
        let (name, mut own) = (model.model_name.clone(), std::mem::take(&mut model.fallbacks));
        let origin = root
            .get("model_list")
            .and_then(|l| l.items().iter().find(|n| n.text_of("model_name") == Some(&name)));
        let origin =
            origin.and_then(|n| n.get("fallbacks")).map_or(Origin::default(), |n| n.origin);
        keep_known(&mut own, &models, &left_out, origin, "model_list.fallbacks", ctx);
        if let Some(model) = models.get_mut(i) {
            model.fallbacks = own;
        }
    }
    warn_of_keyless(&left_out, ctx);
    models
}

/// Reports and skips fallbacks that are not usable models; the chain still works.
pub(super) fn keep_known(
    names: &mut Vec<String>,
    models: &[ModelConfig],
    left_out: &UnusableEntries,
    origin: Origin,
    key: &str,
    ctx: &mut BuildContext<'_>,
) {
    names.retain(|name| {
        if models.iter().any(|m| m.model_name == *name) {
            return true;
        }
        let reason = left_out.iter().find(|e| e.name == *name).map(|e| e.reason.clone());
        let hint = suggestion(name, models.iter().map(|m| m.model_name.as_str()));
        ctx.warn(
            origin,
            key,
            reason.unwrap_or_else(|| format!("no model is called `{name}`; left out")),
            hint,
        );
        false
    });
}

fn choose(
    root: &Node,
    logins: &Logins<'_>,
    agent: &mut AgentConfig,
    models: &mut Vec<ModelConfig>,
    left_out: &UnusableEntries,
    ctx: &mut BuildContext<'_>,
) {
    let top = ctx.section(root, "");
    let path = "agents.defaults.model_name";
    let node = root.at(path).filter(|n| n.text().is_some_and(|t| !t.trim().is_empty()));
    let origin = node.map_or(Origin::default(), |n| n.origin);
    let old = root.get("providers").is_some_and(|p| !p.entries().is_empty())
        || !top.text("agents.defaults.provider").is_empty();
    let provider = top.text("agents.defaults.provider");
    if !provider.is_empty() && providers::canonical(&provider).is_none() {
        let hint = suggestion(&provider, providers::names());
        ctx.error(
            top.origin("agents.defaults.provider"),
            "agents.defaults.provider",
            format!("no provider is called `{provider}`"),
            hint,
        );
        return;
    }
    agent.model = match (node, models.first()) {
        (Some(_), _) => top.text(path),
        (None, Some(first)) => first.model_name.clone(),
        (None, None) if old => top.text(path),
        (None, None) => String::new(),
    };
    let wanted = agent.model.clone();
    if models.iter().any(|m| m.model_name == wanted) {
        return;
    }
    if wanted.is_empty() {
        // An earlier error may be the reason.
        if !ctx.findings.errors.is_empty() {
            return;
        }
        match left_out.first() {
            Some(entry) => entry.report(origin, "model_list", ctx),
            None => {
                let hint = layers::no_model_cure(&ctx.findings.warnings);
                ctx.unfinished(origin, "model_list", "no model is configured", hint);
            }
        }
    } else if let Some(entry) = left_out.iter().find(|e| e.name == wanted) {
        entry.report(origin, path, ctx);
    } else if old {
        match legacy(root, logins, &wanted, &provider, ctx) {
            Ok(found) => models.extend(found),
            Err(why) => ctx.unfinished(origin, path, &*why, legacy_cure(&why, &wanted, &provider)),
        }
    } else {
        let names = models
            .iter()
            .map(|m| m.model_name.as_str())
            .chain(left_out.iter().map(|e| e.name.as_str()));
        let hint = suggestion(&wanted, names);
        let message = format!("no entry of model_list is called `{wanted}`");
        // A wrong name is a mistake where there are models, and unfinished where there are none.
        if models.is_empty() {
            ctx.unfinished(origin, path, message, hint);
        } else {
            ctx.error(origin, path, message, hint);
        }
    }
}

/// Usable keys: trimmed, each once, the examples' placeholders left out.
fn keys_of(section: Section<'_>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in section.list("api_keys") {
        if !is_placeholder(&key) && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn base_of(section: Section<'_>, provider: &str) -> String {
    let base = section.address("api_base");
    let in_go = |quirk: &Quirk| matches!(quirk, Quirk::BaseInGo(address) if *address == base);
    if base.is_empty() || providers::quirks_of(provider).iter().any(in_go) {
        providers::default_base(provider).to_owned()
    } else {
        base
    }
}

fn entry(
    section: Section<'_>,
    logins: &Logins<'_>,
    models: &mut Vec<ModelConfig>,
    left_out: &mut UnusableEntries,
    ctx: &mut BuildContext<'_>,
) {
    if !section.truth("enabled") {
        return;
    }
    let (name, model) = (section.text("model_name"), section.text("model"));
    if name.is_empty() {
        return ctx.error(section.node.origin, "model_list", "model_name is required", "");
    }
    if let Some(fault) = providers::model_fault(&model) {
        let origin = section.node.get("model").map_or(section.node.origin, |n| n.origin);
        return ctx.error(origin, "model_list", format!("{name}: {fault}"), "");
    }
    let Some((provider, id)) = providers::split_model(&section.text("provider"), &model) else {
        let given = section.text("provider");
        let hint = suggestion(&given, providers::names());
        return ctx.error(
            section.origin("provider"),
            "model_list",
            format!("no provider is called `{given}`"),
            hint,
        );
    };
    let keys = keys_of(section);
    let mut api_base = base_of(section, provider);
    let signed_in = logins.for_entry(section, provider, &keys, &mut api_base);
    let keyed = !keys.is_empty() || signed_in.is_some();
    let own_base = !section.address("api_base").is_empty();
    if let Err(reason) = usable(&name, provider, keyed, &api_base, own_base) {
        let at = section.node.get("api_keys").unwrap_or(section.node).origin;
        let cure = reason.starts_with(NO_KEY).then(|| (at, key_cure("model_list", &name)));
        return left_out.push(Unusable { name, reason, cure });
    }
    warn_of_openai(section, &model, ctx);
    let headers = headers(section, &name, ctx);
    if is_unsendable(&section.text("user_agent")) {
        ctx.error(section.origin("user_agent"), "user_agent", UNSENDABLE, "");
    }
    let base = ModelConfig {
        provider: provider.to_owned(),
        model: id.to_owned(),
        api_base,
        extra_body: section
            .node
            .get("extra_body")
            .filter(|n| !n.entries().is_empty())
            .map_or_else(String::new, |n| n.to_value().to_string()),
        custom_headers: headers,
        model_name: name,
        signed_in,
        ..ModelConfig::read(section)
    };
    expand(base, keys, models);
}

/// Warns where only a text before a `/` that names nobody made OpenAI's server the one that gets the key.
fn warn_of_openai(section: Section<'_>, model: &str, ctx: &mut BuildContext<'_>) {
    let Some((prefix, _)) = model.split_once('/') else { return };
    let chosen = |key: &str| !section.text(key).is_empty();
    if chosen("provider") || chosen("api_base") || providers::lookup(prefix).is_some() {
        return;
    }
    let hint = suggestion(prefix, providers::names());
    let message = format!("no provider is called `{prefix}`; openai gets the key");
    ctx.warn(section.origin("model"), "model_list.model", message, hint);
}

/// One entry for each key: the first keeps the name and falls back to the others before its own fallbacks.
fn expand(base: ModelConfig, keys: Vec<String>, models: &mut Vec<ModelConfig>) {
    let mut keys = keys.into_iter();
    let first = keys.next().map_or_else(Secret::default, Secret::new);
    let more: Vec<ModelConfig> = keys
        .enumerate()
        .map(|(i, key)| ModelConfig {
            model_name: format!("{}__key_{}", base.model_name, i + 1),
            api_key: Secret::new(key),
            fallbacks: Vec::new(),
            ..base.clone()
        })
        .collect();
    let mut fallbacks: Vec<String> = more.iter().map(|m| m.model_name.clone()).collect();
    fallbacks.extend(base.fallbacks.iter().cloned());
    models.push(ModelConfig { api_key: first, fallbacks, ..base });
    models.extend(more);
}

/// Why an entry cannot be used, if so.
fn usable(
    name: &str,
    provider: &str,
    keyed: bool,
    base: &str,
    own_base: bool,
) -> Result<(), String> {
    let built = providers::lookup(provider).is_some_and(|p| p.dialect != Dialect::NotBuilt);
    if !built {
        return Err(format!("{name}: provider {provider} is not supported by this build"));
    }
    if base.is_empty() {
        return Err(format!("no API base configured for provider (model: {name})"));
    }
    // A server of one's own (an explicit address) may need no key.
    if !keyed && providers::needs_key(provider) && !own_base {
        return Err(format!("{NO_KEY} for model: {name}"));
    }
    Ok(())
}

fn headers(section: Section<'_>, name: &str, ctx: &mut BuildContext<'_>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (header, node) in section.node.get("custom_headers").map(Node::entries).unwrap_or_default()
    {
        let value = node.text().unwrap_or_default().trim();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if header.is_empty() || !header.bytes().all(token) || is_unsendable(value) {
            ctx.error(
                node.origin,
                "custom_headers",
                format!("{name}: this is not an HTTP header"),
                "",
            );
        } else {
            out.push((header.to_string(), value.to_owned()));
        }
    }
    out
}

/// The entry for a v0 file's model: an explicit provider, else the first one the model's text fits and the file configures.
fn legacy(
    root: &Node,
    logins: &Logins<'_>,
    model: &str,
    explicit: &str,
    ctx: &BuildContext<'_>,
) -> Result<Vec<ModelConfig>, String> {
    if let Some(fault) = providers::model_fault(model) {
        return Err(fault.to_owned());
    }
    let nothing = Node::map(Origin::default());
    let section = |id: &str| {
        let all = root.get("providers").map(Node::entries).unwrap_or_default();
        let node = all
            .iter()
            .find(|(n, _)| providers::canonical(n) == Some(id))
            .map_or(&nothing, |(_, n)| n);
        ctx.section(node, "providers.*.")
    };
    let make = |id: &'static str, name: &str| -> Result<Vec<ModelConfig>, String> {
        let section = section(id);
        let (keys, mut api_base) = (keys_of(section), base_of(section, id));
        let signed_in = logins.for_entry(section, id, &keys, &mut api_base);
        let keyed = !keys.is_empty() || signed_in.is_some();
        usable(model, id, keyed, &api_base, !section.address("api_base").is_empty())?;
        let base = ModelConfig {
            model_name: model.to_owned(),
            provider: id.to_owned(),
            model: name.to_owned(),
            api_base,
            proxy: section.text("proxy"),
            signed_in,
            ..ModelConfig::default()
        };
        let mut out = Vec::new();
        expand(base, keys, &mut out);
        Ok(out)
    };
    if let Some(id) = providers::canonical(explicit) {
        // v0 sent the text as it was, but for the prefixes its servers do not know.
        let drops = providers::quirks_of(id).contains(&Quirk::DropsNameInV0);
        return make(id, if drops { providers::v0_model_id(id, model) } else { model });
    }
    let configured = |id: &str| {
        let section = section(id);
        !keys_of(section).is_empty()
            || !section.address("api_base").is_empty()
            || logins.for_entry(section, id, &[], &mut String::new()).is_some()
            || (id != "vllm" && !providers::needs_key(id))
    };
    match providers::v0_candidates(model).find(|id| configured(id)) {
        Some(id) => make(id, providers::v0_model_id(id, model)),
        None => Err(format!("{NO_KEY} for model: {model}")),
    }
}

/// How a v0 file gets the key that is missing: for its provider, else for the first one that the model's text fits.
fn legacy_cure(reason: &str, model: &str, explicit: &str) -> String {
    let fits = || providers::v0_candidates(model).find(|id| providers::needs_key(id));
    match providers::canonical(explicit).or_else(fits) {
        Some(id) if cfg!(feature = "migrate") && reason.starts_with(NO_KEY) => {
            key_cure("providers", id)
        }
        _ => String::new(),
    }
}
