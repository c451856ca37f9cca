//! Calls as the agent makes them: text in, result out.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use picoclaw::bus::{Address, Outbound, Sender};
use picoclaw::config::Config;
use picoclaw::limits::TOOL_RESULT_BYTES;
use picoclaw::net::http::HttpClient;
use picoclaw::tool::Trust;
use picoclaw::tool::{ToolContext, ToolResult, call};
use smol::block_on;

use crate::pause;

struct Fixture {
    folder: PathBuf,
    context: ToolContext,
    sent: Rc<RefCell<Vec<Outbound>>>,
}

impl Fixture {
    fn new(name: &str) -> Fixture {
        let folder = std::env::temp_dir().join(format!("picoclaw-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("skills/x")).expect("a folder");
        let folder = folder.canonicalize().expect("its path");
        std::fs::write(folder.join("skills/x/SKILL.md"), "how to").expect("a skill");
        let mut config = Config { home: folder.clone(), ..Config::default() };
        config.agent.workspace = folder.join("ws");
        config.agent.restrict_to_workspace = true;
        config.tools.filter_sensitive_data = true;
        config.tools.exec.as_root = true;
        config.tools.exec.enable_deny_patterns = true;
        config.tools.exec.allow_remote = true;
        config.tools.exec.timeout = Duration::from_secs(20);
        let sent = Rc::new(RefCell::new(Vec::new()));
        let queue = sent.clone();
        let context = ToolContext {
            config: Rc::new(config),
            http: HttpClient::new().expect("a client"),
            chat: Address { channel: "telegram".into(), chat: "7".into(), topic: String::new() },
            sender: Sender::default(),
            files: None,
            send_message: Some(Rc::new(move |m| {
                queue.borrow_mut().push(m);
                Ok(())
            })),
            secrets: || ["4711:token-of-the-bot".to_owned()].into(),
            readable_roots: [folder.join("skills")].into(),
            trust: Trust::default(),
            cron: None,
            subagents: None,
        };
        Fixture { folder, context, sent }
    }

    fn call(&self, name: &str, arguments: &str) -> ToolResult {
        block_on(call(&self.context, name, arguments))
    }

    #[track_caller]
    fn check(&self, name: &str, arguments: &str, want: &str) {
        let result = self.call(name, arguments);
        assert!(result.for_model.contains(want), "{name} {arguments}: {}", result.for_model);
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_session_of_work() {
    let fixture = Fixture::new("work");
    fixture.check("write_file", r#"{"path":"notes/a.md","content":"one\ntwo\n"}"#, "File written");
    fixture.check(
        "edit_file",
        r#"{"path":"notes/a.md","old_text":"two","new_text":"2"}"#,
        "-two\n+2\n",
    );
    fixture.check("append_file", r#"{"path":"notes/a.md","content":"three\n"}"#, "Appended");
    fixture.check("list_dir", "", "DIR:  notes\n");
    fixture.check("read_file", r#"{"path":"notes/a.md","start_line":2}"#, "2|2\n3|three\n");
    fixture.check("exec", r#"{"command":"wc -l < a.md","working_dir":"notes"}"#, "3\n");
    fixture.check("message", r#"{"content":"done"}"#, "Message sent to telegram:7");
    assert_eq!(fixture.sent.borrow()[0].text, "done");
}

#[test]
fn bad_input_is_answered() {
    let fixture = Fixture::new("bad");
    for (name, arguments, want) in [
        ("read_file", "path=a", "not valid JSON"),
        ("read_file", r#"{"path":"a""#, r#"expected an object with "path" (string)"#),
        ("read_file", "[]", "must be a JSON object, not array"),
        ("read_file", "", "missing required property \"path\""),
        ("read_file", r#"{"path":"a","mode":"x"}"#, "unexpected property \"mode\""),
        ("exec", r#"{"command":["ls"]}"#, "command: expected string, got array"),
        ("read_fle", "{}", "tool \"read_fle\" not found; did you mean \"read_file\"?"),
        ("", "", "not found"),
    ] {
        let result = fixture.call(name, arguments);
        assert!(result.is_error && result.for_model.contains(want), "{name}: {}", result.for_model);
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(fixture.call("read_file", &deep).is_error);
    let huge = format!("{{\"path\":\"{}\"}}", "x".repeat(20 << 20));
    assert!(fixture.call("read_file", &huge).for_model.contains("split the work"));
}

#[test]
fn results_are_clean_and_bounded() {
    let fixture = Fixture::new("clean");
    fixture.check(
        "exec",
        r#"{"command":"echo key 4711:token-of-the-bot end"}"#,
        "key [FILTERED] end",
    );
    fixture.check(
        "write_file",
        r#"{"path":"k","content":"x 4711:token-of-the-bot"}"#,
        "File written",
    );
    fixture.check("read_file", r#"{"path":"k"}"#, "x [FILTERED]");
    let result = fixture.call("exec", r#"{"command":"seq 1000000"}"#);
    assert!(result.for_model.len() <= TOOL_RESULT_BYTES);
}

#[test]
fn skills_are_read_but_not_written() {
    let fixture = Fixture::new("skills");
    let skill = fixture.folder.join("skills/x/SKILL.md");
    let skill = skill.display();
    fixture.check("read_file", &format!("{{\"path\":\"{skill}\"}}"), "how to");
    fixture.check("exec", &format!("{{\"command\":\"cat {skill}\"}}"), "how to");
    let blocked = "Command blocked by safety guard (path outside working dir)";
    fixture.check("exec", &format!("{{\"command\":\"echo x > {skill}\"}}"), blocked);
    let args = format!("{{\"path\":\"{skill}\",\"content\":\"x\",\"overwrite\":true}}");
    fixture.check("write_file", &args, "access denied: path is outside the workspace");
    let args = format!("{{\"path\":\"{skill}\",\"old_text\":\"how\",\"new_text\":\"x\"}}");
    fixture.check("edit_file", &args, "access denied: path is outside the workspace");
    assert_eq!(
        std::fs::read_to_string(fixture.folder.join("skills/x/SKILL.md")).expect("it"),
        "how to"
    );
}

#[test]
fn dropping_a_call_is_quick() {
    let fixture = Fixture::new("drop");
    let begin = Instant::now();
    block_on(smol::future::or(
        async {
            drop(call(&fixture.context, "exec", r#"{"command":"touch begun; sleep 30"}"#).await)
        },
        pause::until(|| fixture.folder.join("ws/begun").exists()),
    ));
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn a_call_is_small_while_it_waits() {
    // Each running turn holds one.
    let fixture = Fixture::new("size");
    let waiting = call(&fixture.context, "exec", "{}");
    assert!(std::mem::size_of_val(&waiting) <= 2048, "{}", std::mem::size_of_val(&waiting));
}
