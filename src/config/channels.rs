//! `channel_list` turned into the channels this build has.
//!
//! `settings.rs` in a channel's folder reads the keys that only its kind has. Those files are modules
//! of this one, so that the configuration stays below the channels and yet a channel is one folder.

// A build without channels has nobody's settings.
#[allow(unused_imports)]
use super::channel_entry::ChannelSettings;
use super::channel_entry::{Entry, Server};
use super::config_keys::config_keys;
use super::key::Key;
use super::nearest::suggestion;
use super::section::{BuildContext, Section};
use super::table::ChannelCommon;
use super::tree::Node;
use crate::registry::CLI;

/// Types of upstream's channels that no build has: an entry of one is a warning.
const FOREIGN: &[&str] = &[
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
    "whatsapp",
    "whatsapp_native",
    "mqtt",
    "wecom_app",
    "wecom_aibot",
];

/// `group_trigger`: neither set means every message of an allowed sender.
#[derive(Clone, Debug, Default)]
pub struct GroupTrigger {
    /// Only when mentioned or replied to.
    pub mention_only: bool,
    /// Or when the text begins with one of these.
    pub prefixes: Vec<String>,
}

/// One channel, switched on or not.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// Key in `channel_list`; the kind's name in old files.
    pub name: String,
    /// Whether the gateway starts this instance.
    pub enabled: bool,
    /// Who may talk; the kind decides what an empty list means.
    pub allow_from: Vec<String>,
    /// When to answer in groups.
    pub group: GroupTrigger,
    /// Show "typing" while working.
    pub typing: bool,
    /// Placeholder texts, one picked at random; empty for none.
    pub placeholder: Vec<String>,
    /// The settings that only its kind has.
    pub settings: Settings,
}

impl ChannelConfig {
    /// A channel with these settings and no others, for tests.
    pub fn of(name: &str, settings: Settings) -> ChannelConfig {
        ChannelConfig {
            name: name.to_owned(),
            enabled: false,
            allow_from: Vec::new(),
            group: GroupTrigger::default(),
            typing: false,
            placeholder: Vec::new(),
            settings,
        }
    }
}

/// A kind of channel, without its type.
pub(super) struct ChannelKind {
    /// `type` of an entry.
    pub name: &'static str,
    only_one: Option<&'static str>,
    read: fn(&mut Entry<'_>, &mut BuildContext<'_>) -> Settings,
}

macro_rules! kinds {
    ($(#[cfg $gate:tt] $module:ident = $kind:ident;)*) => {
        #[path = "../channel"]
        mod folders {
            $(#[cfg $gate] pub mod $module { pub mod settings; })*
        }
        $(#[cfg $gate] pub use folders::$module::settings as $module;)*

        /// The settings of one channel, by kind.
        #[derive(Clone, Debug)]
        pub enum Settings {
            $(#[cfg $gate] #[doc = concat!("See `src/channel/", stringify!($module), "/`.")]
            $kind($module::Settings),)*
        }

        impl Settings {
            /// `type` of the entry.
            pub fn kind(&self) -> &'static str {
                match *self { $(#[cfg $gate] Settings::$kind(_) => stringify!($module),)* }
            }

            /// See [`ChannelSettings::chat_problem`].
            // A build without channels passes the chat to none.
            #[allow(unused_variables)]
            pub fn chat_problem(&self, chat: &str) -> Option<&'static str> {
                match *self {
                    $(#[cfg $gate] Settings::$kind(_) => $module::Settings::chat_problem(chat),)*
                }
            }

            /// The server that the channel talks to, if any.
            pub fn server(&self) -> Option<Server> {
                match *self { $(#[cfg $gate] Settings::$kind(ref s) => s.server(),)* }
            }
        }

        /// The types that `src/registry.rs` has, also those that this build lacks.
        const NAMES: &[&str] = &[$(stringify!($module),)*];

        /// The kinds that this build has.
        pub(super) const KINDS: &[ChannelKind] = &[$(
            #[cfg $gate]
            ChannelKind {
                name: stringify!($module),
                only_one: <$module::Settings as ChannelSettings>::ONLY_ONE,
                read: |entry, ctx| Settings::$kind(ChannelSettings::build(entry, ctx)),
            },
        )*];

        /// What to tell somebody who has no channel, for the first of the kinds.
        pub const NONE_ENABLED: &str = match [
            $(#[cfg $gate] concat!(
                "no channel is enabled; enable one: `picoclaw config set channel_list.",
                stringify!($module),
                ".enabled true`"
            ),)*
            "this build has no channel",
        ] {
            [first, ..] => first,
        };

        /// The keys of each of [`KINDS`]: those with a field, and the others.
        pub(super) const KEYS: &[[&[Key]; 2]] =
            &[$(#[cfg $gate] [$module::Settings::FIELDS, $module::Settings::REST],)*];

        config_keys! {
            TYPE in "channel_list.*."
            keys {
                #[doc = concat!("the kind of channel; empty means its name. Known:", $(" ", stringify!($module),)*)]
                ("type", Text, "");
            }
        }
    };
}
crate::registry::channel_kinds!(kinds);

/// Index in [`KINDS`] of the kind named by `type`.
pub(super) fn place(name: &str) -> Option<usize> {
    KINDS.iter().position(|kind| kind.name == name)
}

/// Every type that is no mistake: those of all builds, and upstream's others.
fn types() -> impl Iterator<Item = &'static str> {
    NAMES.iter().chain(FOREIGN).copied()
}

/// The types that this build knows and does not have.
pub(super) fn missing_types() -> impl Iterator<Item = &'static str> {
    types().filter(|name| place(name).is_none())
}

/// Reads the list. `gateway_port` is the port of the gateway itself. Channels of a kind are next to each other, the kinds in
/// the order of their table.
// A build without channels knows that there is nothing behind `channel`.
#[allow(unreachable_code, unused_variables)]
pub(super) fn build(
    root: &Node,
    gateway_port: u16,
    ctx: &mut BuildContext<'_>,
) -> Vec<ChannelConfig> {
    let mut built: Vec<ChannelConfig> = Vec::new();
    for (name, node) in root.get("channel_list").map(Node::entries).unwrap_or_default() {
        let named = node.text_of("type").filter(|t| !t.is_empty()).unwrap_or(name);
        if **name == *CLI {
            ctx.error(
                node.origin,
                "channel_list",
                "the name `cli` is the command line's",
                "choose another",
            );
        }
        if let Some(place) = place(named) {
            let kind = &KINDS[place];
            let channel = channel(place, name, node, (root, gateway_port), ctx);
            let second = |c: &ChannelConfig| c.enabled && c.settings.kind() == kind.name;
            if let Some(instead) = kind.only_one.filter(|_| channel.enabled) {
                if built.iter().any(second) {
                    let message =
                        format!("there is one channel of type {named}, and this is the second");
                    ctx.error(node.origin, "channel_list", message, instead);
                }
            }
            built.push(channel);
        } else if !types().any(|name| name == named) {
            let origin = node.get("type").map_or(node.origin, |n| n.origin);
            ctx.error(
                origin,
                "channel_list",
                format!("no channel type is called `{named}`"),
                suggestion(named, types()),
            );
        } else if ctx.section(node, "channel_list.*.").truth("enabled") {
            ctx.warn(
                node.origin,
                "channel_list",
                format!("channel type {named} is not supported by this build, ignored"),
                "",
            );
        }
    }
    built.sort_by_key(|channel| place(channel.settings.kind()));
    built
}

// A build without channels knows that there is nothing behind `read`.
#[allow(unreachable_code, unused_variables)]
fn channel(
    place: usize,
    name: &str,
    node: &Node,
    (root, gateway_port): (&Node, u16),
    ctx: &mut BuildContext<'_>,
) -> ChannelConfig {
    let section = Section { kind: Some(place), ..ctx.section(node, "channel_list.*.") };
    let common = ChannelCommon::read(section);
    let mut entry = Entry {
        name,
        enabled: common.enabled,
        allow_from: common.allow_from,
        section,
        root,
        gateway_port,
    };
    let settings = (KINDS[place].read)(&mut entry, ctx);
    ChannelConfig {
        name: name.to_owned(),
        enabled: entry.enabled,
        allow_from: entry.allow_from,
        group: GroupTrigger { mention_only: common.mention_only, prefixes: common.prefixes },
        typing: common.typing,
        placeholder: if common.placeholder { common.placeholder_texts } else { Vec::new() },
        settings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadOptions, load};
    use crate::sys::scratch::Scratch;

    /// In each build: a type that it lacks is a warning about the entry, and its variables are known.
    #[test]
    fn every_registered_type_is_known_to_every_build() {
        for name in NAMES {
            let home = Scratch::new();
            home.file("config.json", format!(r#"{{"channel_list":{{"{name}":{{}}}}}}"#));
            let path = home.path().to_string_lossy().into_owned();
            let variable = format!("PICOCLAW_CHANNELS_{}_ALLOW_FROM", name.to_ascii_uppercase());
            let env = [("PICOCLAW_HOME".to_owned(), path), (variable, "1".to_owned())].into();
            let options = LoadOptions { env, allow_empty: true, ..LoadOptions::default() };
            let loaded = load(&options).unwrap_or_else(|e| panic!("{name}: {e}"));
            let warnings = loaded.warnings.iter().map(ToString::to_string).collect::<String>();
            assert!(!warnings.contains("sets nothing"), "{name}: {warnings}");
        }
        assert!(KINDS.iter().all(|kind| NAMES.contains(&kind.name)));
        assert!(FOREIGN.iter().all(|name| !NAMES.contains(name)));
    }
}
