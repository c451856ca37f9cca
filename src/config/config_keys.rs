//! The macro behind the table of keys, and behind the structs that the configuration in force is read into: one entry a key.
//!
//! An entry says where the value goes, how it is read, and what the table knows of the key:
//!
//! ```text
//! /// sub-agents that run concurrently
//! max_concurrent: u32 = count("max_concurrent", Int(0, 12), "5", ZERO);
//! |               |     |      |                 |           |    what 0 means, and what is used at most
//! |               |     |      |                 |           default (JSON); `"v0.1.2's" => "later"` for two
//! |               |     |      |                 what may be written
//! |               |     |      path below the section's
//! |               |     reader, a method of `Section`
//! field and its type; the line above documents both field and key, the documents add the limits to it
//! ```
//!
//! `with` holds fields that `build` fills in from several keys, `keys` the keys without a field of their own, `unused` the
//! keys of upstream that this build ignores, and `noted` those whose use it warns about. Files, variables,
//! `config check`, `config show`, `config keys` and the documentation follow from the entry.
//!
//! `config show` prints what was written, or the default, as the limits have it. Where `build` resolves more than that (an
//! empty name, `~`, a value that does not exist), the entry ends in `resolved`, or the field under `with` names its key
//! (`workspace: PathBuf = "workspace"`), and `config show` prints the field.
//!
//! The kinds and limits of [`names`] need no import where an entry names them.

use std::path::PathBuf;

use serde_json::Value;

macro_rules! config_keys {
    (
        $(#[doc = $about:literal])+
        $name:ident in $at:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty =
                    $read:ident($path:literal, $($what:tt)+) $($resolved:ident)?;
            )*
        }
        $(with {
            $( $(#[doc = $with_doc:literal])+ $with:ident: $with_type:ty $(= $of:literal)?, )*
        })?
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
            pub(in crate::config) const FIELDS: &'static [$crate::config::key::Key] = {
                use $crate::config::config_keys::names::*;
                const FIELDS: &[Key] = &[$(
                    $crate::config::config_keys::config_keys!(
                        @key $at, $path, [$($doc)+], $($what)+
                    ),
                )*];
                FIELDS
            };

            $crate::config::config_keys::config_keys!(
                @rest REST in $at
                $(keys { $($keys)* })?
                $(unused { $($unused)* })?
                $(noted { $($noted)* })?
            );

            /// The values in force of the keys with a field; the other fields are empty.
            pub(in crate::config) fn read(
                section: $crate::config::section::Section<'_>,
            ) -> $name {
                $name {
                    $( $field: section.$read(section.below(concat!($at, $path))), )*
                    $($( $with: Default::default(), )*)?
                }
            }
        }

        impl $crate::config::config_keys::Resolved for $name {
            fn resolved(&self, path: &str) -> Option<serde_json::Value> {
                $(
                    $crate::config::config_keys::config_keys!(
                        @resolved self, path, $at, $path, $field $($resolved)?
                    );
                )*
                $($(
                    $crate::config::config_keys::config_keys!(@of self, path, $at, $with $($of)?);
                )*)?
                let _ = path;
                None
            }
        }
    };
    (@resolved $self:ident, $asked:ident, $at:literal, $path:literal, $field:ident) => {};
    (@resolved $self:ident, $asked:ident, $at:literal, $path:literal, $field:ident resolved) => {
        $crate::config::config_keys::config_keys!(@of $self, $asked, $at, $field $path)
    };
    (@of $self:ident, $asked:ident, $at:literal, $field:ident) => {};
    (@of $self:ident, $asked:ident, $at:literal, $field:ident $path:literal) => {
        if $asked == concat!($at, $path) {
            return Some($crate::config::config_keys::DisplayValue::shown(&$self.$field));
        }
    };
    ($keys:ident in $at:literal $($rest:tt)*) => {
        $crate::config::config_keys::config_keys!(@rest $keys in $at $($rest)*);
    };
    (
        @rest $keys:ident in $at:literal
        $(keys { $( $(#[doc = $doc:expr])+ ($path:literal, $($what:tt)+); )* })?
        $(unused { $( $unused:literal, )* })?
        $(noted { $( $noted:literal, )* })?
    ) => {
        /// The keys without a field.
        pub(in crate::config) const $keys: &'static [$crate::config::key::Key] = {
            use $crate::config::config_keys::names::*;
            const KEYS: &[Key] = &[
                $($(
                    $crate::config::config_keys::config_keys!(
                        @key $at, $path, [$($doc)+], $($what)+
                    ),
                )*)?
                $($( Key::without_use(concat!($at, $unused), Kind::Unsupported), )*)?
                $($( Key::without_use(concat!($at, $noted), Kind::UnsupportedWarn), )*)?
            ];
            KEYS
        };
    };
    (
        @key $at:literal, $path:literal, [$($doc:expr)+],
        $kind:expr, $v0:literal $(=> $v3:literal)? $(, $limits:expr)?
    ) => {
        Key {
            path: concat!($at, $path),
            kind: $kind,
            v0: $v0,
            v3: $crate::config::config_keys::config_keys!(@last $v0 $($v3)?),
            limits: $crate::config::config_keys::config_keys!(
                @last Limits::NONE $(, $limits)?
            ),
            doc: concat!($($doc),+).trim_ascii_start(),
        }
    };
    (@last $first:literal) => { $first };
    (@last $first:literal $last:literal) => { $last };
    (@last $first:expr) => { $first };
    (@last $first:expr, $last:expr) => { $last };
}

pub(super) use config_keys;

/// What an entry names without a path.
pub(super) mod names {
    pub(in crate::config) use super::super::key::Kind::*;
    pub(in crate::config) use super::super::key::{ANY, Key, Kind, Limits, ZERO, zero};
}

/// Keys whose value in force is more than what was written or the default, as the limits have it.
pub(super) trait Resolved {
    /// The effective value; `None` if it is what was written, or the default.
    fn resolved(&self, path: &str) -> Option<Value>;
}

/// A value as `config show` prints it.
pub(super) trait DisplayValue {
    /// As JSON.
    fn shown(&self) -> Value;
}

impl DisplayValue for String {
    fn shown(&self) -> Value {
        self.as_str().into()
    }
}

impl DisplayValue for Vec<String> {
    fn shown(&self) -> Value {
        self.clone().into()
    }
}

impl DisplayValue for PathBuf {
    fn shown(&self) -> Value {
        self.display().to_string().into()
    }
}

impl DisplayValue for u32 {
    fn shown(&self) -> Value {
        (*self).into()
    }
}
