//! Loads a [`Config`]: reads the layers, checks each, merges, resolves secrets, builds.
//!
//! Writes nothing, and none of the texts outlive [`Loaded`]: keep [`Loaded::config`], drop the rest.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::build;
use super::enc::Keys;
use super::env;
use super::inspect::{self, ChannelTypes};
use super::keys;
use super::layers::{self, Layer, LayerKind, LoadOptions, Location};
use super::merge::{Unknown, fill, merge_layer, models_named};
use super::problem::{ConfigErrors, Findings, Problem};
use super::secret::{SHORT_SECRET, is_secret_name, url_userinfo};
use super::section::BuildContext;
use super::security;
#[cfg(feature = "migrate")]
use super::security_yml::read as secrets_beside;
use super::shapes;
use super::table::Config;
use super::tree::{self, Node, Origin};
use crate::limits::CONFIG_DEPTH;
use crate::proto::{json_pos, text};

/// A configuration and what is known about where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration in force.
    pub config: Config,
    /// What is ignored or adjusted; the configuration is in force nevertheless.
    pub warnings: Vec<Problem>,
    /// The layers that were read, lowest first; the first is the built-in one.
    pub layers: Vec<Layer>,
    pub(super) tree: Node,
    /// The tree before `enc://` values were decrypted, where there are any.
    sealed: Option<Node>,
    passphrase: String,
}

impl Loaded {
    /// Where a value at a canonical path (`gateway.port`) was written; `None` for a default.
    pub fn source(&self, path: &str) -> Option<Location> {
        let node = self.tree.at(path)?;
        Some(self.layers.get(usize::from(node.origin.layer))?.place(node.origin))
    }

    /// Every distinct secret of more than [`SHORT_SECRET`] bytes, also of channels that this build lacks.
    pub fn secrets(&self) -> Vec<String> {
        let mut out = Vec::new();
        collect(&self.tree, "", &mut out);
        out.push(self.passphrase.clone());
        out.retain(|s| s.len() > SHORT_SECRET);
        out.sort_unstable();
        out.dedup();
        out
    }

    /// The merged configuration in the shape of schema version 3, with secrets; `enc://` values stay encrypted.
    pub(super) fn to_json(&self) -> Value {
        self.sealed.as_ref().unwrap_or(&self.tree).to_value()
    }
}

fn collect(node: &Node, name: &str, out: &mut Vec<String>) {
    for (key, child) in node.entries() {
        collect(child, key, out);
    }
    for item in node.items() {
        collect(item, name, out);
    }
    let Some(text) = node.text().map(str::trim) else { return };
    if is_secret_name(name) {
        out.push(text.to_owned());
        // `Bearer xyz`: what follows the scheme is the secret.
        out.extend(text.split_once(' ').map(|(_, rest)| rest.trim().to_owned()));
    } else if let Some(user) = url_userinfo(text).filter(|_| text.contains("://")) {
        out.push(user.to_owned());
        out.extend(user.split_once(':').map(|(_, password)| password.to_owned()));
    }
}

/// Reads, checks and merges everything. Reports all errors of one stage together.
pub fn load(options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
    let mut findings = Findings::default();
    let home = options.home().map_err(|e| {
        let problem = Problem { message: e.to_string(), ..Problem::default() };
        ConfigErrors { problems: vec![problem], more: 0, warnings: Vec::new() }
    })?;
    let mut layers = vec![Layer::built_in()];
    let mut patches: Vec<Node> = vec![Node::map(Origin::default())];
    for file in layers::files(options, &home, &mut findings) {
        let instead = options.instead.as_ref().filter(|(path, _)| *path == file.path);
        let text = match instead {
            Some((_, text)) => Some(text.clone()),
            None => layers::read(&file.path, file.required, &mut findings),
        };
        if let Some(text) = text {
            let name = file.path.display().to_string();
            let layer = Layer { kind: LayerKind::Json, name, dir: file.dir.clone(), text };
            if let Some(patch) = parse(&layer, layers.len(), &mut findings) {
                layers.push(layer);
                patches.push(patch);
            }
        }
        let secrets = file
            .base
            .then(|| secrets_beside(&file.dir, index(layers.len()), &mut findings))
            .flatten();
        if let Some((layer, patch)) = secrets {
            layers.push(layer);
            patches.push(patch);
        }
    }
    // Without one of the files the rest would only produce misleading errors.
    let unread = !findings.errors.is_empty();
    if !unread && !layers.iter().any(|l| l.kind == LayerKind::Json) {
        let empty = layers::is_taken_as_empty(&findings.warnings);
        let (message, hint) = match empty {
            true => {
                ("the configuration file is empty", "remove it, and `picoclaw onboard` writes one")
            }
            false => ("no configuration file was found", "`picoclaw onboard` writes one"),
        };
        let (message, hint) = (message.to_owned(), hint.to_owned());
        findings.push_warning(Problem { message, hint, ..Problem::default() });
    }
    let mut types = ChannelTypes::new();
    patches.iter().for_each(|p| inspect::gather_types(p, &mut types));
    patches.iter().for_each(|p| inspect::inspect(p, &layers, &types, &mut findings));
    if let Some(errors) = unread.then(|| findings.take_errors()).flatten() {
        return Err(errors);
    }
    let mut tree = Node::map(Origin::default());
    let mut secrets = Vec::new();
    for (layer, patch) in layers.iter().zip(patches) {
        if layer.kind == LayerKind::Security {
            merge_layer(&mut tree, patch.clone(), Unknown::Skip);
            secrets.push(patch);
        } else {
            merge_layer(&mut tree, patch, Unknown::Add);
        }
    }
    let (layer, patch) = env::read(options, &tree, index(layers.len()), &mut findings);
    layers.push(layer);
    inspect::inspect(&patch, &layers, &types, &mut findings);
    merge_layer(&mut tree, patch, Unknown::Add);
    for patch in secrets.into_iter().rev() {
        fill_secrets(&mut tree, &patch, &layers, &mut findings);
    }
    let expand = |path: &str| options.expand(path);
    finish(tree, layers, &home, &expand, Keys::of(options), options.allow_empty, findings)
}

/// The last steps, which a saved last good configuration shares.
pub(super) fn finish(
    mut tree: Node,
    layers: Vec<Layer>,
    home: &Path,
    expand: &dyn Fn(&str) -> PathBuf,
    keys: Keys,
    allow_empty: bool,
    mut findings: Findings,
) -> Result<Loaded, ConfigErrors> {
    let version = version_of(&tree, &layers, &mut findings);
    let sealed = security::resolve(&mut tree, &layers, &keys, &mut findings);
    let mut ctx = BuildContext {
        keys: &keys::TABLE,
        layers: &layers,
        version,
        allow_empty,
        findings: &mut findings,
    };
    let config = build::build(&tree, home, expand, &mut ctx);
    match findings.take_errors() {
        Some(errors) => Err(errors),
        None => Ok(Loaded {
            config,
            warnings: findings.warnings,
            layers,
            tree,
            sealed,
            passphrase: keys.passphrase,
        }),
    }
}

/// There is no reader of it in this build, and without its keys the configuration would only fail later.
#[cfg(not(feature = "migrate"))]
fn secrets_beside(dir: &Path, _: u16, findings: &mut Findings) -> Option<(Layer, Node)> {
    let path = dir.join(security::FILE);
    if layers::read(&path, false, findings).is_some() {
        let message = "this build does not read it (feature `migrate`); put its keys into config.d/secrets.json";
        let (file, message) = (path.display().to_string(), message.to_owned());
        findings.push_error(Problem { file, message, ..Problem::default() });
    }
    None
}

fn index(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Checks the syntax of a file and gives its patch in canonical shape.
pub(super) fn parse(layer: &Layer, number: usize, findings: &mut Findings) -> Option<Node> {
    let text = &layer.text;
    let mut fail = |at: usize, message: String, hint: &str| {
        let (line, column) = json_pos::line_column(text, at);
        let (file, hint) = (layer.name.clone(), hint.to_owned());
        findings.push_error(Problem { file, line, column, message, hint, ..Problem::default() });
    };
    if let Some(at) = json_pos::too_deep(text, CONFIG_DEPTH) {
        fail(at, format!("nested deeper than {CONFIG_DEPTH} levels"), "");
        return None;
    }
    if let Err(e) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        // The full parser has better error messages than the one that only skips.
        let e = serde_json::from_str::<Value>(text).err().unwrap_or(e);
        let (at, message) = syntax_error(text, &e);
        fail(at, message, hint(&e.to_string()));
        return None;
    }
    let mut twice = Vec::new();
    let root = tree::from_json(text, index(number), &mut twice);
    let mut root = match root {
        Ok(root) => root,
        Err((at, message)) => {
            fail(at, message, "");
            return None;
        }
    };
    if !root.is_map() {
        let kind = root.kind_name();
        fail(0, format!("an object is needed at the top, this is {kind}"), "");
        return None;
    }
    for (at, message) in twice {
        let (line, column) = json_pos::line_column(text, at);
        findings.push_warning(Problem {
            file: layer.name.clone(),
            line,
            column,
            message,
            ..Problem::default()
        });
    }
    shapes::normalise(&mut root);
    Some(root)
}

/// Offset and text of serde_json's error; its columns count bytes and point at the byte just read.
fn syntax_error(text: &str, e: &serde_json::Error) -> (usize, String) {
    let full = e.to_string();
    let message = full.split(" at line ").next().unwrap_or_default();
    let start: usize =
        text.split_inclusive('\n').take(e.line().saturating_sub(1)).map(str::len).sum();
    (start + e.column().saturating_sub(1), format!("not JSON: {message}"))
}

fn hint(message: &str) -> &'static str {
    if message.starts_with("trailing comma") {
        "remove the comma before the bracket"
    } else if message.starts_with("key must be a string") {
        "keys need double quotes, and JSON has no comments"
    } else if message.starts_with("EOF") {
        "a bracket or a quote is not closed"
    } else if message.starts_with("expected `,`") {
        "a comma is missing before this, or a quote inside a string lacks its backslash"
    } else if message.starts_with("control character") {
        "a string ends on the line it begins on"
    } else {
        ""
    }
}

fn version_of(tree: &Node, layers: &[Layer], findings: &mut Findings) -> u32 {
    let Some(node) = tree.get("version") else { return 0 };
    let number = node.value().and_then(Value::as_f64).unwrap_or_default();
    match build::VERSIONS.into_iter().find(|v| f64::from(*v) == number) {
        Some(version) => version,
        None => {
            findings.error(
                layers,
                node.origin,
                "version",
                format!("unsupported config version: {}", text::plain(number)),
                "this build reads versions 0 to 3",
            );
            0
        }
    }
}

/// Adds secrets of a `.security.yml` to entries that have none after all layers, and reports unknown names.
fn fill_secrets(tree: &mut Node, patch: &Node, layers: &[Layer], findings: &mut Findings) {
    for (name, extra) in patch.get("model_list").map(Node::entries).unwrap_or_default() {
        let found =
            tree.get("model_list").map(|l| models_named(l.items(), name)).unwrap_or_default();
        if found.is_empty() {
            findings.warn(
                layers,
                extra.origin,
                &format!("model_list.{name}"),
                "no entry of model_list has this name",
                "",
            );
        }
        if let Some(Node { kind: tree::NodeKind::List(list), .. }) = tree.get_mut("model_list") {
            for entry in found
                .into_iter()
                .filter_map(|i| Some((i, list.get(i)?.is_map())))
                .filter(|(_, m)| *m)
                .map(|(i, _)| i)
                .collect::<Vec<_>>()
            {
                if let Some(entry) = list.get_mut(entry) {
                    fill(entry, extra);
                }
            }
        }
    }
    for (name, extra) in patch.get("channel_list").map(Node::entries).unwrap_or_default() {
        match tree.get_mut("channel_list").and_then(|l| l.get_mut(name)) {
            Some(entry) => fill(entry, extra),
            None => findings.warn(
                layers,
                extra.origin,
                &format!("channel_list.{name}"),
                "no channel has this name",
                "",
            ),
        }
    }
}

/// Whether the configuration of this process's environment can be loaded: before a reload.
///
/// # Errors
/// The first thing that is wrong.
pub fn is_loadable() -> crate::Result<()> {
    match load(&LoadOptions::from_process()) {
        Ok(_) => Ok(()),
        Err(errors) => {
            Err(crate::Error::new(errors.to_string().lines().next().unwrap_or_default()))
        }
    }
}
