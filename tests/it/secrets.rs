//! What the daemon knows and nobody is to read: blanked in tool results and in log lines, whichever tool brings it.

use std::fs;

use picoclaw_peer::{Peer, PeerOptions};
use serde_json::json;

use crate::harness::{Home, OWNER, SOON};
use crate::harness_daemon::Daemon;
use crate::wire::serve;

const KEY: &str = "k-test-123456";
const TOKEN: &str = "987654321:AAE-secret_token-of-a-bot-0123456789";

/// Forms in which programs write it down.
fn forms(secret: &str) -> Vec<String> {
    use base64::Engine;
    let code = base64::engine::general_purpose::STANDARD;
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    vec![
        secret.to_owned(),
        code.encode(secret),
        code.encode(format!("user:{secret}")),
        hex,
        secret.replace(':', "%3A"),
    ]
}

#[test]
fn no_tool_result_and_no_log_line_holds_a_secret() {
    let options = PeerOptions { tls: false, token: TOKEN.to_owned(), ..PeerOptions::default() };
    let peer = Peer::start(options).expect("a peer");
    let page: String = [KEY, TOKEN].iter().flat_map(|s| forms(s)).collect::<Vec<_>>().join("\n");
    let body = page.clone();
    let web = serve(move |_, peer| {
        peer.request();
        peer.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    });
    let home = Home::patched(
        &peer,
        &json!({
            "channel_list": { "telegram": { "settings": { "token": TOKEN } } },
            "tools": {
                "exec": { "approval": "never" },
                "web": { "private_host_whitelist": ["127.0.0.1"] },
            },
            "gateway": { "log_level": "debug" },
        }),
    );
    home.write("workspace/found.txt", &page);
    home.write(
        "workspace/split.sh",
        &format!("cat found.txt; printf {}; echo {}", &KEY[..6], &KEY[6..]),
    );
    fs::create_dir_all(home.path(&format!("workspace/dir-{KEY}"))).expect("a folder");
    let daemon = Daemon::start(&home, &peer);
    for call in [
        json!({ "path": "found.txt" }).to_string().replace('{', "read_file {"),
        r#"exec {"command":"cat found.txt"}"#.to_owned(),
        r#"exec {"command":"sh split.sh; cat found.txt >&2; exit 1"}"#.to_owned(),
        r#"list_dir {"path":"."}"#.to_owned(),
        format!("web_fetch {}", json!({ "url": web.url("/") })),
        // As an error's text.
        format!("read_file {}", json!({ "path": format!("no/{KEY}/file") })),
        format!(
            "exec {}",
            json!({ "command": "cat found.txt", "working_dir": format!("no-{TOKEN}") })
        ),
        format!("{KEY} {{}}"),
    ] {
        let marker = peer.say(OWNER, OWNER, &format!("[call:{call}]"));
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{call}\n{}", daemon.log());
        let request = peer.requests().into_iter().rfind(|r| !r["tools"].is_null()).expect("a turn");
        let messages = request["messages"].as_array().expect("messages");
        let result = messages.iter().rfind(|m| m["role"] == "tool").expect("a result");
        let result = result["content"].as_str().expect("text");
        for secret in [KEY, TOKEN] {
            for form in forms(secret) {
                // What stands at the end of a base64 text is a digit or two that its neighbour decides.
                let form = form.trim_end_matches('=');
                let form = &form[..form.len() - 2];
                assert!(!result.contains(form), "{call}: {form} in\n{result}");
            }
        }
    }
    let log = daemon.log();
    for secret in [KEY, TOKEN] {
        for form in forms(secret) {
            assert!(!log.contains(&form), "{form} in\n{log}");
        }
    }
    assert!(log.contains("DEBUG") || log.contains("INFO"), "{log}");
}
