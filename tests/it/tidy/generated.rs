//! Documents that are made of tables are what the tables say. With `PICOCLAW_GENERATE` set the tests write them.

use std::fmt::Write;
use std::path::Path;

use picoclaw::config::providers::{Dialect, FAMILIES, PROVIDERS, Quirk};

const INTRODUCTION: &str = "# Model providers

Generated from `src/config/providers/table.rs` by `scripts/generate/documents`; the tests compare.

A model's entry says `provider`, or the text before the first `/` of `model` does; where neither names
one, it is `openai`. An entry with `api_base` may be any server that speaks one of the two dialects; the quirks below then follow
from the address's host.

";

const OVERLAY: &str = "docs/config-overlay.md";

fn meanings(quirks: &[Quirk]) -> String {
    quirks.iter().map(|quirk| quirk.meaning()).collect::<Vec<_>>().join("; ")
}

fn providers() -> String {
    let mut out = INTRODUCTION.to_owned();
    out += "| provider | also called | address | key | dialect | quirks |\n|---|---|---|---|---|---|\n";
    for row in PROVIDERS {
        let dialect = match row.dialect {
            Dialect::OpenAi => "OpenAI",
            Dialect::Anthropic => "Anthropic",
            Dialect::NotBuilt => "not supported",
        };
        let address = match row.base {
            "" if row.dialect == Dialect::NotBuilt => String::new(),
            "" => "`api_base` is needed".to_owned(),
            base => format!("<{base}>"),
        };
        let hosts: String = row.hosts.iter().map(|host| format!(", host `{host}`")).collect();
        let key = if row.keyless { "" } else { "needed" };
        let quirks = meanings(row.quirks).replace("ID", row.id);
        let aliases = row.aliases.join(", ");
        writeln!(
            out,
            "| {} | {aliases} | {address}{hosts} | {key} | {dialect} | {quirks} |",
            row.id
        )
        .unwrap();
    }
    out += "\nWherever they run (`o#`: `o1`, `o3-mini` and the like):\n\n| model id has | quirks |\n|---|---|\n";
    for (words, quirks) in FAMILIES {
        writeln!(out, "| {} | {} |", words.join(" and "), meanings(quirks)).unwrap();
    }
    out += LEARNED;
    out
}

const LEARNED: &str = "
A server may also say what it does not take: a field such as `temperature` or `max_tokens`, tools, a bound of the answer
that is too large, a missing `reasoning_content`, the order of roles. The same request is then sent again without that, and
later requests of this entry leave it out, until the daemon starts again (feature `servers`). A field that is set in
`extra_body` stays.
";

/// The page with the keys, whose text above them is `there`'s.
fn keys(there: &str) -> String {
    let (above, _) = there.split_once("<!-- keys").unwrap();
    let marker = there[above.len()..].lines().next().unwrap();
    let mut table = Vec::new();
    picoclaw::config::write_key_docs("", &mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    format!("{above}{marker}\n{table}")
}

/// The documents of the tree at `root`, as the tables of this program have them: path and text.
pub fn documents(root: &Path) -> [(&'static str, String); 2] {
    let overlay = std::fs::read_to_string(root.join(OVERLAY)).unwrap();
    [("docs/providers.md", providers()), (OVERLAY, keys(&overlay))]
}

#[test]
fn documents_are_what_the_tables_say() {
    for (name, want) in documents(super::root()) {
        let path = super::root().join(name);
        if std::env::var_os("PICOCLAW_GENERATE").is_some() {
            std::fs::write(&path, &want).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == want, "{name} is old: run scripts/generate/documents");
    }
}
