//! Telegram's HTML (<https://core.telegram.org/bots/api#html-style>): text and entities, or what is wrong with it.

use serde_json::{Value, json};

/// A tag that is open.
struct Open {
    name: String,
    kind: &'static str,
    /// UTF-16 units in front of it.
    offset: usize,
    url: Option<String>,
    language: Option<String>,
}

/// Text without tags and the entities in it, or the Bot API's complaint.
pub fn parse_html(source: &str) -> Result<(String, Vec<Value>), String> {
    let mut text = String::new();
    let mut units = 0;
    let mut entities: Vec<Value> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        if c == '&' {
            let (decoded, length) = entity(rest);
            text.push(decoded);
            units += decoded.len_utf16();
            at += length;
        } else if c != '<' {
            text.push(c);
            units += c.len_utf16();
            at += c.len_utf8();
        } else if let Some(end) = rest.strip_prefix("</") {
            let close =
                end.find('>').ok_or_else(|| format!("Unclosed end tag at byte offset {at}"))?;
            let name = end[..close].trim_end().to_ascii_lowercase();
            let tag =
                open.pop().ok_or_else(|| format!("Unexpected end tag at byte offset {at}"))?;
            if name != tag.name {
                return Err(format!(
                    "Unmatched end tag at byte offset {at}, expected \"</{}>\", found \"</{name}>\"",
                    tag.name
                ));
            }
            close_tag(&mut entities, tag, units);
            at += 2 + close + 1;
        } else {
            let (tag, length) = start_tag(rest, at, units)?;
            open.push(tag);
            at += length;
        }
    }
    if let Some(tag) = open.last() {
        return Err(format!("Can't find end tag corresponding to start tag \"{}\"", tag.name));
    }
    entities.sort_by_key(|e| e["offset"].as_u64());
    Ok((text, entities))
}

/// `&lt;` and its like, or the ampersand itself; and the bytes it took.
fn entity(rest: &str) -> (char, usize) {
    let named = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')];
    if let Some((name, c)) = named.iter().find(|(n, _)| rest.starts_with(n)) {
        return (*c, name.len());
    }
    let numeric = rest.strip_prefix("&#").and_then(|n| {
        let (digits, _) = n.split_once(';')?;
        let code = match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => digits.parse().ok()?,
        };
        Some((char::from_u32(code).filter(|c| *c != '\0')?, digits.len() + 3))
    });
    numeric.unwrap_or(('&', 1))
}

fn start_tag(rest: &str, at: usize, offset: usize) -> Result<(Open, usize), String> {
    let end = tag_end(rest).ok_or_else(|| format!("Unclosed start tag at byte offset {at}"))?;
    let inside = &rest[1..end];
    let name_end = inside.find(char::is_whitespace).unwrap_or(inside.len());
    let name = inside[..name_end].to_ascii_lowercase();
    let attributes = attributes(&inside[name_end..]);
    let attribute = |key: &str| {
        let found = attributes.iter().flatten().find(|(k, _)| k == key);
        found.map(|(_, v)| v.clone())
    };
    let kind = match name.as_str() {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "code" => "code",
        "pre" => "pre",
        "a" => "text_link",
        "blockquote" => "blockquote",
        "tg-spoiler" => "spoiler",
        "tg-emoji" => "custom_emoji",
        "span" if attribute("class").as_deref() == Some("tg-spoiler") => "spoiler",
        "span" => {
            return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {at}"));
        }
        _ => return Err(format!("Unsupported start tag \"{name}\" at byte offset {at}")),
    };
    if attributes.is_none() {
        return Err(format!("Can't parse attributes of the tag \"{name}\" at byte offset {at}"));
    }
    let language = attribute("class")
        .filter(|_| name == "code")
        .and_then(|c| c.strip_prefix("language-").map(str::to_owned));
    Ok((Open { kind, offset, url: attribute("href"), language, name }, end + 1))
}

/// The offset of the tag's `>`, outside quotes.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    rest.char_indices().find_map(|(i, c)| {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return Some(i),
            _ => {}
        }
        None
    })
}

fn attributes(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(found);
        }
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let key = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let Some(value) = rest.strip_prefix('=') else {
            if key != "expandable" {
                return None;
            }
            found.push((key, String::new()));
            continue;
        };
        let value = value.trim_start();
        let (value, tail) = match value.chars().next()? {
            q @ ('"' | '\'') => value[1..].split_once(q)?,
            _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        let mut decoded = String::new();
        let mut at = 0;
        while let Some(c) = value[at..].chars().next() {
            let (c, n) = if c == '&' { entity(&value[at..]) } else { (c, c.len_utf8()) };
            decoded.push(c);
            at += n;
        }
        found.push((key, decoded));
        rest = tail;
    }
}

fn close_tag(entities: &mut Vec<Value>, tag: Open, units: usize) {
    if units == tag.offset {
        return;
    }
    let length = units - tag.offset;
    // <pre><code class="language-x"> is one entity with a language.
    if tag.kind == "pre" {
        let inner = entities
            .iter_mut()
            .find(|e| e["type"] == "code" && e["offset"] == tag.offset && e["length"] == length);
        if let Some(inner) = inner {
            inner["type"] = json!("pre");
            return;
        }
    }
    let mut entity = json!({ "type": tag.kind, "offset": tag.offset, "length": length });
    if tag.kind == "text_link" {
        match tag.url.filter(|u| !u.is_empty()) {
            Some(url) => entity["url"] = json!(url),
            None => return,
        }
    }
    if let Some(language) = tag.language {
        entity["language"] = json!(language);
    }
    entities.push(entity);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, want: &str) {
        let got = match parse_html(source) {
            Ok((text, entities)) => {
                let list = entities.iter().map(|e| {
                    format!("{} {}+{}", e["type"].as_str().unwrap_or("?"), e["offset"], e["length"])
                });
                std::iter::once(text).chain(list).collect::<Vec<_>>().join("|")
            }
            Err(e) => format!("! {e}"),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn html_is_judged_as_telegram_does() {
        check("plain", "plain");
        check("<b>x</b> y", "x y|bold 0+1");
        check("a <B>x</b>", "a x|bold 2+1");
        check("😀<i>ä</i>", "😀ä|italic 2+1");
        check("<b>a<i>b</i></b>", "ab|bold 0+2|italic 1+1");
        check(
            "1 &lt; 2 &amp;&amp; 3 &gt; 2 &quot; &#65; &#x42; &nbsp;",
            "1 < 2 && 3 > 2 \" A B &nbsp;",
        );
        check("<a href=\"http://x/?a=1&amp;b=2\">l</a>", "l|text_link 0+1");
        check("<a href='x'>l</a><a>m</a>", "lm|text_link 0+1");
        check("<pre><code class=\"language-rust\">f</code></pre>", "f|pre 0+1");
        check("<pre>f</pre>", "f|pre 0+1");
        check("<blockquote expandable>q</blockquote>", "q|blockquote 0+1");
        check("<span class=\"tg-spoiler\">s</span>", "s|spoiler 0+1");
        check("a < b", "! Unclosed start tag at byte offset 2");
        check("a < b > c", "! Unsupported start tag \"\" at byte offset 2");
        check("<h1>x</h1>", "! Unsupported start tag \"h1\" at byte offset 0");
        check("<b>x", "! Can't find end tag corresponding to start tag \"b\"");
        check("x</b>", "! Unexpected end tag at byte offset 1");
        check(
            "<b><i>x</b></i>",
            "! Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\"",
        );
        check("<span>x</span>", "! Tag \"span\" must have class \"tg-spoiler\" at byte offset 0");
        check("<b onclick>x</b>", "! Can't parse attributes of the tag \"b\" at byte offset 0");
    }
}
