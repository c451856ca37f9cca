//! `channel_list` turned into the channels this build has.

use super::inspect::suggestion;
use super::secret::Secret;
use super::section::{BuildContext, Section};
use super::shapes::is_placeholder;
use super::tree::Node;
use super::{GroupTrigger, MaixCamConfig, PicoConfig, TelegramConfig};

/// Types whose settings are known in full.
pub(super) const BUILT: &[&str] = &["telegram", "maixcam", "pico"];

/// Channel types of the Go original.
pub(super) const TYPES: &[&str] = &[
    "telegram",
    "pico",
    "pico_client",
    "discord",
    "feishu",
    "weixin",
    "wecom",
    "dingtalk",
    "slack",
    "slack_webhook",
    "teams_webhook",
    "matrix",
    "line",
    "onebot",
    "qq",
    "irc",
    "vk",
    "maixcam",
    "whatsapp",
    "whatsapp_native",
    "mqtt",
    "wecom_app",
    "wecom_aibot",
];

/// `bus::CLI`: what comes from there counts as said by whoever has the machine.
const CLI: &str = "cli";

/// Shortest pairing code an owner may choose: tries are limited, guesses must stay hopeless.
const PAIRING_CODE_MIN: usize = 8;
/// Longest one.
const PAIRING_CODE_MAX: usize = 64;

/// Port for cameras where none is named: upstream's default is the gateway's own.
const MAIXCAM_PORT: u16 = 18791;

/// Every channel of the list, switched on or not.
#[derive(Default)]
pub(super) struct Channels {
    pub telegram: Vec<TelegramConfig>,
    pub maixcam: Vec<MaixCamConfig>,
    pub pico: Vec<PicoConfig>,
}

/// Reads the list. `gateway` is the port of the gateway itself.
pub(super) fn build(root: &Node, gateway: u16, ctx: &mut BuildContext<'_>) -> Channels {
    let mut built = Channels::default();
    for (name, node) in root.get("channel_list").map(Node::entries).unwrap_or_default() {
        let section = ctx.section(node, "channel_list.*.");
        let kind = node.text_of("type").filter(|t| !t.is_empty()).unwrap_or(name);
        if **name == *CLI {
            ctx.error(
                node.origin,
                "channel_list",
                "the name `cli` is the command line's",
                "choose another",
            );
        }
        if kind == "telegram" {
            built.telegram.push(telegram(name, section, ctx));
        } else if kind == "maixcam" && cfg!(feature = "maixcam") {
            built.maixcam.push(maixcam(name, section, root, gateway, ctx));
        } else if kind == "pico" && cfg!(feature = "pico") {
            let pico = pico(name, section, ctx);
            if pico.enabled && built.pico.iter().any(|p| p.enabled) {
                let message = "there is one channel of type pico, and this is the second";
                ctx.error(node.origin, "channel_list", message, "several clients may share it");
            }
            built.pico.push(pico);
        } else if !TYPES.contains(&kind) {
            let origin = node.get("type").map_or(node.origin, |n| n.origin);
            ctx.error(
                origin,
                "channel_list",
                format!("no channel type is called `{kind}`"),
                suggestion(kind, TYPES.iter().copied()),
            );
        } else if section.truth("enabled") {
            ctx.warn(
                node.origin,
                "channel_list",
                format!("channel type {kind} is not supported by this build, ignored"),
                "",
            );
        }
    }
    built
}

fn maixcam(
    name: &str,
    section: Section<'_>,
    root: &Node,
    gateway: u16,
    ctx: &mut BuildContext<'_>,
) -> MaixCamConfig {
    let enabled = section.truth("enabled");
    let mut port = u16::try_from(section.int("settings.port")).unwrap_or_default();
    // What the Go original writes into every file.
    if port == gateway && gateway != MAIXCAM_PORT {
        port = MAIXCAM_PORT;
        if enabled {
            let message = format!("{name}: port {gateway} is the gateway's; {port} is used");
            ctx.warn(section.origin("settings.port"), "channel_list", message, "set settings.port");
        }
    }
    let allow_addr = section.list("settings.allow_addr");
    for entry in &allow_addr {
        if entry.split('/').next().is_none_or(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
            let message = format!("{name}: `{entry}` is no address and no network");
            let cure = "write 192.168.1.20 or 192.168.1.0/24";
            ctx.error(section.origin("settings.allow_addr"), "allow_addr", message, cure);
        }
    }
    let chat = section.text("settings.chat");
    let parts = chat.split_once(':').map(|(channel, id)| (channel.to_owned(), id.to_owned()));
    let known = |(channel, id): &(String, String)| {
        !id.is_empty() && root.at("channel_list").is_some_and(|list| list.get(channel).is_some())
    };
    if !chat.is_empty() && !parts.as_ref().is_some_and(known) {
        let message = format!("{name}: `{chat}` names no chat of a channel in channel_list");
        let cure = "write CHANNEL:CHAT, like telegram:123456789";
        ctx.error(section.origin("settings.chat"), "chat", message, cure);
    }
    MaixCamConfig {
        name: name.to_owned(),
        enabled,
        host: section.text("settings.host"),
        port,
        token: Secret::new(section.text("settings.token")),
        allow_addr,
        allow_from: section.list("allow_from"),
        chat: parts,
    }
}

fn pico(name: &str, section: Section<'_>, ctx: &mut BuildContext<'_>) -> PicoConfig {
    let mut enabled = section.truth("enabled");
    let mut token = section.text("settings.token");
    if is_placeholder(&token) {
        token.clear();
    }
    if enabled && token.is_empty() {
        let message = format!("{name} is enabled and has no token");
        let cure = "set settings.token to something long that nobody guesses";
        ctx.unfinished(section.node.origin, "channel_list", message, cure);
        enabled = false;
    }
    let seconds =
        |key: &str| std::time::Duration::from_secs(u64::try_from(section.int(key)).unwrap_or(1));
    PicoConfig {
        name: name.to_owned(),
        enabled,
        token: Secret::new(token),
        allow_token_query: section.truth("settings.allow_token_query"),
        allow_origins: section.list("settings.allow_origins"),
        allow_from: section.list("allow_from"),
        ping: seconds("settings.ping_interval"),
        silence: seconds("settings.read_timeout"),
        typing: section.truth("typing.enabled"),
        placeholder: placeholder(section),
    }
}

/// The texts of a placeholder, none where it is switched off.
fn placeholder(section: Section<'_>) -> Vec<String> {
    match section.truth("placeholder.enabled") {
        true => section.list("placeholder.text"),
        false => Vec::new(),
    }
}

fn telegram(name: &str, section: Section<'_>, ctx: &mut BuildContext<'_>) -> TelegramConfig {
    let mut enabled = section.truth("enabled");
    let mut token = section.text("settings.token");
    if is_placeholder(&token) {
        token.clear();
    }
    let origin = section.node.at("settings.token").map_or(section.node.origin, |n| n.origin);
    if enabled && token.is_empty() {
        ctx.unfinished(
            origin,
            "channel_list",
            format!("{name} is enabled and has no bot token"),
            "set `token`; @BotFather gives one",
        );
        enabled = false;
    } else if enabled && !token_shape(&token) {
        ctx.warn(
            origin,
            "channel_list",
            format!("{name}: this does not look like a bot token"),
            "they look like 123456789:AAbb...",
        );
    }
    let code = section.text("settings.pairing_code");
    let length = code.chars().count();
    if !code.is_empty()
        && (!(PAIRING_CODE_MIN..=PAIRING_CODE_MAX).contains(&length)
            || code.chars().any(char::is_whitespace))
    {
        let message = format!(
            "a pairing code has {PAIRING_CODE_MIN} to {PAIRING_CODE_MAX} characters and no blanks"
        );
        ctx.error(section.origin("settings.pairing_code"), "pairing_code", message, "");
    }
    // Anybody can register a user name that an example file shows.
    let mut allow_from = section.list("allow_from");
    allow_from.retain(|a| !is_placeholder(a));
    if enabled && allow_from.iter().any(|a| a == "*") {
        ctx.warn(
            section.origin("allow_from"),
            "allow_from",
            format!("{name} answers everybody (`*`)"),
            "list ids, or leave it empty and pair",
        );
    }
    TelegramConfig {
        name: name.to_owned(),
        enabled,
        token: Secret::new(token),
        base_url: section.address("settings.base_url"),
        proxy: section.text("settings.proxy"),
        allow_from,
        pairing_code: Secret::new(code),
        group: GroupTrigger {
            mention_only: section.truth("group_trigger.mention_only"),
            prefixes: section.list("group_trigger.prefixes"),
        },
        typing: section.truth("typing.enabled"),
        placeholder: placeholder(section),
    }
}

/// Digits, a colon, and letters a token is made of; a token stands in URLs, so nothing else may get there.
fn token_shape(token: &str) -> bool {
    token.split_once(':').is_some_and(|(id, rest)| {
        !id.is_empty()
            && id.bytes().all(|b| b.is_ascii_digit())
            && !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert!(token_shape("123456:AAb-b_c"));
        for bad in ["", "123456", "a:b", ":b", "1:", "1:a/b", "1:a b"] {
            assert!(!token_shape(bad), "{bad}");
        }
    }
}
