//! `.security.yml` beside a `config.json`, where the Go original keeps secrets. It adds secrets to models and channels that the
//! configuration names; it never adds a model or channel.
//!
//! Sections: `model_list` (`<model_name>` or `<model_name>:<n>`), `channel_list` or `channels`, `web`, `skills`, `providers`.

use std::path::Path;

use serde_json::Value;

use super::layers::{self, Layer, LayerKind};
use super::nearest::suggestion;
use super::problem::{Findings, Problem};
use super::security::FILE;
use super::shapes;
use super::tree::{Node, NodeKind, Origin};
use crate::proto::{json_pos, yaml};

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
