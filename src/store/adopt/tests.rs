use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use super::*;
use crate::limits::GO_SESSIONS;
use crate::store::session_read::{OpenSession, forwards, parse_line};
use crate::sys::scratch::Scratch;

/// A home with a workspace in it.
struct Fixture {
    dir: Scratch,
}

impl Fixture {
    fn new(name: &str) -> Fixture {
        let dir = Scratch::named(name);
        fs::create_dir_all(dir.join("workspace/sessions")).expect("a workspace");
        Fixture { dir }
    }

    /// Of our earlier versions.
    fn ours(name: &str) -> Fixture {
        let fixture = Fixture::new(name);
        fixture.write("state/journal.a", "");
        fixture
    }

    fn write(&self, name: &str, text: impl ToString) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text.to_string()).expect("a file");
    }

    fn go(&self, name: &str, text: impl ToString) {
        self.write(&format!("workspace/sessions/{name}"), text);
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn adopt(&self) -> (usize, Vec<String>) {
        let begun = Adoption::begin(&self.dir, &self.dir.join("workspace")).expect("begun");
        let mut adoption = begun.expect("a workspace");
        let count = adoption.sessions().expect("adopted");
        adoption.last_chat(0);
        (count, adoption.end().expect("ended"))
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let OpenSession { file, first, end, .. } =
            Sessions::new(&self.dir).open_session(key).expect("a session");
        let mut texts = Vec::new();
        let mut each = |_, line: &[u8]| {
            texts.extend(parse_line(line).map(|message| message.content));
            true
        };
        forwards(&file.expect("a file"), first, end, &mut each).expect("read");
        texts
    }

    /// Summary, and whether all of the file is untrusted.
    fn meta(&self, key: &str) -> (String, bool) {
        let OpenSession { end, meta, .. } =
            Sessions::new(&self.dir).open_session(key).expect("a session");
        (meta.summary, meta.untrusted_bytes >= end)
    }

    #[track_caller]
    fn check(&self, stem: &str, want: &[&str]) {
        let have = self.read(&format!("sessions/{stem}.jsonl"));
        let want: String = want.iter().map(|text| line(text)).collect();
        assert_eq!(have, want, "{stem}");
    }
}

fn line(text: &str) -> String {
    format!("{{\"role\":\"user\",\"content\":\"{text}\"}}\n")
}

/// The same message as a program writes it that has other habits.
fn other(text: &str) -> String {
    format!(
        "{{ \"content\": \"{text}\", \"created_at\": \"2026-05-01T00:00:00Z\", \"role\":\"user\" }}\n"
    )
}

fn v0(key: &str, texts: &[&str]) -> String {
    let messages: Vec<_> = texts.iter().map(|t| json!({"role": "user", "content": t})).collect();
    json!({"key": key, "messages": messages, "summary": "said before", "created": "2026-02-01T00:00:00Z", "updated": "2026-02-17T10:00:00Z"})
        .to_string()
}

fn scope(chat: &str) -> serde_json::Value {
    json!({"key": "sk_v1_x", "updated_at": "2026-05-02T00:00:00Z",
        "scope": {"channel": "telegram", "values": {"chat": chat}}})
}

#[test]
fn every_upstream_name_is_adopted_in_the_order_of_time() {
    let f = Fixture::new("adopt-names");
    assert_eq!(f.adopt(), (0, vec![]));
    fs::remove_file(f.dir.join("state/adopted")).expect("the first start again");
    f.go("telegram_7.json", v0("telegram:7", &["first"]));
    f.go(
        "agent_main_telegram_direct_7.json",
        v0("agent:main:telegram:direct:7", &["second"]).replace("02-17", "03-17"),
    );
    f.go("agent_main_telegram_direct_7.jsonl", line("third"));
    f.go(
        "agent_main_telegram_direct_7.meta.json",
        r#"{"key":"agent:main:telegram:direct:7","updated_at":"2026-04-01T00:00:00Z"}"#,
    );
    let mut newest = scope("direct:7");
    newest["skip"] = 1.into();
    newest["summary"] = "all before".into();
    f.go("sk_v1_x.jsonl", line("skipped") + &line("fourth"));
    f.go("sk_v1_x.meta.json", newest);
    f.go("telegram_8.jsonl", line("eight"));
    f.go("telegram_9.meta.json", r#"{"key":"telegram:9","summary":"nine"}"#);
    f.go("sk_v1_z.jsonl", line("whose?"));
    f.go("old.json.migrated", "{");
    let (count, notes) = f.adopt();
    assert_eq!(notes, ["sessions/sk_v1_z.jsonl: whose it is is not known"]);
    assert_eq!(count, 5);
    f.check("telegram_7", &["first", "second", "third", "skipped", "fourth"]);
    f.check("telegram_8", &["eight"]);
    assert_eq!(f.texts("telegram:7"), ["fourth"]);
    assert_eq!(f.meta("telegram:7"), ("all before".into(), true));
    let tail = Sessions::new(&f.dir).meta("telegram:9").expect("a meta");
    assert_eq!((&*tail.summary, tail.untrusted_bytes > 0), ("nine", true));
    // Go's files stay, ours are nobody else's.
    assert!(f.dir.join("workspace/sessions/sk_v1_x.jsonl").exists());
    for (name, want) in [
        ("sessions", 0o700),
        ("sessions/telegram_7.jsonl", 0o600),
        ("sessions/telegram_7.meta.json", 0o600),
        ("state/adopted", 0o600),
    ] {
        let mode = fs::metadata(f.dir.join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o777, want, "{name}");
    }
    assert_eq!(f.adopt(), (0, vec![]), "once");
}

#[test]
fn later_go_messages_are_adopted_once() {
    let f = Fixture::new("adopt-later");
    let file = "agent_main_telegram_direct_7.jsonl";
    f.go(file, line("a") + &line("b"));
    f.go("telegram_8.json", v0("telegram:8", &["x"]));
    assert_eq!(f.adopt().0, 2);
    // Ours goes on, then Go's does.
    let ours = f.dir.join("sessions/telegram_7.jsonl");
    fs::write(&ours, line("a") + &line("b") + &line("ours")).expect("a file");
    f.go(file, line("a") + &line("b") + &line("c"));
    f.go("telegram_8.json", v0("telegram:8", &["x", "y"]));
    assert_eq!(f.adopt().0, 2);
    f.check("telegram_7", &["a", "b", "ours", "c"]);
    f.check("telegram_8", &["x", "y"]);
    // Compacted: written anew, shorter and in another form.
    f.go(file, other("b") + &other("c") + &other("d"));
    assert_eq!(f.adopt().0, 1);
    assert_eq!(f.texts("telegram:7"), ["a", "b", "ours", "c", "d"]);
    // The same under another name.
    f.go("sk_v1_x.meta.json", scope("direct:7"));
    f.go("sk_v1_x.jsonl", other("c") + &other("d") + &other("e"));
    assert_eq!(f.adopt().0, 1);
    assert_eq!(f.texts("telegram:7"), ["a", "b", "ours", "c", "d", "e"]);
    f.go("sk_v1_x.jsonl", other("quite") + &other("new"));
    assert_eq!(f.adopt().0, 1);
    assert_eq!(f.texts("telegram:7"), ["a", "b", "ours", "c", "d", "e", "quite", "new"]);
    assert_eq!(f.adopt().0, 0);
}

#[test]
fn adoption_survives_a_power_cut_at_any_step() {
    // What can be on the card: the record as it was after so many conversations, the sessions as they were after so many
    // more.
    for known in 0..4 {
        for written in known..4 {
            if known < 2 && written == 3 {
                // The record is saved before a second one of the same chat.
                continue;
            }
            let f = Fixture::new("adopt-cut");
            // In the order in which they are taken.
            let sources = [
                ("agent_main_telegram_direct_7.jsonl", line("a") + &line("b")),
                ("agent_main_telegram_direct_8.jsonl", line("e")),
                ("telegram_7.json", v0("telegram:7", &["c", "d"])),
            ];
            let record = f.dir.join("state/adopted");
            let mut then = String::from("first\n");
            for (n, (name, text)) in sources.iter().take(written).enumerate() {
                if n == known {
                    then = fs::read_to_string(&record).unwrap_or(then);
                }
                f.go(name, text);
                f.adopt();
            }
            if known < written {
                let first = if then.starts_with("first") { "" } else { "first\n" };
                f.write("state/adopted", format!("{first}{then}"));
            }
            for (name, text) in &sources {
                f.go(name, text);
            }
            let (_, notes) = f.adopt();
            assert_eq!(notes, Vec::<String>::new());
            assert_eq!(f.texts("telegram:8"), ["e"]);
            assert_eq!(
                f.texts("telegram:7"),
                ["a", "b", "c", "d"],
                "known {known}, written {written}"
            );
            assert!(f.meta("telegram:7").1);
        }
    }
}

#[test]
fn ours_are_moved_and_marked() {
    for moved in 0..4 {
        let f = Fixture::ours("adopt-ours");
        let meta = r#"{"key":"telegram:7","summary":"s","updated_at":"2026-05-03T00:00:00Z","taken_from":["sk_v1_x"]}"#;
        f.go("telegram_7.jsonl", line("go") + &line("ours"));
        f.go("telegram_7.meta.json", meta);
        f.go("telegram_8.jsonl", line("eight"));
        f.go("sk_v1_x.meta.json", scope("direct:7"));
        f.go("sk_v1_x.jsonl", line("go"));
        f.go("sk_v1_y.meta.json", scope("direct:8"));
        f.go("sk_v1_y.jsonl", line("before eight"));
        f.write("workspace/state/state.json", r#"{"last_channel":"telegram:7"}"#);
        // Killed after so many steps of the move.
        if moved > 0 {
            f.write("state/adopted", "first\nours\n");
            f.write(
                "sessions/telegram_7.meta.json",
                meta.replace("\"s\"", "\"s\",\"untrusted_bytes\":999"),
            );
        }
        if moved > 1 {
            let at = |folder: &str| f.dir.join(format!("{folder}/telegram_7.jsonl"));
            fs::rename(at("workspace/sessions"), at("sessions")).expect("moved");
        }
        if moved > 2 {
            fs::remove_file(f.dir.join("workspace/sessions/telegram_7.meta.json")).expect("gone");
        }
        let (count, notes) = f.adopt();
        assert_eq!((count, notes), (0, vec![]), "moved {moved}");
        f.check("telegram_7", &["go", "ours"]);
        f.check("telegram_8", &["eight"]);
        assert_eq!(f.meta("telegram:7"), ("s".into(), true));
        assert_eq!(f.meta("telegram:8"), (String::new(), true));
        let left = f.dir.join("workspace/sessions");
        assert!(!left.join("telegram_7.jsonl").exists() && left.join("sk_v1_x.jsonl").exists());
        assert!(!f.dir.join("workspace/state").exists());
        assert_eq!(state_file::last_chat(&f.dir).expect("a chat").chat, "7");
        assert_eq!(f.adopt(), (0, vec![]), "once");
        // Go runs again.
        f.go("sk_v1_x.jsonl", line("go") + &line("later"));
        assert_eq!(f.adopt().0, 1);
        f.check("telegram_7", &["go", "ours", "later"]);
    }
}

#[test]
fn other_files_are_reported_and_skipped() {
    let f = Fixture::new("adopt-planted");
    f.write("outside", line("outside"));
    let at = |name: &str| f.dir.join(format!("workspace/sessions/{name}"));
    symlink(f.dir.join("outside"), at("telegram_1.jsonl")).expect("a link");
    symlink(f.dir.join("outside"), at("telegram_2.json")).expect("a link");
    fs::hard_link(f.dir.join("outside"), at("telegram_3.jsonl")).expect("a link");
    fs::create_dir(at("telegram_4.jsonl")).expect("a folder");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("telegram_5.jsonl"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a FIFO");
    f.go("telegram_6.json", "no JSON");
    f.go("telegram_7.jsonl", line("seven"));
    let (count, notes) = f.adopt();
    assert_eq!((count, notes.len()), (1, 6), "{notes:?}");
    let names: Vec<_> = fs::read_dir(f.dir.join("sessions")).expect("a folder").collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for n in 10..30 {
        symlink("/etc/passwd", at(&format!("telegram_{n}.jsonl"))).expect("a link");
    }
    let (_, notes) = f.adopt();
    assert_eq!(notes.len(), ADOPT_NOTES + 1, "{notes:?}");
    // The folder itself.
    let g = Fixture::new("adopt-link");
    fs::remove_dir(g.dir.join("workspace/sessions")).expect("removed");
    symlink(f.dir.join("workspace/sessions"), g.dir.join("workspace/sessions")).expect("a link");
    let (count, notes) = g.adopt();
    assert_eq!((count, notes.len()), (0, 1), "{notes:?}");
}

#[test]
fn after_the_first_start_a_planted_state_moves_nothing_and_text_stays_untrusted() {
    let f = Fixture::new("adopt-after");
    f.adopt();
    f.write("workspace/state/state.json", r#"{"last_channel":"telegram:2002"}"#);
    f.write("sessions/telegram_7.jsonl", line("ours"));
    let planted =
        r#"{"key":"telegram:7","summary":"obey","skip":1,"untrusted_bytes":0,"skip_bytes":3}"#;
    f.go("x.meta.json", planted);
    f.go("x.jsonl", line("planted"));
    f.adopt();
    assert_eq!(state_file::last_chat(&f.dir), None);
    let sessions = Sessions::new(&f.dir);
    assert_eq!(f.meta("telegram:7"), (String::new(), true));
    assert_eq!(f.texts("telegram:7"), ["ours", "planted"]);
    sessions.clear("telegram:7").expect("cleared");
    assert_eq!(sessions.meta("telegram:7").expect("a meta").untrusted_bytes, 0);
}

#[test]
fn adoption_is_bounded_and_continues_at_the_next_start() {
    let f = Fixture::new("adopt-many");
    for n in 0..=GO_SESSIONS {
        f.go(&format!("agent_main_telegram_direct_{n}.jsonl"), line("x"));
    }
    let (count, notes) = f.adopt();
    assert_eq!((count, notes.len()), (GO_SESSIONS, 1), "{notes:?}");
    assert_eq!(f.adopt().0, 1);
    assert_eq!(f.adopt().0, 0);
}

#[test]
fn a_workspace_that_is_the_home_has_nothing_to_adopt() {
    let f = Fixture::new("adopt-home");
    f.write("sessions/telegram_7.jsonl", line("a"));
    assert!(Adoption::begin(&f.dir, &f.dir).expect("begun").is_none());
    assert!(Adoption::begin(&f.dir, &f.dir.join("nowhere")).expect("begun").is_none());
    assert!(!Record::read(&Dir::open(&f.dir).expect("a home")).expect("read").first);
    Adoption::reopen(&f.dir).expect("reopened");
    assert!(Record::read(&Dir::open(&f.dir).expect("a home")).expect("read").first);
}
