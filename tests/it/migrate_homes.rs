//! Homes of the Go PicoClaw and of OpenClaw, made by hand, and what must hold when they were taken over.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Finished, Home, OWNER, SOON};
use crate::harness_daemon::Daemon;

/// What must never be shown.
pub const KEY: &str = "k-test-123456";

/// Every file below with its content, links as where they lead.
pub fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn below(dir: &Path, at: &str, out: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = format!("{at}{}", entry.file_name().to_string_lossy());
            if entry.path().is_symlink() {
                out.insert(name, b"link".to_vec());
            } else if entry.path().is_dir() {
                below(&entry.path(), &format!("{name}/"), out);
            } else if name != "state/lock" {
                out.insert(name, fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    let mut out = BTreeMap::new();
    below(dir, "", &mut out);
    out
}

pub fn message(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

/// A home of schema `version` in `home`, its configuration made for a gateway on `port`.
pub fn go_home(home: &Home, version: u32, peer: &Peer, port: u16) {
    let api = format!("{}/v1", peer.base_url());
    let telegram = json!({"enabled": true, "token": "1:test", "base_url": peer.base_url(), "allow_from": [OWNER]});
    let model =
        json!({"model_name": "m", "model": "openai/test", "api_base": api, "api_keys": [KEY]});
    let hidden = json!({"model_name": "m", "model": "openai/test", "api_base": api, "api_keys": ["[NOT_HERE]"], "enabled": true});
    let defaults = json!({"workspace": "~/.picoclaw/workspace", "model_name": "m"});
    let gateway = json!({"host": "127.0.0.1", "port": port});
    let config = match version {
        0 => json!({
            "agents": {"defaults": {"workspace": "~/.picoclaw/workspace", "provider": "openai", "model": "test", "max_tokens": 8192}},
            "channels": {"telegram": telegram, "maixcam": {"enabled": false, "port": 18790}},
            "providers": {"openai": {"api_key": KEY, "api_base": api}}, "gateway": gateway,
        }),
        1 => json!({
            "version": 1, "agents": {"defaults": defaults}, "model_list": [model],
            "channels": {"telegram": telegram}, "gateway": gateway,
        }),
        2 => json!({
            "version": 2, "agents": {"defaults": defaults}, "model_list": [hidden],
            "channels": {"telegram": telegram}, "gateway": gateway,
        }),
        _ => json!({
            "version": 3, "agents": {"defaults": defaults}, "model_list": [hidden],
            "channel_list": {"telegram": {
                "enabled": true, "type": "telegram", "allow_from": [OWNER.to_string()],
                "settings": {"base_url": peer.base_url(), "token": "[NOT_HERE]"},
            }},
            "gateway": gateway, "build_info": {"version": "0.2.9"},
        }),
    };
    home.write("config.json", &serde_json::to_string_pretty(&config).expect("JSON"));
    if version >= 2 {
        home.write("key.txt", &format!("{KEY}\n"));
        let token = "channel_list:\n  telegram:\n    settings:\n      token: \"1:test\"\n";
        let yaml =
            format!("model_list:\n  \"m:0\":\n    api_keys:\n      - file://key.txt\n{token}");
        home.write(".security.yml", &yaml);
    }
    let (user, bot) = (message("user", "my bicycle is green"), message("assistant", "Noted."));
    let lines = format!("{user}\n{bot}\n");
    let at = |stem: &str, end: &str| format!("workspace/sessions/{stem}{end}");
    let times = json!({"skip": 0, "count": 2, "created_at": "2026-03-01T10:00:00Z", "updated_at": "2026-03-01T10:00:00Z"});
    let meta = |stem: &str, more: Value| {
        let mut meta = times.clone();
        crate::harness::merge(&mut meta, &more);
        home.write(&at(stem, ".meta.json"), &meta.to_string());
        home.write(&at(stem, ".jsonl"), &lines);
    };
    match version {
        0 => home.write(
            &at(&format!("telegram_{OWNER}"), ".json"),
            &json!({"key": format!("telegram:{OWNER}"), "messages": [user, bot], "summary": "They like tea.",
                "created": "2026-02-17T10:00:00Z", "updated": "2026-02-17T10:00:00Z"}).to_string(),
        ),
        1 => meta(
            &format!("telegram_{OWNER}"),
            json!({"key": format!("telegram:{OWNER}"), "summary": "They like tea."}),
        ),
        2 => meta(
            &format!("agent_main_telegram_direct_{OWNER}"),
            json!({"key": format!("agent:main:telegram:direct:{OWNER}"), "summary": "They like tea."}),
        ),
        _ => meta(
            "sk_v1_0f5ac3b1",
            json!({"key": "sk_v1_0f5ac3b1", "summary": "They like tea.", "aliases": ["agent:main:main"], "scope": {
                "version": 1, "agent_id": "main", "channel": "telegram", "account": "default",
                "dimensions": ["chat"], "values": {"chat": format!("direct:{OWNER}")}}}),
        ),
    }
    home.write("workspace/memory/MEMORY.md", "# Long-term Memory\n\nThe cat is called Momo.\n");
    home.write("workspace/AGENTS.md", "Answer like a sailor.\n");
    home.write(
        "workspace/skills/knots/SKILL.md",
        "---\nname: knots\ndescription: ties knots\n---\nTie.\n",
    );
    home.write("skills/tides/SKILL.md", "---\nname: tides\ndescription: knows tides\n---\nLook.\n");
    home.write(
        "workspace/state/state.json",
        &json!({"last_channel": format!("telegram:{OWNER}"), "timestamp": "2026-03-01T10:00:00Z"})
            .to_string(),
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as u64;
    let job = |id: &str, name: &str, kind: Value, payload: Value| {
        json!({"id": id, "name": name, "enabled": true, "schedule": kind, "payload": payload,
            "state": {"nextRunAtMs": now + 3000}, "createdAtMs": now, "updatedAtMs": now, "deleteAfterRun": true})
    };
    let to = |message: &str| json!({"kind": "agent_turn", "message": message, "deliver": true, "channel": "telegram", "to": OWNER.to_string()});
    let mut command = to("disk");
    command["command"] = "df".into();
    home.write("workspace/cron/jobs.json", &json!({"version": 1, "jobs": [
        job("00aa00aa00aa00aa", "tea", json!({"kind": "at", "atMs": now + 3000}), to("tea is ready")),
        job("00bb00bb00bb00bb", "disk", json!({"kind": "every", "everyMs": 86_400_000}), command),
    ]}).to_string());
}

/// It answers with what it knew, the job fires, the skills are there.
#[track_caller]
pub fn answers(home: &Home, peer: &Peer) {
    let daemon = Daemon::start(home, peer);
    let marker = peer.say(OWNER, OWNER, "what colour is it?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let seen = peer.requests().last().expect("a request")["messages"].to_string();
    for known in [
        "my bicycle is green",
        "Noted.",
        "They like tea.",
        "Momo",
        "like a sailor",
        "knots",
        "tides",
    ] {
        assert!(seen.contains(known), "{known}: {seen}\n{}", daemon.log());
    }
    let told = peer.wait_sent(OWNER, SOON, |s| s.text.contains("tea is ready"));
    assert!(told.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    assert_eq!(peer.refused(), Vec::<String>::new());
    assert!(daemon.term().success());
    // Once more, and nothing is said twice.
    let daemon = Daemon::start(home, peer);
    let marker = peer.say(OWNER, OWNER, "and now?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let seen = peer.requests().last().expect("a request")["messages"].to_string();
    assert_eq!(seen.matches("my bicycle is green").count(), 1, "{seen}");
    assert_eq!(seen.matches("what colour is it?").count(), 1, "{seen}");
    let listed = home.run(&["skills", "list"]);
    assert!(listed.stdout.contains("knots") && listed.stdout.contains("tides"), "{listed:?}");
}

#[track_caller]
pub fn good(done: Finished) -> Finished {
    assert!(done.status.success(), "{done:?}");
    assert!(!done.all().contains(KEY) && !done.all().contains("1:test"), "a secret: {done:?}");
    done
}

pub fn migrate(target: &Home, source: &Home, from: &str, more: &[&str]) -> Finished {
    let source = source.path("").display().to_string();
    target.run(&[&["migrate", "--from", from, "--source-home", &source], more].concat())
}

pub fn openclaw(home: &Home, peer: &Peer) {
    home.write("openclaw.json", &format!(
        "// mine\n{{\n  agents: {{ defaults: {{ model: {{ primary: 'openai/test', fallbacks: ['fireworks/x'] }}, \
         workspace: '~/.openclaw/workspace', maxTokens: 4096, }}, }},\n  \
         models: {{ providers: {{ openai: {{ baseUrl: \"{}/v1\", apiKey: \"{KEY}\" }} }} }},\n  \
         channels: {{ telegram: {{ botToken: '1:test', baseUrl: '{}', dmPolicy: 'pairing', groups: {{ '*': {{ requireMention: false }} }} }}, \
         signal: {{ account: '+1' }}, discord: {{ token: '${{NO_SUCH_TOKEN}}', enabled: false }} }},\n  \
         cron: {{ enabled: true }}, /* and */ }}\n",
        peer.base_url(), peer.base_url()));
    home.write(
        "credentials/telegram-allowFrom.json",
        &json!({"version": 1, "allowFrom": [OWNER.to_string()]}).to_string(),
    );
    home.write("workspace/AGENTS.md", "Answer like a sailor.\n");
    home.write("workspace/MEMORY.md", "The cat is called Momo.\n");
    home.write("workspace/memory/2026-02-17.md", "Planted the bulbs.\n");
    home.write(
        "workspace/skills/knots/SKILL.md",
        "---\nname: knots\ndescription: ties knots\n---\nTie.\n",
    );
    home.write("workspace/notes/x.txt", "x");
    home.write("agents/main/sessions/a.jsonl", "{}");
    home.write("cron/jobs.json", "{}");
}
