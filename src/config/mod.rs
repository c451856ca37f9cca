//! The configuration in force, typed. How it comes together stands in [`load`].

use std::time::Duration;

mod build;
mod channels;
pub mod enc;
mod env;
pub mod in_place;
mod inspect;
pub mod keys;
mod keys_pack;
mod keys_table;
mod last_good;
mod layers;
mod load;
mod media;
mod merge;
mod models;
pub mod nearest;
mod onboard;
mod problem;
pub mod providers;
mod replace;
mod report;
pub mod secret;
mod secret_encodings;
mod section;
mod security;
mod shapes;
mod table;
mod tools;
mod tree;
mod web;

pub use build::hosts;
pub use env::split_list;
pub use last_good::{LAST_GOOD, load_last_good, save_last_good};
pub use layers::{Layer, LayerKind, LoadOptions, Place};
pub use load::{Loaded, is_loadable, load};
pub use onboard::onboard;
pub use problem::{ConfigErrors, Problem};
pub use report::{check, show};
pub use secret::{SHORT_SECRET, Secret, redact};
pub use secret_encodings::with_encodings;
pub use shapes::{dimensions_of, scope_of};
pub use table::{
    AgentConfig, Config, ExecConfig, GatewayConfig, ModelConfig, SessionConfig, SkillsConfig,
    SubturnConfig, ToolsConfig, VoiceConfig, WebConfig,
};
pub use tools::TOOLS;
pub use web::SearchEngine;

/// One Telegram bot.
#[derive(Clone, Debug, Default)]
pub struct TelegramConfig {
    /// Key in `channel_list`; `telegram` in old files.
    pub name: String,
    /// Is started.
    pub enabled: bool,
    /// Bot token.
    pub token: Secret,
    /// `https://api.telegram.org` unless set; no trailing slash.
    pub base_url: String,
    /// Proxy URL or empty.
    pub proxy: String,
    /// Who may talk; empty is nobody, `*` is everybody.
    pub allow_from: Vec<String>,
    /// A code the owner chose, or empty.
    pub pairing_code: Secret,
    /// When to answer in groups.
    pub group: GroupTrigger,
    /// Show "typing" while working.
    pub typing: bool,
    /// Placeholder texts, one picked at random; empty for none.
    pub placeholder: Vec<String>,
}

/// One listener for MaixCam cameras.
#[derive(Clone, Debug, Default)]
pub struct MaixCamConfig {
    /// Key in `channel_list`; `maixcam` in old files.
    pub name: String,
    /// Is started.
    pub enabled: bool,
    /// Address to listen on; loopback by default.
    pub host: String,
    /// 18791 by default; upstream's is the gateway's own.
    pub port: u16,
    /// What cameras must show, or empty.
    pub token: Secret,
    /// Addresses and networks whose cameras need not show it.
    pub allow_addr: Vec<String>,
    /// Where nobody stands in it, every camera that was let in may talk.
    pub allow_from: Vec<String>,
    /// Channel and chat that hear of its events; `None` is the camera itself.
    pub chat: Option<(String, String)>,
}

/// The channel of the Pico protocol.
#[derive(Clone, Debug, Default)]
pub struct PicoConfig {
    /// Key in `channel_list`; `pico` in old files.
    pub name: String,
    /// Is served.
    pub enabled: bool,
    /// What clients must show; never empty where it is served.
    pub token: Secret,
    /// The token may stand in the query.
    pub allow_token_query: bool,
    /// Origins that may connect; empty means any.
    pub allow_origins: Vec<String>,
    /// Where nobody stands in it, every client that was let in may talk.
    pub allow_from: Vec<String>,
    /// Silence after which a client is asked.
    pub ping: Duration,
    /// Silence after which it is closed.
    pub silence: Duration,
    /// Show "typing" while working.
    pub typing: bool,
    /// Placeholder texts, one picked; empty for none.
    pub placeholder: Vec<String>,
}

/// `group_trigger`: neither set means every message of an allowed sender.
#[derive(Clone, Debug, Default)]
pub struct GroupTrigger {
    /// Only when mentioned or replied to.
    pub mention_only: bool,
    /// Or when the text begins with one of these.
    pub prefixes: Vec<String>,
}

/// Whether a call waits for the user's yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// What is risky, and what follows from untrusted text.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always.
    Ask,
}
