use super::*;
use crate::sys::scratch::{Held, Scratch};

fn sessions(name: &str) -> Held<Sessions> {
    let sessions = Scratch::named(name).hold(Sessions::new);
    std::fs::create_dir_all(&sessions.dir).expect("folder");
    sessions
}

fn write(sessions: &Sessions, key: &str, text: &str) {
    let name = Sessions::file_name(key).expect("key");
    std::fs::write(sessions.dir.join(name), text).expect("write");
}

fn texts(tail: &Tail) -> Vec<&str> {
    tail.messages.iter().map(|m| m.content.as_str()).collect()
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
    let tail = s.tail("k").expect("tail");
    assert_eq!((texts(&tail), tail.corrupt, tail.torn), (vec!["a", "b"], 2, true));
}

#[test]
fn a_long_session_is_read_from_its_end_at_a_turn() {
    let s = sessions("session-long");
    write(&s, "k", &TWO.repeat(5_000));
    let tail = s.tail("k").expect("tail");
    assert!(tail.messages.len() <= SESSION_MESSAGES && tail.messages.len() >= SESSION_MESSAGES - 1);
    assert_eq!(tail.messages[0].role, Role::User);
    assert_eq!(tail.end, TWO.len() as u64 * 5_000);
}

#[test]
fn clear_hides_what_was_and_keeps_the_file() {
    let s = sessions("session-clear");
    write(&s, "k", TWO);
    s.clear("k").expect("clear");
    assert_eq!(texts(&s.tail("k").expect("tail")), Vec::<&str>::new());
    let path = s.dir.join("k.jsonl");
    let text = std::fs::read_to_string(&path).expect("kept");
    assert_eq!(text, TWO);
    std::fs::write(&path, format!("{text}{{\"role\":\"user\",\"content\":\"new\"}}\n"))
        .expect("write");
    assert_eq!(texts(&s.tail("k").expect("tail")), ["new"]);
}

#[test]
fn upstreams_skip_is_honoured_without_our_field() {
    let s = sessions("session-skip");
    write(&s, "k", TWO);
    let meta = r#"{"key":"k","skip":1,"count":2,"summary":"S","scope":{"version":1}}"#;
    std::fs::write(s.dir.join("k.meta.json"), meta).expect("write");
    let tail = s.tail("k").expect("tail");
    assert_eq!((texts(&tail), tail.summary.as_str()), (vec!["b"], "S"));
    s.save_meta("k", &s.meta("k").expect("meta")).expect("save");
    assert_eq!(s.meta("k").expect("meta").rest["scope"]["version"], 1, "foreign fields stay");
}

#[test]
fn a_renamed_session_joins_one_that_is_there() {
    let s = sessions("session-rename");
    write(&s, "old", TWO);
    s.rename("old", "new").expect("rename");
    write(&s, "old", "{\"role\":\"user\",\"content\":\"late\"}\n");
    s.rename("old", "new").expect("merge");
    assert_eq!(texts(&s.tail("new").expect("tail")), ["late", "a", "b"]);
    assert!(!s.dir.join("old.jsonl").exists());
    s.rename("absent", "new").expect("nothing to do");
}

#[test]
fn a_v0_session_is_taken_over_and_left_in_place() {
    let s = sessions("session-v0");
    let old = r#"{"key":"telegram:5","messages":[{"role":"user","content":"old"}],"summary":"sum","created":"x"}"#;
    std::fs::write(s.dir.join("telegram_5.json"), old).expect("write");
    let tail = s.tail("telegram:5").expect("tail");
    assert_eq!((texts(&tail), tail.summary.as_str()), (vec!["old"], "sum"));
    assert_eq!(std::fs::read_to_string(s.dir.join("telegram_5.json")).expect("kept"), old);
    assert_eq!(tail.end, std::fs::metadata(s.dir.join("telegram_5.jsonl")).expect("jsonl").len());
}
