//! The configuration in force, typed. [`load()`] puts it together.

mod build;
pub mod channel_entry;
pub mod channels;
mod config_keys;
pub mod enc;
mod env;
#[cfg(feature = "hooks")]
mod hook_files;
#[cfg(feature = "hooks")]
pub mod hooks;
mod in_force;
#[cfg(feature = "encryption")]
pub mod in_place;
mod inspect;
mod key;
mod key_docs;
mod key_table;
pub mod keys;
mod last_good;
mod layers;
mod load;
mod logins;
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
#[cfg(feature = "migrate")]
mod security_yml;
mod set;
mod shapes;
mod table;
mod tools;
mod tree;
#[cfg(feature = "doctor")]
mod unknown_names;
mod unsupported;
mod unusable;
mod unused;

pub use build::{UNSERVED_CURE, hosts, unserved};
pub use channels::{ChannelConfig, GroupTrigger, Settings};
pub use env::split_list;
pub use key_docs::write_key_docs;
pub use last_good::{LAST_GOOD, load_last_good, save_last_good};
pub use layers::{Layer, LayerKind, LoadOptions, Location};
pub use load::{Loaded, is_loadable, load};
pub use onboard::onboard;
pub use problem::{ConfigErrors, Problem};
pub use report::{check, show};
pub use secret::{SHORT_SECRET, Secret, redact};
pub use secret_encodings::with_encodings;
pub use set::{NewValue, SET_FILE, set};
#[cfg(feature = "hooks")]
pub use table::HookConfig;
pub use table::{
    AgentConfig, Config, ExecConfig, GatewayConfig, HooksConfig, ModelConfig, SearchEngine,
    SessionConfig, SkillsConfig, SubturnConfig, ToolsConfig, VoiceConfig, WebConfig,
};
pub use tools::{Approval, TOOLS};
