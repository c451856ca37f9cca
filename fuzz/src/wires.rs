//! Feeds for what comes over a wire or from a disk and is read by more than one parser.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::feeds::lossy;
use picoclaw::app::control::{ControlReply, GatewayReport};
#[cfg(feature = "telegram")]
use picoclaw::channel::telegram;
use picoclaw::config::{self, LoadOptions};
use picoclaw::limits::CLI_PACKET_BYTES;
#[cfg(feature = "telegram")]
use picoclaw::proto::json::{Json, TypeMismatch};
use picoclaw::proto::{base64, binschema, packet, tz};
#[cfg(feature = "anthropic")]
use picoclaw::provider::anthropic;
use picoclaw::provider::exchange::AnswerParser;
use picoclaw::provider::openai;
use picoclaw::store::frame::{self, Frame};
use picoclaw::store::{ledger, session, session_read};
use picoclaw::tool::cron_handle::CronRequest;
use picoclaw::tool::schema;

pub fn feed_base64(data: &[u8]) {
    for code in [base64::STANDARD, base64::UNPADDED, base64::URL] {
        assert_eq!(code.decode(code.encode(data).as_bytes()).as_deref(), Some(data));
        // What is taken is written in one way only.
        assert!(code.decode(data).is_none_or(|bytes| code.encode(bytes).as_bytes() == data));
    }
}

#[cfg(feature = "telegram")]
pub fn feed_telegram_update(data: &[u8]) {
    let me = telegram::BotUser { id: 1, username: "some_bot".into() };
    let rule = config::GroupTrigger { mention_only: true, prefixes: vec!["!".into()] };
    // A group's message takes another way than a private one.
    let text = lossy(data);
    let mismatch = TypeMismatch::default();
    if let Ok(json) = Json::parse(&text, &mismatch) {
        let _ = telegram::update(json, "telegram", &me, &rule);
    }
}

pub fn feed_openai(data: &[u8]) {
    let count = std::cell::Cell::new(0);
    let on_text = |text: &str| count.set(count.get() + text.len());
    answer(&mut openai::response::OpenAiReader::new(1, Some(&on_text)), data);
    #[cfg(feature = "sign-in")]
    answer(&mut picoclaw::provider::responses::ResponsesReader::new(Some(&on_text)), data);
}

#[cfg(feature = "anthropic")]
pub fn feed_anthropic(data: &[u8]) {
    let count = std::cell::Cell::new(0);
    let on_text = |text: &str| count.set(count.get() + text.len());
    answer(&mut anthropic::response::AnthropicReader::new(Some(&on_text)), data);
}

/// What a hook writes: one line, and what it decides.
#[cfg(feature = "hooks")]
pub fn feed_hook(data: &[u8]) {
    use picoclaw::proto::hook;
    use picoclaw::proto::json::{Json, TypeMismatch};
    for line in data.split(|b| *b == b'\n') {
        let answer = hook::answer(line);
        let result = answer.and_then(|answer| {
            assert!(answer.id > 0);
            answer.result.ok()
        });
        let text = result.unwrap_or_else(|| lossy(line));
        let mismatch = TypeMismatch::default();
        let Ok(json) = Json::parse(&text, &mismatch) else { continue };
        if let Ok((true, _)) = hook::approval(json) {
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert!(value.is_object());
        }
        let mismatch = TypeMismatch::default();
        let json = json.with_mismatch(&mismatch);
        let _ = (hook::decision(json), hook::nested(json, "result").map(|r| r.raw().len()));
    }
}

pub fn feed_oauth(data: &[u8]) {
    let text = lossy(data);
    if let Some(device) = picoclaw::proto::oauth::device(&text) {
        assert!((1..=60).contains(&device.interval));
    }
    for status in [200, 400, 429] {
        let _ = picoclaw::proto::oauth::polled(status, &text);
    }
    if let Some(tokens) = picoclaw::proto::oauth::tokens(&text) {
        assert!(!tokens.access.contains(['\r', '\n']) && tokens.expires_in >= 0);
    }
}

pub fn feed_sntp(data: &[u8]) {
    let nonce = data.last_chunk().map_or(0, |eight| u64::from_be_bytes(*eight));
    if let Ok(answer) = picoclaw::proto::sntp::answer(data, nonce, 0) {
        picoclaw::proto::sntp::offset(0, i64::MAX, &answer);
        picoclaw::proto::sntp::offset(i64::MIN, 0, &answer);
    }
}

/// As one body, and each line as an event.
fn answer(reader: &mut dyn AnswerParser, data: &[u8]) {
    let text = lossy(data);
    let _ = reader.whole(&text);
    for line in text.lines() {
        if !matches!(reader.event(line), Ok(false)) {
            break;
        }
    }
    let _ = reader.end();
}

pub fn feed_config(data: &[u8]) {
    load(&[("config.json", data)]);
}

pub fn feed_security_yml(data: &[u8]) {
    const CONFIG: &str = r#"{"version": 3, "agents": {"defaults": {"model_name": "m"}},
        "model_list": [{"model_name": "m", "model": "openai/x"}],
        "channel_list": {"telegram": {"enabled": true}}}"#;
    load(&[("config.json", CONFIG.as_bytes()), (".security.yml", data)]);
}

/// A home of these files is loaded; every mistake in it has a place or is a sentence.
fn load(files: &[(&str, &[u8])]) {
    // Of its own for each process and thread: fuzzers and tests run side by side.
    let name = format!("picoclaw-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
    let home: PathBuf = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&home).expect("a folder");
    for (name, bytes) in files {
        std::fs::write(home.join(name), bytes).expect("a file");
    }
    let variables =
        [("PICOCLAW_HOME", home.display().to_string()), ("HOME", home.display().to_string())];
    let env: BTreeMap<String, String> = variables.map(|(k, v)| (k.to_string(), v)).into();
    let options = LoadOptions { env, etc: home.join("etc"), ..LoadOptions::default() };
    match config::load(&options) {
        Ok(loaded) => {
            loaded.secrets();
        }
        Err(errors) => assert!(!errors.to_string().trim().is_empty(), "an error without words"),
    }
    std::fs::remove_dir_all(&home).expect("removed");
}

/// A frame of each kind, and a file of them all.
pub fn journal_seeds() -> Vec<Vec<u8>> {
    let message = picoclaw::bus::Inbound { event: 7, text: "hello".into(), ..Default::default() };
    let reply = picoclaw::bus::Outbound { text: "there".into(), ..Default::default() };
    let frames = [
        Frame::Received { id: 1, message },
        Frame::Skipped { channel: "telegram".into(), event: 8 },
        Frame::Step {
            id: 1,
            session: "s".into(),
            offset: 0,
            lines: b"{}\n".to_vec(),
            started: vec!["c".into()],
        },
        Frame::Answered { id: 1, replies: vec![reply] },
        Frame::Delivered { id: 1, count: 1 },
        Frame::Delegated {
            id: 2,
            message: Default::default(),
            origin: picoclaw::bus::SubagentOrigin {
                parent: "s".into(),
                depth: 1,
                ..Default::default()
            },
            ends: 1,
        },
    ];
    let mut file = Vec::new();
    let mut seeds = Vec::new();
    for frame in &frames {
        let begin = file.len();
        frame::encode(frame, 1, &mut file);
        seeds.push(file[begin..].to_vec());
        seeds.push(file[begin + frame::HEAD..].to_vec());
    }
    seeds.push(file);
    seeds
}

pub fn feed_journal(data: &[u8]) {
    scan(data, 1);
    // Most damage ends at the checksum; this stands behind one that fits.
    let mut sealed = Vec::new();
    frame::encode_raw(data, 1, &mut sealed);
    scan(&sealed, 1);
}

fn scan(bytes: &[u8], generation: u32) {
    let mut book = ledger::Ledger::default();
    let (end, _) = frame::scan(&mut &*bytes, generation, &mut |frame: Frame| book.apply(&frame));
    assert!(end <= bytes.len() as u64);
}

pub fn feed_control(data: &[u8]) {
    let _ = binschema::decode::<GatewayReport>(GatewayReport::SHAPE, data);
    let _ = binschema::decode::<ControlReply>(ControlReply::SHAPE, data);
    let _ = binschema::decode::<CronRequest>(CronRequest::SHAPE, data);
}

pub fn feed_session(data: &[u8]) {
    for line in data.split(|b| *b == b'\n') {
        if let Some(message) = session_read::parse_line(line) {
            let mut again = Vec::new();
            session::push_line(&mut again, &message);
            assert_eq!(session_read::parse_line(again.trim_ascii_end()), Some(message));
        }
    }
    let _ = session::file_stem(&lossy(data));
}

pub fn feed_schema(data: &[u8]) {
    const SCHEMA: &str = r#"{"type": "object", "required": ["path"], "properties": {
        "path": {"type": "string"}, "n": {"type": "integer", "minimum": 1, "maximum": 9},
        "mode": {"type": "string", "enum": ["a", "b"]}, "list": {"type": "array", "items": {"type": "string"}},
        "deep": {"type": "object", "properties": {"x": {"type": "number"}}, "additionalProperties": false}}}"#;
    if let Ok(args) = schema::parse("tool", SCHEMA, &lossy(data)) {
        // A path was required, so that a tool may rely on it.
        assert!(args.get("path").is_some_and(serde_json::Value::is_string));
    }
}

/// The kernel's notices: a path found lies where devices do.
pub fn feed_uevent(data: &[u8]) {
    if let Some(found) = picoclaw::proto::uevent::usb(data) {
        assert!(found.path.starts_with("/devices/") && !found.path.contains("/../"));
        assert!(found.path.len() + found.product.len() < data.len());
    }
}

/// As one stream; what was read is written and read again.
pub fn feed_packet(data: &[u8]) {
    let mut packets = packet::Packets::default();
    for part in data.chunks(7) {
        packets.feed(part);
        while let Ok(Some(found)) = packets.take() {
            assert!(found.text.len() <= CLI_PACKET_BYTES);
            let mut wire = Vec::new();
            packet::write(&mut wire, found.kind, found.number, &found.text);
            let mut again = packet::Packets::default();
            again.feed(&wire);
            assert_eq!(again.take(), Ok(Some(found)));
        }
    }
}

/// Zones as files and as POSIX rules, and cron expressions in them: the next time is later, and the zone says so.
pub fn feed_tz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let zones = [tz::Zone::from_tzif(bytes), tz::Zone::from_posix(&text)];
    for zone in zones.into_iter().flatten() {
        for unix in [i64::from(i32::MIN), 0, 1_700_000_000, i64::from(u32::MAX)] {
            let offset = |at| zone.offset(at);
            tz::instant(unix, &offset);
        }
    }
    if let Ok(expression) = picoclaw::sched::cron_expr::Expr::parse(&text) {
        if let Some(next) = expression.next(1_700_000_000, &|_| 0) {
            assert!(next > 1_700_000_000, "{text} fires in the past");
        }
    }
}
