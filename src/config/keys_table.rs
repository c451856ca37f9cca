//! The table of keys: channels.

use super::keys::{ANY, Key, Kind, key, unsupported};
use Kind::{Bool, Int, List, Proxy, Secret, Text, Url};

/// See [`super::keys::all`].
pub const KEYS: &[Key] = &[
    // Channels.
    key("channel_list.*.enabled", Bool, "false", "the channel is started"),
    key(
        "channel_list.*.type",
        Text,
        "",
        "what it is; empty means its name. Built: telegram, maixcam, pico",
    ),
    key(
        "channel_list.*.allow_from",
        List,
        "[]",
        "ids and user names that may talk; `*` is everybody, an empty list nobody but paired people",
    ),
    key(
        "channel_list.*.group_trigger.mention_only",
        Bool,
        "false",
        "in groups: only when mentioned or replied to",
    ),
    key(
        "channel_list.*.group_trigger.prefixes",
        List,
        "",
        "in groups: or when the text begins with one of these",
    ),
    key("channel_list.*.typing.enabled", Bool, "true", "shows that an answer is being written"),
    key(
        "channel_list.*.placeholder.enabled",
        Bool,
        "false",
        "sends a message at once that the answer replaces",
    ),
    key(
        "channel_list.*.placeholder.text",
        List,
        "[\"Thinking... 💭\"]",
        "its texts, one is picked",
    ),
    unsupported("channel_list.*.reasoning_channel_id"),
    key(
        "channel_list.*.settings.token",
        Secret,
        "",
        "Telegram: bot token; MaixCam and Pico: what clients must show",
    ),
    key(
        "channel_list.*.settings.base_url",
        Url,
        "\"https://api.telegram.org\"",
        "Telegram: address of the Bot API",
    ),
    key("channel_list.*.settings.proxy", Proxy, "", "Telegram: proxy"),
    key(
        "channel_list.*.settings.pairing_code",
        Secret,
        "",
        "Telegram: pairing code the owner chooses, at least 8 characters",
    ),
    key("channel_list.*.settings.host", Text, "\"127.0.0.1\"", "MaixCam: address to listen on"),
    key("channel_list.*.settings.port", Int(1, 65535), "18791", "MaixCam: port of it"),
    key(
        "channel_list.*.settings.allow_addr",
        List,
        "[]",
        "MaixCam: addresses and networks (192.168.1.0/24) whose cameras need no token",
    ),
    key(
        "channel_list.*.settings.chat",
        Text,
        "",
        "MaixCam: chat that hears of its events, CHANNEL:CHAT; empty means the camera itself",
    ),
    key(
        "channel_list.*.settings.allow_token_query",
        Bool,
        "false",
        "Pico: the token may stand in the address (?token=), where others can read it",
    ),
    key(
        "channel_list.*.settings.allow_origins",
        List,
        "[]",
        "Pico: origins whose pages may connect; empty means any",
    ),
    key(
        "channel_list.*.settings.ping_interval",
        Int(1, 3600),
        "30",
        "Pico: seconds of silence after which a client is asked whether it is there",
    ),
    key(
        "channel_list.*.settings.read_timeout",
        Int(1, 3600),
        "60",
        "Pico: seconds of silence after which it is closed",
    ),
    unsupported("channel_list.*.settings.write_timeout"),
    unsupported("channel_list.*.settings.max_connections"),
    key(
        "channel_list.*.settings.streaming.throttle_seconds",
        Int(0, ANY),
        "",
        "accepted; not used",
    ),
    key(
        "channel_list.*.settings.streaming.min_growth_chars",
        Int(0, ANY),
        "",
        "accepted; not used",
    ),
    unsupported("channel_list.*.settings.streaming.enabled"),
    unsupported("channel_list.*.settings.use_markdown_v2"),
    unsupported("channel_list.*.settings.media_group_delay_ms"),
];
