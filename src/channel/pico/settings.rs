//! What `channel_list` says of the channel of the Pico protocol. A module of `config`, which lies below the channels.

use std::time::Duration;

use crate::config::Secret;
use crate::config::channels::{ChannelSettings, Entry};
use crate::config::keys::{Key, Kind, key};
use crate::config::section::BuildContext;

/// The channel.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What clients must show; never empty where it is served.
    pub token: Secret,
    /// The token may stand in the query.
    pub allow_token_query: bool,
    /// Origins that may connect; empty means any.
    pub allow_origins: Vec<String>,
    /// Silence after which a client is asked.
    pub ping: Duration,
    /// Silence after which it is closed.
    pub silence: Duration,
}

impl ChannelSettings for Settings {
    const KEYS: &'static [Key] = &[
        key("channel_list.*.settings.token", Kind::Secret, "", "Pico: what clients must show"),
        key(
            "channel_list.*.settings.allow_token_query",
            Kind::Bool,
            "false",
            "Pico: the token may stand in the address (?token=), where others can read it",
        ),
        key(
            "channel_list.*.settings.allow_origins",
            Kind::List,
            "[]",
            "Pico: origins whose pages may connect; empty means any",
        ),
        key(
            "channel_list.*.settings.ping_interval",
            Kind::Int(1, 3600),
            "30",
            "Pico: seconds of silence after which a client is asked whether it is there",
        ),
        key(
            "channel_list.*.settings.read_timeout",
            Kind::Int(1, 3600),
            "60",
            "Pico: seconds of silence after which it is closed",
        ),
    ];

    const ONLY_ONE: Option<&'static str> = Some("several clients may share it");

    fn read(entry: &mut Entry<'_>, ctx: &mut BuildContext<'_>) -> Settings {
        let section = entry.section;
        let token = entry.secret("settings.token");
        if entry.enabled && token.is_empty() {
            let cure = "set settings.token to something long that nobody guesses";
            entry.unfinished("", "token", cure, ctx);
        }
        let seconds = |key: &str| Duration::from_secs(u64::try_from(section.int(key)).unwrap_or(1));
        Settings {
            token,
            allow_token_query: section.truth("settings.allow_token_query"),
            allow_origins: section.list("settings.allow_origins"),
            ping: seconds("settings.ping_interval"),
            silence: seconds("settings.read_timeout"),
        }
    }
}
