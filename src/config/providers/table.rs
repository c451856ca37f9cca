//! The table of model providers: one row each, and whatever is different about its servers.
//!
//! A row is found by the provider's name and by the host of an entry's address; both count. What depends on the model and
//! not on who serves it is in [`FAMILIES`].

/// The API dialect of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions: `POST <base>/chat/completions`.
    OpenAi,
    /// Anthropic's Messages API, with its own fields for system text and tools.
    Anthropic,
    /// Known from the Go original, not built here.
    NotBuilt,
}

/// What is known about one provider; a new provider is one more row.
pub struct ProviderRow {
    /// Id before the `/` of a model name, as upstream spells it.
    pub id: &'static str,
    /// Other spellings, lower case.
    pub aliases: &'static [&'static str],
    /// Its hosts besides that of `base`; one that begins with a dot covers its subdomains.
    pub hosts: &'static [&'static str],
    /// Base URL when a model entry has none; empty where only the user knows it.
    pub base: &'static str,
    /// Works without a key.
    pub keyless: bool,
    /// Dialect of its API, which decides how requests are written and answers read.
    pub dialect: Dialect,
    /// Its deviations from that dialect.
    pub quirks: &'static [Quirk],
}

/// A server's or model's deviation from its API dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// A conversation whose reasoning is missing is refused; elsewhere sending it back costs money.
    ReplaysReasoning,
    /// A user's message right behind a tool's result, or behind another one, is refused.
    BridgesRoles,
    /// Ids of calls have exactly nine letters or digits.
    NineCharacterIds,
    /// A call whose `extra_content` is missing is refused.
    ReturnsExtraContent,
    /// `prompt_cache_key` is known at these hosts; others refuse fields they do not know.
    CacheKey,
    /// The key goes into the field `api-key`.
    ApiKeyField,
    /// How `thinking_level` is sent.
    Thinking(Thinking),
    /// The answer is bounded by `max_completion_tokens`.
    MaxCompletionTokens,
    /// `temperature` is refused, so requests do not have it.
    NoTemperature,
    /// `temperature` is 1 or refused.
    TemperatureOne,
    /// Elsewhere than at its own host, and without a key of its own, it is a proxy that speaks OpenAI's dialect.
    ChatElsewhere,
    /// This address, which Go's files have, means the base.
    BaseInGo(&'static str),
    /// Accounts that are signed in by a code are answered here.
    SignedInBase(&'static str),
    /// The id of a model that is the provider's own has the provider's name in front.
    OwnModelsKeepName,
    /// v0 took the provider's name off the model even where `provider` was set.
    DropsNameInV0,
    /// Writes down voice messages, with this model, where no other is named.
    Transcribes(&'static str),
}

/// What a server calls [`thinking_level`](crate::config::ModelConfig::thinking_level).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// `thinking: {type}`, and `reasoning_effort` with two efforts.
    Effort,
    /// `thinking: {type: enabled | disabled}`.
    Switch,
    /// The same; `auto` leaves it to the model.
    SwitchOrAuto,
    /// As `enable_thinking` and `thinking_budget` (Qwen).
    Budget,
}

type Names = &'static [&'static str];

const fn cloud(id: &'static str, aliases: Names, base: &'static str) -> ProviderRow {
    let (keyless, dialect) = (false, Dialect::OpenAi);
    ProviderRow { id, aliases, hosts: &[], base, keyless, dialect, quirks: &[] }
}

const fn local(id: &'static str, aliases: Names, base: &'static str) -> ProviderRow {
    ProviderRow { keyless: true, ..cloud(id, aliases, base) }
}

const fn messages(id: &'static str, aliases: Names, base: &'static str) -> ProviderRow {
    ProviderRow { dialect: Dialect::Anthropic, ..cloud(id, aliases, base) }
}

const fn other(id: &'static str, aliases: Names, keyless: bool) -> ProviderRow {
    ProviderRow { keyless, dialect: Dialect::NotBuilt, ..cloud(id, aliases, "") }
}

impl ProviderRow {
    const fn at(self, hosts: Names) -> ProviderRow {
        ProviderRow { hosts, ..self }
    }

    const fn but(self, quirks: &'static [Quirk]) -> ProviderRow {
        ProviderRow { quirks, ..self }
    }
}

use Quirk::*;

/// Every provider of the Go original.
///
/// Gemini is used through its OpenAI-compatible address, since its own protocol is not built here.
#[rustfmt::skip]
pub static PROVIDERS: &[ProviderRow] = &[
    cloud("openai", &["gpt"], "https://api.openai.com/v1")
        .but(&[CacheKey, SignedInBase("https://chatgpt.com/backend-api/codex")]),
    messages("anthropic", &["claude"], "https://api.anthropic.com/v1").but(&[ChatElsewhere]),
    messages("anthropic-messages", &[], "https://api.anthropic.com/v1"),
    cloud("openrouter", &[], "https://openrouter.ai/api/v1").but(&[OwnModelsKeepName]),
    cloud("deepseek", &[], "https://api.deepseek.com/v1")
        .but(&[ReplaysReasoning, Thinking(Thinking::Effort)]),
    cloud("gemini", &["google"], "https://generativelanguage.googleapis.com/v1beta/openai")
        .but(&[BaseInGo("https://generativelanguage.googleapis.com/v1beta"), ReturnsExtraContent]),
    cloud("zhipu", &["glm"], "https://open.bigmodel.cn/api/paas/v4")
        .but(&[ReplaysReasoning, Thinking(Thinking::Switch)]),
    cloud("zai", &["z.ai", "z-ai"], "https://api.z.ai/api/paas/v4")
        .but(&[ReplaysReasoning, Thinking(Thinking::Switch)]),
    cloud("moonshot", &["kimi"], "https://api.moonshot.cn/v1")
        .at(&["api.moonshot.ai", "api.kimi.com"])
        .but(&[ReplaysReasoning, DropsNameInV0]),
    cloud("groq", &[], "https://api.groq.com/openai/v1")
        .but(&[DropsNameInV0, Transcribes("whisper-large-v3")]),
    cloud("nvidia", &[], "https://integrate.api.nvidia.com/v1").but(&[DropsNameInV0]),
    cloud("mistral", &[], "https://api.mistral.ai/v1").but(&[BridgesRoles, NineCharacterIds]),
    cloud("cerebras", &[], "https://api.cerebras.ai/v1"),
    cloud("qwen-portal", &["qwen"], "https://dashscope.aliyuncs.com/compatible-mode/v1")
        .but(&[Thinking(Thinking::Budget)]),
    cloud("qwen-intl", &["qwen-international", "dashscope-intl"],
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1")
        .but(&[Thinking(Thinking::Budget)]),
    cloud("qwen-us", &["dashscope-us"], "https://dashscope-us.aliyuncs.com/compatible-mode/v1")
        .but(&[Thinking(Thinking::Budget)]),
    cloud("volcengine", &[], "https://ark.cn-beijing.volces.com/api/v3")
        .but(&[Thinking(Thinking::SwitchOrAuto)]),
    cloud("shengsuanyun", &[], "https://router.shengsuanyun.com/api/v1"),
    cloud("siliconflow", &[], "https://api.siliconflow.cn/v1"),
    cloud("venice", &[], "https://api.venice.ai/api/v1"),
    cloud("vivgrid", &[], "https://api.vivgrid.com/v1"),
    cloud("minimax", &[], "https://api.minimaxi.com/v1"),
    cloud("longcat", &[], "https://api.longcat.chat/openai"),
    cloud("modelscope", &[], "https://api-inference.modelscope.cn/v1"),
    cloud("mimo", &[], "https://api.xiaomimimo.com/v1").but(&[ReplaysReasoning]),
    cloud("avian", &[], "https://api.avian.io/v1"),
    cloud("novita", &[], "https://api.novita.ai/openai"),
    cloud("alibaba-coding", &["coding-plan", "qwen-coding"],
        "https://coding-intl.dashscope.aliyuncs.com/v1")
        .but(&[Thinking(Thinking::Budget)]),
    messages("alibaba-coding-anthropic", &["coding-plan-anthropic"],
        "https://coding-intl.dashscope.aliyuncs.com/apps/anthropic"),
    cloud("azure", &["azure-openai"], "")
        .at(&[".openai.azure.com"])
        .but(&[CacheKey, ApiKeyField]),
    local("ollama", &[], "http://localhost:11434/v1").but(&[DropsNameInV0]),
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

/// Models with quirks wherever they run: the lower-case id has all the words. `o#` is a word of its own, an `o`
/// and digits.
pub static FAMILIES: &[(&[&str], &[Quirk])] = &[
    (&["glm"], &[MaxCompletionTokens]),
    (&["gpt-5"], &[MaxCompletionTokens, NoTemperature]),
    (&["o#"], &[MaxCompletionTokens, NoTemperature]),
    (&["kimi", "k2"], &[TemperatureOne]),
];

impl Quirk {
    /// For people: docs/providers.md is made of it.
    pub fn meaning(self) -> String {
        let text = match self {
            Quirk::ReplaysReasoning => "gets reasoning back",
            Quirk::BridgesRoles => "a word between a tool's result and a user",
            Quirk::NineCharacterIds => "ids of calls in nine characters",
            Quirk::ReturnsExtraContent => "gets `extra_content` back",
            Quirk::CacheKey => "`prompt_cache_key` (by host only)",
            Quirk::ApiKeyField => "key in `api-key` (by name only)",
            Quirk::Thinking(Thinking::Effort) => "thinks by `thinking` and `reasoning_effort`",
            Quirk::Thinking(Thinking::Switch) => "thinks by `thinking`",
            Quirk::Thinking(Thinking::SwitchOrAuto) => "thinks by `thinking`, also `auto`",
            Quirk::Thinking(Thinking::Budget) => {
                "thinks by `enable_thinking` and `thinking_budget`"
            }
            Quirk::MaxCompletionTokens => "`max_completion_tokens` instead of `max_tokens`",
            Quirk::NoTemperature => "no `temperature`",
            Quirk::TemperatureOne => "`temperature` is 1",
            Quirk::ChatElsewhere => "at another address without a key `sk-ant-...`: OpenAI",
            Quirk::BaseInGo(address) => return format!("<{address}> means the same"),
            Quirk::SignedInBase(address) => return format!("signed in: <{address}>"),
            Quirk::OwnModelsKeepName => "`ID/auto` keeps its prefix",
            Quirk::DropsNameInV0 => "files without `version`: prefix of the model taken off",
            Quirk::Transcribes(model) => return format!("writes down voice messages ({model})"),
        };
        text.to_owned()
    }

    /// Whether it counts for an entry whose row was found by the host, or by the name.
    fn counts(self, by_host: bool) -> bool {
        match self {
            CacheKey => by_host,
            ReplaysReasoning | BridgesRoles | NineCharacterIds | ReturnsExtraContent
            | Thinking(_) => true,
            _ => !by_host,
        }
    }
}

/// What is different about an entry's server, by host and by name, and about its model.
pub(super) fn quirks<'a>(
    provider: &'a str,
    host: &'a str,
    model: &'a str,
) -> impl Iterator<Item = Quirk> + use<'a> {
    let by_host = PROVIDERS.iter().find(|row| !host.is_empty() && row.serves(host));
    let by_name = PROVIDERS.iter().find(|row| row.id == provider);
    let of_rows = [(by_host, true), (by_name, false)].into_iter().flat_map(|(row, by_host)| {
        let quirks = row.map_or(&[] as &[Quirk], |row| row.quirks).iter().copied();
        quirks.filter(move |quirk| quirk.counts(by_host))
    });
    let name = model.to_ascii_lowercase();
    let of_model = FAMILIES
        .iter()
        .filter(move |(words, _)| words.iter().all(|word| has_word(&name, word)))
        .flat_map(|(_, quirks)| quirks.iter().copied());
    of_rows.chain(of_model)
}

impl ProviderRow {
    /// Whether a host, in lower case, is the provider's.
    pub fn serves(&self, host: &str) -> bool {
        let own = self.base.split_once("://").map_or("", |(_, rest)| rest);
        let own = own.split(['/', ':']).next().unwrap_or_default();
        let fits = |known: &str| match known.strip_prefix('.') {
            Some(_) => host.ends_with(known),
            None => host == known,
        };
        // Servers of one's own are anybody's.
        (!self.keyless && own == host) || self.hosts.iter().any(|known| fits(known))
    }
}

/// `o1`, `o3-mini` and their like have the word `o#`.
fn has_word(name: &str, word: &str) -> bool {
    if word != "o#" {
        return name.contains(word);
    }
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| {
        let number = part.strip_prefix('o').unwrap_or_default();
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
}
