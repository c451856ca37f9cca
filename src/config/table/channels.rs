//! Keys of every channel; those of one kind are in `settings.rs` of its folder.

use crate::config::config_keys::config_keys;

config_keys! {
    /// What an entry of `channel_list` says whatever its kind.
    ChannelCommon in "channel_list.*." {
        /// the channel is started
        enabled: bool = truth("enabled", Bool, "false");
        /// ids and user names that may talk; `*` is everybody, an empty list nobody but paired people
        allow_from: Vec<String> = list("allow_from", List, "[]");
        /// in groups: only when mentioned or replied to
        mention_only: bool = truth("group_trigger.mention_only", Bool, "false");
        /// in groups: also when the text begins with one of these
        prefixes: Vec<String> = list("group_trigger.prefixes", List, "");
        /// shows that an answer is being written
        typing: bool = truth("typing.enabled", Bool, "true");
        /// sends a message at once, which the answer then replaces
        placeholder: bool = truth("placeholder.enabled", Bool, "false");
        /// its texts; one is picked at random
        placeholder_texts: Vec<String> = list("placeholder.text", List, "[\"Thinking... 💭\"]");
    }
    keys {
        /// accepted; not used
        ("settings.streaming.throttle_seconds", Int(0, ANY), "");
        /// accepted; not used
        ("settings.streaming.min_growth_chars", Int(0, ANY), "");
    }
    unused {
        "reasoning_channel_id",
        "settings.write_timeout",
        "settings.max_connections",
        "settings.streaming.enabled",
        "settings.use_markdown_v2",
        "settings.media_group_delay_ms",
    }
}
