//! `channel_list` turned into the channels this build has.

use super::inspect::suggestion;
use super::scope::{Context, Scope};
use super::secret::Secret;
use super::shapes::is_placeholder;
use super::tree::Node;
use super::{GroupTrigger, TelegramConfig};

/// Channel types of the Go original; only `telegram` is built.
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

/// Shortest pairing code an owner may choose: tries are limited, guesses must stay hopeless.
const PAIRING_CODE_MIN: usize = 8;
/// Longest one.
const PAIRING_CODE_MAX: usize = 64;

/// Every Telegram bot of the list, switched on or not.
pub(super) fn build(root: &Node, ctx: &mut Context<'_>) -> Vec<TelegramConfig> {
    let mut bots = Vec::new();
    for (name, node) in root.get("channel_list").map(Node::entries).unwrap_or_default() {
        let scope = ctx.scope(node, "channel_list.*.");
        let kind = node.text_of("type").filter(|t| !t.is_empty()).unwrap_or(name);
        if kind == "telegram" {
            bots.push(telegram(name, scope, ctx));
        } else if !TYPES.contains(&kind) {
            let origin = node.get("type").map_or(node.origin, |n| n.origin);
            ctx.error(
                origin,
                "channel_list",
                format!("no channel type is called `{kind}`"),
                suggestion(kind, TYPES.iter().copied()),
            );
        } else if scope.truth("enabled") {
            ctx.warn(
                node.origin,
                "channel_list",
                format!("channel type {kind} is not supported by this build, ignored"),
                "",
            );
        }
    }
    bots
}

fn telegram(name: &str, scope: Scope<'_>, ctx: &mut Context<'_>) -> TelegramConfig {
    let mut enabled = scope.truth("enabled");
    let mut token = scope.text("settings.token");
    if is_placeholder(&token) {
        token.clear();
    }
    let origin = scope.node.at("settings.token").map_or(scope.node.origin, |n| n.origin);
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
    let code = scope.text("settings.pairing_code");
    let length = code.chars().count();
    if !code.is_empty()
        && (!(PAIRING_CODE_MIN..=PAIRING_CODE_MAX).contains(&length)
            || code.chars().any(char::is_whitespace))
    {
        let message = format!(
            "a pairing code has {PAIRING_CODE_MIN} to {PAIRING_CODE_MAX} characters and no blanks"
        );
        ctx.error(scope.origin("settings.pairing_code"), "pairing_code", message, "");
    }
    // Anybody can register a user name that an example file shows.
    let mut allow_from = scope.list("allow_from");
    allow_from.retain(|a| !is_placeholder(a));
    if enabled && allow_from.iter().any(|a| a == "*") {
        ctx.warn(
            scope.origin("allow_from"),
            "allow_from",
            format!("{name} answers everybody (`*`)"),
            "list ids, or leave it empty and pair",
        );
    }
    let placeholder = if scope.truth("placeholder.enabled") {
        scope.list("placeholder.text")
    } else {
        Vec::new()
    };
    TelegramConfig {
        name: name.to_owned(),
        enabled,
        token: Secret::new(token),
        base_url: scope.address("settings.base_url"),
        proxy: scope.text("settings.proxy"),
        allow_from,
        pairing_code: Secret::new(code),
        group: GroupTrigger {
            mention_only: scope.truth("group_trigger.mention_only"),
            prefixes: scope.list("group_trigger.prefixes"),
        },
        typing: scope.truth("typing.enabled"),
        placeholder,
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
