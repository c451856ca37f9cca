//! Targets of links and pictures: only harmless schemes, in a form that Markdown can express.

use percent_encoding::percent_encode_byte;

/// Allowed schemes of a link.
const LINKS: &[&str] = &["http", "https", "mailto", "tel", "ftp"];

/// A link's target: `#` for a scheme that is not allowed, `None` for an empty one.
pub(super) fn target(href: &str) -> Option<String> {
    let href = cleaned(href);
    if href.is_empty() {
        return None;
    }
    Some(match scheme(&href) {
        Some(scheme) if !is_one_of(scheme, LINKS) => "#".to_string(),
        _ => href,
    })
}

/// A picture's address; `None` if it is empty or not a URL to fetch (`data:`, `javascript:`).
pub(super) fn picture(src: &str) -> Option<String> {
    let src = cleaned(src);
    let allowed = scheme(&src).is_none_or(|s| is_one_of(s, &LINKS[..2]));
    (allowed && !src.is_empty()).then_some(src)
}

fn is_one_of(scheme: &str, list: &[&str]) -> bool {
    list.iter().any(|s| s.eq_ignore_ascii_case(scheme))
}

/// The text before a colon, unless a path, query or fragment starts earlier.
fn scheme(url: &str) -> Option<&str> {
    match url.find([':', '/', '?', '#', '\\']) {
        Some(at) if url.as_bytes()[at] == b':' => Some(&url[..at]),
        _ => None,
    }
}

/// Without the white space and invisible characters that browsers skip and that can hide a scheme;
/// characters that would end a Markdown target are encoded.
fn cleaned(url: &str) -> String {
    let url = url.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            ' ' | '(' | ')' | '<' | '>' | '|' | '`' | '"' => {
                out.push_str(percent_encode_byte(c as u8))
            }
            _ if c.is_whitespace() || !crate::proto::text::is_visible(c) => {}
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(href: &str, want: &str) {
        assert_eq!(target(href).as_deref().unwrap_or(""), want);
    }

    #[test]
    fn harmless_targets_stay() {
        check("https://example.org/a?b=c#d", "https://example.org/a?b=c#d");
        check("/a:b", "/a:b");
        check("?x=javascript:1", "?x=javascript:1");
        check("page.html", "page.html");
        check("#part", "#part");
        check("//example.org/x", "//example.org/x");
        check("MAILTO:a@example.org", "MAILTO:a@example.org");
        check(" /wiki/Rust_(language) ", "/wiki/Rust_%28language%29");
        check("", "");
        check(" \n", "");
    }

    #[test]
    fn other_schemes_lead_nowhere() {
        for href in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\nscript:x",
            "\u{1}javascript:x",
            "java\u{200b}script:x",
            "vbscript:x",
            "data:text/html,x",
            "file:///etc/passwd",
            "blob:x",
            "java script:x",
            "x-unknown:y",
            ":x",
        ] {
            check(href, "#");
        }
        assert_eq!(picture("data:image/png;base64,AAAA"), None);
        assert_eq!(picture("mailto:x"), None);
        assert_eq!(picture("a b.png").as_deref(), Some("a%20b.png"));
    }
}
