//! Feeds of what clients send to us; see `feeds.rs`.

use picoclaw::proto::json_stream::Objects;
use picoclaw::proto::{http1, line_editor, websocket};

/// The same objects however it is cut, none longer than the limit, each with its brackets around it.
pub fn feed_json_stream(data: &[u8]) {
    let whole = |step: usize| {
        let (mut objects, mut found) = (Objects::new(64), Vec::new());
        for mut piece in data.chunks(step) {
            loop {
                match objects.feed(&mut piece) {
                    Ok(None) => break,
                    Ok(Some(object)) => found.push(object),
                    Err(e) => return (found, Some(e)),
                }
            }
        }
        (found, None)
    };
    let all = whole(data.len().max(1));
    for object in &all.0 {
        assert!(object.len() <= 64 && object.starts_with(b"{"));
        assert!(object.ends_with(b"}") || object.ends_with(b"]"));
    }
    assert_eq!(all, whole(3));
}

/// The same events however it is cut, none longer than the limit; and any bytes as a handshake.
pub fn feed_websocket(data: &[u8]) {
    let whole = |step: usize| {
        let (mut reader, mut found) = (websocket::WsReader::new(200), Vec::new());
        for mut piece in data.chunks(step) {
            loop {
                match reader.feed(&mut piece) {
                    Ok(None) => break,
                    Ok(Some(event)) => found.push(event),
                    Err(status) => return (found, status),
                }
            }
        }
        (found, 0)
    };
    let all = whole(data.len().max(1));
    for event in &all.0 {
        match event {
            websocket::WsEvent::Text(text) => assert!(text.len() <= 200),
            websocket::WsEvent::Ping(bytes) => assert!(bytes.len() <= 125),
            _ => {}
        }
    }
    assert_eq!(all, whole(3));
    assert!(websocket::accept(data).is_none_or(|key| key.len() == 28));
    http1::parameter(data, "token");
}

/// Keys of a terminal.
pub fn feed_line_editor(data: &[u8]) {
    let mut editor = line_editor::LineEditor::new(vec!["one".into(), "zwölf".into()], 4);
    for byte in data {
        editor.feed(*byte);
        let (line, cursor) = editor.view();
        assert!(cursor <= line.chars().count());
        assert!(editor.history().len() <= 4);
    }
}
