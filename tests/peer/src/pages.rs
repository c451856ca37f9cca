//! A small web: pages for web_fetch, redirects, and search engines shaped like the real ones.
//!
//! `/page/hello`, `/page/plain`, `/page/data.json`, `/page/large?bytes=N`, `/page/empty`, `/page/latin1`;
//! `/redirect?to=URL`, `/redirect?loop=N`, `/status?code=N`; searches at `/res/v1/web/search` (Brave), `/search`
//! (Tavily with POST, SearXNG with GET), `/html/` (DuckDuckGo), `/api/v1/search` (ClawHub). A test may give any other path
//! a file (an archive, or `.txt`) or a redirect; its calls are counted as `file.PATH`, those with credentials also as `file.auth.PATH`.

use serde_json::{Value, json};

use crate::http::{Outcome, Request, Response, pairs};
use crate::world::{File, Shared};

/// A page with what a converter meets: headings, links, lists, code, tables, scripts, entities.
const HELLO: &str = "<!doctype html><html><head><title>Hello page</title><style>p{color:red}</style>\
<script>var hidden = 1;</script></head><body><nav><a href=\"/\">Home</a></nav><main><h1>Hello &amp; welcome</h1>\
<p>This page has a <a href=\"/page/plain\">link</a>, <b>bold</b> and <em>stress</em>.</p>\
<ul><li>one</li><li>two</li></ul><pre><code>let x = 1;</code></pre>\
<table><tr><th>k</th><th>v</th></tr><tr><td>a</td><td>1</td></tr></table></main></body></html>";

/// Serves the web; `None` for other paths.
pub fn serve(shared: &Shared, request: &Request) -> Option<Outcome> {
    let parameter = |key: &str| pairs(&request.query).find(|(k, _)| k == key).map(|(_, v)| v);
    if let Some(file) = shared.look(|w| w.files.get(&request.path).cloned()) {
        shared.look(|w| {
            w.count(format!("file.{}", request.path));
            if !request.header("authorization").is_empty() {
                w.count(format!("file.auth.{}", request.path));
            }
        });
        return Some(Outcome::Reply(match file {
            File::Bytes(bytes) => {
                let text = request.path.ends_with(".txt");
                Response::text(200, if text { "text/plain" } else { "application/gzip" }, bytes)
            }
            File::Redirect(to) => {
                let mut response = Response::text(302, "text/plain", "");
                response.headers.push(("Location", to));
                response
            }
        }));
    }
    let (count, response) = match request.path.as_str() {
        "/redirect" => {
            let to = match parameter("loop") {
                Some(n) => {
                    format!("/redirect?loop={}", n.parse::<u64>().unwrap_or(0).wrapping_add(1))
                }
                None => parameter("to").unwrap_or_else(|| "/page/hello".to_owned()),
            };
            let mut response = Response::text(302, "text/plain", "");
            response.headers.push(("Location", to));
            ("web.redirect", response)
        }
        "/api/v1/search" => {
            let query = parameter("q").unwrap_or_default();
            let hit = |i: usize| {
                json!({ "score": 1.0, "slug": format!("skill-{i}"),
                "displayName": "Skill", "summary": format!("Skill {i} for {query}"), "version": "1.0.0" })
            };
            let results: Vec<Value> = (1..=3).map(hit).collect();
            ("web.clawhub", Response::json(200, &json!({ "results": results })))
        }
        "/status" => {
            let code = parameter("code").and_then(|c| c.parse().ok()).unwrap_or(500);
            ("web.status", Response::text(code, "text/plain", "as you like"))
        }
        "/res/v1/web/search" => {
            let results =
                results(&parameter("q").unwrap_or_default(), ["title", "url", "description"]);
            if request.header("x-subscription-token").is_empty() {
                return Some(Outcome::json(
                    401,
                    &json!({ "error": { "code": "SUBSCRIPTION_TOKEN_INVALID" } }),
                ));
            }
            ("web.brave", Response::json(200, &json!({ "web": { "results": results } })))
        }
        "/search" if request.method == "POST" => {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let results =
                results(body["query"].as_str().unwrap_or(""), ["title", "url", "content"]);
            ("web.tavily", Response::json(200, &json!({ "results": results })))
        }
        "/search" => {
            let results = results(&parameter("q").unwrap_or_default(), ["title", "url", "content"]);
            ("web.searxng", Response::json(200, &json!({ "results": results })))
        }
        "/html/" | "/html" => {
            let form = String::from_utf8_lossy(&request.body).into_owned();
            let posted = pairs(&form).find(|(k, _)| k == "q").map(|(_, v)| v);
            let query = parameter("q").or(posted).unwrap_or_default();
            ("web.duckduckgo", Response::text(200, "text/html; charset=utf-8", duckduckgo(&query)))
        }
        path => ("web.page", page(path.strip_prefix("/page/")?, &parameter)),
    };
    shared.look(|w| w.count(count.to_owned()));
    Some(Outcome::Reply(response))
}

fn page(name: &str, parameter: &dyn Fn(&str) -> Option<String>) -> Response {
    match name {
        "plain" => Response::text(200, "text/plain; charset=utf-8", "Plain words: ä ö ü.\n"),
        "data.json" => Response::json(200, &json!({ "answer": 42, "list": [1, 2, 3] })),
        "empty" => Response::text(200, "text/html", ""),
        "latin1" => {
            Response::text(200, "text/html; charset=iso-8859-1", b"<p>gr\xfc\xdfe</p>".to_vec())
        }
        "large" => {
            let bytes = parameter("bytes").and_then(|b| b.parse().ok()).unwrap_or(1_000_000);
            Response::text(200, "text/html", "<p>filling words</p>\n".repeat(bytes / 21 + 1))
        }
        _ => Response::text(200, "text/html; charset=utf-8", HELLO),
    }
}

/// Three findings whose fields have the engine's names.
fn results(query: &str, names: [&str; 3]) -> Vec<Value> {
    let result = |i: usize| {
        json!({
            names[0]: format!("Result {i} for {query}"), names[1]: format!("https://example.com/{i}"),
            names[2]: format!("Snippet {i} about {query}."),
        })
    };
    (1..=3).map(result).collect()
}

fn duckduckgo(query: &str) -> String {
    let mut page = "<html><body><div class=\"results\">".to_owned();
    for i in 1..=3 {
        page.push_str(&format!(
            "<div class=\"result results_links web-result\"><h2 class=\"result__title\"><a rel=\"nofollow\" \
             class=\"result__a\" href=\"//duckduckgo.com/l/?uddg=https%3A%2F%2Fexample.com%2F{i}&amp;rut=0\">\
             Result {i} for <b>{query}</b></a></h2><a class=\"result__snippet\" href=\"#\">Snippet {i} about \
             <b>{query}</b>.</a></div>"
        ));
    }
    page + "</div></body></html>"
}
