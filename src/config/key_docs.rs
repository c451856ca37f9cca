//! `config keys`, and the table of keys in docs/.

use std::io::Write;

use super::key::{ANY, Limits, ZeroMeaning};
use super::keys::{Key, Kind, all, unknown, variable, variable_allowed};
use crate::error::Result;
use crate::proto::text;

/// The table as Markdown, for `docs/`; generated, so that it cannot be wrong. `filter` keeps the keys in whose path or meaning it
/// occurs, in any case.
///
/// # Errors
/// No key has it, or `out` is closed.
pub fn write_key_docs(filter: &str, out: &mut dyn Write) -> Result<()> {
    let filter = filter.to_lowercase();
    let path = |key: &Key| key.path.replace('*', "<name>");
    let wanted = |key: &Key| {
        let has = |text: &str| text.to_lowercase().contains(&filter);
        !key.unsupported() && (has(&path(key)) || has(key.path) || has(key.doc))
    };
    if !all().any(|key| wanted(&key)) {
        return Err(unknown(&filter));
    }
    out.write_all(b"| key | takes | default | variable | meaning |\n|---|---|---|---|---|\n")?;
    for key in all().filter(wanted) {
        let parts: Vec<&str> =
            key.path.split('.').map(|p| if p == "*" { "<NAME>" } else { p }).collect();
        let variable = if variable_allowed(&key) {
            variable(&parts).replace("_NAME_", "<NAME>_")
        } else {
            String::new()
        };
        let variable =
            variable.replace("__", "_").replace("<NAME>", "_<NAME>").replace("__<", "_<");
        let default = match (key.v0, key.v3) {
            ("", "") => String::new(),
            (a, b) if a == b => format!("`{a}`"),
            (a, b) => format!(
                "`{}`; without `version` `{}`",
                if b.is_empty() { "none" } else { b },
                if a.is_empty() { "none" } else { a }
            ),
        };
        writeln!(
            out,
            "| `{}` | {} | {default} | {variable} | {} |",
            path(&key),
            takes(key.kind),
            meaning(&key)
        )?;
    }
    Ok(())
}

/// The key's documentation and, from the table, what its limits make of a number.
fn meaning(key: &Key) -> String {
    let Limits { zero, least, most } = key.limits;
    let mut text = key.doc.to_owned();
    for (limit, none, is) in [(least, i64::MIN, "; at least "), (most, i64::MAX, "; at most ")] {
        if limit != none {
            text.push_str(is);
            text.push_str(&limit.to_string());
        }
    }
    match zero {
        ZeroMeaning::Itself => {}
        ZeroMeaning::Default => text.push_str("; 0 means the default"),
        ZeroMeaning::Means(number) => {
            text.push_str("; 0 means ");
            text.push_str(&number.to_string());
        }
    }
    text
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Int(low, _) if low <= -ANY => "whole number".to_owned(),
        Kind::Int(low, high) if high == i64::MAX || high == i64::from(u32::MAX) => {
            format!("whole number from {low}")
        }
        Kind::Int(low, high) => format!("whole number {low} to {high}"),
        Kind::Num(low, high) => format!("number {} to {}", text::plain(low), text::plain(high)),
        Kind::Text => "text".to_owned(),
        Kind::Url => "http or https address".to_owned(),
        Kind::Proxy => "http, https or socks5 address".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Secrets => "list of secrets".to_owned(),
        Kind::List => "list".to_owned(),
        Kind::Word(words) => {
            let named: Vec<&str> = words.split('|').filter(|w| !w.is_empty()).collect();
            named.join(", ")
        }
        Kind::Free => "JSON".to_owned(),
        Kind::Unsupported | Kind::UnsupportedWarn => "not used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_names_every_key_in_use() {
        let mut out = Vec::new();
        write_key_docs("", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("| `agents.defaults.max_tool_iterations` | whole number from 0 | `50`; without `version` `20` | PICOCLAW_AGENTS_DEFAULTS_MAX_TOOL_ITERATIONS |"), "{text}");
        #[cfg(feature = "telegram")]
        assert!(text.contains("| `channel_list.<name>.settings.token` | secret |  | PICOCLAW_CHANNELS_<NAME>_TOKEN |"), "{text}");
        assert!(!text.contains("tools.mcp"));
        let rows = |filter| {
            let mut out = Vec::new();
            write_key_docs(filter, &mut out)
                .map(|()| out.iter().filter(|b| **b == b'\n').count() - 2)
        };
        assert_eq!(rows("gateway.port").unwrap(), 1);
        assert_eq!(rows("HEARTBEAT.md").unwrap(), 1);
        assert!((2..20).contains(&rows("model_list.<name>.").unwrap()));
        assert_eq!(rows("model_list.*.rpm").unwrap(), 1);
        let said = rows("gateway.prot").unwrap_err().to_string();
        assert!(said.contains("did you mean `gateway.port`?"), "{said}");
        assert!(!text.contains(&i64::MIN.to_string()));
    }

    #[test]
    fn limits_are_added_to_the_meaning() {
        let check = |path: &str, want: &str| {
            let key = all().find(|key| key.path == path).expect(path);
            assert_eq!(meaning(&key), want, "{path}");
        };
        check(
            "heartbeat.interval",
            "minutes between two heartbeats; at least 5; 0 means the default",
        );
        check("agents.defaults.max_tool_iterations", "model calls of one turn; 0 means 20");
        check(
            "tools.web.brave.max_results",
            "results of a search; at least 1; at most 10; 0 means the default",
        );
        check(
            "agents.defaults.reflect",
            "rounds of failing tool calls in a row after which the model is asked to reflect; 0 never",
        );
    }

    /// A number in the prose would be a second place for what the table says. 0 may have a meaning that no limit gives it.
    #[test]
    fn no_key_says_its_limits_in_words() {
        for key in all().filter(|key| matches!(key.kind, Kind::Int(..) | Kind::Num(..))) {
            let mut words = key.doc.split([' ', ',', ';']);
            let zero = if key.limits.zero == ZeroMeaning::Itself { "0" } else { "" };
            let is_number = |word: &&str| *word != zero && word.parse::<f64>().is_ok();
            let number = words.find(is_number);
            assert_eq!(number, None, "{}: {}", key.path, key.doc);
            for limit in ["at least", "at most", "the default"] {
                assert!(!key.doc.contains(limit), "{}: {}", key.path, key.doc);
            }
        }
    }
}
