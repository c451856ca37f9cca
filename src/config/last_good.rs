//! The configuration of the last successful start, kept so that a daemon survives a broken edit.
//!
//! It contains secrets, encrypted ones unchanged: mode 0600, replaced atomically, only read at a start.

use std::path::{Path, PathBuf};

use super::enc::Keys;
use super::layers::{Layer, LayerKind, LoadOptions, read_file};
use super::load::{Loaded, finish, parse};
use super::merge::{Unknown, merge_layer};
use super::problem::Findings;
use super::replace;
use super::tree::{Node, Origin};
use crate::error::{Context, Error, Result};

/// Path below the home.
pub const LAST_GOOD: &str = "state/config.last-good.json";

/// Saves the loaded configuration under `home`, if it has changed.
pub fn save_last_good(home: &Path, loaded: &Loaded) -> Result<()> {
    let mut value = loaded.to_json();
    // `~` and a default workspace depend on variables that a later start may not have.
    if let Some(defaults) = value.pointer_mut("/agents/defaults").and_then(|d| d.as_object_mut()) {
        defaults.insert(
            "workspace".to_owned(),
            loaded.config.agent.workspace.display().to_string().into(),
        );
    }
    let mut bytes = serde_json::to_vec(&value).context("cannot write the configuration as JSON")?;
    bytes.push(b'\n');
    let path = home.join(LAST_GOOD);
    if read_file(&path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let saved = replace::below(home, Path::new(LAST_GOOD), &bytes, 0o700, true);
    saved.map(drop).with_context(|| format!("cannot save {}", path.display()))
}

/// Loads what [`save_last_good`] saved; ignores files and variables except those that decrypt `enc://` values.
pub fn load_last_good(home: &Path, options: &LoadOptions) -> Result<Loaded> {
    let path = home.join(LAST_GOOD);
    let bytes = read_file(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::new(format!("{}: not UTF-8 text", path.display())))?;
    let layer = Layer {
        kind: LayerKind::Json,
        name: path.display().to_string(),
        dir: home.to_path_buf(),
        text,
    };
    let mut findings = Findings::default();
    let patch = parse(&layer, 1, &mut findings);
    let mut tree = Node::map(Origin::default());
    if let Some(patch) = patch {
        merge_layer(&mut tree, patch, Unknown::Add);
    }
    let layers = vec![Layer::built_in(), layer];
    Ok(finish(tree, layers, home, &|p| PathBuf::from(p), Keys::of(options), false, findings)?)
}
