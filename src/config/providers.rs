//! Names of model providers, their default addresses, and which provider a model text means.

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `POST <base>/chat/completions`.
    OpenAi,
    /// Anthropic's Messages API.
    Anthropic,
    /// Known from the Go original, not built here.
    NotBuilt,
}

/// One provider.
pub struct ProviderInfo {
    /// Canonical id.
    pub id: &'static str,
    /// Other spellings, lower case.
    pub aliases: &'static [&'static str],
    /// Base URL when a model entry has none; empty where only the user knows it.
    pub base: &'static str,
    /// Works without a key.
    pub keyless: bool,
    /// How it is spoken to.
    pub wire: Wire,
}

const fn cloud(
    id: &'static str,
    aliases: &'static [&'static str],
    base: &'static str,
) -> ProviderInfo {
    ProviderInfo { id, aliases, base, keyless: false, wire: Wire::OpenAi }
}

const fn local(
    id: &'static str,
    aliases: &'static [&'static str],
    base: &'static str,
) -> ProviderInfo {
    ProviderInfo { id, aliases, base, keyless: true, wire: Wire::OpenAi }
}

const fn messages(
    id: &'static str,
    aliases: &'static [&'static str],
    base: &'static str,
) -> ProviderInfo {
    ProviderInfo { id, aliases, base, keyless: false, wire: Wire::Anthropic }
}

const fn other(id: &'static str, aliases: &'static [&'static str], keyless: bool) -> ProviderInfo {
    ProviderInfo { id, aliases, base: "", keyless, wire: Wire::NotBuilt }
}

/// Every provider of the Go original.
///
/// Gemini is used through its OpenAI-compatible address, since its own protocol is not built here.
pub static PROVIDERS: &[ProviderInfo] = &[
    cloud("openai", &["gpt"], "https://api.openai.com/v1"),
    messages("anthropic", &["claude"], "https://api.anthropic.com/v1"),
    messages("anthropic-messages", &[], "https://api.anthropic.com/v1"),
    cloud("openrouter", &[], "https://openrouter.ai/api/v1"),
    cloud("deepseek", &[], "https://api.deepseek.com/v1"),
    cloud("gemini", &["google"], "https://generativelanguage.googleapis.com/v1beta/openai"),
    cloud("zhipu", &["glm"], "https://open.bigmodel.cn/api/paas/v4"),
    cloud("zai", &["z.ai", "z-ai"], "https://api.z.ai/api/paas/v4"),
    cloud("moonshot", &["kimi"], "https://api.moonshot.cn/v1"),
    cloud("groq", &[], "https://api.groq.com/openai/v1"),
    cloud("nvidia", &[], "https://integrate.api.nvidia.com/v1"),
    cloud("mistral", &[], "https://api.mistral.ai/v1"),
    cloud("cerebras", &[], "https://api.cerebras.ai/v1"),
    cloud("qwen-portal", &["qwen"], "https://dashscope.aliyuncs.com/compatible-mode/v1"),
    cloud(
        "qwen-intl",
        &["qwen-international", "dashscope-intl"],
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    ),
    cloud("qwen-us", &["dashscope-us"], "https://dashscope-us.aliyuncs.com/compatible-mode/v1"),
    cloud("volcengine", &[], "https://ark.cn-beijing.volces.com/api/v3"),
    cloud("shengsuanyun", &[], "https://router.shengsuanyun.com/api/v1"),
    cloud("siliconflow", &[], "https://api.siliconflow.cn/v1"),
    cloud("venice", &[], "https://api.venice.ai/api/v1"),
    cloud("vivgrid", &[], "https://api.vivgrid.com/v1"),
    cloud("minimax", &[], "https://api.minimaxi.com/v1"),
    cloud("longcat", &[], "https://api.longcat.chat/openai"),
    cloud("modelscope", &[], "https://api-inference.modelscope.cn/v1"),
    cloud("mimo", &[], "https://api.xiaomimimo.com/v1"),
    cloud("avian", &[], "https://api.avian.io/v1"),
    cloud("novita", &[], "https://api.novita.ai/openai"),
    cloud(
        "alibaba-coding",
        &["coding-plan", "qwen-coding"],
        "https://coding-intl.dashscope.aliyuncs.com/v1",
    ),
    messages(
        "alibaba-coding-anthropic",
        &["coding-plan-anthropic"],
        "https://coding-intl.dashscope.aliyuncs.com/apps/anthropic",
    ),
    cloud("azure", &["azure-openai"], ""),
    local("ollama", &[], "http://localhost:11434/v1"),
    local("vllm", &[], "http://localhost:8000/v1"),
    local("lmstudio", &[], "http://localhost:1234/v1"),
    local("gpt4free", &["g4f"], "http://localhost:1337/v1"),
    local("litellm", &[], "http://localhost:4000/v1"),
    other("bedrock", &[], true),
    other("github-copilot", &["copilot", "github_copilot"], true),
    other("antigravity", &["google-antigravity"], true),
    other("claude-cli", &["claudecli", "claude-code", "claudecode"], true),
    other("codex-cli", &["codexcli", "codex-code"], true),
    other("elevenlabs", &[], false),
];

/// The provider of a name or alias, in any case, blanks around it ignored.
pub fn lookup(name: &str) -> Option<&'static ProviderInfo> {
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

/// Whether the provider refuses requests without a key.
pub fn needs_key(name: &str) -> bool {
    lookup(name).is_none_or(|p| !p.keyless)
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
    match canonical(prefix) {
        Some("openrouter") if !rest.contains('/') => Some(("openrouter", model)),
        Some(id) => Some((id, rest)),
        None => Some(("openai", model)),
    }
}

/// What is wrong with a `model` text, if anything.
pub fn model_fault(model: &str) -> Option<&'static str> {
    if model.is_empty() {
        Some("model is required")
    } else if model.chars().any(char::is_whitespace) {
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
    match model.split_once('/') {
        Some((prefix, rest)) if provider != "openrouter" && canonical(prefix) == Some(provider) => {
            rest
        }
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
        assert_eq!(all.len(), count, "a name stands twice");
    }

    #[test]
    fn bases_are_usable() {
        for p in PROVIDERS {
            assert!(
                !p.base.ends_with('/') && (p.base.is_empty() || p.base.starts_with("http")),
                "{}",
                p.id
            );
            assert!(p.base.is_empty() || p.wire != Wire::NotBuilt, "{}", p.id);
        }
        assert_eq!(default_base("ollama"), "http://localhost:11434/v1");
        assert!(needs_key("openai") && !needs_key("Ollama") && needs_key("unknown"));
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
