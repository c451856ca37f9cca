//! memory_search and memory_append: search notes, and add to them.

use std::os::unix::fs::FileExt;

use super::args::{Args, integer, text};
use super::context::ToolContext;
use super::result::ToolResult;
use super::scope::{PathUse, Scope, fault};
use super::spec::{Effect, PromptWrites, ToolSpec};
use crate::limits::{APPEND_FILE_BYTES, MEMORY_APPEND_BYTES, SEARCH_RESULTS};
use crate::proto::date;
use crate::store::index::{self, Folders, SearchResult};
use crate::store::memory;
use crate::sys::{clock, spawn_blocking};

/// Searches notes, memory and past conversations.
pub static MEMORY_SEARCH: ToolSpec = ToolSpec {
    name: "memory_search",
    description: "Search long-term memory, all daily notes and the summaries of past conversations for words. Use it before you say that you do not know something about the user or an earlier day. It finds words, not meanings: try others when nothing fits.",
    schema: r#"{"type":"object","properties":{"query":{"type":"string","description":"Words to look for"},"limit":{"type":"integer","minimum":1,"maximum":20,"description":"Chunks to give, 6 if left out"}},"required":["query"]}"#,
    effect: Effect::Reads,
    run: |ctx, args| Box::pin(search(ctx, args)),
    ..ToolSpec::PLAIN
};

/// `memory_append`: adds a line to today's notes or to MEMORY.md.
pub static MEMORY_APPEND: ToolSpec = ToolSpec {
    name: "memory_append",
    description: "Note something to remember. day adds it to today's daily note, long_term to MEMORY.md, which is for lasting facts about the user.",
    schema: r#"{"type":"object","properties":{"text":{"type":"string","description":"One or more lines of Markdown"},"to":{"type":"string","enum":["day","long_term"],"description":"day if left out"}},"required":["text"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(append(ctx, args)),
    asks: |ctx, _| ctx.trust.for_later(),
    writes_prompts: PromptWrites::Shown,
    ..ToolSpec::PLAIN
};

/// Folder of the index in the daemon's home; tools cannot reach it.
const INDEX: &str = "state/memory-index";

/// Runs `memory_search`; scores by BM25, and by embeddings where a model is set.
pub async fn search(ctx: &ToolContext, args: &Args) -> ToolResult {
    let query = text(args, "query").trim().to_owned();
    if query.is_empty() {
        return ToolResult::error("query is required");
    }
    let (most, usual) = SEARCH_RESULTS;
    let limit = integer(args, "limit").and_then(|n| usize::try_from(n).ok()).unwrap_or(usual);
    let limit = limit.clamp(1, most);
    let home = ctx.config.home.clone();
    let folders =
        Folders { workspace: ctx.config.agent.workspace.clone(), index: home.join(INDEX), home };
    let asked = query.clone();
    #[cfg(feature = "embeddings")]
    let both = folders.clone();
    let found = spawn_blocking(Box::new(move || index::search(&folders, &asked, limit))).await;
    #[cfg(feature = "embeddings")]
    let found = match super::embeddings::search(ctx, both, &query, limit).await {
        Ok(Some(both)) => SearchResult { hits: both.hits, ..found },
        Ok(None) => found,
        Err(e) => {
            crate::log::info!("memory_search falls back to BM25: {e}");
            found
        }
    };
    ToolResult::silent(shown(&query, &found))
}

fn shown(query: &str, found: &SearchResult) -> String {
    let mut out = String::new();
    let query = crate::proto::text::one_line(query, 100);
    match found.hits.len() {
        0 => out.push_str(&format!("Nothing in memory has the words of \"{query}\".\n")),
        n => out.push_str(&format!("Found for \"{query}\", the best of {n} first:\n")),
    }
    for hit in &found.hits {
        out.push_str("\n[");
        out.push_str(&hit.file);
        if hit.line > 0 {
            out.push_str(&format!(" line {}", hit.line));
        }
        // Notes begin with their day.
        let section = if hit.section == hit.date { "" } else { hit.section.as_str() };
        for part in [section, &hit.date] {
            if !part.is_empty() {
                out.push_str(" | ");
                out.push_str(part);
            }
        }
        out.push_str("]\n");
        out.push_str(&hit.text);
        out.push('\n');
    }
    for note in &found.notes {
        out.push_str(&format!("\n({note})\n"));
    }
    out
}

/// Runs `memory_append`; the result says which file the text is in.
pub async fn append(ctx: &ToolContext, args: &Args) -> ToolResult {
    let lines = text(args, "text").trim_end().trim_start_matches(['\n', '\r']).to_owned();
    if lines.trim().is_empty() {
        return ToolResult::error("text is required");
    }
    if lines.len() > MEMORY_APPEND_BYTES {
        return ToolResult::error(format!(
            "the text has {} bytes, at most {MEMORY_APPEND_BYTES} are noted at once; shorten it, or write a file",
            lines.len()
        ));
    }
    let (path, head) = if text(args, "to") == "long_term" {
        (memory::LONG_TERM.to_owned(), String::new())
    } else if crate::net::clock_is_set() {
        let unix = clock::unix_now();
        let day = date::day_number(unix, clock::utc_offset(unix));
        (memory::note(day), format!("# {}\n\n", memory::title(day)))
    } else {
        return ToolResult::error(
            "the clock is not set yet, so there is no today; use to=long_term",
        );
    };
    let scope = match Scope::new(&ctx.config, &ctx.readable_roots) {
        Ok(scope) => scope,
        Err(e) => return ToolResult::error(e),
    };
    spawn_blocking(Box::new(move || match note(&scope, &path, &head, &lines) {
        Ok(()) => ToolResult::silent(format!("Noted in {path}")),
        Err(e) => ToolResult::error(format!("not noted: {e}")),
    }))
    .await
}

/// Appends lines to a file in one write, synced when this returns; `head` starts a new file.
fn note(scope: &Scope, path: &str, head: &str, lines: &str) -> Result<(), String> {
    let _writing = memory::writing();
    let place = scope.place(path, PathUse::Write)?;
    let before = match place.exists() {
        true => place.read().map(|(file, _)| begin(&file)).map_err(|e| fault(path, &e))?,
        false => head,
    };
    let text = [before, lines, "\n"].concat();
    place.append(text.as_bytes(), APPEND_FILE_BYTES).map_err(|e| fault(path, &e))
}

/// The text before a new line: a line end if the last line has none.
fn begin(file: &std::fs::File) -> &'static str {
    let mut last = *b"\n";
    let length = file.metadata().map_or(0, |m| m.len());
    if length > 0 && file.read_exact_at(&mut last, length - 1).is_ok() && last != *b"\n" {
        return "\n";
    }
    ""
}
