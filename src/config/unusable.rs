//! Entries of `model_list` that cannot be used, and what is said of the one that is wanted.

use super::section::BuildContext;
use super::tree::Origin;

/// An entry that cannot be used.
pub(super) struct Unusable {
    pub(super) name: String,
    pub(super) reason: String,
    /// Where a key belongs, and how to set it, where only that is missing.
    pub(super) cure: Option<(Origin, String)>,
}

/// All of them.
pub(super) type UnusableEntries = Vec<Unusable>;

impl Unusable {
    /// Says so of the model that is wanted.
    pub(super) fn report(&self, origin: Origin, key: &str, ctx: &mut BuildContext<'_>) {
        let (origin, hint) = self.cure.clone().unwrap_or((origin, String::new()));
        ctx.unfinished(origin, key, self.reason.clone(), hint);
    }
}
