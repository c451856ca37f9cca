//! Secrets outside the configuration: `file://` and `enc://` values.

use std::path::Path;

use serde_json::Value;

use super::enc::{self, Keys};
use super::keys::{self, KeyMatch};
use super::layers::{self, Layer, LayerKind};
use super::problem::Findings;
use super::secret::{UNSENDABLE, is_unsendable};
use super::tree::{Node, NodeKind, Origin};
use crate::limits::SECRET_FILE_BYTES;

/// File name upstream uses; looked for beside each configuration file.
pub const FILE: &str = ".security.yml";

/// Replaces `file://` secrets by the files' contents and `enc://` ones by what they mean. Where there are any of the
/// latter, the tree with only the former replaced is given back: it is the one that may be kept on a disk.
pub(super) fn resolve(
    root: &mut Node,
    layers: &[Layer],
    keys: &Keys,
    findings: &mut Findings,
) -> Option<Node> {
    let mut encrypted = 0;
    let mut files = |text: &str, dir: Option<&Path>, _: Origin| match text.strip_prefix("file://") {
        Some(name) => Some(of_file(name, dir).and_then(sendable)),
        None if text.starts_with(enc::PREFIX) => {
            encrypted += 1;
            None
        }
        None => is_unsendable(text).then(|| sendable(text.to_owned())),
    };
    walk(root, &mut Vec::new(), layers, findings, &mut files);
    if encrypted == 0 {
        return None;
    }
    let kept = root.clone();
    walk(root, &mut Vec::new(), layers, findings, &mut |text, _, _| {
        let text = keys.decrypt(text.strip_prefix(enc::PREFIX)?).map_err(|e| e.to_string());
        Some(text.and_then(sendable))
    });
    Some(kept)
}

/// A secret that a request can have in a header or an address.
fn sendable(secret: String) -> Result<String, String> {
    if is_unsendable(&secret) { Err(UNSENDABLE.to_owned()) } else { Ok(secret) }
}

/// Calls `show` with every secret that a key of the table has, and the offset of its key or of itself in the layer.
#[cfg(feature = "encryption")]
pub(super) fn secrets(root: &mut Node, layers: &[Layer], show: &mut dyn FnMut(&str, usize)) {
    let mut findings = Findings::default();
    walk(root, &mut Vec::new(), layers, &mut findings, &mut |text, _, origin| {
        show(text, usize::try_from(origin.at).unwrap_or(usize::MAX));
        None
    });
}

/// The secret that a text in a file of this folder refers to, or an error that does not show it; `None` for the text itself.
type SecretLookup<'a> =
    &'a mut dyn FnMut(&str, Option<&Path>, Origin) -> Option<Result<String, String>>;

fn walk(
    node: &mut Node,
    path: &mut Vec<String>,
    layers: &[Layer],
    findings: &mut Findings,
    meaning: SecretLookup<'_>,
) {
    match &mut node.kind {
        NodeKind::Map(members) => {
            for (name, child) in members {
                path.push(name.to_string());
                walk(child, path, layers, findings, meaning);
                path.pop();
            }
        }
        NodeKind::List(items) => {
            // Elements of model_list are entries; elements of a list of keys belong to the key itself.
            let entries = path.len() == 1;
            for (i, item) in items.iter_mut().enumerate() {
                if entries {
                    path.push(i.to_string());
                }
                walk(item, path, layers, findings, meaning);
                if entries {
                    path.pop();
                }
            }
        }
        NodeKind::Leaf(Value::String(text)) => {
            let parts: Vec<&str> = path.iter().map(String::as_str).collect();
            if !matches!(keys::find(&parts), KeyMatch::Key(key) if key.secret()) {
                return;
            }
            let layer = layers.get(usize::from(node.origin.layer));
            let dir = layer
                .filter(|l| !matches!(l.kind, LayerKind::BuiltIn | LayerKind::Environment))
                .map(|l| l.dir.as_path());
            match meaning(text, dir, node.origin) {
                None => {}
                Some(Ok(secret)) => *text = secret,
                Some(Err(message)) => {
                    findings.error(layers, node.origin, &path.join("."), message, "")
                }
            }
        }
        NodeKind::Leaf(_) => {}
    }
}

/// The secret in a file; the error never holds it.
fn of_file(name: &str, dir: Option<&Path>) -> Result<String, String> {
    let dir = dir.ok_or("file:// works only in a configuration file")?;
    if name.is_empty() {
        return Err("file:// needs a file name".to_owned());
    }
    let fail = |e: std::io::Error| format!("cannot read {name}: {e}");
    let folder = std::fs::canonicalize(dir).map_err(fail)?;
    let file = std::fs::canonicalize(folder.join(name)).map_err(fail)?;
    if !file.starts_with(&folder) {
        return Err(format!("{name} is outside the configuration's folder"));
    }
    let bytes = layers::read_bounded(&file, SECRET_FILE_BYTES as u64).map_err(fail)?;
    let secret = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8 text"))?;
    let secret = secret.trim_start_matches('\u{feff}').trim();
    if secret.is_empty() {
        return Err(format!("{name} is empty"));
    }
    Ok(secret.to_owned())
}
