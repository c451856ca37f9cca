//! What `channel_list` says of a listener for MaixCam cameras. A module of `config`, which lies below the channels.

use crate::config::Secret;
use crate::config::channels::{ChannelSettings, Entry};
use crate::config::keys::{Key, Kind, key};
use crate::config::section::BuildContext;

/// Port for cameras where none is named: upstream's default is the gateway's own.
const PORT: u16 = 18791;

/// One listener.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Address to listen on; loopback by default.
    pub host: String,
    /// 18791 by default; upstream's is the gateway's own.
    pub port: u16,
    /// What cameras must show, or empty.
    pub token: Secret,
    /// Addresses and networks whose cameras need not show it.
    pub allow_addr: Vec<String>,
    /// Channel and chat that hear of its events; `None` is the camera itself.
    pub chat: Option<(String, String)>,
}

impl ChannelSettings for Settings {
    const KEYS: &'static [Key] = &[
        key("channel_list.*.settings.token", Kind::Secret, "", "MaixCam: what cameras must show"),
        key(
            "channel_list.*.settings.host",
            Kind::Text,
            "\"127.0.0.1\"",
            "MaixCam: address to listen on",
        ),
        key("channel_list.*.settings.port", Kind::Int(1, 65535), "18791", "MaixCam: port of it"),
        key(
            "channel_list.*.settings.allow_addr",
            Kind::List,
            "[]",
            "MaixCam: addresses and networks (192.168.1.0/24) whose cameras need no token",
        ),
        key(
            "channel_list.*.settings.chat",
            Kind::Text,
            "",
            "MaixCam: chat that hears of its events, CHANNEL:CHAT; empty means the camera itself",
        ),
    ];

    fn read(entry: &mut Entry<'_>, ctx: &mut BuildContext<'_>) -> Settings {
        let (name, section) = (entry.name, entry.section);
        let mut port = u16::try_from(section.int("settings.port")).unwrap_or_default();
        // What the Go original writes into every file.
        let gateway = entry.gateway_port;
        if port == gateway && gateway != PORT {
            port = PORT;
            if entry.enabled {
                let message = format!("{name}: port {gateway} is the gateway's; {port} is used");
                let origin = section.origin("settings.port");
                ctx.warn(origin, "channel_list", message, "set settings.port");
            }
        }
        let allow_addr = section.list("settings.allow_addr");
        for network in &allow_addr {
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
        Settings {
            host: section.text("settings.host"),
            port,
            token: Secret::new(section.text("settings.token")),
            allow_addr,
            chat: parts,
        }
    }
}
