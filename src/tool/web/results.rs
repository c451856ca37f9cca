//! Parses search engines' answers into titles, addresses and snippets.

use percent_encoding::percent_decode_str;

use super::engine::Engine;
use crate::proto::json::{Json, TypeMismatch};
use crate::proto::{html, text};
use crate::{Error, Result};

/// Characters of a title, a snippet, bytes of an address: more is not a better result.
const TITLE_CHARS: usize = 200;
const SNIPPET_CHARS: usize = 500;
const URL_BYTES: usize = 1000;

/// One result, sanitised and truncated.
#[derive(Debug, PartialEq)]
pub(super) struct WebResult {
    pub(super) title: String,
    pub(super) url: String,
    pub(super) snippet: String,
}

/// The first `count` results of an answer's body; empty when there are none.
pub(super) fn parse(engine: Engine, body: &[u8], count: usize) -> Result<Vec<WebResult>> {
    if engine == Engine::Duckduckgo {
        return Ok(duckduckgo(&String::from_utf8_lossy(body), count));
    }
    let other = |why: &dyn std::fmt::Display| {
        Error::new(format!("the answer is not what {} documents: {why}", engine.name()))
    };
    let mismatch = TypeMismatch::default();
    let answer =
        text::utf8(body).and_then(|text| Json::parse(text, &mismatch)).map_err(|e| other(&e))?;
    // Brave nests its list in `web`, and calls `description` what is `content` with Tavily and SearXNG.
    let nested = answer.get("web").get("results").non_null();
    let items = nested.unwrap_or_else(|| answer.get("results")).items();
    let hits = items.filter_map(|item| {
        let snippet = item.get("content").non_null().unwrap_or_else(|| item.get("description"));
        hit(&item.get("title").str(), &item.get("url").str(), &snippet.str())
    });
    let hits = hits.take(count).collect();
    match mismatch.get() {
        Some(mismatch) => {
            Err(other(&format_args!("unexpected `{}`", text::truncate(mismatch, TITLE_CHARS))))
        }
        None => Ok(hits),
    }
}

fn hit(title: &str, url: &str, snippet: &str) -> Option<WebResult> {
    let url = url.trim();
    let web = url.starts_with("http://") || url.starts_with("https://");
    if !web
        || url.len() > URL_BYTES
        || url.contains(|c: char| c.is_whitespace() || !text::is_visible(c))
    {
        return None;
    }
    let title = text::truncate(&html::to_line(title), TITLE_CHARS);
    Some(WebResult {
        title: if title.is_empty() { "(no title)".into() } else { title },
        url: url.to_owned(),
        snippet: text::truncate(&html::to_line(snippet), SNIPPET_CHARS),
    })
}

/// The result page has links of class `result__a`, each followed by its `result__snippet`.
fn duckduckgo(page: &str, count: usize) -> Vec<WebResult> {
    let mut hits = Vec::new();
    let mut blocks = page.split("result__a\"");
    let mut before = blocks.next().unwrap_or("");
    for block in blocks {
        if hits.len() == count {
            break;
        }
        // The tag may have started before the class; this block ends where the next one starts.
        let opening = &before[before.rfind('<').unwrap_or(before.len())..];
        before = block;
        let Some((attributes, rest)) = block.split_once('>') else { continue };
        let Some(href) = attribute(attributes, "href").or_else(|| attribute(opening, "href"))
        else {
            continue;
        };
        let title = rest.split("</a>").next().unwrap_or("");
        let snippet = rest
            .split_once("result__snippet")
            .and_then(|(_, s)| s.split_once('>'))
            .map_or("", |(_, s)| {
                s.split("</a>").next().unwrap_or("").split("</div>").next().unwrap_or("")
            });
        hits.extend(unwrapped(&html::decode(href)).and_then(|url| hit(title, &url, snippet)));
    }
    hits
}

/// The value of `name="..."`.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(name)?;
    rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?.split('"').next()
}

/// The address behind `//duckduckgo.com/l/?uddg=...`; advertisements have none.
fn unwrapped(href: &str) -> Option<String> {
    if href.contains("duckduckgo.com/y.js") {
        return None;
    }
    let target = href.split(['?', '&']).find_map(|pair| pair.strip_prefix("uddg="));
    match target {
        Some(target) => percent_decode_str(target)
            .decode_utf8()
            .ok()
            .map(|target| target.into_owned())
            .filter(|u| !u.contains("duckduckgo.com/y.js")),
        None if href.starts_with("//") => Some(format!("https:{href}")),
        None => Some(href.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(engine: Engine, body: &str, want: &[(&str, &str, &str)]) {
        let hits = parse(engine, body.as_bytes(), 3).expect("an answer");
        let got: Vec<_> =
            hits.iter().map(|h| (h.title.as_str(), h.url.as_str(), h.snippet.as_str())).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn json_answers_of_every_shape() {
        let hit = ("A & B", "https://example.org/", "the snippet");
        let item = r#"{"title":"A &amp; <b>B</b>","url":"https://example.org/","description":"the <strong>snippet</strong>","extra":{}}"#;
        check(Engine::Brave, &format!(r#"{{"query":{{}},"web":{{"results":[{item}]}}}}"#), &[hit]);
        check(Engine::Brave, r#"{"query":{"original":"x"}}"#, &[]);
        check(Engine::Brave, r#"{"web":{"results":null}}"#, &[]);
        let item = item.replace("description", "content");
        check(
            Engine::Tavily,
            &format!(r#"{{"results":[{item},{item},{item},{item}]}}"#),
            &[hit, hit, hit],
        );
        check(
            Engine::Searxng,
            &format!(r#"{{"results":[{{"title":null,"url":null}},{item}]}}"#),
            &[hit],
        );
        check(
            Engine::Searxng,
            r#"{"results":[{"url":"javascript:x"},{"url":"http://a b/"}]}"#,
            &[],
        );
        check(
            Engine::Tavily,
            r#"{"results":[{"url":"http://x/"}]}"#,
            &[("(no title)", "http://x/", "")],
        );
    }

    #[test]
    fn other_answers_are_an_error() {
        for body in ["", "<html>", "[]", r#"{"results":3}"#, r#"{"results":[3]}"#] {
            assert!(parse(Engine::Tavily, body.as_bytes(), 3).is_err(), "{body}");
        }
    }

    #[test]
    fn duckduckgos_page_is_read() {
        let page = r#"<div class="result"><h2><a rel="nofollow" class="result__a" href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fexample.org%2Fa%3Fb%3Dc&amp;rut=1">A <b>title</b></a></h2>
            <a class="result__snippet" href="x">Words &amp; <b>more</b></a></div>
            <div class="result result--ad"><a class="result__a" href="https://duckduckgo.com/y.js?ad=1">Ad</a></div>
            <div><a href="https://example.com/" class="result__a">B</a></div>"#;
        check(
            Engine::Duckduckgo,
            page,
            &[
                ("A title", "https://example.org/a?b=c", "Words & more"),
                ("B", "https://example.com/", ""),
            ],
        );
        check(Engine::Duckduckgo, "<html>challenge</html>", &[]);
        check(Engine::Duckduckgo, "result__a\" result__a\" <a class=\"result__a\" href=\"", &[]);
    }
}
