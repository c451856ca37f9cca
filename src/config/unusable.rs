//! Entries of `model_list` that cannot be used, and what is said of the one that is wanted.

use super::section::BuildContext;
use super::tree::Origin;

/// Why an entry cannot be used that lacks only its key.
pub(super) const NO_KEY: &str = "no API key configured";

/// Names in one warning; upstream's files have thirty entries without a key.
const NAMES_SHOWN: usize = 3;

/// How the key of an entry below `list` is set.
pub(super) fn key_cure(list: &str, name: &str) -> String {
    format!("`picoclaw config set {list}.{name}.api_keys -` reads one from standard input")
}

/// An entry that cannot be used.
pub(super) struct Unusable {
    pub(super) name: String,
    pub(super) reason: String,
    /// Where a key belongs, and how to set it, where only that is missing.
    pub(super) cure: Option<(Origin, String)>,
}

/// Entries of lists that are left out of the configuration, with their problems.
pub(super) type UnusableEntries = Vec<Unusable>;

impl Unusable {
    /// Says so of the model that is wanted.
    pub(super) fn report(&self, origin: Origin, key: &str, ctx: &mut BuildContext<'_>) {
        let (origin, hint) = self.cure.clone().unwrap_or((origin, String::new()));
        ctx.unfinished(origin, key, self.reason.clone(), hint);
    }
}

/// Warns once of all entries without a key of which nothing was said yet. The one of the highest layer comes first.
pub(super) fn warn_of_keyless(left_out: &[Unusable], ctx: &mut BuildContext<'_>) {
    let findings = &ctx.findings;
    let unsaid = |entry: &&Unusable| {
        let mut said = findings.errors.iter().chain(&findings.warnings);
        !said.any(|problem| problem.message == entry.reason)
    };
    let mut keyless: Vec<(&str, &(Origin, String))> = left_out
        .iter()
        .filter(unsaid)
        .filter_map(|entry| Some((&*entry.name, entry.cure.as_ref()?)))
        .collect();
    keyless.sort_by_key(|(_, (origin, _))| std::cmp::Reverse(origin.layer));
    let Some((first, (origin, cure))) = keyless.first() else { return };
    let (key, origin, cure) = (format!("model_list.{first}.api_keys"), *origin, cure.clone());
    let shown: Vec<&str> = keyless.iter().map(|(name, _)| *name).take(NAMES_SHOWN).collect();
    let mut message = format!("{NO_KEY} for model: {}", shown.join(", "));
    if keyless.len() > shown.len() {
        message.push_str(&format!(" and {} more", keyless.len() - shown.len()));
    }
    message.push_str("; left out");
    ctx.warn(origin, &key, message, cure);
}
