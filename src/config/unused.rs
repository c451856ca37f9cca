//! Settings of the Go version that are set and have no use here, as one warning: a home of it has dozens.

use super::keys::{self, KeyMatch, Kind};
use super::section::BuildContext;
use super::tree::{Node, NodeKind};
use crate::limits::UNUSED_KEYS_NAMED;

/// Warns about those that no other warning names.
pub(super) fn warn(root: &Node, ctx: &mut BuildContext<'_>) {
    let mut found = Vec::new();
    gather(root, &mut Vec::new(), &mut found);
    let Some(((first, node), rest)) = found.split_first() else { return };
    let mut message = "not used by this build".to_owned();
    for (n, (path, _)) in rest.iter().take(UNUSED_KEYS_NAMED).enumerate() {
        message.push_str(if n == 0 { ", nor are " } else { ", " });
        message.push_str(path);
    }
    if rest.len() > UNUSED_KEYS_NAMED {
        message.push_str(&format!(" and {} more", rest.len() - UNUSED_KEYS_NAMED));
    }
    ctx.warn(node.origin, first, message, "");
}

fn gather<'n>(node: &'n Node, path: &mut Vec<&'n str>, found: &mut Vec<(String, &'n Node)>) {
    for (name, child) in node.entries() {
        path.push(name);
        match keys::find(path) {
            KeyMatch::Key(key) if key.kind == Kind::Unsupported && is_set(child) => {
                found.push((path.join("."), child));
            }
            KeyMatch::Section => gather(child, path, found),
            _ => {}
        }
        path.pop();
    }
}

/// Something in it is on, or has a value.
pub(super) fn is_set(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Map(_) if node.bool_of("enabled") == Some(false) => false,
        NodeKind::Map(entries) => entries.iter().any(|(_, child)| is_set(child)),
        NodeKind::List(items) => !items.is_empty(),
        NodeKind::Leaf(_) => {
            let off = [serde_json::Value::Null, false.into(), "".into(), 0.into()];
            !off.contains(&node.to_value())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{LoadOptions, load};
    use crate::sys::scratch::Scratch;

    fn told(json: &str) -> String {
        let home = Scratch::new();
        home.file("config.json", json);
        let path = home.path().to_string_lossy().into_owned();
        let env = [("PICOCLAW_HOME".to_owned(), path)].into();
        let options = LoadOptions { env, allow_empty: true, ..LoadOptions::default() };
        let all = load(&options).expect("a configuration").warnings;
        all.iter().map(|w| format!("{w}\n")).filter(|w| w.contains("not used")).collect()
    }

    #[test]
    fn what_is_set_and_has_no_use_is_named_once() {
        let one = told(r#"{"version":3,"build_info":{"version":"1"}}"#);
        assert!(
            one.contains("build_info") && one.trim().ends_with("not used by this build"),
            "{one}"
        );
        let more = told(
            r#"{"version":3,"gateway":{"hot_reload":true},"tools":{"web":{"kagi":{"enabled":true}}}}"#,
        );
        assert!(
            more.contains("gateway.hot_reload: not used by this build, nor are tools.web.kagi"),
            "{more}"
        );
        assert_eq!(more.lines().count(), 1, "{more}");
        let off = r#"{"version":3,"gateway":{"hot_reload":false},"events":{"x":{"y":0,"z":""}},"build_info":null,"tools":{"web":{"kagi":{"enabled":false,"max_results":5}}}}"#;
        assert_eq!(told(off), "");
    }
}
