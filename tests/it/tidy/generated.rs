//! Documents that are made of tables are what the tables say. With `PICOCLAW_GENERATE` set the tests write them.

use std::fmt::Write;

use picoclaw::config::providers::{Dialect, FAMILIES, PROVIDERS, Quirk, Thinking};

const INTRODUCTION: &str = "# Model providers

Generated from `src/config/providers/table.rs` by `scripts/generate/documents`; the tests compare.

A model's entry says `provider`, or the text before the first `/` of `model` does. An entry with `api_base` may be any server
that speaks one of the two dialects; the particulars below then follow from the address's host.

";

/// What a particular is, for people.
fn meaning(quirk: Quirk) -> String {
    let text = match quirk {
        Quirk::ReplaysReasoning => "gets reasoning back",
        Quirk::CacheKey => "`prompt_cache_key` (by host only)",
        Quirk::ApiKeyField => "key in `api-key` (by name only)",
        Quirk::Thinking(Thinking::Effort) => "thinks by `thinking` and `reasoning_effort`",
        Quirk::Thinking(Thinking::Switch) => "thinks by `thinking`",
        Quirk::Thinking(Thinking::SwitchOrAuto) => "thinks by `thinking`, also `auto`",
        Quirk::Thinking(Thinking::Budget) => "thinks by `enable_thinking` and `thinking_budget`",
        Quirk::MaxCompletionTokens => "`max_completion_tokens` instead of `max_tokens`",
        Quirk::NoTemperature => "no `temperature`",
        Quirk::TemperatureOne => "`temperature` is 1",
        Quirk::ChatElsewhere => "at another address without a key `sk-ant-...`: OpenAI",
        Quirk::BaseInGo(address) => return format!("<{address}> means the same"),
        Quirk::SignedInBase(address) => return format!("signed in: <{address}>"),
        Quirk::OwnModelsKeepName => "`ID/auto` keeps its prefix",
        Quirk::DropsNameInV0 => "files without `version`: prefix of the model taken off",
        Quirk::Transcribes(model) => return format!("writes down voice messages ({model})"),
    };
    text.to_owned()
}

fn meanings(quirks: &[Quirk]) -> String {
    quirks.iter().map(|quirk| meaning(*quirk)).collect::<Vec<_>>().join("; ")
}

fn document() -> String {
    let mut out = INTRODUCTION.to_owned();
    out += "| provider | also called | address | key | dialect | particulars |\n|---|---|---|---|---|---|\n";
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
        let particulars = meanings(row.quirks).replace("ID", row.id);
        let aliases = row.aliases.join(", ");
        writeln!(
            out,
            "| {} | {aliases} | {address}{hosts} | {key} | {dialect} | {particulars} |",
            row.id
        )
        .unwrap();
    }
    out += "\nWherever they run (`o#`: `o1`, `o3-mini` and the like):\n\n| model id has | particulars |\n|---|---|\n";
    for (words, quirks) in FAMILIES {
        writeln!(out, "| {} | {} |", words.join(" and "), meanings(quirks)).unwrap();
    }
    out
}

#[track_caller]
fn check(name: &str, want: &str) {
    let path = super::root().join(name);
    if std::env::var_os("PICOCLAW_GENERATE").is_some() {
        std::fs::write(&path, want).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == want, "{name} is old: run scripts/generate/documents");
}

#[test]
fn providers_are_what_the_table_says() {
    check("docs/providers.md", &document());
}

#[test]
fn keys_are_what_the_table_says() {
    let there = super::read("docs/config-overlay.md");
    let (above, _) = there.split_once("<!-- keys").unwrap();
    let marker = there[above.len()..].lines().next().unwrap();
    let mut table = Vec::new();
    picoclaw::config::write_key_docs(&mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    check("docs/config-overlay.md", &format!("{above}{marker}\n{table}"));
}
