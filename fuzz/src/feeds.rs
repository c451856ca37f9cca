//! One feed for each parser: takes any bytes, must not panic, and checks what always holds.
//!
//! The fuzz targets call these without end; `tests/it/fuzz_smoke.rs` calls them on stable, briefly, in every test run.

use super::notes::feed_chunks;
use picoclaw::proto::{
    addr, charset, date, elf, excerpt, frontmatter, html, http1, json, json_pos, markdown, shell,
    split, sse, text, url, utf16, yaml,
};

/// Name, feed, and the sources whose test tables hold its seeds.
pub type Feed = (&'static str, fn(&[u8]), &'static [&'static str]);

/// All of them; `fuzz_targets/` has a file for each.
pub const FEEDS: &[Feed] = &[
    ("addr", feed_addr, &["src/proto/addr.rs"]),
    #[cfg(feature = "backup")]
    ("backup", super::guests::feed_backup, &["tests/it/backup.rs", "src/command/restore.rs"]),
    ("base64", super::wires::feed_base64, &["src/proto/base64.rs"]),
    ("charset", feed_charset, &["src/proto/charset.rs", "src/proto/html/tests.rs"]),
    ("control", super::wires::feed_control, &["src/proto/binschema.rs"]),
    ("date", feed_date, &["src/proto/date.rs"]),
    ("elf", feed_elf, &["src/proto/elf.rs"]),
    #[cfg(feature = "encryption")]
    ("enc", super::guests::feed_enc, &["src/config/enc.rs"]),
    ("excerpt", feed_excerpt, &["src/proto/excerpt.rs"]),
    ("frontmatter", feed_frontmatter, &["src/proto/frontmatter.rs"]),
    ("gzip", super::archives::feed_gzip, &["src/proto/gzip.rs"]),
    #[cfg(feature = "hooks")]
    ("hook", super::wires::feed_hook, &["src/proto/hook.rs"]),
    ("html", feed_html, &["src/proto/html/tests.rs"]),
    ("http1", feed_http1, &["src/proto/http1_tests.rs"]),
    ("json", feed_json, &["src/proto/json.rs", "src/channel/telegram/inbound/tests.rs"]),
    ("json5", super::archives::feed_json5, &["src/proto/json5.rs"]),
    ("json_pos", feed_json_pos, &["src/proto/json_pos.rs"]),
    ("json_stream", super::streams::feed_json_stream, &["src/proto/json_stream.rs"]),
    ("line_editor", super::streams::feed_line_editor, &["src/proto/line_editor.rs"]),
    ("markdown", feed_markdown, &["src/proto/markdown/tests.rs"]),
    #[cfg(feature = "migrate")]
    ("openclaw", super::guests::feed_openclaw, &["tests/it/migrate_homes.rs"]),
    #[cfg(feature = "maixcam")]
    ("maixcam", super::guests::feed_maixcam, &["src/channel/maixcam/tests.rs"]),
    #[cfg(feature = "media")]
    ("media", super::guests::feed_media, &["src/provider/voice.rs", "src/channel/media.rs"]),
    #[cfg(feature = "pico")]
    ("pico", super::guests::feed_pico, &["tests/it/pico.rs"]),
    ("oauth", super::wires::feed_oauth, &["src/proto/oauth.rs"]),
    ("tar_writer", super::archives::feed_tar_writer, &["src/proto/tar_writer.rs"]),
    ("packet", super::wires::feed_packet, &["src/proto/packet.rs"]),
    ("note_chunks", feed_chunks, &["src/proto/note_chunks.rs", "src/store/index/tests.rs"]),
    ("query", feed_query, &["src/proto/url.rs"]),
    ("shell", feed_shell, &["src/proto/shell.rs", "src/proto/shell/tests.rs"]),
    ("sntp", super::wires::feed_sntp, &["src/proto/sntp.rs"]),
    ("split", feed_split, &["src/proto/split.rs", "src/proto/markdown/tests.rs"]),
    ("sse", feed_sse, &["src/proto/sse.rs"]),
    ("tar", super::archives::feed_tar, &["src/proto/tar.rs"]),
    ("text", feed_text, &["src/proto/text.rs", "src/proto/utf16.rs"]),
    ("tz", super::wires::feed_tz, &["src/proto/tz_tests.rs", "src/sched/cron_expr.rs"]),
    ("uevent", super::wires::feed_uevent, &["src/proto/uevent.rs"]),
    ("url", feed_url, &["src/proto/url.rs"]),
    ("websocket", super::streams::feed_websocket, &["src/proto/websocket.rs"]),
    ("tokenizer", super::notes::feed_tokenizer, &["src/proto/tokenizer.rs"]),
    ("yaml", feed_yaml, &["src/proto/yaml_tests.rs"]),
    #[cfg(feature = "telegram")]
    (
        "telegram_update",
        super::wires::feed_telegram_update,
        &["src/channel/telegram/inbound/tests.rs", "src/channel/telegram/wire.rs"],
    ),
    (
        "openai",
        super::wires::feed_openai,
        &[
            "src/provider/openai/tests.rs",
            "src/provider/responses.rs",
            "src/provider/openai/response.rs",
        ],
    ),
    #[cfg(feature = "anthropic")]
    ("anthropic", super::wires::feed_anthropic, &["src/provider/anthropic/tests.rs"]),
    (
        "config",
        super::wires::feed_config,
        &["tests/it/config_shapes.rs", "tests/it/config_errors.rs"],
    ),
    (
        "security_yml",
        super::wires::feed_security_yml,
        &["src/proto/yaml_tests.rs", "tests/it/config_files.rs"],
    ),
    ("journal", super::wires::feed_journal, &["src/store/frame.rs"]),
    ("memory_index", super::notes::feed_memory_index, &[]),
    ("session", super::wires::feed_session, &["src/store/session.rs"]),
    ("schema", super::wires::feed_schema, &["src/tool/schema.rs"]),
];

/// Seeds that no test table has as a string.
pub fn made(name: &str) -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new(), vec![0; 64], (0..=255).collect()];
    if name == "journal" {
        seeds.extend(super::wires::journal_seeds());
    }
    #[cfg(feature = "backup")]
    if name == "backup" {
        let lines =
            "home/ \nhome/config.json {}\nhome/a/b/c x\nworkspace/../d y\nhome/a/b z\n/etc/e";
        seeds.extend([lines.into(), super::guests::backup(lines)]);
    }
    if name == "memory_index" {
        seeds.push(super::notes::index_segment(&[("one two", 1), ("two three two", 2)]));
        seeds.push(super::notes::index_segment(&[]));
    }
    seeds
}

/// What is fed as text is cut to valid UTF-8, as its callers do.
pub fn lossy(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

fn feed_addr(data: &[u8]) {
    let words = lossy(data);
    let list: Vec<String> = words.lines().map(str::to_string).collect();
    for host in &list {
        addr::host_is_listed(&list, host);
        if let Ok(ip) = host.parse() {
            addr::is_blocked(ip);
            assert!(addr::ip_is_listed(&list, ip), "{host} is in the list");
        }
    }
}

fn feed_charset(data: &[u8]) {
    let label = charset::label_in_html(data).unwrap_or("utf-8");
    for set in [charset::Charset::from_label(label), charset::Charset::from_label("windows-1252")] {
        let Some(set) = set else { continue };
        let whole = decoded(set, &[data]);
        let pieces: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(whole, decoded(set, &pieces), "in pieces");
    }
    charset::label_of(&lossy(data));
}

fn decoded(set: charset::Charset, pieces: &[&[u8]]) -> String {
    let mut out = String::new();
    let mut decoder = charset::Decoder::new(set);
    for piece in pieces {
        decoder.feed(piece, &mut |s| out.push_str(s));
    }
    decoder.end(&mut |s| out.push_str(s));
    out
}

fn feed_date(data: &[u8]) {
    if let Some(unix) = date::parse_http(&lossy(data)) {
        assert!(date::parse_rfc3339(&date::rfc3339(unix)) == Some(unix));
    }
    if let Some(unix) = date::parse_rfc3339(&lossy(data)) {
        assert_eq!(date::parse_rfc3339(&date::rfc3339(unix)), Some(unix));
    }
    if let Some(eight) = data.first_chunk() {
        // Of a range that a clock could show at all.
        let unix = i64::from_le_bytes(*eight) % (1 << 40);
        let civil = date::civil(unix);
        assert!((1..=12).contains(&civil.month) && (1..=31).contains(&civil.day), "{unix}");
    }
}

fn feed_elf(data: &[u8]) {
    elf::build_id(data);
}

fn feed_excerpt(data: &[u8]) {
    let limit = 128 + data.len() / 4;
    let kept = excerpt::keep_ends(lossy(data), limit);
    assert!(kept.len() <= limit.max(lossy(data).len()));
    let mut ends = excerpt::HeadTail::new(data.len() / 5);
    data.chunks(3).for_each(|piece| ends.feed(piece));
    assert_eq!(ends.total(), data.len() as u64);
    ends.text();
}

fn feed_frontmatter(data: &[u8]) {
    let text = lossy(data);
    let (block, body) = frontmatter::split(&text);
    assert!(text.ends_with(body));
    frontmatter::fields(block.unwrap_or(&text));
    assert!(frontmatter::list(block.unwrap_or(&text), "skills").iter().all(|n| !n.is_empty()));
    picoclaw::skill::frontmatter::declared("folder", &text);
}

fn feed_html(data: &[u8]) {
    const LIMIT: usize = 4096;
    let page = lossy(data);
    for style in [html::Style::Markdown, html::Style::Plain] {
        let mut whole = html::Converter::new(style, LIMIT);
        whole.feed(&page);
        let whole = whole.finish();
        let mut pieces = html::Converter::new(style, LIMIT);
        page.char_indices().for_each(|(at, c)| pieces.feed(&page[at..at + c.len_utf8()]));
        assert_eq!(whole.text, pieces.finish().text, "in pieces");
        assert!(whole.text.len() < LIMIT + 1024, "{} bytes", whole.text.len());
    }
    html::to_line(&page);
}

fn feed_http1(data: &[u8]) {
    let asked = http1::request(data);
    let token = asked.bearer.map_or(0, <[u8]>::len);
    assert!(asked.method.len() + asked.path.len() + token <= data.len());
    let whole = response(data, data.len().max(1));
    assert_eq!(whole, response(data, 1), "in pieces");
}

/// Status and body, or what is wrong.
fn response(data: &[u8], piece: usize) -> Result<Option<(u16, Vec<u8>)>, &'static str> {
    let mut reader = http1::HeadReader::default();
    let mut rest = data;
    let mut head = None;
    while head.is_none() && !rest.is_empty() {
        let (mut input, later) = rest.split_at(piece.min(rest.len()));
        let before = input.len();
        head = reader.feed(&mut input)?;
        let used = before - input.len();
        assert!(head.is_some() || input.is_empty(), "bytes left over without a head");
        rest = &rest[used..];
        let _ = later;
    }
    let Some(head) = head else { return Ok(None) };
    let mut body = head.body("GET")?;
    let mut out = Vec::new();
    for part in rest.chunks(piece) {
        let mut input = part;
        while !input.is_empty() && !body.is_done() {
            let got = body.feed(&mut input)?;
            out.extend_from_slice(got);
        }
    }
    Ok(Some((head.status, out)))
}

/// What is JSON is read as serde_json reads it.
fn feed_json(data: &[u8]) {
    fn same(json: json::Json<'_>, value: &serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::Array(list) => {
                assert_eq!(json.items().count(), list.len());
                json.items().zip(list).for_each(|(json, value)| same(json, value));
            }
            // Of equal keys serde_json takes the last.
            Value::Object(map) => map.keys().for_each(|key| {
                json.get(key);
            }),
            Value::String(text) => assert_eq!(&*json.str(), text),
            Value::Bool(b) => assert_eq!(json.bool(), *b),
            Value::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => assert_eq!(json.int(), i),
                (_, Some(u)) => assert_eq!(json.uint(), u),
                _ => {}
            },
            Value::Null => assert!(json.is_null()),
        }
    }
    let text = lossy(data);
    let mismatch = json::TypeMismatch::default();
    let read = json::Json::parse(&text, &mismatch);
    if let Ok(value) = serde_json::from_str(&text) {
        same(read.expect("JSON"), &value);
        assert_eq!(mismatch.get(), None);
    }
}

fn feed_json_pos(data: &[u8]) {
    let text = lossy(data);
    for at in 0..text.len().min(64) {
        json_pos::line_column(&text, at);
        json_pos::path_at(&text, at);
        if let Some(end) = json_pos::value_end(&text, at) {
            assert!(end <= text.len());
        }
        for item in json_pos::items(&text, at).take(64) {
            assert!(item.at <= item.value && item.value <= item.end && item.end <= text.len());
        }
    }
    json_pos::too_deep(&text, 8);
    json_pos::find(&text, &["a", "0"]);
}

fn feed_markdown(data: &[u8]) {
    let html = markdown::to_telegram_html(&lossy(data));
    check_telegram_html(&html);
}

/// Telegram refuses a message whose tags do not nest or are not of its list (Bot API, "HTML style").
fn check_telegram_html(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let end = rest[at..]
            .find('>')
            .map(|n| at + n)
            .unwrap_or_else(|| panic!("< without > in {html:?}"));
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed in {html:?}");
        } else {
            let name = tag.split(' ').next().unwrap_or("");
            let known = ["b", "i", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"];
            assert!(known.contains(&name), "<{tag}> in {html:?}");
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} left open in {html:?}");
}

fn feed_query(data: &[u8]) {
    let text = lossy(data);
    let query = url::query(&[(&text, &text)]);
    let target = format!("http://h/?{query}");
    if target.len() <= url::URL_BYTES {
        assert_eq!(url::Url::parse(&target).expect("a URL").target, target["http://h".len()..]);
    }
}

fn feed_shell(data: &[u8]) {
    shell::parse(&lossy(data));
}

fn feed_split(data: &[u8]) {
    const LIMIT: usize = 256;
    let text = lossy(data);
    let mut parts = 0;
    for part in split::parts(&text, LIMIT) {
        assert!(!part.trim().is_empty(), "an empty part of {text:?}");
        assert!(utf16::units(&part) <= LIMIT, "{} units of {text:?}", utf16::units(&part));
        check_telegram_html(&markdown::to_telegram_html(&part));
        parts += 1;
        assert!(parts <= text.len(), "no end of {text:?}");
    }
    // A letter that is read without markup is in one of the parts.
    let visible = text.chars().any(char::is_alphanumeric);
    assert!(parts > 0 || !visible, "{text:?} is gone");
}

fn feed_sse(data: &[u8]) {
    let whole = events(data, data.len().max(1));
    assert_eq!(whole, events(data, 1), "in pieces");
}

fn events(data: &[u8], piece: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut parser = sse::Events::default();
    let mut found = Vec::new();
    for part in data.chunks(piece) {
        let mut input = part;
        loop {
            match parser.feed(&mut input) {
                Ok(Some(event)) => found.push((event.name.to_vec(), event.data.to_vec())),
                Ok(None) => break,
                Err(_) => return found,
            }
        }
        assert!(input.is_empty(), "bytes left over");
    }
    found
}

fn feed_text(data: &[u8]) {
    let (words, n) = (lossy(data), data.first().copied().unwrap_or(0).into());
    assert!(text::truncate(&words, n).chars().count() <= n);
    assert!(text::head(&words, n).len() <= n && text::tail(&words, n).len() <= n);
    assert!(text::floor_char(&words, n) <= text::ceil_char(&words, n));
    assert!(!text::one_line(&words, n).contains('\n'));
    let clean = text::sanitize(&words);
    assert_eq!(text::sanitize(&clean), clean);
    assert!(utf16::units(&words[..utf16::floor(&words, n)]) <= n);
    assert!(utf16::units(utf16::slice(&words, n / 2, n)) <= n);
}

fn feed_url(data: &[u8]) {
    let text = lossy(data);
    let (base, reference) = text.split_once('\n').unwrap_or((&text, "a/../b?c#d"));
    if let Ok(base) = url::Url::parse(base) {
        base.ip();
        assert!(!base.authority().is_empty());
        // What a redirect leads to is checked like any address: it must parse the same again.
        if let Ok(joined) = base.join(reference) {
            assert!(!joined.host_port().contains(['\r', '\n', ' ']), "{text:?}");
        }
    }
    let _ = picoclaw::net::proxy::parse(&text);
}

fn feed_yaml(data: &[u8]) {
    let text = lossy(data);
    if let Err(e) = yaml::parse(&text) {
        assert!(e.at <= text.len(), "{e:?}");
    }
}
