//! Keys of models and, in old files, of their providers.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::config_keys::config_keys;
use crate::config::secret::Secret;
use crate::limits::MODEL_FIRST_BYTE;

config_keys! {
    /// One entry of `model_list`.
    ModelConfig in "model_list.*." {
        /// proxy for this model
        proxy: String = text("proxy", Proxy, "");
        /// entries to try after this one
        fallbacks: Vec<String> = list("fallbacks", List, "");
        /// requests per minute; 0 means no limit
        rpm: u32 = count("rpm", Int(0, ANY), "0");
        /// name of the field max_tokens is sent in
        max_tokens_field: String = text("max_tokens_field", Text, "");
        /// seconds until the first byte
        request_timeout: Duration = seconds(
            "request_timeout", Int(0, 86400), "0", zero(MODEL_FIRST_BYTE.as_secs() as i64)
        );
        /// read the answer as it is written
        streaming: bool = truth("streaming.enabled", Bool, "false");
        /// how much the model thinks
        thinking_level: String = word("thinking_level", Word("|off|low|medium|high|xhigh|adaptive"), "");
        /// replaces the User-Agent
        user_agent: String = text("user_agent", Text, "");
    }
    with {
        /// The name users and `agents.defaults` use; may repeat (round robin).
        model_name: String,
        /// Canonical provider id, resolved from `provider` or the prefix of `model` (behaviour.md
        /// 6B).
        provider: String = "provider",
        /// The id sent to the provider, prefix taken off.
        model: String,
        /// Base URL without a trailing slash; the provider's default when the file has none.
        api_base: String = "api_base",
        /// One entry per key (`api_keys` expands); empty where the provider needs none.
        api_key: Secret,
        /// JSON object text merged into the request, or empty.
        extra_body: String,
        /// Added to the request.
        custom_headers: Vec<(String, String)>,
        /// Instead of a key: the home, whose `auth.json` says who is signed in (`auth_method`).
        signed_in: Option<PathBuf>,
    }
    keys {
        /// the name used everywhere else; may repeat (round robin)
        ("model_name", Text, "");
        /// provider; empty means the text before the first / of model
        ("provider", Text, "");
        /// model id, with or without a provider and /
        ("model", Text, "");
        /// address; empty means the provider's
        ("api_base", Url, "");
        /// keys; with several, each becomes an entry and they are fallbacks of each other. `api_key` is the same
        ("api_keys", Secrets, "");
        /// merged into the request
        ("extra_body", Free, "");
        /// headers added to the request
        ("custom_headers.*", Text, "");
        /// accepted; not used: tools are sent as they are
        ("tool_schema_transform", Word("|off|none|native|simple|basic|strict|flat"), "");
        /// the entry is used
        ("enabled", Bool, "true");
        /// signed in with `picoclaw auth login` instead of a key
        ("auth_method", Word("|oauth|token"), "");
    }
    unused {
        "connect_mode",
        "workspace",
    }
}

config_keys! {
    PROVIDERS in "providers.*."
    keys {
        /// old files: keys of a provider (`api_key` is the same)
        ("api_keys", Secrets, "");
        /// old files: its address
        ("api_base", Url, "");
        /// old files: proxy for it
        ("proxy", Proxy, "");
        /// old files: signed in with `picoclaw auth login`
        ("auth_method", Word("|oauth|token"), "");
    }
    unused {
        "connect_mode",
        "web_search",
        "request_timeout",
    }
}
