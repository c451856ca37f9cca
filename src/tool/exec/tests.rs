//! Calls of exec with real commands.

use smol::block_on;

use super::*;
use crate::bus::Address;
use crate::config::Config;
use crate::sys::scratch::Scratch;

fn config(s: &Scratch) -> Config {
    let mut config = Config { home: s.path().join("home"), ..Config::default() };
    config.tools.exec.as_root = true;
    config.agent.workspace = s.path().join("ws");
    config.agent.restrict_to_workspace = true;
    config.tools.exec.enable_deny_patterns = true;
    config.tools.exec.allow_remote = true;
    config.tools.exec.timeout = Duration::from_secs(20);
    std::fs::create_dir_all(&config.agent.workspace).expect("a workspace");
    config
}

fn context(config: &Config, channel: &str) -> ToolContext {
    ToolContext {
        config: std::rc::Rc::new(config.clone()),
        http: crate::net::http::HttpClient::new().expect("a client"),
        chat: Address { channel: channel.into(), chat: "7".into(), ..Address::default() },
        sender: Default::default(),
        send_message: None,
        files: None,
        secrets: Default::default,
        readable_roots: std::rc::Rc::new([]),
        trust: Default::default(),
        cron: None,
        subagents: None,
    }
}

fn exec(config: &Config, args: &str) -> ToolResult {
    let args = crate::tool::schema::parse("exec", EXEC.schema, args).expect("arguments");
    block_on(call(&context(config, "telegram"), &args))
}

#[track_caller]
fn check(config: &Config, args: &str, want: &str, is_error: bool) {
    let result = exec(config, args);
    assert_eq!((result.for_model.as_str(), result.is_error), (want, is_error), "{args}");
}

#[test]
fn output_is_put_together() {
    let s = Scratch::new();
    let c = config(&s);
    check(&c, r#"{"command":"echo hi"}"#, "hi\n", false);
    check(&c, r#"{"command":"true"}"#, "(no output)", false);
    check(&c, r#"{"command":"echo a; echo b >&2"}"#, "a\n\nSTDERR:\nb\n", false);
    check(&c, r#"{"command":"printf a; exit 3"}"#, "a\n[Command exited with code 3]", true);
    check(&c, r#"{"command":"exit 3"}"#, "[Command exited with code 3]", true);
    check(&c, r#"{"command":"printf 'a\\000b'"}"#, "ab", false);
    check(&c, r#"{"command":"  pwd  "}"#, &format!("{}\n", c.agent.workspace.display()), false);
    let result = exec(&c, r#"{"command":"no-such-program-here"}"#);
    assert!(result.is_error && result.for_model.ends_with("[Command exited with code 127]"));
    let result = exec(&c, r#"{"command":"seq 100000"}"#);
    assert!(
        result.for_model.starts_with("1\n2\n") && result.for_model.ends_with("99999\n100000\n")
    );
    assert!(result.for_model.len() < 11_000, "{}", result.for_model.len());
}

#[test]
fn bad_calls_are_refused() {
    let s = Scratch::new();
    let mut c = config(&s);
    check(&c, r#"{"command":" "}"#, "command is required", true);
    check(&c, r#"{"command":"a\u0000b"}"#, "command contains a NUL character", true);
    let blocked = |why: &str| format!("Command blocked by safety guard ({why})");
    check(&c, r#"{"command":"rm -rf x"}"#, &blocked("dangerous pattern detected"), true);
    check(&c, r#"{"command":"cat ../x"}"#, &blocked("path traversal detected"), true);
    check(&c, r#"{"command":"cat /etc/passwd"}"#, &blocked("path outside working dir"), true);
    let long = format!("{{\"command\":\"echo {}\"}}", "x".repeat(EXEC_COMMAND_BYTES));
    assert!(exec(&c, &long).for_model.contains("write it to a script"));
    c.tools.exec.custom_allow_patterns = vec!["[".into()];
    assert!(
        exec(&c, r#"{"command":"ls"}"#).for_model.starts_with("tools.exec.custom_allow_patterns")
    );
}

#[test]
fn chats_need_allow_remote() {
    let s = Scratch::new();
    let mut c = config(&s);
    c.tools.exec.allow_remote = false;
    let args = crate::tool::schema::parse("exec", EXEC.schema, r#"{"command":"echo hi"}"#);
    let args = args.expect("arguments");
    for (channel, runs) in [("telegram", false), ("", false), ("heartbeat", false), ("cli", true)] {
        let result = block_on(call(&context(&c, channel), &args));
        assert_eq!(result.is_error, !runs, "{channel}: {}", result.for_model);
    }
}

#[test]
fn the_working_folder_stays_inside() {
    let s = Scratch::new();
    let mut c = config(&s);
    s.file("ws/sub/f", "inside");
    s.file("out/f", "outside");
    s.link("../out", "ws/link");
    check(&c, r#"{"command":"cat f","working_dir":"sub"}"#, "inside", false);
    let absolute =
        format!("{{\"command\":\"cat f\",\"working_dir\":\"{}/ws/sub\"}}", s.path().display());
    check(&c, &absolute, "inside", false);
    for dir in ["link", "/", "/etc", "../out", "sub/../..", "missing", "sub/f"] {
        let result = exec(&c, &format!("{{\"command\":\"cat f\",\"working_dir\":\"{dir}\"}}"));
        assert!(
            result.is_error && result.for_model.starts_with("working_dir: "),
            "{dir}: {result:?}"
        );
    }
    c.agent.allow_read_outside_workspace = true;
    let result = exec(&c, r#"{"command":"pwd","working_dir":"/"}"#);
    assert!(result.is_error, "reading outside does not mean running there: {result:?}");
    c.agent.restrict_to_workspace = false;
    check(&c, r#"{"command":"pwd","working_dir":"/"}"#, "/\n", false);
    check(&c, r#"{"command":"cat ../out/f","working_dir":"."}"#, "outside", false);
}

#[test]
fn time_limits() {
    let s = Scratch::new();
    let mut c = config(&s);
    c.tools.exec.timeout = Duration::from_millis(300);
    let late = "begun\nCommand timed out after 300ms";
    check(&c, r#"{"command":"echo begun; sleep 30; echo x"}"#, late, true);
    check(&c, r#"{"command":"echo begun; sleep 30; echo x","timeout":900}"#, late, true);
    c.tools.exec.timeout = Duration::from_secs(30);
    check(&c, r#"{"command":"sleep 20","timeout":1}"#, "Command timed out after 1s", true);
    #[track_caller]
    fn shown(millis: u64, want: &str) {
        assert_eq!(go_duration(Duration::from_millis(millis)), want);
    }
    shown(60_000, "1m0s");
    shown(1_500, "1.5s");
    shown(90_000, "1m30s");
    shown(3_600_000, "1h0m0s");
    let unset = ExecConfig::default();
    assert_eq!(time_limit(&unset, None), EXEC_TIMEOUT);
    assert_eq!(time_limit(&unset, Some(i64::MAX)), EXEC_TIMEOUT);
    assert_eq!(time_limit(&unset, Some(-5)), EXEC_TIMEOUT);
    let days = ExecConfig { timeout: Duration::from_secs(1 << 20), ..unset };
    assert_eq!(time_limit(&days, None), EXEC_TIMEOUT_MAX);
}

#[test]
fn only_listed_variables_are_passed_on() {
    let s = Scratch::new();
    let mut c = config(&s);
    // Cargo sets these for tests.
    assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
    let names = |c: &Config| exec(c, r#"{"command":"env"}"#).for_model;
    let listed = names(&c);
    for line in listed.lines() {
        let name = line.split('=').next().unwrap_or("");
        assert!(
            VARIABLES.contains(&name)
                || name == "PWD"
                || name == "OLDPWD"
                || name == "SHLVL"
                || name == "_",
            "{line}"
        );
    }
    c.tools.exec.env = vec!["CARGO_PKG_NAME".into(), "".into(), "A=B".into(), "UNSET_HERE".into()];
    assert!(names(&c).contains("CARGO_PKG_NAME=picoclaw\n"));
}

#[test]
fn a_dropped_call_ends_its_command() {
    let s = Scratch::new();
    let c = config(&s);
    let mark = s.path().join("ws/pid");
    let args =
        crate::tool::schema::parse("exec", EXEC.schema, r#"{"command":"echo $$ > pid; sleep 60"}"#);
    let args = args.expect("arguments");
    let context = context(&c, "cli");
    block_on(smol::future::or(async { drop(call(&context, &args).await) }, async {
        while std::fs::read_to_string(&mark).map_or(true, |t| !t.ends_with('\n')) {
            async_io::Timer::after(Duration::from_millis(10)).await;
        }
    }));
    let pid = std::fs::read_to_string(&mark).expect("a number");
    // On a busy machine it may still be on its way out; a zombie has no command line.
    let line = format!("/proc/{}/cmdline", pid.trim());
    let gone = || std::fs::read(&line).map_or(true, |line| line.is_empty());
    for _ in 0..100 {
        if gone() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(gone());
}
