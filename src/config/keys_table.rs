//! The table of keys: channels.

use super::channels;
use super::keys::{ANY, Key, Kind, key, unsupported};
use Kind::{Bool, Int, List, Text};

/// See [`super::keys::all`].
pub const KEYS: &[Key] = &[
    // Channels.
    key("channel_list.*.enabled", Bool, "false", "the channel is started"),
    key("channel_list.*.type", Text, "", channels::TYPE_DOC),
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
