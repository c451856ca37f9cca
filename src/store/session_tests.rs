use super::super::session_read::{backwards, parse_line};
use super::*;
use crate::sys::scratch::{InScratch, Scratch};

fn sessions(name: &str) -> InScratch<Sessions> {
    let sessions = Scratch::named(name).hold(Sessions::new);
    std::fs::create_dir_all(&sessions.dir).expect("folder");
    sessions
}

fn write(sessions: &Sessions, key: &str, text: &str) {
    let name = Sessions::file_name(key).expect("key");
    std::fs::write(sessions.dir.join(name), text).expect("write");
}

/// What counts of a session, oldest first, and how many lines are damaged.
fn read(sessions: &Sessions, key: &str) -> (Vec<String>, usize) {
    let opened = sessions.open_session(key).expect("look");
    let (mut texts, mut corrupt) = (Vec::new(), 0);
    let Some(file) = opened.file else { return (texts, 0) };
    let mut each = |_, line: &[u8]| {
        match parse_line(line) {
            Some(message) => texts.push(message.content),
            None => corrupt += 1,
        }
        true
    };
    backwards(&file, opened.first, opened.end, &mut each).expect("read");
    texts.reverse();
    (texts, corrupt)
}

fn texts(sessions: &Sessions, key: &str) -> Vec<String> {
    read(sessions, key).0
}

const TWO: &str =
    "{\"role\":\"user\",\"content\":\"a\"}\n{\"role\":\"assistant\",\"content\":\"b\"}\n";

#[test]
fn keys_become_file_names() {
    assert_eq!(file_stem("telegram:-100/7").expect("a key"), "telegram_-100_7");
    for bad in ["", ".", "..", "a\0b"] {
        assert!(file_stem(bad).is_err(), "{bad:?}");
    }
    assert!(file_stem(&"x".repeat(300)).is_err());
}

#[test]
fn corrupt_lines_and_a_torn_end_are_survived() {
    let s = sessions("session-torn");
    write(&s, "k", &format!("{TWO}not json\n{{\"role\":\"user\",\"cont"));
    let want = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!((read(&s, "k"), s.open_session("k").expect("look").torn), ((want, 2), true));
}

#[test]
fn clear_hides_what_was_and_keeps_the_file() {
    let s = sessions("session-clear");
    write(&s, "k", TWO);
    s.clear("k").expect("clear");
    assert_eq!(texts(&s, "k"), Vec::<String>::new());
    let path = s.dir.join("k.jsonl");
    let text = std::fs::read_to_string(&path).expect("kept");
    assert_eq!(text, TWO);
    std::fs::write(&path, format!("{text}{{\"role\":\"user\",\"content\":\"new\"}}\n"))
        .expect("write");
    assert_eq!(texts(&s, "k"), ["new"]);
}

#[test]
fn a_mark_of_another_file_hides_nothing() {
    let line = |text: &str| format!("{{\"role\":\"user\",\"content\":\"{text}\"}}\n");
    let s = sessions("session-mark");
    let path = s.dir.join("k.jsonl");
    write(&s, "k", TWO);
    s.clear("k").expect("clear");
    // Its owner deleted it, or kept a part: what is said afterwards counts from the beginning.
    for kept in [String::new(), line("kept")] {
        std::fs::write(&path, &kept).expect("shorter");
        assert_eq!(texts(&s, "k").len(), usize::from(!kept.is_empty()));
        std::fs::write(&path, format!("{kept}{}", line(&"long ".repeat(99)))).expect("longer");
        assert_eq!(texts(&s, "k").len(), 1 + usize::from(!kept.is_empty()), "{kept}");
    }
    // At, before and behind the end of a line of the same file.
    let all = [line("one"), line("two")].concat();
    std::fs::write(&path, &all).expect("write");
    let first = line("one").len() as u64;
    for (mark, want) in [(first, 1), (first - 1, 1), (first - 2, 2), (first + 2, 2)] {
        let meta = format!(r#"{{"key":"k","skip":1,"count":2,"skip_bytes":{mark}}}"#);
        std::fs::write(s.dir.join("k.meta.json"), meta).expect("write");
        assert_eq!(texts(&s, "k").len(), want, "{mark} of {first}");
    }
    let meta = r#"{"key":"k","skip":1000000000,"count":2}"#;
    std::fs::write(s.dir.join("k.meta.json"), meta).expect("write");
    assert_eq!(texts(&s, "k"), ["one", "two"]);
}

#[test]
fn upstreams_skip_is_honoured_without_our_field() {
    let s = sessions("session-skip");
    write(&s, "k", TWO);
    let meta = r#"{"key":"k","skip":1,"count":2,"summary":"S","scope":{"version":1}}"#;
    std::fs::write(s.dir.join("k.meta.json"), meta).expect("write");
    assert_eq!(texts(&s, "k"), ["b"]);
    assert_eq!(s.open_session("k").expect("look").meta.summary, "S");
    s.save_meta("k", &s.meta("k").expect("meta")).expect("save");
    assert_eq!(s.meta("k").expect("meta").rest["scope"]["version"], 1, "unknown fields stay");
}

#[test]
fn a_renamed_session_joins_one_that_is_there() {
    let s = sessions("session-rename");
    write(&s, "old", TWO);
    s.rename("old", "new").expect("rename");
    write(&s, "old", "{\"role\":\"user\",\"content\":\"late\"}\n");
    s.rename("old", "new").expect("merge");
    assert_eq!(texts(&s, "new"), ["late", "a", "b"]);
    assert!(!s.dir.join("old.jsonl").exists());
    s.rename("absent", "new").expect("nothing to do");
    // What is not trusted of either stays so.
    let mark = |key: &str, untrusted_bytes| {
        let meta = SessionMeta { key: key.into(), untrusted_bytes, ..SessionMeta::default() };
        s.save_meta(key, &meta).expect("saved");
    };
    for (old, new, want) in [(9, 0, 9), (0, 7, TWO.len() as u64 + 7), (9, 7, TWO.len() as u64 + 7)]
    {
        write(&s, "old", TWO);
        write(&s, "new", TWO);
        mark("old", old);
        mark("new", new);
        s.rename("old", "new").expect("merge");
        assert_eq!(s.meta("new").expect("a meta").untrusted_bytes, want);
    }
}
