//! The table of keys, and the structs that the configuration in force is read into: one entry a key.
//!
//! An entry says where the value goes, how it is read, and what the table knows of the key:
//!
//! ```text
//! /// sub-agents at one time; 0 means 5
//! max_concurrent: u32 = count("max_concurrent", Int(0, 12), "5", ZERO);
//! |               |     |      |                 |           |    what 0 means, and what is used at most
//! |               |     |      |                 |           default (JSON); `"v0.1.2's" => "later"` for two
//! |               |     |      |                 what may be written
//! |               |     |      path below the section's
//! |               |     reader, a method of `Section`
//! field and its type; the line above documents both field and key
//! ```
//!
//! `with` holds fields that `build` fills in from several keys, `keys` the keys without a field of their own, `unused` the
//! keys of the Go original that this build ignores, and `noted` those whose use it warns about. Files, variables,
//! `config check`, `config show`, `config keys` and the documentation follow from the entry.

use super::keys::{ANY, Key, Kind, Limits, ZERO, zero};
use super::section::Section;
use Kind::{Bool, Free, Int, List, Num, Proxy, Secret as SecretText, Secrets, Text, Url, Word};

macro_rules! config_keys {
    (
        $(#[doc = $about:literal])+
        $name:ident in $at:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $read:ident($path:literal, $($what:tt)+);
            )*
        }
        $(with { $( $(#[doc = $with_doc:literal])+ $with:ident: $with_type:ty, )* })?
        $(keys { $($keys:tt)* })?
        $(unused { $($unused:tt)* })?
        $(noted { $($noted:tt)* })?
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
            $($( $(#[doc = $with_doc])+ pub $with: $with_type, )*)?
        }

        impl $name {
            /// The keys with a field.
            pub(in crate::config) const FIELDS: &'static [Key] =
                &[$( config_keys!(@key $at, $path, [$($doc)+], $($what)+), )*];

            config_keys!(
                @rest REST in $at
                $(keys { $($keys)* })?
                $(unused { $($unused)* })?
                $(noted { $($noted)* })?
            );

            /// The values in force of the keys with a field; the other fields are empty.
            pub(in crate::config) fn read(section: Section<'_>) -> $name {
                $name {
                    $( $field: section.$read(section.below(concat!($at, $path))), )*
                    $($( $with: Default::default(), )*)?
                }
            }
        }
    };
    ($keys:ident in $at:literal $($rest:tt)*) => {
        config_keys!(@rest $keys in $at $($rest)*);
    };
    (
        @rest $keys:ident in $at:literal
        $(keys { $( $(#[doc = $doc:literal])+ ($path:literal, $($what:tt)+); )* })?
        $(unused { $( $unused:literal, )* })?
        $(noted { $( $noted:literal, )* })?
    ) => {
        /// The keys without a field.
        pub(in crate::config) const $keys: &'static [Key] = &[
            $($( config_keys!(@key $at, $path, [$($doc)+], $($what)+), )*)?
            $($( Key::without_use(concat!($at, $unused), Kind::Unsupported), )*)?
            $($( Key::without_use(concat!($at, $noted), Kind::UnsupportedWarn), )*)?
        ];
    };
    (
        @key $at:literal, $path:literal, [$($doc:literal)+],
        $kind:expr, $v0:literal $(=> $v3:literal)? $(, $limits:expr)?
    ) => {
        Key {
            path: concat!($at, $path),
            kind: $kind,
            v0: $v0,
            v3: config_keys!(@last $v0 $($v3)?),
            limits: config_keys!(@last Limits::NONE $(, $limits)?),
            doc: concat!($($doc),+).trim_ascii_start(),
        }
    };
    (@last $first:literal) => { $first };
    (@last $first:literal $last:literal) => { $last };
    (@last $first:expr) => { $first };
    (@last $first:expr, $last:expr) => { $last };
}

mod agent;
mod gateway;
mod models;
mod tools;

pub use agent::{AgentConfig, SessionConfig, SubturnConfig, VoiceConfig};
pub use gateway::{Config, GatewayConfig};
pub use models::ModelConfig;
pub(super) use tools::FETCH_LIMIT;
pub use tools::{ExecConfig, SkillsConfig, ToolsConfig, WebConfig};

/// Every key, section by section; [`super::keys::all`] is how they are looked at.
pub(super) const ALL: &[&[Key]] = &[
    Config::FIELDS,
    Config::REST,
    AgentConfig::FIELDS,
    AgentConfig::REST,
    SubturnConfig::FIELDS,
    SubturnConfig::REST,
    VoiceConfig::FIELDS,
    VoiceConfig::REST,
    SessionConfig::FIELDS,
    SessionConfig::REST,
    ModelConfig::FIELDS,
    ModelConfig::REST,
    models::PROVIDERS,
    super::keys_table::KEYS,
    GatewayConfig::FIELDS,
    GatewayConfig::REST,
    ToolsConfig::FIELDS,
    ToolsConfig::REST,
    ExecConfig::FIELDS,
    ExecConfig::REST,
    WebConfig::FIELDS,
    WebConfig::REST,
    SkillsConfig::FIELDS,
    SkillsConfig::REST,
    super::tools::KEYS,
];
