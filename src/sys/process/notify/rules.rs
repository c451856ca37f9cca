//! What the calls of a command are judged by, and what they have shown.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Folders in which a command may change attributes, each with what stays closed in it.
#[derive(Clone, Debug, Default)]
pub struct AttributeRules(Vec<(PathBuf, Vec<PathBuf>)>);

impl AttributeRules {
    /// The tree at `folder` may be changed but for `hidden`, and for the folders that lead there. Both by their real paths.
    pub fn allow(&mut self, folder: PathBuf, hidden: &[PathBuf]) {
        let hidden = hidden.iter().filter(|h| h.starts_with(&folder)).cloned().collect();
        self.0.push((folder, hidden));
    }

    /// May the file that is at `path` be changed?
    pub(super) fn cover(&self, path: &Path) -> bool {
        self.0.iter().any(|(folder, hidden)| {
            path.starts_with(folder)
                && !hidden.iter().any(|h| path.starts_with(h) || h.starts_with(path))
        })
    }

    /// Is this one of the folders themselves? Its owner keeps the right to use it.
    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.0.iter().any(|(folder, _)| folder == path)
    }
}

/// One command's calls.
#[derive(Default)]
pub(super) struct CommandCalls {
    /// Where it may change attributes.
    pub(super) rules: AttributeRules,
    /// It has opened a socket that leads to other machines.
    pub(super) internet: AtomicBool,
}
