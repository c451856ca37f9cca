//! Names of model providers, their default addresses, and which provider a model text means.

use super::table::ModelConfig;
use crate::proto::url::Url;

mod table;

pub use table::{Dialect, FAMILIES, PROVIDERS, ProviderRow, Quirk, Thinking};

impl ModelConfig {
    /// The quirks of the entry's server and model, by its host, its provider and its model's name, in that
    /// order.
    pub fn quirks(&self) -> impl Iterator<Item = Quirk> {
        let host = Url::parse(&self.api_base).map(|u| u.host.to_ascii_lowercase());
        let host = host.unwrap_or_default();
        let found: Vec<Quirk> = table::quirks(&self.provider, &host, &self.model).collect();
        found.into_iter()
    }

    /// Whether it has a quirk.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks().any(|q| q == quirk)
    }

    /// Whether the entry speaks Anthropic's dialect. Where that is not in this build, a provider that can do without it speaks
    /// OpenAI's.
    pub fn speaks_messages(&self) -> bool {
        let Some(row) = lookup(&self.provider).filter(|row| row.dialect == Dialect::Anthropic)
        else {
            return false;
        };
        if !row.quirks.contains(&Quirk::ChatElsewhere) {
            return true;
        }
        let host = Url::parse(&self.api_base).map(|u| u.host.to_ascii_lowercase());
        let at_home = self.api_base.is_empty() || host.is_ok_and(|host| row.serves(&host));
        cfg!(feature = "anthropic") && (at_home || self.api_key.expose().starts_with("sk-ant-"))
    }
}

/// The provider of a name or alias, in any case, blanks around it ignored.
pub fn lookup(name: &str) -> Option<&'static ProviderRow> {
    let name = name.trim();
    PROVIDERS.iter().find(|p| {
        p.id.eq_ignore_ascii_case(name) || p.aliases.iter().any(|a| a.eq_ignore_ascii_case(name))
    })
}

/// The canonical id of a provider name or alias; `None` for an unknown one.
pub fn canonical(name: &str) -> Option<&'static str> {
    lookup(name).map(|p| p.id)
}

/// The address used when a model entry has no `api_base`; empty for unknown providers and those without one.
pub fn default_base(name: &str) -> &'static str {
    lookup(name).map_or("", |p| p.base)
}

/// What is different about a provider whatever the entry's address.
pub fn quirks_of(name: &str) -> &'static [Quirk] {
    lookup(name).map_or(&[], |p| p.quirks)
}

/// Whether the provider refuses requests without a key.
pub fn needs_key(name: &str) -> bool {
    lookup(name).is_none_or(|p| !p.keyless)
}

impl ProviderRow {
    fn keeps_name(&self) -> bool {
        self.quirks.contains(&Quirk::OwnModelsKeepName)
    }
}

/// All ids and aliases, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().flat_map(|p| std::iter::once(p.id).chain(p.aliases.iter().copied()))
}

/// Provider id and the model id to send, of a `provider` key (may be empty) and a `model` key.
///
/// With a provider the model stays as it is, prefix and all. Without one the text before the first `/` is the
/// provider if it names one; else OpenAI's protocol is meant and the whole text is the id. OpenRouter's own models
/// (`openrouter/auto`) keep their prefix, which is part of their id. `None`: the provider is unknown or there is no model.
pub fn split_model<'a>(provider: &str, model: &'a str) -> Option<(&'static str, &'a str)> {
    let model = model.trim();
    if model.is_empty() {
        return None;
    }
    if !provider.trim().is_empty() {
        return canonical(provider).map(|id| (id, model));
    }
    let Some((prefix, rest)) = model.split_once('/') else { return Some(("openai", model)) };
    match lookup(prefix) {
        Some(row) if row.keeps_name() && !rest.contains('/') => Some((row.id, model)),
        Some(row) => Some((row.id, rest)),
        None => Some(("openai", model)),
    }
}

/// What is wrong with a `model` text, if anything.
pub fn model_fault(model: &str) -> Option<&'static str> {
    if model.is_empty() {
        Some("model is required")
    } else if model.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("a model cannot contain blanks")
    } else if model.starts_with('/') || model.contains("//") || model.ends_with('/') {
        Some("a model cannot begin or end with a slash, nor contain two in a row")
    } else {
        None
    }
}

/// How a v0 file without `agents.defaults.provider` names its provider: by the text of the model.
///
/// In this order; the first rule that fits and whose provider the file configures wins. `true` in the third place:
/// the words are prefixes, not parts.
pub static V0_RULES: &[(&str, &[&str], bool)] = &[
    ("moonshot", &["kimi", "moonshot"], false),
    (
        "openrouter",
        &["openrouter/", "anthropic/", "openai/", "meta-llama/", "deepseek/", "google/"],
        true,
    ),
    ("anthropic", &["claude"], false),
    ("openai", &["gpt"], false),
    ("gemini", &["gemini"], false),
    ("zhipu", &["glm", "zhipu", "zai"], false),
    ("groq", &["groq"], false),
    ("nvidia", &["nvidia"], false),
    ("deepseek", &["deepseek"], false),
    ("ollama", &["ollama"], false),
];

/// Providers a v0 model text fits, best first; `vllm` and then `openrouter` follow as last resorts.
pub fn v0_candidates(model: &str) -> impl Iterator<Item = &'static str> {
    let model = model.to_ascii_lowercase();
    let fits = move |words: &[&str], prefix: bool| {
        words.iter().any(|w| if prefix { model.starts_with(w) } else { model.contains(w) })
    };
    V0_RULES
        .iter()
        .filter(move |(_, words, prefix)| fits(words, *prefix))
        .map(|(id, ..)| *id)
        .chain(["vllm", "openrouter"])
}

/// The model id a v0 provider is sent: its own prefix goes, except where it is part of the id.
pub fn v0_model_id<'a>(provider: &str, model: &'a str) -> &'a str {
    let own = |prefix| lookup(prefix).is_some_and(|row| row.id == provider && !row.keeps_name());
    match model.split_once('/') {
        Some((prefix, rest)) if own(prefix) => rest,
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases() {
        for (name, want) in [
            ("OpenAI", "openai"),
            (" Claude ", "anthropic"),
            ("Z.AI", "zai"),
            ("github_copilot", "github-copilot"),
        ] {
            assert_eq!(canonical(name), Some(want));
        }
        assert_eq!(canonical(""), None);
        assert_eq!(canonical("nobody"), None);
        let mut all: Vec<_> = names().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "a name is there twice");
    }

    #[test]
    fn bases_are_usable() {
        for p in PROVIDERS {
            assert!(
                !p.base.ends_with('/') && (p.base.is_empty() || p.base.starts_with("http")),
                "{}",
                p.id
            );
            assert!(p.base.is_empty() || p.dialect != Dialect::NotBuilt, "{}", p.id);
        }
        assert_eq!(default_base("ollama"), "http://localhost:11434/v1");
        assert!(needs_key("openai") && !needs_key("Ollama") && needs_key("unknown"));
    }

    #[test]
    fn quirks_follow_name_host_and_model() {
        let entry = |provider: &str, api_base: &str, model: &str| ModelConfig {
            provider: provider.into(),
            api_base: api_base.into(),
            model: model.into(),
            ..ModelConfig::default()
        };
        let replays = |provider, base| entry(provider, base, "m").has(Quirk::ReplaysReasoning);
        assert!(replays("deepseek", "https://proxy.example/v1"));
        assert!(replays("openai", "https://API.deepseek.com/v1"));
        assert!(replays("mimo", ""));
        assert!(!replays("openai", "https://api.deepseek.com.example/v1"));
        // A field that others refuse goes by the host alone, a kind of key by the name alone.
        assert!(!entry("openai", "http://localhost/v1", "m").has(Quirk::CacheKey));
        assert!(!entry("openai", "https://me.openai.azure.com", "m").has(Quirk::ApiKeyField));
        assert!(!entry("openai", "http://localhost:11434/v1", "m").has(Quirk::DropsNameInV0));
        for (model, want) in [
            ("o3-mini", &[Quirk::MaxCompletionTokens, Quirk::NoTemperature][..]),
            ("openai/GPT-5.1", &[Quirk::MaxCompletionTokens, Quirk::NoTemperature]),
            ("kimi-k2-0905", &[Quirk::TemperatureOne]),
            ("glm-4.7", &[Quirk::MaxCompletionTokens]),
            ("gpt-4o", &[]),
            ("o", &[]),
        ] {
            assert_eq!(entry("x", "", model).quirks().collect::<Vec<_>>(), want, "{model}");
        }
    }

    #[track_caller]
    fn split(provider: &str, model: &str, want: Option<(&'static str, &str)>) {
        assert_eq!(split_model(provider, model), want);
    }

    #[test]
    fn models_split() {
        split("", "groq/llama-3", Some(("groq", "llama-3")));
        split("", "Claude/sonnet", Some(("anthropic", "sonnet")));
        split("", "nvidia/a/b", Some(("nvidia", "a/b")));
        split("", "somebody/model", Some(("openai", "somebody/model")));
        split("", "plain", Some(("openai", "plain")));
        split("ollama", "groq/x", Some(("ollama", "groq/x")));
        split("", "openrouter/auto", Some(("openrouter", "openrouter/auto")));
        split("", "openrouter/a/b:free", Some(("openrouter", "a/b:free")));
        split("nobody", "x", None);
        split("openai", "  ", None);
    }

    #[test]
    fn v0_models_find_providers() {
        let first = |m: &str| v0_candidates(m).next();
        for (model, want) in [
            ("kimi-k2", "moonshot"),
            ("anthropic/claude-x", "openrouter"),
            ("claude-x", "anthropic"),
            ("gpt-4o", "openai"),
            ("gemini-pro", "gemini"),
            ("glm-4.7", "zhipu"),
            ("groq/x", "groq"),
            ("nvidia/x", "nvidia"),
            ("ollama/x", "ollama"),
            ("mystery", "vllm"),
        ] {
            assert_eq!(first(model), Some(want), "{model}");
        }
        assert_eq!(
            v0_candidates("claude").collect::<Vec<_>>(),
            ["anthropic", "vllm", "openrouter"]
        );
        assert_eq!(v0_model_id("ollama", "ollama/x:8b"), "x:8b");
        assert_eq!(v0_model_id("openrouter", "openrouter/auto"), "openrouter/auto");
        assert_eq!(v0_model_id("openrouter", "anthropic/x"), "anthropic/x");
        assert_eq!(v0_model_id("anthropic", "anthropic/x"), "x");
    }

    #[test]
    fn model_texts_are_checked() {
        assert_eq!(model_fault("a/b-c:d"), None);
        for bad in ["", "a b", "/a", "a//b", "a/"] {
            assert!(model_fault(bad).is_some(), "{bad}");
        }
    }
}
