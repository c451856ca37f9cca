//! What `channel_list` says of the channel of the Pico protocol. A module of `config`, which is a layer below the channels.

use std::time::Duration;

use crate::config::channel_entry::{ChannelSettings, Entry};
use crate::config::config_keys::config_keys;
use crate::config::secret::Secret;
use crate::config::section::BuildContext;

config_keys! {
    /// The channel.
    Settings in "channel_list.*." {
        /// Pico: token that clients must send
        token: Secret = own_secret("settings.token", Secret, "");
        /// Pico: the token may be in the address (?token=), where others can read it
        allow_token_query: bool = truth("settings.allow_token_query", Bool, "false");
        /// Pico: origins whose pages may connect; empty means any
        allow_origins: Vec<String> = list("settings.allow_origins", List, "[]");
        /// Pico: seconds of silence after which a client is pinged
        ping: Duration = seconds("settings.ping_interval", Int(1, 3600), "30");
        /// Pico: seconds of silence after which it is disconnected
        silence: Duration = seconds("settings.read_timeout", Int(1, 3600), "60");
    }
}

impl ChannelSettings for Settings {
    const ONLY_ONE: Option<&'static str> = Some("several clients may share it");

    fn chat_problem(chat: &str) -> Option<&'static str> {
        let session = |s: &str| {
            !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        let known = chat.strip_prefix("pico:").is_some_and(session);
        (!known).then_some("an id is pico:SESSION, as the client names its session")
    }

    fn build(entry: &mut Entry<'_>, ctx: &mut BuildContext<'_>) -> Settings {
        let settings = Settings::read(entry.section);
        if entry.enabled && settings.token.is_empty() {
            let cure = "set settings.token to something long that nobody guesses";
            entry.unfinished("", "token", cure, ctx);
        }
        settings
    }
}
