//! `config keys`, and the table of keys in docs/.

use std::io::Write;

use super::keys::{Kind, all, variable, variable_allowed};
use crate::proto::text;

/// The table as Markdown, for `docs/`; generated, so that it cannot be wrong.
pub fn write_key_docs(out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(b"| key | takes | default | variable | meaning |\n|---|---|---|---|---|\n")?;
    for key in all().filter(|k| !k.unsupported()) {
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
            key.path.replace('*', "<name>"),
            takes(key.kind),
            key.doc
        )?;
    }
    Ok(())
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Int(i64::MIN, _) => "whole number".to_owned(),
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
        write_key_docs(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("| `agents.defaults.max_tool_iterations` | whole number from 0 | `50`; without `version` `20` | PICOCLAW_AGENTS_DEFAULTS_MAX_TOOL_ITERATIONS |"), "{text}");
        #[cfg(feature = "telegram")]
        assert!(text.contains("| `channel_list.<name>.settings.token` | secret |  | PICOCLAW_CHANNELS_<NAME>_TOKEN |"), "{text}");
        assert!(!text.contains("tools.mcp"));
        assert!(!text.contains(&i64::MIN.to_string()));
    }
}
