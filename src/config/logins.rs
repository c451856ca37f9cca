//! Entries of models without a key that a sign-in serves.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::layers::read_file;
use super::providers::{self, Quirk};
use super::section::Section;
use crate::proto::text;

/// Who is signed in, as `auth.json` in the home says.
pub(super) struct Logins<'a> {
    home: &'a Path,
    kept: Value,
}

impl Logins<'_> {
    /// A broken file is reported when a token is needed.
    pub(super) fn of(home: &Path) -> Logins<'_> {
        let bytes = read_file(&home.join("auth.json")).unwrap_or_default();
        Logins { home, kept: text::utf8(&bytes).and_then(serde_json::from_str).unwrap_or_default() }
    }

    /// The home, where an entry without keys says `auth_method`, or somebody is signed in with its provider. Accounts of
    /// OpenAI's that are signed in by a code have another address than its keys.
    pub(super) fn for_entry(
        &self,
        section: Section<'_>,
        provider: &str,
        keys: &[String],
        base: &mut String,
    ) -> Option<PathBuf> {
        let kept = &self.kept["credentials"][provider.trim_end_matches("-messages")];
        let (said, own_base) =
            (section.word("auth_method"), !section.address("api_base").is_empty());
        let said = match &*said {
            "oauth" | "token" => &said,
            _ if own_base => return None,
            _ => kept["auth_method"].as_str()?,
        };
        if !keys.is_empty() {
            return None;
        }
        if said == "oauth" && !own_base {
            for quirk in providers::quirks_of(provider) {
                if let Quirk::SignedInBase(address) = quirk {
                    (*address).clone_into(base);
                }
            }
        }
        Some(self.home.to_path_buf())
    }
}
