//! Keys of the gateway, the clock, the heartbeat, memory and devices.

use std::path::PathBuf;
use std::time::Duration;

use super::agent::{AgentConfig, SessionConfig};
use super::hooks::HooksConfig;
use super::models::ModelConfig;
use super::tools::ToolsConfig;
use crate::config::channels::ChannelConfig;
use crate::config::config_keys::config_keys;
use crate::config::secret::Secret;
use crate::limits;

config_keys! {
    /// `gateway`.
    GatewayConfig in "gateway." {
        /// what requests show (Authorization: Bearer) to be told more than alive or ready; needed
        /// on other addresses than loopback
        token: Secret = secret("token", Secret, "");
        /// port of /health and /ready
        port: u16 = port("port", Int(0, 65535), "18790");
    }
    with {
        /// Addresses to listen on; loopback by default.
        hosts: Vec<String> = "host",
        /// `debug`, `info`, `warn`, `error` or `fatal`.
        log_level: String = "log_level",
    }
    keys {
        /// addresses to listen on, as a list or with commas
        ("host", List, "[\"127.0.0.1\"]");
        /// log level; PICOCLAW_LOG_LEVEL takes precedence
        ("log_level", Word("debug|info|warn|warning|error|fatal"), "\"info\"" => "\"warn\"");
    }
    unused {
        "hot_reload",
    }
}

config_keys! {
    /// The whole configuration.
    Config in "" {
        /// `model_name` of an entry whose server has /embeddings, for memory_search; only in builds
        /// with the feature embeddings
        embeddings: String = text("memory.embeddings.model", Text, "");
        /// time servers, in order
        time_servers: Vec<String> = list("time.servers", List, "[\"0.pool.ntp.org\",\"1.pool.ntp.org\",\"2.pool.ntp.org\",\"3.pool.ntp.org\"]");
    }
    with {
        /// `$PICOCLAW_HOME`: state, sockets, default workspace.
        home: PathBuf,
        /// Schema version the user's file declared; 0 for none (v0.1.2's defaults then hold).
        version: u32,
        /// `agents.defaults`.
        agent: AgentConfig,
        /// `model_list`, and `providers` of old files turned into entries of it; order kept.
        models: Vec<ModelConfig>,
        /// Entries of `channel_list` whose kind this build has, switched on or not.
        channels: Vec<ChannelConfig>,
        /// `gateway`.
        gateway: GatewayConfig,
        /// `tools`.
        tools: ToolsConfig,
        /// `session`.
        session: SessionConfig,
        /// `heartbeat.interval`, zero where `heartbeat.enabled` is off.
        heartbeat: Duration,
        /// `memory.consolidation.time` in minutes of the day; `None` where
        /// `memory.consolidation.enabled` is off.
        consolidation: Option<u32>,
        /// `devices.enabled` and `devices.monitor_usb`: notices when USB devices come and go.
        usb_notices: bool,
        /// `hooks`.
        hooks: HooksConfig,
    }
    keys {
        /// settings of the Go version that this build lacks (isolation, hooks) and for which calls need
        /// not ask
        ("ignore_unsupported", List, "[]");
        /// schema of the file; without it v0.1.2's defaults apply
        ("version", Int(0, ANY), "");
        /// the model works through HEARTBEAT.md at intervals
        ("heartbeat.enabled", Bool, "true");
        /// minutes between two heartbeats
        ("heartbeat.interval", Int(0, 10_080), "30", ZERO.from(limits::HEARTBEAT_MIN as i64));
        /// once a day the model merges the daily notes into MEMORY.md; the old file is kept in
        /// memory/old
        ("memory.consolidation.enabled", Bool, "false");
        /// when, in local time
        ("memory.consolidation.time", Text, "\"03:30\"");
        /// the chat that wrote last is told which devices are plugged in
        ("devices.enabled", Bool, "false");
        /// with the above: USB devices that are plugged in or removed
        ("devices.monitor_usb", Bool, "true");
    }
    unused {
        "events",
        "isolation",
        "build_info",
        "skills",
    }
    noted {
        "agents.list",
        "agents.dispatch",
        "bindings",
        "evolution",
    }
}
