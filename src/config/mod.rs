//! The configuration in force, typed. How it comes together stands in [`load`].

use std::path::PathBuf;
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
mod keys_tools;
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
pub use secret::{FILTER_MIN_LENGTH, SHORT_SECRET, Secret, filter_min_length, redact};
pub use secret_encodings::with_encodings;
pub use shapes::{dimensions_of, scope_of};
pub use tools::TOOLS;
pub use web::{SearchEngine, WebConfig};

/// Everything the program was told.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `$PICOCLAW_HOME`: state, sockets, default workspace.
    pub home: PathBuf,
    /// Schema version the user's file declared; 0 for none (v0.1.2's defaults then hold).
    pub version: u32,
    /// `agents.defaults`.
    pub agent: AgentConfig,
    /// `model_list`, and `providers` of old files turned into entries of it; order kept.
    pub models: Vec<ModelConfig>,
    /// Enabled and disabled Telegram bots, one for each `channel_list` entry of that type.
    pub telegram: Vec<TelegramConfig>,
    /// Listeners for MaixCam cameras, likewise.
    pub maixcam: Vec<MaixCamConfig>,
    /// Channels of the Pico protocol, likewise; at most one is switched on.
    pub pico: Vec<PicoConfig>,
    /// `gateway`.
    pub gateway: GatewayConfig,
    /// `tools`.
    pub tools: ToolsConfig,
    /// `session`.
    pub session: SessionConfig,
    /// `heartbeat.interval`, zero where `heartbeat.enabled` is off.
    pub heartbeat: Duration,
    /// `memory.consolidation.time` in minutes of the day; `None` where `memory.consolidation.enabled` is off.
    pub consolidation: Option<u32>,
    /// `memory.embeddings.model`: entry of `model_list` whose server makes vectors, or empty.
    pub embeddings: String,
    /// `devices.enabled` and `devices.monitor_usb`: notices when USB devices come and go.
    pub usb_notices: bool,
    /// `time.servers`: SNTP servers in order.
    pub time_servers: Vec<String>,
}

/// `agents.defaults`.
#[derive(Clone, Debug, Default)]
pub struct AgentConfig {
    /// Folder the tools work in; `~` expanded, absolute.
    pub workspace: PathBuf,
    /// Tools stay inside the workspace.
    pub restrict_to_workspace: bool,
    /// With the above: reads may go outside.
    pub allow_read_outside_workspace: bool,
    /// `model_name` of [`ModelConfig`] to use first.
    pub model: String,
    /// `model_name`s to try next.
    pub fallbacks: Vec<String>,
    /// `model_name` for turns with pictures, or empty.
    pub image_model: String,
    /// `model_name`s to try after it.
    pub image_fallbacks: Vec<String>,
    /// `voice.model_name`: what writes down voice messages, or empty.
    pub voice_model: String,
    /// `voice.echo_transcription`: the chat is shown what was written down.
    pub echo_transcription: bool,
    /// Bytes of a picture that a model is shown.
    pub max_media_size: u32,
    /// Sent to the model.
    pub max_tokens: u32,
    /// Tokens the model can see; 0 in the file means 4 x max_tokens.
    pub context_window: u32,
    /// Sent to the model.
    pub temperature: f64,
    /// Model calls of one turn.
    pub max_tool_iterations: u32,
    /// Turns of different chats at one time.
    pub max_parallel_turns: u32,
    /// Retries of one model before the next.
    pub max_llm_retries: u32,
    /// Seconds x attempt between them.
    pub llm_retry_backoff: Duration,
    /// Messages after which older ones are summarised.
    pub summarize_messages: u32,
    /// Percent of `context_window` after which they are.
    pub summarize_percent: u32,
    /// `agents.list[].skills` of the default agent, else `turn_profile.skills`: the only skills it sees; `None` for all.
    pub skills: Option<Vec<String>>,
    /// All waiting messages steer a turn together, not one after the other.
    pub steer_all: bool,
    /// Failing rounds in a row before the model is asked to reflect, 0 for never.
    pub reflect: u32,
    /// Limits of sub-agents.
    pub subturn: SubturnConfig,
}

/// `agents.defaults.subturn`.
#[derive(Clone, Debug, Default)]
pub struct SubturnConfig {
    /// Sub-agents one after the other since somebody wrote.
    pub max_depth: u32,
    /// Sub-agents at one time.
    pub max_concurrent: u32,
    /// What one may take.
    pub timeout: Duration,
    /// Tokens one may use, 0 for no limit.
    pub token_budget: u32,
    /// How long a call waits for room.
    pub slot_wait: Duration,
}

/// One entry of `model_list`.
#[derive(Clone, Debug, Default)]
pub struct ModelConfig {
    /// The name users and `agents.defaults` use; may repeat (round robin).
    pub model_name: String,
    /// Canonical provider id, resolved from `provider` or the prefix of `model` (behaviour.md 6B).
    pub provider: String,
    /// The id sent to the provider, prefix taken off.
    pub model: String,
    /// Base URL without a trailing slash; the provider's default when the file has none.
    pub api_base: String,
    /// One entry per key (`api_keys` expands); empty where the provider needs none.
    pub api_key: Secret,
    /// Proxy URL for this model, or empty.
    pub proxy: String,
    /// `model_name`s to try after this one.
    pub fallbacks: Vec<String>,
    /// Requests a minute, 0 for no limit.
    pub rpm: u32,
    /// Replaces `max_tokens` as the field's name, or empty.
    pub max_tokens_field: String,
    /// Seconds for the first byte, 0 for [`crate::limits::MODEL_FIRST_BYTE`].
    pub request_timeout: Duration,
    /// Stream the answer.
    pub streaming: bool,
    /// `off`, `low`, `medium`, `high`, `xhigh`, `adaptive` or empty.
    pub thinking_level: String,
    /// JSON object text merged into the request, or empty.
    pub extra_body: String,
    /// Added to the request.
    pub custom_headers: Vec<(String, String)>,
    /// Replaces the User-Agent, or empty.
    pub user_agent: String,
    /// Instead of a key: the home, whose `auth.json` says who is signed in (`auth_method`).
    pub signed_in: Option<PathBuf>,
}

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

/// `gateway`.
#[derive(Clone, Debug, Default)]
pub struct GatewayConfig {
    /// Addresses to listen on; loopback by default.
    pub hosts: Vec<String>,
    /// Port of the health server, 18790.
    pub port: u16,
    /// What requests to the health server must show to be told more than that it lives.
    pub token: Secret,
    /// `debug`, `info`, `warn`, `error` or `fatal`.
    pub log_level: String,
}

/// `tools`.
#[derive(Clone, Debug, Default)]
pub struct ToolsConfig {
    /// Tools switched off by `tools.<name>.enabled: false`.
    pub disabled: Vec<String>,
    /// `tools.<name>.approval` where it is not [`Approval::Auto`].
    pub approvals: Vec<(String, Approval)>,
    /// `tools.unattended`: tools that nobody's turns (heartbeat, cron) may use although they act on the machine.
    pub unattended: Vec<String>,
    /// `tools.serial.ports`: paths that are ports besides `/dev/tty*`.
    pub serial_ports: Vec<String>,
    /// Regular expressions of paths readable outside the workspace.
    pub allow_read_paths: Vec<String>,
    /// The same for writing.
    pub allow_write_paths: Vec<String>,
    /// `tools.exec`.
    pub exec: ExecConfig,
    /// `tools.cron.allow_command`: jobs may run commands that a user approved.
    pub cron_commands: bool,
    /// `tools.cron.exec_timeout_minutes`.
    pub cron_timeout: Duration,
    /// `tools.web`.
    pub web: WebConfig,
    /// `tools.skills`.
    pub skills: SkillsConfig,
    /// read_file answers with numbered lines unless asked otherwise.
    pub read_file_lines: bool,
    /// Bytes of one read_file answer, at most [`crate::limits::READ_FILE_BYTES`].
    pub max_read_file_size: usize,
    /// Secrets are taken out of tool results, see [`redact`].
    pub filter_sensitive_data: bool,
    /// Results of fewer bytes are not searched for secrets.
    pub filter_min_length: usize,
}

/// `tools.skills`: where skills are searched and installed from.
#[derive(Clone, Debug, Default)]
pub struct SkillsConfig {
    /// `registries.github.base_url`, or empty for GitHub itself.
    pub github_base: String,
    /// `registries.github.auth_token`, for private repositories.
    pub github_token: Secret,
    /// `registries.github.proxy`, for all of them.
    pub proxy: String,
    /// `registries.clawhub.enabled`.
    pub clawhub: bool,
    /// `registries.clawhub.base_url`, or empty for ClawHub itself.
    pub clawhub_base: String,
    /// `registries.clawhub.auth_token`.
    pub clawhub_token: Secret,
}

/// `tools.exec`.
#[derive(Clone, Debug, Default)]
pub struct ExecConfig {
    /// The built-in deny list applies.
    pub enable_deny_patterns: bool,
    /// Chats may use exec, not only the command line.
    pub allow_remote: bool,
    /// More deny expressions.
    pub custom_deny_patterns: Vec<String>,
    /// Expressions exempt from the deny lists.
    pub custom_allow_patterns: Vec<String>,
    /// How long a command may run.
    pub timeout: Duration,
    /// Names of environment variables passed on besides the built-in few.
    pub env: Vec<String>,
    /// Commands are not locked in (`tools.exec.sandbox: none`).
    pub unsandboxed: bool,
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

/// `session`.
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    /// What a session is made of: `chat`, `topic`, `sender`, `space`; empty is one session for all.
    pub dimensions: Vec<String>,
    /// Name -> ids that are one person.
    pub identity_links: Vec<(String, Vec<String>)>,
}
