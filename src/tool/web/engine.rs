//! The search engines: which one is used, and its request.

use crate::config::{SearchEngine, WebConfig};
use crate::limits::WEB_SEARCH_RESULTS;
use crate::proto::url;
use crate::{Error, Result};

/// A supported search engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Brave,
    Tavily,
    Searxng,
    Duckduckgo,
}

/// The order in which `auto` looks for one that is set up.
const AUTO: [Engine; 4] = [Engine::Brave, Engine::Tavily, Engine::Searxng, Engine::Duckduckgo];

/// How old results may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeRange {
    Day,
    Week,
    Month,
    Year,
}

impl TimeRange {
    /// `d`, `w`, `m`, `y`; nothing means any time.
    pub(super) fn parse(text: &str) -> Result<Option<TimeRange>> {
        Ok(Some(match text.trim() {
            "" => return Ok(None),
            "d" | "D" => TimeRange::Day,
            "w" | "W" => TimeRange::Week,
            "m" | "M" => TimeRange::Month,
            "y" | "Y" => TimeRange::Year,
            _ => return Err(Error::new("range must be one of d, w, m, y")),
        }))
    }

    fn letter(self) -> &'static str {
        &self.word()[..1]
    }

    fn word(self) -> &'static str {
        match self {
            TimeRange::Day => "day",
            TimeRange::Week => "week",
            TimeRange::Month => "month",
            TimeRange::Year => "year",
        }
    }
}

/// A request ready to be sent.
pub(super) struct SearchRequest {
    pub(super) url: String,
    /// JSON to post; empty for a GET.
    pub(super) body: String,
    /// One field with the key, or none.
    pub(super) key: Option<(&'static str, String)>,
}

impl Engine {
    /// Its key below `tools.web`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Engine::Brave => "brave",
            Engine::Tavily => "tavily",
            Engine::Searxng => "searxng",
            Engine::Duckduckgo => "duckduckgo",
        }
    }

    /// Its name in messages to the model.
    pub(super) fn name(self) -> &'static str {
        match self {
            Engine::Brave => "Brave",
            Engine::Tavily => "Tavily",
            Engine::Searxng => "SearXNG",
            Engine::Duckduckgo => "DuckDuckGo",
        }
    }

    /// The engine `tools.web.provider` names, or the first one that is set up. A name that only other
    /// versions know counts as `auto`; a supported engine that is not set up is an error that says what is missing.
    pub(super) fn choose(web: &WebConfig) -> Result<Engine> {
        let named = AUTO.into_iter().find(|e| e.key().eq_ignore_ascii_case(web.provider.trim()));
        if let Some(engine) = named {
            return match engine.missing(web) {
                None => Ok(engine),
                Some(what) => {
                    Err(Error::new(format!("web search with {} needs {what}", engine.name())))
                }
            };
        }
        let enabled =
            |e: &Engine| web.engine(e.key()).map_or(*e == Engine::Duckduckgo, |s| s.enabled);
        AUTO.into_iter().find(|e| enabled(e) && e.missing(web).is_none()).ok_or_else(|| {
            Error::new(
                "no search engine is set up (tools.web.brave, tavily, searxng or duckduckgo)",
            )
        })
    }

    fn missing(self, web: &WebConfig) -> Option<&'static str> {
        let settings = web.engine(self.key());
        let no_key = settings.is_none_or(|s| s.api_key.is_empty());
        match self {
            Engine::Brave if no_key => Some("tools.web.brave.api_key"),
            Engine::Tavily if no_key => Some("tools.web.tavily.api_key"),
            Engine::Searxng if settings.is_none_or(|s| s.base_url.is_empty()) => {
                Some("tools.web.searxng.base_url")
            }
            _ => None,
        }
    }

    /// The request for `query`.
    pub(super) fn question(
        self,
        settings: &SearchEngine,
        query: &str,
        count: usize,
        range: Option<TimeRange>,
    ) -> SearchRequest {
        let count = count.clamp(1, WEB_SEARCH_RESULTS).to_string();
        let mut pairs: Vec<(&str, &str)> = vec![("q", query)];
        let freshness = range.map(|r| format!("p{}", r.letter()));
        let mut question = SearchRequest { url: String::new(), body: String::new(), key: None };
        let (base, path) = match self {
            Engine::Brave => {
                pairs.push(("count", &count));
                pairs.extend(freshness.as_deref().map(|f| ("freshness", f)));
                question.key = Some(("X-Subscription-Token", settings.api_key.expose().to_owned()));
                ("https://api.search.brave.com", "/res/v1/web/search")
            }
            Engine::Tavily => {
                pairs.clear();
                let mut body = serde_json::Map::new();
                body.insert("query".into(), query.into());
                body.insert("max_results".into(), count.parse::<u32>().unwrap_or(1).into());
                if let Some(range) = range {
                    body.insert("time_range".into(), range.word().into());
                }
                question.body = serde_json::Value::Object(body).to_string();
                question.key =
                    Some(("Authorization", format!("Bearer {}", settings.api_key.expose())));
                ("https://api.tavily.com", "/search")
            }
            Engine::Searxng => {
                pairs.push(("format", "json"));
                pairs.extend(range.map(|r| ("time_range", r.word())));
                if !settings.api_key.is_empty() {
                    question.key =
                        Some(("Authorization", format!("Bearer {}", settings.api_key.expose())));
                }
                ("", "/search")
            }
            Engine::Duckduckgo => {
                pairs.extend(range.map(|r| ("df", r.letter())));
                ("https://html.duckduckgo.com", "/html/")
            }
        };
        question.url =
            endpoint(if settings.base_url.is_empty() { base } else { &settings.base_url }, path);
        if !pairs.is_empty() {
            question.url.push('?');
            question.url.push_str(&url::query(&pairs));
        }
        question
    }
}

/// A base URL with the engine's path, unless it is already there.
fn endpoint(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    match base.ends_with(path.trim_end_matches('/')) {
        true => format!("{base}{}", if path.ends_with('/') { "/" } else { "" }),
        false => format!("{base}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn settings(key: &str, base_url: &str) -> SearchEngine {
        SearchEngine {
            enabled: true,
            api_key: Secret::new(key),
            base_url: base_url.into(),
            max_results: 5,
        }
    }

    fn config(provider: &str, engines: &[(&str, SearchEngine)]) -> WebConfig {
        let engines = engines.iter().map(|(name, e)| (name.to_string(), e.clone())).collect();
        WebConfig { provider: provider.into(), engines, ..WebConfig::default() }
    }

    #[track_caller]
    fn check(provider: &str, engines: &[(&str, SearchEngine)], want: &str) {
        let got = match Engine::choose(&config(provider, engines)) {
            Ok(engine) => engine.key().to_owned(),
            Err(e) => e.to_string(),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn the_first_engine_that_is_set_up_answers() {
        let off = SearchEngine { enabled: false, ..settings("k", "http://x") };
        let none = "no search engine is set up (tools.web.brave, tavily, searxng or duckduckgo)";
        check("auto", &[], "duckduckgo");
        check("", &[("brave", settings("", ""))], "duckduckgo");
        check("auto", &[("brave", settings("k", ""))], "brave");
        check("auto", &[("brave", off.clone()), ("tavily", settings("k", ""))], "tavily");
        check("auto", &[("searxng", settings("", "http://x"))], "searxng");
        check("auto", &[("searxng", settings("", ""))], "duckduckgo");
        check("auto", &[("duckduckgo", off.clone())], none);
        check("sogou", &[], "duckduckgo");
        check("DuckDuckGo", &[("brave", settings("k", ""))], "duckduckgo");
        check("brave", &[], "web search with Brave needs tools.web.brave.api_key");
        check(
            "tavily",
            &[("tavily", settings("", ""))],
            "web search with Tavily needs tools.web.tavily.api_key",
        );
        check("searxng", &[], "web search with SearXNG needs tools.web.searxng.base_url");
    }

    #[track_caller]
    fn asks(
        engine: Engine,
        settings: &SearchEngine,
        range: &str,
        url: &str,
        body: &str,
        key: &str,
    ) {
        let q = engine.question(settings, "a b&c", 99, TimeRange::parse(range).expect("a range"));
        let field = q.key.map_or(String::new(), |(name, value)| format!("{name}: {value}"));
        assert_eq!((q.url.as_str(), q.body.as_str(), field.as_str()), (url, body, key));
    }

    #[test]
    fn each_engine_is_asked_its_own_way() {
        let own =
            "https://api.search.brave.com/res/v1/web/search?q=a%20b%26c&count=10&freshness=pw";
        asks(Engine::Brave, &settings("k", ""), "w", own, "", "X-Subscription-Token: k");
        asks(
            Engine::Brave,
            &settings("k", "http://x/"),
            "",
            "http://x/res/v1/web/search?q=a%20b%26c&count=10",
            "",
            "X-Subscription-Token: k",
        );
        let body = r#"{"max_results":10,"query":"a b&c","time_range":"month"}"#;
        asks(
            Engine::Tavily,
            &settings("k", ""),
            "m",
            "https://api.tavily.com/search",
            body,
            "Authorization: Bearer k",
        );
        asks(
            Engine::Tavily,
            &settings("k", "http://x/search"),
            "m",
            "http://x/search",
            body,
            "Authorization: Bearer k",
        );
        asks(
            Engine::Searxng,
            &settings("", "http://x"),
            "y",
            "http://x/search?q=a%20b%26c&format=json&time_range=year",
            "",
            "",
        );
        asks(
            Engine::Duckduckgo,
            &settings("", ""),
            "d",
            "https://html.duckduckgo.com/html/?q=a%20b%26c&df=d",
            "",
            "",
        );
        asks(
            Engine::Duckduckgo,
            &settings("", "http://x/html"),
            "",
            "http://x/html/?q=a%20b%26c",
            "",
            "",
        );
    }

    #[test]
    fn ranges_are_letters() {
        assert_eq!(TimeRange::parse(" W ").expect("a range"), Some(TimeRange::Week));
        assert_eq!(TimeRange::parse("").expect("none"), None);
        assert!(TimeRange::parse("day").is_err());
    }
}
