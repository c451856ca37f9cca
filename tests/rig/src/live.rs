//! The real services: which the environment has keys for, and a configuration for them.

use serde_json::{Value, json};

/// Variable with the key, provider, a model that is cheap and calls tools.
const PROVIDERS: [(&str, &str, &str); 3] = [
    ("OPENAI_API_KEY", "openai", "gpt-4o-mini"),
    ("OPENROUTER_API_KEY", "openrouter", "auto"),
    ("ANTHROPIC_API_KEY", "anthropic", "claude-3-5-haiku-latest"),
];

/// What talks to the real world.
pub struct Services {
    token: String,
    provider: &'static str,
    model: String,
    key: String,
}

impl Services {
    /// From the environment; the error says what is missing for it.
    pub fn from_env() -> Result<Services, String> {
        let var = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let token = var("TELEGRAM_TOKEN");
        let found = PROVIDERS
            .iter()
            .find_map(|(name, provider, model)| Some((var(name)?, *provider, *model)));
        match (token, found) {
            (Some(token), Some((key, provider, model))) => {
                let model = var("MODEL").unwrap_or_else(|| model.to_string());
                Ok(Services { token, provider, model, key })
            }
            (None, None) => Err("no keys in the environment".into()),
            (None, Some(_)) => Err("a model's key is there, but no TELEGRAM_TOKEN".into()),
            (Some(_), None) => Err(format!(
                "TELEGRAM_TOKEN is there, but none of {}",
                PROVIDERS.map(|p| p.0).join(", ")
            )),
        }
    }

    /// `openai/gpt-4o-mini`.
    pub fn model(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }

    /// A minimal configuration without secrets: those stay in the environment.
    pub fn config(&self) -> Value {
        json!({
            "version": 3,
            "agents": { "defaults": { "model_name": "main" } },
            "model_list": [{ "model_name": "main", "model": self.model() }],
            "channel_list": { "telegram": { "enabled": true, "allow_from": [] } },
        })
    }

    /// The secrets, as the daemon reads them.
    pub fn variables(&self) -> [(String, String); 2] {
        [
            ("PICOCLAW_CHANNELS_TELEGRAM_TOKEN".into(), self.token.clone()),
            ("PICOCLAW_MODEL_LIST_MAIN_API_KEY".into(), self.key.clone()),
        ]
    }
}
