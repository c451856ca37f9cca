//! What `channel_list` says of a listener for MaixCam cameras. A module of `config`, which is a layer below the channels.

use crate::config::channel_entry::{ChannelSettings, Entry};
use crate::config::config_keys::config_keys;
use crate::config::secret::Secret;
use crate::config::section::BuildContext;

/// Port for cameras where none is named: upstream's default is the gateway's own.
const PORT: u16 = 18791;

config_keys! {
    /// One listener.
    Settings in "channel_list.*." {
        /// MaixCam: token that cameras must send
        token: Secret = secret("settings.token", Secret, "");
        /// MaixCam: address to listen on
        host: String = text("settings.host", Text, "\"127.0.0.1\"");
        /// MaixCam: its port
        port: u16 = port("settings.port", Int(1, 65535), "18791");
        /// MaixCam: addresses and networks (192.168.1.0/24) whose cameras need no token
        allow_addr: Vec<String> = list("settings.allow_addr", List, "[]");
    }
    with {
        /// Channel and chat that hear of its events; `None` is the camera itself.
        chat: Option<(String, String)>,
    }
    keys {
        /// MaixCam: chat that gets its events, CHANNEL:CHAT; empty means the camera itself
        ("settings.chat", Text, "");
    }
}

impl ChannelSettings for Settings {
    fn build(entry: &mut Entry<'_>, ctx: &mut BuildContext<'_>) -> Settings {
        let (name, section) = (entry.name, entry.section);
        let mut settings = Settings::read(section);
        // What upstream writes into every file.
        let gateway = entry.gateway_port;
        if settings.port == gateway && gateway != PORT {
            settings.port = PORT;
            if entry.enabled {
                let message = format!("{name}: port {gateway} is the gateway's; {PORT} is used");
                let origin = section.origin("settings.port");
                ctx.warn(origin, "channel_list", message, "set settings.port");
            }
        }
        for network in &settings.allow_addr {
            if network.split('/').next().is_none_or(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
                let message = format!("{name}: `{network}` is no address and no network");
                let cure = "write 192.168.1.20 or 192.168.1.0/24";
                ctx.error(section.origin("settings.allow_addr"), "allow_addr", message, cure);
            }
        }
        let chat = section.text("settings.chat");
        let parts = chat.split_once(':').map(|(channel, id)| (channel.to_owned(), id.to_owned()));
        let known = |(channel, id): &(String, String)| {
            !id.is_empty()
                && entry.root.at("channel_list").is_some_and(|list| list.get(channel).is_some())
        };
        if !chat.is_empty() && !parts.as_ref().is_some_and(known) {
            let message = format!("{name}: `{chat}` names no chat of a channel in channel_list");
            let cure = "write CHANNEL:CHAT, like telegram:123456789";
            ctx.error(section.origin("settings.chat"), "chat", message, cure);
        }
        Settings { chat: parts, ..settings }
    }
}
