//! What `channel_list` says of a Telegram bot. A module of `config`, which is a layer below the channels.

use crate::config::channel_entry::{ChannelSettings, Entry, Server};
use crate::config::config_keys::config_keys;
use crate::config::secret::Secret;
use crate::config::secret::is_placeholder;
use crate::config::section::BuildContext;

const DEFAULT_BASE: &str = "https://api.telegram.org";

/// Shortest pairing code an owner may choose: tries are limited, but guessing must stay hopeless.
const PAIRING_CODE_MIN: usize = 8;
/// Longest one.
const PAIRING_CODE_MAX: usize = 64;

config_keys! {
    /// One bot.
    Settings in "channel_list.*." {
        /// Telegram: bot token
        token: Secret = own_secret("settings.token", Secret, "");
        /// Telegram: address of the Bot API
        base_url: String = address("settings.base_url", Url, "\"https://api.telegram.org\"");
        /// Telegram: proxy
        proxy: String = text("settings.proxy", Proxy, "");
        /// Telegram: pairing code the owner chooses
        pairing_code: Secret = secret("settings.pairing_code", Secret, "");
    }
}

impl Settings {
    /// [`Settings::base_url`], or the public one.
    pub fn base(&self) -> &str {
        let base = self.base_url.trim_end_matches('/');
        if base.is_empty() { DEFAULT_BASE } else { base }
    }
}

impl ChannelSettings for Settings {
    fn build(entry: &mut Entry<'_>, ctx: &mut BuildContext<'_>) -> Settings {
        let section = entry.section;
        let settings = Settings::read(section);
        if entry.enabled && settings.token.is_empty() {
            let cure = "set `token`; @BotFather gives one";
            entry.unfinished("settings.token", "bot token", cure, ctx);
        } else if entry.enabled && !token_shape(settings.token.expose()) {
            let message = format!("{}: this does not look like a bot token", entry.name);
            let cure = "they look like 123456789:AAbb...";
            ctx.warn(section.origin("settings.token"), "channel_list", message, cure);
        }
        let code = settings.pairing_code.expose();
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
        // Anybody can register the user name from an example file.
        entry.allow_from.retain(|a| !is_placeholder(a));
        if entry.enabled && entry.allow_from.iter().any(|a| a == "*") {
            ctx.warn(
                section.origin("allow_from"),
                "allow_from",
                format!("{} answers everybody (`*`)", entry.name),
                "list ids, or leave it empty and pair",
            );
        }
        settings
    }

    fn chat_problem(chat: &str) -> Option<&'static str> {
        // A public channel or group has a name, too (Bot API, sendMessage).
        let name = |name: &str| {
            (4..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let known = match chat.strip_prefix('@') {
            Some(after) => name(after),
            None => chat.parse::<i64>().is_ok_and(|id| id != 0),
        };
        (!known).then_some("an id is a number like 123456789 (in a private chat the user's, which the log names when pairing), of a public group @NAME")
    }

    fn server(&self) -> Option<Server> {
        let url = format!("{}/bot{}/getMe", self.base(), self.token.expose());
        Some(Server { url, proxy: self.proxy.clone() })
    }
}

/// Digits, a colon, and the letters of tokens. A token becomes part of URLs, so nothing else may be in it.
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
