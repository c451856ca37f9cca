//! The methods of a file, which other files of its folder call without a path.

use super::imports::word;

/// Methods that the standard library's types have, too: not every call is one of ours.
pub(super) const OF_STD: &[&str] = &[
    "clear", "extend", "find", "finish", "get", "insert", "is_empty", "is_full", "iter", "join",
    "last", "len", "next", "open", "pop", "push", "push_str", "read", "remove", "replace",
    "retain", "send", "take", "wait", "write",
];

/// Type and name of each function in an `impl` without a trait, in code as rustfmt writes it.
pub(super) fn methods(code: &str) -> Vec<(String, String)> {
    let (mut found, mut of) = (Vec::new(), None);
    for line in code.lines() {
        if let Some(head) = line.strip_prefix("impl") {
            let head = match head.strip_prefix('<') {
                Some(generics) => generics.split_once("> ").map_or("", |(_, head)| head),
                None => head,
            };
            of = (!line.contains(" for ")).then(|| word(head)).filter(|name| !name.is_empty());
        } else if line.starts_with('}') {
            of = None;
        }
        let inside = line.strip_prefix("    ").filter(|inside| !inside.starts_with(' '));
        let name = inside.and_then(|inside| {
            let at = inside.find("fn ").filter(|at| *at == 0 || inside[..*at].ends_with(' '))?;
            Some(word(&inside[at + "fn ".len()..]))
        });
        if let (Some(of), Some(name)) = (&of, name) {
            found.push((of.clone(), name));
        }
    }
    found
}
