//! A JSON value whose every node knows the layer and place it came from, so that values keep their origin through merges.

use serde_json::Value;

use crate::proto::json::object;
use crate::proto::json_pos;

/// Where a node was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Index into the layers.
    pub layer: u16,
    /// Byte offset of the key in the layer's text, or the number of the variable in the environment layer.
    pub at: u32,
}

/// A value and its origin.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it was written.
    pub origin: Origin,
    /// The content, whatever layer it came from.
    pub kind: NodeKind,
}

/// The shapes of JSON.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// Object, in the file's order, keys unique.
    Map(Vec<(Box<str>, Node)>),
    /// JSON array, in the file's order.
    List(Vec<Node>),
    /// String, number, boolean or null.
    Leaf(Value),
}

impl Node {
    /// An object without members.
    pub fn map(origin: Origin) -> Node {
        Node { origin, kind: NodeKind::Map(Vec::new()) }
    }
    /// A string, number, boolean or null that `origin` set.
    pub fn leaf(origin: Origin, value: impl Into<Value>) -> Node {
        Node { origin, kind: NodeKind::Leaf(value.into()) }
    }
    /// The members, none where this is no object.
    pub fn entries(&self) -> &[(Box<str>, Node)] {
        match &self.kind {
            NodeKind::Map(m) => m,
            _ => &[],
        }
    }
    /// The members, for changing them.
    pub fn entries_mut(&mut self) -> &mut [(Box<str>, Node)] {
        match &mut self.kind {
            NodeKind::Map(m) => m,
            _ => &mut [],
        }
    }
    /// The elements, none where this is no array.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::List(l) => l,
            _ => &[],
        }
    }
    /// Member of an object; `None` where it is missing or this is no object.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| &**k == key).map(|(_, n)| n)
    }
    /// A member, for changing it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries_mut().iter_mut().find(|(k, _)| &**k == key).map(|(_, n)| n)
    }
    /// The node at a path of fixed keys, `a.b.c`.
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }
    /// Sets a member; nothing happens where this is no object.
    pub fn set(&mut self, key: &str, node: Node) {
        if let Some(old) = self.get_mut(key) {
            *old = node;
        } else if let NodeKind::Map(m) = &mut self.kind {
            m.push((key.into(), node));
        }
    }
    /// Removes and returns a member.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let NodeKind::Map(m) = &mut self.kind else { return None };
        let i = m.iter().position(|(k, _)| &**k == key)?;
        Some(m.remove(i).1)
    }
    /// The object under `key`, made (or put in place of null) where there is none.
    pub fn child(&mut self, key: &str, origin: Origin) -> Option<&mut Node> {
        if self.get(key).is_none_or(Node::is_null) {
            self.set(key, Node::map(origin));
        }
        self.get_mut(key)
    }
    /// Whether it is JSON null, which removes what lower layers say.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Leaf(Value::Null))
    }
    /// Whether it is an object, empty ones included.
    pub fn is_map(&self) -> bool {
        matches!(self.kind, NodeKind::Map(_))
    }
    /// Value of a string, number, boolean or null; `None` for objects and arrays.
    pub fn value(&self) -> Option<&Value> {
        match &self.kind {
            NodeKind::Leaf(v) => Some(v),
            _ => None,
        }
    }
    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        self.value()?.as_str()
    }
    /// The text of a string member.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }
    /// The value of a boolean member.
    pub fn bool_of(&self, key: &str) -> Option<bool> {
        self.get(key)?.value()?.as_bool()
    }
    /// Strings and numbers of an array as texts; a lone string or number is an array of one.
    pub fn texts(&self) -> Vec<String> {
        match &self.kind {
            NodeKind::List(l) => l.iter().filter_map(|n| n.value().and_then(scalar_text)).collect(),
            NodeKind::Leaf(v) => scalar_text(v).into_iter().collect(),
            NodeKind::Map(_) => Vec::new(),
        }
    }
    /// The plain JSON value.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Leaf(v) => v.clone(),
            NodeKind::List(l) => Value::Array(l.iter().map(Node::to_value).collect()),
            NodeKind::Map(m) => object(m.iter().map(|(k, n)| (k.to_string(), n.to_value()))),
        }
    }
    /// The name of this kind of value, for messages.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::Map(_) => "an object",
            NodeKind::List(_) => "an array",
            NodeKind::Leaf(Value::Null) => "null",
            NodeKind::Leaf(Value::Bool(_)) => "true or false",
            NodeKind::Leaf(Value::Number(_)) => "a number",
            NodeKind::Leaf(_) => "a string",
        }
    }
}

/// A string as it is, a number as a decimal without fraction (`allow_from` holds both).
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(match (n.is_f64(), n.as_f64()) {
            (true, Some(f)) => (f.round_ties_even() as i64).to_string(),
            _ => n.to_string(),
        }),
        _ => None,
    }
}

/// A syntax error or a warning about a text: byte offset and message.
pub type Diagnostic = (usize, String);

/// Builds the tree of a text that serde_json has accepted; keys that appear twice go into `twice` (the last one counts).
pub fn from_json(text: &str, layer: u16, twice: &mut Vec<Diagnostic>) -> Result<Node, Diagnostic> {
    build(text, layer, json_pos::skip_blanks(text, 0), 0, twice)
}

fn build(
    text: &str,
    layer: u16,
    value_at: usize,
    at: usize,
    twice: &mut Vec<Diagnostic>,
) -> Result<Node, Diagnostic> {
    let origin = Origin { layer, at: u32::try_from(at).unwrap_or(u32::MAX) };
    let kind = match text.as_bytes().get(value_at) {
        Some(b'{') => {
            let mut map = Node::map(origin);
            for item in json_pos::items(text, value_at) {
                let key = item.key.as_deref().unwrap_or_default();
                if map.get(key).is_some() {
                    twice.push((item.at, format!("`{key}` appears twice; the last one counts")));
                }
                map.set(key, build(text, layer, item.value, item.at, twice)?);
            }
            return Ok(map);
        }
        Some(b'[') => NodeKind::List(
            json_pos::items(text, value_at)
                .map(|item| build(text, layer, item.value, item.at, twice))
                .collect::<Result<_, _>>()?,
        ),
        _ => {
            let end = json_pos::value_end(text, value_at).unwrap_or(text.len());
            let scalar = text.get(value_at..end).unwrap_or_default();
            // Lone surrogates and numbers out of range pass the syntax check and fail only here.
            let value = serde_json::from_str(scalar).map_err(|e| {
                let what = e.to_string();
                let what = what.split(" at line ").next().unwrap_or_default();
                (value_at, format!("not a JSON value: {what}"))
            })?;
            NodeKind::Leaf(value)
        }
    };
    Ok(Node { origin, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_equals_the_json_and_knows_places() {
        let text = r#" {"a": {"b": [1, "x", {"c": null}]}, "d": 2.5, "a\u0062": true}"#;
        let node = from_json(text, 3, &mut Vec::new()).unwrap();
        assert_eq!(node.to_value(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(node.at("a.b").unwrap().origin, Origin { layer: 3, at: 8 });
        assert_eq!(node.at("a.b").unwrap().items()[1].origin.at, 17);
        assert_eq!(node.bool_of("ab"), Some(true));
    }

    #[test]
    fn odd_texts_are_reported() {
        let mut twice = Vec::new();
        let node = from_json(r#"{"a":1,"a":2}"#, 0, &mut twice).unwrap();
        assert_eq!((node.to_value()["a"].as_i64(), twice.len(), twice[0].0), (Some(2), 1, 7));
        assert_eq!(from_json("[1e999]", 0, &mut Vec::new()).unwrap_err().0, 1);
        assert_eq!(from_json(r#"["\ud800"]"#, 0, &mut Vec::new()).unwrap_err().0, 1);
    }

    #[test]
    fn flexible_lists() {
        let node =
            from_json(r#"["a", 123, 9007199254740993, 5.0, -7, true, 1e3]"#, 0, &mut Vec::new())
                .unwrap();
        assert_eq!(node.texts(), ["a", "123", "9007199254740993", "5", "-7", "1000"]);
    }
}
