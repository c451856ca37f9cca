//! The table of keys, section by section: one entry a key, in the form that [`super::config_keys`] explains.

use serde_json::Value;

use super::config_keys::Resolved;
use super::key::Key;
use super::{channels as kinds, tools as switches};

mod agent;
mod channels;
mod gateway;
mod hooks;
mod models;
mod tools;

pub use agent::{AgentConfig, SessionConfig, SubturnConfig, VoiceConfig};
pub(super) use channels::ChannelCommon;
pub use gateway::{Config, GatewayConfig};
#[cfg(feature = "hooks")]
pub use hooks::HookConfig;
pub use hooks::HooksConfig;
pub use models::ModelConfig;
pub(super) use tools::FETCH_LIMIT;
pub use tools::{ExecConfig, SearchEngine, SkillsConfig, ToolsConfig, WebConfig};

/// Every key, section by section; looked up through [`super::keys`].
pub(super) const ALL: &[&[Key]] = &[
    Config::FIELDS,
    Config::REST,
    AgentConfig::FIELDS,
    AgentConfig::REST,
    SubturnConfig::FIELDS,
    SubturnConfig::REST,
    VoiceConfig::FIELDS,
    VoiceConfig::REST,
    SessionConfig::FIELDS,
    SessionConfig::REST,
    ModelConfig::FIELDS,
    ModelConfig::REST,
    models::PROVIDERS,
    ChannelCommon::FIELDS,
    ChannelCommon::REST,
    kinds::TYPE,
    GatewayConfig::FIELDS,
    GatewayConfig::REST,
    ToolsConfig::FIELDS,
    ToolsConfig::REST,
    ExecConfig::FIELDS,
    ExecConfig::REST,
    WebConfig::FIELDS,
    WebConfig::REST,
    SkillsConfig::FIELDS,
    SkillsConfig::REST,
    switches::KEYS,
    hooks::KEYS[0],
    hooks::KEYS[1],
    hooks::KEYS[2],
    hooks::KEYS[3],
];

impl Config {
    /// [`Resolved`] of every key without a name in its path.
    pub(super) fn resolved_value(&self, path: &str) -> Option<Value> {
        let agent = &self.agent;
        (self.resolved(path).or_else(|| agent.resolved(path)))
            .or_else(|| agent.voice.resolved(path))
            .or_else(|| self.gateway.resolved(path))
            .or_else(|| self.session.resolved(path))
            .or_else(|| self.tools.web.resolved(path))
    }
}
