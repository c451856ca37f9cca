//! For every name that the daemon opens in folders a command can write to: made first as something else. Nothing outside is
//! read or written, the start does not wait, and whoever writes is answered.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::harness::{Home, OWNER, SOON, eventually, finish, peer};
use crate::harness_daemon::Daemon;

/// In whatever was outside.
const MARK: &str = "outside-7f3a91";

/// Folders of the workspace that the daemon uses by their names.
const FOLDERS: [&str; 6] = ["sessions", "state", "cron", "skills", "memory", "media"];

/// The sources that open names in the workspace, with those that are not given to them by a caller.
const OPENERS: [(&str, &[&str]); 10] = [
    ("src/agent/consolidation/mod.rs", &["memory/MEMORY.md"]),
    ("src/agent/prompt.rs", &["AGENT.md", "SOUL.md", "memory/MEMORY.md"]),
    ("src/skill/load.rs", &["skills", "skills/knots/SKILL.md"]),
    ("src/store/adopt/mod.rs", &["sessions", "state", "cron"]),
    ("src/store/index/mod.rs", &["memory"]),
    ("src/store/index/vectors.rs", &["memory"]),
    ("src/store/spool.rs", &["media"]),
    ("src/tool/allowed.rs", &["AGENT.md"]),
    ("src/tool/exec.rs", &["media"]),
    ("src/tool/prompt_files.rs", &["memory", "skills/knots/SKILL.md", "HEARTBEAT.md"]),
];

/// Names, and what would be believed of what they stand for.
fn names() -> Vec<(String, String)> {
    let line = json!({"role": "user", "content": MARK}).to_string() + "\n";
    let meta =
        json!({"key": "telegram:1001", "summary": MARK, "updated_at": "2026-05-02T00:00:00Z"});
    let go = json!({
        "key": "sk_v1_x", "updated_at": "2026-05-02T00:00:00Z",
        "scope": {"channel": "telegram", "values": {"chat": "direct:1001"}},
    });
    let state = json!({"last_channel": "telegram:2002", "last_chat_id": "2002", "note": MARK});
    let jobs = json!({"version": 1, "jobs": [{
        "id": "0123456789abcdef", "name": MARK, "enabled": true,
        "schedule": {"kind": "every", "everyMs": 60_000},
        "payload": {"kind": "agent_turn", "message": MARK, "channel": "telegram", "to": "1001"},
    }]});
    let skill = format!("---\nname: knots\ndescription: {MARK}\n---\n{MARK}\n");
    let mut names: Vec<(String, String)> = [
        ("sessions/telegram_1001.jsonl", line.clone()),
        ("sessions/telegram_1001.meta.json", meta.to_string()),
        ("sessions/telegram_1001.json", json!({"messages": [], "summary": MARK}).to_string()),
        ("sessions/sk_v1_x.jsonl", line),
        ("sessions/sk_v1_y.meta.json", go.to_string()),
        ("state/state.json", state.to_string()),
        ("state/state.json.tmp", state.to_string()),
        ("state.json", state.to_string()),
        ("cron/jobs.json", jobs.to_string()),
        ("cron/jobs.json.tmp", jobs.to_string()),
        ("skills/knots/SKILL.md", skill.clone()),
        ("memory/MEMORY.md", MARK.to_owned()),
        ("AGENT.md", skill),
        ("AGENTS.md", MARK.to_owned()),
        ("SOUL.md", MARK.to_owned()),
        ("USER.md", MARK.to_owned()),
        ("IDENTITY.md", MARK.to_owned()),
        ("HEARTBEAT.md", format!("- {MARK}\n")),
    ]
    .map(|(name, text)| (format!("workspace/{name}"), text))
    .into();
    let today = picoclaw::proto::date::day_number(picoclaw::sys::clock::unix_now(), 0);
    let note = picoclaw::store::memory::note(today);
    names.push((format!("workspace/{note}"), MARK.to_owned()));
    // Whole folders that are links.
    for folder in FOLDERS {
        names.push((format!("workspace/{folder}"), String::new()));
    }
    names
}

/// Puts `thing` in the place of `name`.
fn plant(home: &Home, thing: &str, name: &str, content: &str) {
    let path = home.path(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let outside = home.path(&format!("outside/{}", name.replace('/', "_")));
    fs::create_dir_all(home.path("outside")).expect("a folder");
    if !outside.exists() {
        fs::write(&outside, content).expect("a file");
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    match thing {
        "link" => symlink(&outside, &path).expect("a link"),
        "hard link" => fs::hard_link(&outside, &path).expect("a link"),
        "folder" => fs::create_dir(&path).expect("a folder"),
        _ => mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO"),
    }
}

/// Names, texts and modes of what is outside.
fn outside(home: &Home) -> Vec<(String, String, u32)> {
    let mut all: Vec<_> = fs::read_dir(home.path("outside"))
        .expect("a folder")
        .flatten()
        .map(|e| {
            let text = fs::read_to_string(e.path()).unwrap_or_default();
            let mode = e.metadata().expect("metadata").mode() & 0o7777;
            (e.file_name().to_string_lossy().into_owned(), text, mode)
        })
        .collect();
    all.sort();
    all
}

/// Files of ours that have what was outside in them.
fn copies(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let meta = entry.metadata().expect("metadata");
        if meta.is_dir() && entry.file_name() != "outside" {
            copies(&entry.path(), found);
        } else if meta.is_file()
            && meta.nlink() == 1
            && entry.path().extension() != Some("log".as_ref())
        {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            if bytes.windows(MARK.len()).any(|w| w == MARK.as_bytes()) {
                found.push(entry.path().display().to_string());
            }
        }
    }
}

#[track_caller]
fn holds(thing: &str, names: &[(String, String)]) {
    let peer = peer(false);
    let home = Home::new(&peer);
    for (name, content) in names {
        plant(&home, thing, name, content);
    }
    let before = outside(&home);
    for start in 1..=2 {
        let daemon = Daemon::start(&home, &peer);
        let marker = peer.say(OWNER, OWNER, "how are you?");
        let reply = peer.wait_reply(&marker, SOON);
        assert!(reply.is_some(), "{thing}, start {start}: no answer\n{}", daemon.log());
        // One more, when the session has been made.
        let marker = peer.say(OWNER, OWNER, "[call:memory_search {\"query\":\"outside\"}]");
        let reply = peer.wait_reply(&marker, SOON);
        assert!(reply.is_some(), "{thing}, start {start}: no second answer\n{}", daemon.log());
        assert!(daemon.term().success(), "{thing}");
        assert_eq!(outside(&home), before, "{thing}: something outside has changed");
    }
    let asked: String = peer.requests().iter().map(ToString::to_string).collect();
    assert!(!asked.contains(MARK), "{thing}: what is outside was read: {asked}");
    let mut found = Vec::new();
    copies(&home.path(""), &mut found);
    assert!(found.is_empty(), "{thing}: copied to {found:?}");
    // The command line, with nobody running.
    for arguments in [
        &["agent", "-m", "hello"][..],
        &["cron", "list"],
        &["cron", "add", "--name", "n", "--message", "m", "--every", "60"],
        &["skills", "list"],
        &["status"],
        &["backup", "out.tgz"],
        &["backup", "out.tgz", "--force"],
    ] {
        let done = finish(home.command(arguments));
        assert!(!done.all().contains(MARK), "{thing}: {arguments:?}: {done:?}");
        assert_eq!(outside(&home), before, "{thing}: {arguments:?}");
        if arguments[0] == "backup" {
            assert!(done.status.success(), "{thing}: {done:?}");
        }
    }
}

#[test]
fn every_name_that_the_source_opens_has_a_row() {
    let rows: Vec<String> = names().into_iter().map(|(name, _)| name).collect();
    let own =
        picoclaw::store::memory::BOOTSTRAP.iter().chain([&picoclaw::store::memory::LONG_TERM]);
    for name in own.chain(OPENERS.iter().flat_map(|(_, names)| *names)) {
        assert!(rows.contains(&format!("workspace/{name}")), "no row makes {name} first");
    }
    let mut sources = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false => sources.push(entry),
            }
        }
    }
    for path in sources {
        let (text, path) = (fs::read_to_string(&path).expect("text"), path.display().to_string());
        let shipped = text.split("mod tests {").next().unwrap_or_default();
        let opens = shipped.contains("Dir::shared(") && !path.ends_with("tests.rs");
        if opens && path != "src/store/dir.rs" {
            let known = OPENERS.iter().any(|(source, _)| path.starts_with(source));
            assert!(
                known,
                "{path} opens the workspace: which names, and which row makes them first?"
            );
        }
    }
}

fn files() -> Vec<(String, String)> {
    names().into_iter().filter(|(_, content)| !content.is_empty()).collect()
}

#[test]
fn links_lead_nowhere() {
    holds("link", &files());
}

#[test]
fn pipes_hold_up_nobody() {
    holds("FIFO", &files());
}

#[test]
fn folders_are_no_files() {
    holds("folder", &files());
}

#[test]
fn hard_links_are_refused() {
    holds("hard link", &files());
}

#[test]
fn folders_that_are_links_lead_nowhere() {
    let folders: Vec<_> = names().into_iter().filter(|(_, content)| content.is_empty()).collect();
    let peer = peer(false);
    let home = Home::new(&peer);
    for (name, _) in &folders {
        let outside = home.path(&format!("outside/{}", name.replace('/', "_")));
        fs::create_dir_all(&outside).expect("a folder");
        for (inside, content) in files().iter().filter(|(n, _)| n.starts_with(&format!("{name}/")))
        {
            let file = outside.join(&inside[name.len() + 1..]);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(&file, content).expect("a file");
        }
        fs::create_dir_all(home.path("workspace")).expect("a folder");
        symlink(&outside, home.path(name)).expect("a link");
    }
    let listed = |path: &Path| {
        let out = std::process::Command::new("find")
            .arg(path)
            .args(["-printf", "%p %s %m %T@\n"])
            .output();
        String::from_utf8(out.expect("find").stdout).expect("text")
    };
    let before = listed(&home.path("outside"));
    let daemon = Daemon::start(&home, &peer);
    for _ in 0..2 {
        let marker = peer.say(OWNER, OWNER, "how are you?");
        assert!(peer.wait_reply(&marker, SOON).is_some(), "no answer\n{}", daemon.log());
    }
    assert!(daemon.term().success());
    assert_eq!(listed(&home.path("outside")), before);
    let asked: String = peer.requests().iter().map(ToString::to_string).collect();
    assert!(!asked.contains(MARK), "{asked}");
}

/// What was in the way is reported and kept, and the conversation is there again after a restart.
#[test]
fn set_aside_files_are_reported_and_the_conversation_continues() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "remember the green bicycle");
    assert!(peer.wait_reply(&marker, SOON).is_some());
    let path = home.path("sessions/telegram_1001.jsonl");
    fs::remove_file(&path).expect("removed");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
    for text in ["and the red one", "which ones?"] {
        let marker = peer.say(OWNER, OWNER, text);
        assert!(peer.wait_reply(&marker, SOON).is_some(), "no answer\n{}", daemon.log());
    }
    let aside = path.with_extension("jsonl.unfit-1");
    let found = eventually(SOON, || aside.symlink_metadata().ok());
    assert!(found.is_some_and(|meta| !meta.is_file()), "{}", daemon.log());
    assert!(
        daemon.log().contains("it is a FIFO, not a regular file: move it away"),
        "{}",
        daemon.log()
    );
    assert!(daemon.term().success());
    let text = fs::read_to_string(&path).expect("a file again");
    assert!(text.contains("the red one") && text.contains("which ones"), "{text}");
}

#[test]
fn a_backup_is_nobodys_before_it_is_whole() {
    let peer = peer(false);
    let home = Home::new(&peer);
    home.write("outside", "mine");
    let folder = home.path("");
    for thing in ["out.tgz.tmp", "out.tgz.new"] {
        fs::hard_link(home.path("outside"), folder.join(thing)).expect("a link");
    }
    let done = home.run(&["backup", "out.tgz"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(home.read("outside"), "mine");
    let meta = fs::metadata(folder.join("out.tgz")).expect("a backup");
    assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o600, 1));
    // A link in its place is somebody's.
    symlink(home.path("outside"), folder.join("link.tgz")).expect("a link");
    for arguments in [&["backup", "link.tgz"][..], &["backup", "link.tgz", "--force"]] {
        let done = home.run(arguments);
        assert!(!done.status.success() && home.read("outside") == "mine", "{done:?}");
        assert!(done.stderr.contains("not a regular file"), "{done:?}");
    }
    assert!(folder.join("link.tgz").is_symlink());
    // Nothing is left of one that fails.
    fs::remove_dir_all(home.path("workspace")).ok();
    let bare = Home::bare(&peer).env("PICOCLAW_HOME", "/nowhere/at/all");
    let failed = bare.run(&["backup", "x.tgz"]);
    assert!(!failed.status.success(), "{failed:?}");
    let left: Vec<_> =
        fs::read_dir(bare.path("")).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
