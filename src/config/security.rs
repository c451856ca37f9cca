//! Secrets outside the configuration: `.security.yml` next to a `config.json`, `file://` and `enc://` values.
//!
//! A `.security.yml` adds secrets to models and channels that a config names; it never adds a model or channel.
//! Sections: `model_list` (`<model_name>` or `<model_name>:<n>`), `channel_list` or `channels`, `web`, `skills`, `providers`.

use std::path::Path;

use serde_json::Value;

use super::enc::{self, Keys};
use super::keys::{self, KeyMatch};
use super::layers::{self, Layer, LayerKind};
use super::nearest::suggestion;
use super::problem::{Findings, Problem};
use super::secret::{UNSENDABLE, is_unsendable};
use super::shapes;
use super::tree::{Node, NodeKind, Origin};
use crate::limits::SECRET_FILE_BYTES;
use crate::proto::{json_pos, yaml};

/// File name upstream uses; looked for beside each configuration file.
pub const FILE: &str = ".security.yml";

const SECTIONS: &[&str] = &["model_list", "channel_list", "channels", "web", "skills", "providers"];

/// Reads the file beside a config, if there is one: its layer and its patch in canonical shape.
pub(super) fn read(dir: &Path, index: u16, findings: &mut Findings) -> Option<(Layer, Node)> {
    let path = dir.join(FILE);
    let text = layers::read(&path, false, findings)?;
    let layer = Layer {
        kind: LayerKind::Security,
        name: path.display().to_string(),
        dir: dir.to_path_buf(),
        text,
    };
    let parsed = match yaml::parse(&layer.text) {
        Ok(parsed) => parsed,
        Err(e) => {
            let (line, column) = json_pos::line_column(&layer.text, e.at);
            findings.push_error(Problem {
                file: layer.name,
                line,
                column,
                message: e.message.to_owned(),
                ..Problem::default()
            });
            return None;
        }
    };
    let root = convert(&parsed, index)?;
    let own = std::slice::from_ref(&layer);
    // Positions are looked up in this one layer while the others are not complete yet.
    let here = |origin: Origin| Origin { layer: 0, at: origin.at };
    let mut patch = Node::map(root.origin);
    let NodeKind::Map(entries) = root.kind else {
        findings.error(
            own,
            here(root.origin),
            "",
            "sections such as model_list are needed at the top",
            "",
        );
        return None;
    };
    for (name, node) in entries {
        match &*name {
            "skills" | "web" => {
                if patch.get("tools").is_none() {
                    patch.set("tools", Node::map(node.origin));
                }
                if let Some(tools) = patch.get_mut("tools") {
                    tools.set(&name, node);
                }
            }
            other if SECTIONS.contains(&other) => patch.set(other, node),
            other => {
                let hint = suggestion(other, SECTIONS.iter().copied());
                findings.warn(own, here(node.origin), other, "unknown section, ignored", hint);
            }
        }
    }
    shapes::normalise(&mut patch);
    Some((layer, patch))
}

/// Nulls are dropped: a merge would treat them as removals.
fn convert(node: &yaml::Yaml, layer: u16) -> Option<Node> {
    let origin = Origin { layer, at: u32::try_from(node.at).unwrap_or(u32::MAX) };
    let kind = match &node.kind {
        yaml::YamlKind::Null => return None,
        yaml::YamlKind::Text(text) => NodeKind::Leaf(Value::String(text.clone())),
        yaml::YamlKind::List(items) => {
            NodeKind::List(items.iter().filter_map(|i| convert(i, layer)).collect())
        }
        yaml::YamlKind::Map(m) => NodeKind::Map(
            m.iter().filter_map(|(k, v)| Some((k.as_str().into(), convert(v, layer)?))).collect(),
        ),
    };
    Some(Node { origin, kind })
}

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
