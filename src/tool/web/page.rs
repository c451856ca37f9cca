//! Converts a response's body to text while it arrives.

use crate::limits::{
    TOOL_RESULT_BYTES, WEB_FETCH_BYTES, WEB_FETCH_BYTES_MAX, WEB_FETCH_FRAME_BYTES,
};
use crate::net::http::Response;
use crate::proto::charset::{self, Charset, Decoder};
use crate::proto::html::{Converter, Style};
use crate::proto::text;
use crate::{Error, Result};

/// A page converted to text, with how it was made.
pub(super) struct FetchedPage {
    /// How the text was made: `markdown`, `text`, `json` or `raw`.
    pub(super) extractor: &'static str,
    /// The text, truncated to the tool's limit.
    pub(super) text: String,
    /// The text was truncated.
    pub(super) truncated: bool,
    /// A note for the reader about the text, or empty.
    pub(super) note: String,
}

/// How a body is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Html,
    Json,
    Text,
    Binary,
    /// A content type that is not handled here.
    Unknown,
}

fn kind_of(content_type: &str) -> Kind {
    let media = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match media.as_str() {
        "" => Kind::Unknown,
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "application/json" | "text/json" => Kind::Json,
        "application/xml"
        | "application/javascript"
        | "application/ecmascript"
        | "application/yaml"
        | "application/x-yaml"
        | "application/toml"
        | "application/x-ndjson"
        | "application/x-sh"
        | "application/sql"
        | "application/x-www-form-urlencoded" => Kind::Text,
        m if m.ends_with("+json") => Kind::Json,
        m if m.starts_with("text/") || m.ends_with("+xml") || m.ends_with("+yaml") => Kind::Text,
        _ => Kind::Binary,
    }
}

/// Guesses the type of a body without a content type from its first bytes.
fn sniff(start: &[u8]) -> Kind {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|s| s.eq_ignore_ascii_case(with));
    match () {
        () if looks_binary(start) => Kind::Binary,
        () if begins(b"<!doctype html")
            || begins(b"<html")
            || begins(b"<head")
            || begins(b"<body") =>
        {
            Kind::Html
        }
        () => Kind::Text,
    }
}

/// Text has no zero bytes, whatever its content type says (UTF-16 does, and is not supported).
fn looks_binary(start: &[u8]) -> bool {
    start.contains(&0)
}

enum Sink {
    Html(Box<Converter>),
    Raw { out: String, limit: usize, full: bool },
}

impl Sink {
    fn feed(&mut self, piece: &str) {
        match self {
            Sink::Html(converter) => converter.feed(piece),
            Sink::Raw { out, limit, full } => {
                for c in piece.chars().filter(|&c| text::is_visible(c)) {
                    *full |= out.len() + c.len_utf8() > *limit;
                    if *full {
                        break;
                    }
                    out.push(c);
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Sink::Html(converter) => converter.is_full(),
            Sink::Raw { full, .. } => *full,
        }
    }
}

/// Reads the body of `response` until its end, `fetch_limit` bytes (0: the default) or `max_chars`
/// characters of text. Errors: not text, compressed, or broken off before any text.
pub(super) async fn read(
    response: &mut Response,
    style: Style,
    fetch_limit: usize,
    max_chars: usize,
) -> Result<FetchedPage> {
    let content_type = response.header("content-type").unwrap_or("").to_owned();
    let coding = response.header("content-encoding").unwrap_or("").trim().to_ascii_lowercase();
    if !matches!(coding.as_str(), "" | "identity") {
        return Err(Error::new(format!(
            "the server sent it compressed ({}) without being asked",
            text::one_line(&coding, 20)
        )));
    }
    let mut kind = kind_of(&content_type);
    if kind == Kind::Binary {
        return Err(binary(&content_type, response.content_length()));
    }
    let fetch_limit = match fetch_limit {
        0 => WEB_FETCH_BYTES,
        n => n.min(WEB_FETCH_BYTES_MAX),
    };
    let length = response.content_length();
    let mut reader = Reader {
        label: charset::label_of(&content_type).map(str::to_owned),
        style,
        limit: (TOOL_RESULT_BYTES - WEB_FETCH_FRAME_BYTES).min(max_chars.saturating_mul(4)),
        open: None,
    };
    let (mut taken, mut truncated, mut note) = (0, false, String::new());
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(e) if reader.open.is_none() => return Err(Error::new(e.message)),
            Err(e) => {
                (truncated, note) = (true, format!("broken off: {e}"));
                break;
            }
        };
        if reader.open.is_none() {
            if kind == Kind::Unknown {
                kind = sniff(piece);
            }
            if kind == Kind::Binary || looks_binary(piece) {
                return Err(binary(&content_type, length));
            }
        }
        let piece = &piece[..piece.len().min(fetch_limit - taken)];
        taken += piece.len();
        if reader.feed(piece, kind) {
            truncated = true;
            break;
        }
        // Another byte may follow; finding out is not worth a round trip.
        if taken == fetch_limit {
            truncated = length != Some(taken as u64);
            break;
        }
    }
    let mut page = reader.finish(kind);
    page.truncated |= truncated;
    if !note.is_empty() {
        page.note = note;
    }
    let end = text::at_char(&page.text, max_chars);
    page.truncated |= end < page.text.len();
    page.text.truncate(end);
    Ok(page)
}

fn binary(content_type: &str, length: Option<u64>) -> Error {
    let media = match content_type.split(';').next().map(str::trim) {
        None | Some("") => "unknown type".to_owned(),
        Some(media) => text::one_line(media, 60),
    };
    let size = length.map_or("size unknown".to_owned(), |n| format!("{n} bytes"));
    Error::new(format!("not text: {media}, {size}"))
}

/// Decodes and converts the incoming bytes.
struct Reader {
    /// Character set that the server names.
    label: Option<String>,
    style: Style,
    limit: usize,
    /// From the first piece on.
    open: Option<(Decoder, Sink)>,
}

impl Reader {
    /// Takes a piece of the body; true when the text is full.
    fn feed(&mut self, piece: &[u8], kind: Kind) -> bool {
        if self.open.is_none() {
            if self.label.is_none() && kind == Kind::Html {
                self.label = charset::label_in_html(piece).map(str::to_owned);
            }
            let charset =
                self.label.as_deref().and_then(Charset::from_label).unwrap_or(Charset::Utf8);
            let sink = match kind {
                Kind::Html => Sink::Html(Box::new(Converter::new(self.style, self.limit))),
                _ => Sink::Raw { out: String::new(), limit: self.limit, full: false },
            };
            self.open = Some((Decoder::new(charset), sink));
        }
        let Some((decoder, sink)) = &mut self.open else { return false };
        decoder.feed(piece, &mut |text| sink.feed(text));
        sink.is_full()
    }

    fn finish(self, kind: Kind) -> FetchedPage {
        let extractor = match (kind, self.style) {
            (Kind::Html, Style::Markdown) => "markdown",
            (Kind::Html, Style::Plain) => "text",
            (Kind::Json, _) => "json",
            _ => "raw",
        };
        let mut page =
            FetchedPage { extractor, text: String::new(), truncated: false, note: String::new() };
        if let Some(label) = self.label.filter(|l| Charset::from_label(l).is_none()) {
            page.note =
                format!("character set {} is not known, read as UTF-8", text::one_line(&label, 30));
        }
        let Some((mut decoder, mut sink)) = self.open else { return page };
        decoder.end(&mut |text| sink.feed(text));
        match sink {
            Sink::Raw { out, full, .. } => (page.text, page.truncated) = (out, full),
            Sink::Html(converter) => {
                let html = converter.finish();
                page.truncated = html.cut;
                page.text = html.text;
                if !html.title.is_empty() {
                    page.text
                        .insert_str(0, &format!("Title: {}\n\n", text::truncate(&html.title, 200)));
                }
            }
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, want: Kind) {
        assert_eq!(kind_of(content_type), want, "{content_type}");
    }

    #[test]
    fn content_types_are_sorted() {
        check("", Kind::Unknown);
        check("Text/HTML; charset=utf-8", Kind::Html);
        check("application/xhtml+xml", Kind::Html);
        check("application/json", Kind::Json);
        check("application/ld+json;x", Kind::Json);
        check("text/plain", Kind::Text);
        check("text/markdown", Kind::Text);
        check("application/rss+xml", Kind::Text);
        check("image/svg+xml", Kind::Text);
        check("image/png", Kind::Binary);
        check("application/octet-stream", Kind::Binary);
        check("application/pdf", Kind::Binary);
    }

    #[test]
    fn unnamed_bodies_are_looked_at() {
        assert_eq!(sniff(b"\xef\xbb\xbf\n <!DOCTYPE html><p>"), Kind::Html);
        assert_eq!(sniff(b"<HTML lang=en>"), Kind::Html);
        assert_eq!(sniff(b"hello <html>"), Kind::Text);
        assert_eq!(sniff(b"\x89PNG\0\0"), Kind::Binary);
        assert_eq!(sniff(b""), Kind::Text);
    }

    #[test]
    fn a_page_is_never_longer_than_an_answer_may_be() {
        let mut reader = Reader { label: None, style: Style::Markdown, limit: 1000, open: None };
        let html = "<a href='/some/where'>word</a> ".repeat(100);
        let pieces: Vec<bool> =
            html.as_bytes().chunks(333).map(|p| reader.feed(p, Kind::Html)).collect();
        assert_eq!(pieces.first(), Some(&false));
        assert_eq!(pieces.last(), Some(&true));
        let page = reader.finish(Kind::Html);
        assert!(page.truncated && page.text.len() <= 1000 + 100, "{}", page.text.len());
    }
}
