//! The file tools, called as a model calls them.

use std::path::PathBuf;

use smol::block_on;

use super::*;
use crate::limits::{EDIT_FILE_BYTES, TOOL_RESULT_BYTES};
use crate::sys::scratch::Scratch;

fn config(s: &Scratch) -> Config {
    let mut config = Config { home: s.path().to_path_buf(), ..Config::default() };
    config.agent.workspace = s.path().join("ws");
    config.agent.restrict_to_workspace = true;
    config
}

/// On both ways down; they must agree unless the call changes something.
fn tool(config: &Config, spec: &ToolSpec, args: &str) -> ToolResult {
    let args = crate::tool::schema::parse(spec.name, spec.schema, args).expect("arguments");
    let fast = Scope::new(config, &[]).expect("a scope");
    let result = block_on(run(fast, config, spec.name, &args));
    if spec.effect == Effect::Reads {
        let slow = Scope::new(config, &[]).expect("a scope").without_openat2();
        assert_eq!(block_on(run(slow, config, spec.name, &args)), result);
    }
    result
}

#[track_caller]
fn check(config: &Config, spec: &ToolSpec, args: &str, want: &str) {
    let result = tool(config, spec, args);
    assert!(result.for_model.contains(want), "{args}: {}", result.for_model);
}

#[test]
fn bytes_come_in_pieces() {
    let s = Scratch::new();
    let c = config(&s);
    s.file("ws/a/t.txt", "0123456789");
    s.file("ws/e", "");
    s.file("ws/u", "aé€b");
    s.file("ws/bin", b"\x00\xff\x01x");
    #[track_caller]
    fn whole(c: &Config, args: &str, want: &str) {
        assert_eq!(tool(c, &READ_FILE, args).for_model, want);
    }
    whole(
        &c,
        r#"{"path":"a/t.txt"}"#,
        "[file: t.txt | total: 10 bytes | read: bytes 0-9]\n[END OF FILE]\n\n0123456789",
    );
    whole(
        &c,
        r#"{"path":"a/t.txt","offset":2,"length":3}"#,
        "[file: t.txt | total: 10 bytes | read: bytes 2-4]\n[TRUNCATED: more follows, read on with offset=5]\n\n234",
    );
    whole(
        &c,
        r#"{"path":"a/t.txt","offset":10}"#,
        "[file: t.txt | total: 10 bytes | read: bytes none]\n[END OF FILE: nothing at this offset]\n\n",
    );
    check(&c, &READ_FILE, r#"{"path":"e"}"#, "total: 0 bytes | read: bytes none]");
    check(&c, &READ_FILE, r#"{"path":"u","length":2}"#, "offset=1]\n\na");
    check(&c, &READ_FILE, r#"{"path":"u","offset":1,"length":3}"#, "offset=3]\n\né");
    check(&c, &READ_FILE, r#"{"path":"u","offset":2,"length":1}"#, "offset=3]\n\n\u{fffd}");
    check(
        &c,
        &READ_FILE,
        r#"{"path":"bin"}"#,
        "read: bytes 0-3]\n[END OF FILE]\n\n\0\u{fffd}\u{1}x",
    );
}

#[test]
fn a_piece_always_fits_and_pieces_join_up() {
    let s = Scratch::new();
    let c = config(&s);
    let text: String = (0..30_000).map(|i| if i % 3 == 0 { '€' } else { 'x' }).collect();
    s.file("ws/big", &text);
    s.file("ws/noise", [0xff; 100_000]);
    let (mut joined, mut offset) = (String::new(), 0);
    loop {
        let got =
            tool(&c, &READ_FILE, &format!("{{\"path\":\"big\",\"offset\":{offset}}}")).for_model;
        assert!(got.len() <= TOOL_RESULT_BYTES);
        let (head, body) = got.split_once("\n\n").expect("a header");
        joined.push_str(body);
        let Some(next) = head.rsplit_once("offset=") else { break };
        offset = next.1.trim_end_matches(']').parse().expect("a number");
    }
    assert_eq!(joined, text);
    let noise = tool(&c, &READ_FILE, r#"{"path":"noise"}"#).for_model;
    assert!(noise.len() <= TOOL_RESULT_BYTES && noise.contains("TRUNCATED"), "{}", noise.len());
}

#[test]
fn lines_are_numbered() {
    let s = Scratch::new();
    let mut c = config(&s);
    s.file("ws/t", "a\nb\r\nc\nd");
    s.file("ws/bin", b"ab\x00");
    s.file("ws/latin", b"caf\xe9 and a longer text\n");
    s.file("ws/long", format!("x\n{}\nlast\n", "y".repeat(100_000)));
    let end = "[END OF FILE]\n\n";
    check(
        &c,
        &READ_FILE,
        r#"{"path":"t","start_line":1}"#,
        &format!("read: lines 1-4]\n{end}1|a\n2|b\n3|c\n4|d\n"),
    );
    check(
        &c,
        &READ_FILE,
        r#"{"path":"t","start_line":2,"max_lines":2}"#,
        "read: lines 2-3]\n[TRUNCATED: more follows, read on with start_line=4]\n\n2|b\n3|c\n",
    );
    check(
        &c,
        &READ_FILE,
        r#"{"path":"t","start_line":3,"max_lines":2}"#,
        &format!("lines 3-4]\n{end}3|c\n4|d\n"),
    );
    check(&c, &READ_FILE, r#"{"path":"t","start_line":9}"#, "read: lines none]\n[END OF FILE]");
    check(&c, &READ_FILE, r#"{"path":"bin","max_lines":1}"#, "looks like a binary file");
    check(&c, &READ_FILE, r#"{"path":"latin","max_lines":1}"#, "1|caf\u{fffd} and");
    check(&c, &READ_FILE, r#"{"path":"long","max_lines":9}"#, "start_line=2]\n\n1|x\n");
    check(&c, &READ_FILE, r#"{"path":"long","start_line":2,"max_lines":9}"#, "y ...\n");
    check(&c, &READ_FILE, r#"{"path":"long","start_line":3}"#, "3|last\n");
    c.tools.read_file_lines = true;
    check(&c, &READ_FILE, r#"{"path":"t"}"#, "4|d");
    check(&c, &READ_FILE, r#"{"path":"t","length":3}"#, "bytes 0-2]");
    c.tools.max_read_file_size = 30;
    check(&c, &READ_FILE, r#"{"path":"t"}"#, "TRUNCATED: more follows, read on with start_line=");
}

#[test]
fn writing_asks_before_replacing() {
    let s = Scratch::new();
    let c = config(&s);
    check(&c, &WRITE_FILE, r#"{"path":"a/b/c.txt","content":"one"}"#, "File written: a/b/c.txt");
    check(
        &c,
        &WRITE_FILE,
        r#"{"path":"a/b/c.txt","content":"two"}"#,
        "file: a/b/c.txt already exists. Set overwrite=true to replace.",
    );
    assert_eq!(s.text("ws/a/b/c.txt"), "one");
    check(
        &c,
        &WRITE_FILE,
        r#"{"path":"a/b/c.txt","content":"two","overwrite":true}"#,
        "File written",
    );
    assert_eq!(s.text("ws/a/b/c.txt"), "two");
    check(
        &c,
        &WRITE_FILE,
        r#"{"path":"a/b","content":"x","overwrite":true}"#,
        "failed to write file: a/b: is a folder",
    );
    check(&c, &WRITE_FILE, r#"{"path":"a/b/c.txt/d","content":"x"}"#, "Not a directory");
    check(&c, &WRITE_FILE, r#"{"path":"","content":"x"}"#, "path is required");
    check(&c, &WRITE_FILE, r#"{"path":"a\u0000b","content":"x"}"#, "NUL");
    let long = format!("{{\"path\":\"{}\",\"content\":\"x\"}}", "n".repeat(300));
    check(&c, &WRITE_FILE, &long, "File name too long");
    check(
        &c,
        &WRITE_FILE,
        &format!("{{\"path\":\"{}\",\"content\":\"x\"}}", "n".repeat(255)),
        "File written",
    );
    check(&c, &APPEND_FILE, r#"{"path":"log","content":"1\n"}"#, "Appended to log");
    check(&c, &APPEND_FILE, r#"{"path":"log","content":"2\n"}"#, "Appended to log");
    assert_eq!(s.text("ws/log"), "1\n2\n");
    check(&c, &APPEND_FILE, r#"{"path":"a","content":"x"}"#, "is a folder");
}

#[test]
fn editing_wants_exactly_one_match() {
    let s = Scratch::new();
    let c = config(&s);
    s.file("ws/f", "a\nb\nb\n");
    s.file("ws/latin", b"caf\xe9");
    s.file("ws/large", " ".repeat(EDIT_FILE_BYTES as usize + 1));
    check(
        &c,
        &EDIT_FILE,
        r#"{"path":"f","old_text":"a\n","new_text":"A\n"}"#,
        "File edited: f\n@@ -1,3 +1,3 @@\n-a\n+A\n b\n",
    );
    assert_eq!(s.text("ws/f"), "A\nb\nb\n");
    check(&c, &EDIT_FILE, r#"{"path":"f","old_text":"b","new_text":"c"}"#, "appears 2 times");
    check(
        &c,
        &EDIT_FILE,
        r#"{"path":"f","old_text":"x","new_text":"c"}"#,
        "old_text not found in file. Make sure it matches exactly",
    );
    check(&c, &EDIT_FILE, r#"{"path":"f","old_text":"","new_text":"c"}"#, "old_text is required");
    check(&c, &EDIT_FILE, r#"{"path":"g","old_text":"x","new_text":"c"}"#, "file not found: g");
    check(&c, &EDIT_FILE, r#"{"path":"latin","old_text":"x","new_text":"c"}"#, "valid UTF-8");
    check(
        &c,
        &EDIT_FILE,
        r#"{"path":"large","old_text":"x","new_text":"c"}"#,
        "more than 1048576 bytes",
    );
    assert_eq!(s.text("ws/f"), "A\nb\nb\n");
}

#[test]
fn folders_are_listed() {
    let s = Scratch::new();
    let c = config(&s);
    check(&c, &LIST_DIR, "", "(empty folder)");
    s.file("ws/b.txt", "");
    s.file("ws/a/x", "");
    s.file("ws/evil\nDIR:  fake", "");
    check(&c, &LIST_DIR, "{}", "DIR:  a\nFILE: b.txt\nFILE: evil?DIR:  fake\n");
    check(&c, &LIST_DIR, r#"{"path":"a"}"#, "FILE: x\n");
    check(&c, &LIST_DIR, r#"{"path":"b.txt"}"#, "failed to read directory: b.txt: Not a directory");
    check(&c, &LIST_DIR, r#"{"path":"none"}"#, "failed to read directory: file not found: none");
    (0..=LIST_DIR_ENTRIES).for_each(|i| drop(s.file(&format!("ws/many/{i}"), "")));
    check(&c, &LIST_DIR, r#"{"path":"many"}"#, "(only the first 1000 entries found)");
}

#[test]
fn the_configuration_opens_the_workspace() {
    let s = Scratch::new();
    let mut c = Config { home: s.path().join("home"), ..config(&s) };
    s.file("out/f", "outside");
    s.file("outer/f", "outside");
    s.file("ws/in", "inside");
    s.link("../out", "ws/link");
    let full = |name: &str| format!("{{\"path\":\"{}/{name}\"}}", s.path().display());
    let written = |name: &str| {
        format!(
            "{{\"path\":\"{}/{name}\",\"content\":\"x\",\"overwrite\":true}}",
            s.path().display()
        )
    };
    let outside = "access denied: path is outside the workspace";
    let link = "access denied: symlink resolves outside workspace";
    check(&c, &READ_FILE, &full("ws/in"), "inside");
    check(&c, &READ_FILE, &full("out/f"), outside);
    check(&c, &READ_FILE, r#"{"path":"../out/f"}"#, outside);
    check(&c, &READ_FILE, r#"{"path":"link/f"}"#, link);
    check(&c, &WRITE_FILE, r#"{"path":"link/g","content":"x"}"#, link);
    check(&c, &EDIT_FILE, r#"{"path":"link/f","old_text":"o","new_text":"x"}"#, link);
    check(&c, &APPEND_FILE, &written("out/f").replace(",\"overwrite\":true", ""), outside);
    check(&c, &LIST_DIR, r#"{"path":"/"}"#, outside);
    check(&c, &READ_FILE, r#"{"path":"~/x"}"#, "file not found: ~/x");
    c.tools.allow_read_paths = vec![s.path().join("out").to_string_lossy().into_owned()];
    check(&c, &READ_FILE, &full("out/f"), "outside");
    check(&c, &READ_FILE, r#"{"path":"link/f"}"#, "outside");
    check(&c, &READ_FILE, &full("outer/f"), outside);
    check(&c, &READ_FILE, &full("out/../outer/f"), outside);
    check(&c, &WRITE_FILE, &written("out/f"), outside);
    c.tools.allow_write_paths = vec![format!("^{}/.*\\.txt$", s.path().join("out").display())];
    check(&c, &WRITE_FILE, &written("out/new.txt"), "File written");
    check(&c, &WRITE_FILE, &written("out/f"), outside);
    check(&c, &WRITE_FILE, &written("out/new.txt/../f"), outside);
    c.agent.allow_read_outside_workspace = true;
    check(&c, &READ_FILE, &full("outer/f"), "outside");
    check(&c, &WRITE_FILE, &written("outer/f"), outside);
    c.agent.restrict_to_workspace = false;
    check(&c, &WRITE_FILE, &written("outer/deep/f"), "File written");
    assert_eq!(s.text("outer/deep/f"), "x");
    c.tools.allow_read_paths = vec!["(".into()];
    assert!(
        Scope::new(&c, &[]).err().expect("an error").starts_with("tools.allow_read_paths: \"(\"")
    );
}

#[test]
fn the_assistants_own_files_are_never_touched() {
    let s = Scratch::new();
    let mut c = config(&s);
    c.agent.restrict_to_workspace = false;
    let own = [
        "config.json",
        ".security.yml",
        "state/paired.json",
        "config.d/50.json",
        "auth.json",
        "before-restore/x.json",
        "before-restore-2/state/y",
        "backup.tar.gz",
        "notes.txt",
    ];
    for name in own {
        s.file(name, "secret");
        s.link(s.path().join(name), &format!("link-{}", name.replace('/', "-")));
    }
    s.link("state", "elsewhere");
    std::fs::create_dir(s.path().join("ws")).expect("a folder");
    std::fs::hard_link(s.path().join("config.json"), s.path().join("ws/hard")).expect("a link");
    let denied = "access denied: the assistant's own";
    let links = own.map(|name| format!("link-{}", name.replace('/', "-")));
    let all = own.into_iter().chain(links.iter().map(String::as_str));
    for name in all.chain(["elsewhere/paired.json", "ws/hard", "ws/../config.json", "state/new"]) {
        let path = s.path().join(name);
        let path = path.display();
        check(&c, &READ_FILE, &format!("{{\"path\":\"{path}\"}}"), denied);
        let args = format!("{{\"path\":\"{path}\",\"content\":\"x\",\"overwrite\":true}}");
        check(&c, &WRITE_FILE, &args, denied);
    }
    check(&c, &LIST_DIR, &format!("{{\"path\":\"{}/state\"}}", s.path().display()), denied);
    check(&c, &READ_FILE, r#"{"path":"/proc/self/environ"}"#, denied);
    check(&c, &READ_FILE, r#"{"path":"/proc/thread-self/environ"}"#, denied);
    check(&c, &READ_FILE, r#"{"path":"/proc/1/environ"}"#, denied);
    check(&c, &READ_FILE, r#"{"path":"/proc/version"}"#, "Linux");
    assert_eq!(s.text("config.json"), "secret");
    // A workspace that is the home itself changes nothing.
    c.agent.workspace = PathBuf::from(s.path());
    c.agent.restrict_to_workspace = true;
    check(&c, &READ_FILE, r#"{"path":"config.json"}"#, denied);
    check(&c, &READ_FILE, r#"{"path":"ws/hard"}"#, denied);
}

#[test]
fn paths_by_their_text() {
    let ws = Path::new("/w/s");
    for (path, out) in [
        ("a", false),
        ("/w/s/a", false),
        ("./a/b", false),
        ("../a", true),
        ("/etc/x", true),
        ("/w/s/../x", true),
        ("a/../../b", true),
    ] {
        assert_eq!(is_outside(path, ws), out, "{path}");
    }
}
