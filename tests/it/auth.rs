//! `auth login|status|logout` and what entries without a key are asked with, against a server that signs in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config_folder::Folder;
use crate::harness::{Finished, Home, SOON, eventually, finish, peer};
use crate::pause;
use crate::rows::{rows, string};
use crate::wire::{Server, serve};

/// What the server that signs in does; a model server as well.
#[derive(Default)]
pub struct Issuer {
    /// Status and body for each question in turn; the last again and again.
    polls: Vec<(u16, &'static str)>,
    /// Refresh tokens that were used.
    pub used: Vec<String>,
    /// Tokens given so far.
    given: u32,
    /// Answers to renewals wait for this long.
    slow: Duration,
    /// What the model answers first, each once.
    pub says: Vec<String>,
}

pub const DONE: (u16, &str) =
    (200, r#"{"authorization_code":"the-code","code_verifier":"the-verifier"}"#);
const LATER: (u16, &str) = (403, r#"{"error":{"code":"deviceauth_authorization_unknown"}}"#);

pub fn issuer(polls: &[(u16, &'static str)]) -> (Server, Arc<Mutex<Issuer>>) {
    let state = Arc::new(Mutex::new(Issuer { polls: polls.to_vec(), ..Issuer::default() }));
    let shared = Arc::clone(&state);
    let server = serve(move |_, peer| {
        while let Some(request) = peer.request() {
            let slow = shared.lock().expect("no panic").slow;
            if request.contains("grant_type=refresh_token") {
                pause::slow(slow);
            }
            let (status, body) = shared.lock().expect("no panic").answer(&request);
            let length = body.len();
            peer.send(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}"));
        }
    });
    (server, state)
}

impl Issuer {
    fn answer(&mut self, request: &str) -> (u16, String) {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let field = |name: &str| {
            let body = request.split("\r\n\r\n").nth(1).unwrap_or_default();
            let found = body.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        match path {
            "/api/accounts/deviceauth/usercode" => {
                (200, r#"{"device_auth_id":"dev-1","user_code":"WXYZ-1234","interval":"1"}"#.into())
            }
            "/api/accounts/deviceauth/token" => {
                let (status, body) = self.polls[0];
                if self.polls.len() > 1 {
                    self.polls.remove(0);
                }
                (status, body.into())
            }
            "/oauth/token" => {
                let old = field("refresh_token");
                let good = match &*field("grant_type") {
                    "authorization_code" => field("code_verifier") == "the-verifier",
                    _ => old.starts_with("refresh-") && !self.used.contains(&old),
                };
                if !good {
                    return (400, r#"{"error":"invalid_grant"}"#.into());
                }
                self.used.push(old);
                self.given += 1;
                let n = self.given;
                let tokens = json!({ "access_token": format!("access-{n}"), "refresh_token": format!("refresh-{n}"),
                    "expires_in": 3600, "account_id": "ignored" });
                (200, tokens.to_string())
            }
            "/backend-api/codex/responses" => (
                200,
                r#"{"status":"completed","output":[{"type":"message","content":[{"text":"the account answers"}]}]}"#.into(),
            ),
            _ if !self.says.is_empty() => (200, self.says.remove(0)),
            _ => (200, r#"{"choices":[{"message":{"content":"the model answers"}}]}"#.into()),
        }
    }
}

/// A home whose one model is asked at `server` with what was signed in for.
fn home(server: &Server) -> Home {
    let peer = peer(false);
    let model = json!([{ "model_name": "m", "model": "openai/test", "api_base": server.url("/v1"), "auth_method": "oauth" }]);
    Home::patched(
        &peer,
        &json!({ "model_list": model, "channel_list": { "telegram": { "enabled": false } } }),
    )
    .env("PICOCLAW_AUTH_ISSUER", &server.url(""))
}

#[track_caller]
fn piped(home: &Home, arguments: &[&str], input: &str) -> Finished {
    home.write("input", input);
    let mut command = home.command(arguments);
    command.stdin(Stdio::from(fs::File::open(home.path("input")).expect("a file")));
    finish(command)
}

#[track_caller]
pub fn stored(home: &Home) -> Value {
    serde_json::from_str::<Value>(&home.read("auth.json")).expect("JSON")["credentials"].clone()
}

/// Makes what is kept end at this moment.
pub fn expire(home: &Home, at: &str) {
    let mut all: Value = serde_json::from_str(&home.read("auth.json")).expect("JSON");
    all["credentials"]["openai"]["expires_at"] = at.into();
    home.write("auth.json", &all.to_string());
}

#[track_caller]
fn no_secret(done: &Finished) {
    for secret in ["access-", "refresh-", "the-verifier", "the-code", "dev-1"] {
        assert!(!done.all().contains(secret), "{secret} in {}", done.all());
    }
}

#[test]
fn a_device_code_signs_in_is_used_renewed_and_forgotten() {
    let (server, _) = issuer(&[LATER, (400, r#"{"error":"slow_down"}"#), (502, "<html>"), DONE]);
    let home = home(&server);
    let before = home.run(&["agent", "-m", "hi"]);
    assert!(before.all().contains("picoclaw auth login --provider openai"), "{}", before.all());
    let begun = Instant::now();
    let done = home.run(&["auth", "login", "--provider", "openai", "--device-code"]);
    assert!(done.status.success(), "{}", done.all());
    for told in ["WXYZ-1234", &server.url("/codex/device")] {
        assert!(done.stdout.contains(told), "{}", done.all());
    }
    no_secret(&done);
    // One second twice, then six.
    assert!(begun.elapsed() > Duration::from_secs(13), "{:?}", begun.elapsed());
    let kept = &stored(&home)["openai"];
    assert_eq!(
        (&kept["access_token"], &kept["auth_method"]),
        (&json!("access-1"), &json!("oauth"))
    );
    assert_eq!(
        fs::metadata(home.path("auth.json")).expect("kept").permissions().mode() & 0o777,
        0o600
    );

    let answered = |with: &str| {
        let done = home.run(&["agent", "-m", "hi"]);
        assert!(done.stdout.contains("the model answers"), "{}", done.all());
        no_secret(&done);
        let asked =
            server.heard().into_iter().rfind(|r| r.starts_with("POST /v1/")).expect("asked");
        let want = format!("authorization: bearer {with}\r\n");
        assert!(asked.to_ascii_lowercase().contains(&want), "{asked}");
    };
    answered("access-1");
    let told = home.run(&["auth", "status"]);
    assert!(told.stdout.contains("openai: oauth") && told.status.success(), "{}", told.all());
    no_secret(&told);

    // Five minutes before its end it is renewed, and what came is kept.
    expire(&home, &soon(200));
    let told = home.run(&["auth", "status", "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(told["openai"]["state"], "needs refresh");
    answered("access-2");
    assert_eq!(stored(&home)["openai"]["refresh_token"], "refresh-2");
    answered("access-2");

    assert!(home.run(&["auth", "logout", "--provider", "openai"]).status.success());
    assert_eq!(stored(&home), json!({}));
    assert!(!home.run(&["auth", "logout", "--provider", "openai"]).status.success());
    let after = home.run(&["agent", "-m", "hi"]);
    assert!(after.all().contains("nobody is signed in with openai"), "{}", after.all());
}

/// RFC 3339 of so many seconds from now.
fn soon(seconds: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    picoclaw::proto::date::rfc3339(now.as_secs() as i64 + seconds)
}

#[test]
fn no_late_and_nonsense_keep_what_was_there() {
    for (poll, want) in [
        ((400, r#"{"error":"access_denied"}"#), "refused there"),
        ((400, r#"{"error":"expired_token"}"#), "has expired"),
        (
            (200, r#"{"authorization_code":"c","code_verifier":"another"}"#),
            "no tokens (status 400)",
        ),
    ] {
        let (server, _) = issuer(&[poll]);
        let home = home(&server);
        let old = r#"{"credentials":{"openai":{"access_token":"access-0","auth_method":"token"}}}"#;
        home.write("auth.json", old);
        let done = home.run(&["auth", "login", "--provider", "openai"]);
        assert!(!done.status.success() && done.stderr.contains(want), "{}", done.all());
        no_secret(&done);
        assert_eq!(home.read("auth.json"), old);
        // A copy that others could read is closed.
        assert!(done.stderr.contains("could be read by other users"), "{}", done.all());
        let mode = fs::metadata(home.path("auth.json")).expect("kept").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        home.write("auth.json", "{ broken");
        let done = home.run(&["auth", "status"]);
        assert!(
            !done.status.success() && done.stderr.contains("auth.json is no list"),
            "{}",
            done.all()
        );
    }
    let web = serve(|_, peer| {
        while peer.request().is_some() {
            peer.answer("<html>captive portal</html>");
        }
    });
    let home = home(&web);
    let done = home.run(&["auth", "login", "--provider", "openai"]);
    assert!(!done.status.success() && done.stderr.contains("gave no code"), "{}", done.all());
    let done = home.run(&["auth", "login", "--provider", "nobody"]);
    assert!(
        !done.status.success() && done.stderr.contains("no provider is called `nobody`"),
        "{}",
        done.all()
    );
    let done = home.run(&["auth", "login", "--provider", "anthropic", "--device-code"]);
    assert!(!done.status.success() && done.stderr.contains("paste a token"), "{}", done.all());
}

#[test]
fn a_token_is_pasted_and_used() {
    let (server, _) = issuer(&[DONE]);
    let peer = peer(false);
    let model = json!([{ "model_name": "m", "model": "anthropic-messages/c", "api_base": server.url("/v1"), "auth_method": "token" }]);
    let home = Home::patched(
        &peer,
        &json!({ "model_list": model, "channel_list": { "telegram": { "enabled": false } } }),
    );
    let good = format!("sk-ant-oat01-{}", "x".repeat(80));
    for bad in ["sk-ant-api-123456789", " \n", "sk-ant-oat01-short"] {
        let done = piped(&home, &["auth", "login", "-p", "anthropic", "--setup-token"], bad);
        assert!(!done.status.success(), "{}", done.all());
        assert!(bad.trim().is_empty() || !done.all().contains(bad), "{}", done.all());
    }
    assert!(!home.path("auth.json").exists());
    let done = piped(&home, &["auth", "login", "-p", "claude"], &format!("{good}\n"));
    assert!(done.status.success() && !done.all().contains("xxx"), "{}", done.all());
    let kept = &stored(&home)["anthropic"];
    assert_eq!(
        *kept,
        json!({ "access_token": good, "provider": "anthropic", "auth_method": "token" })
    );
    home.run(&["agent", "-m", "hi"]);
    let asked = server.heard().pop().expect("asked").to_ascii_lowercase();
    assert!(asked.contains(&format!("authorization: bearer {good}\r\n")), "{asked}");
    assert!(asked.contains("anthropic-beta: oauth-"), "{asked}");
    let told = home.run(&["auth", "status", "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(told, json!({ "anthropic": { "method": "token", "state": "active" } }));
    assert!(home.run(&["auth", "logout"]).status.success());
    assert_eq!(stored(&home), json!({}));
}

#[test]
fn an_account_has_an_address_and_a_dialect_of_its_own() {
    let folder = Folder::with(
        r#"{"model_list":[{"model_name":"said","model":"openai/x","auth_method":"oauth"},{"model_name":"found","model":"openai/y"},
            {"model_name":"key","model":"openai/z","api_key":"k"},{"model_name":"mine","model":"openai/z","api_base":"http://h/v1"},
            {"model_name":"pasted","model":"anthropic/c"}]}"#,
    )
    .file("home/auth.json", r#"{"credentials":{"openai":{"access_token":"t","auth_method":"oauth"},"anthropic":{"access_token":"t","auth_method":"token"}}}"#);
    let models = folder.good().config.models;
    let got: Vec<(&str, &str, bool)> =
        models.iter().map(|m| (&*m.model_name, &*m.api_base, m.signed_in.is_some())).collect();
    let account = "https://chatgpt.com/backend-api/codex";
    let want = [
        ("said", account, true),
        ("found", account, true),
        ("key", "https://api.openai.com/v1", false),
        // A server of one's own gets no token that it was not meant for.
        ("mine", "http://h/v1", false),
        ("pasted", "https://api.anthropic.com/v1", true),
    ];
    assert_eq!(got, want);

    let (server, _) = issuer(&[DONE]);
    let home = home(&server);
    home.write("config.json", &home.read("config.json").replace("/v1", "/backend-api/codex"));
    home.write("auth.json", r#"{"credentials":{"openai":{"access_token":"access-0","account_id":"acc-7","auth_method":"oauth"}}}"#);
    let done = home.run(&["agent", "-m", "hi"]);
    assert!(done.stdout.contains("the account answers"), "{}", done.all());
    let asked = server.heard().pop().expect("asked").to_ascii_lowercase();
    for want in [
        "post /backend-api/codex/responses ",
        "chatgpt-account-id: acc-7\r\n",
        "authorization: bearer access-0\r\n",
        "\"store\":false",
    ] {
        assert!(asked.contains(want), "{want} in {asked}");
    }
}

#[test]
fn one_renews_and_the_others_wait_and_a_kill_leaves_a_whole_file() {
    let (server, state) = issuer(&[LATER]);
    let home = home(&server);
    home.write(
        "auth.json",
        r#"{"credentials":{"openai":{"access_token":"access-0","refresh_token":"refresh-0",
            "expires_at":"2020-01-01T00:00:00Z","auth_method":"oauth"}}}"#,
    );
    let old = home.read("auth.json");
    // Killed while somebody should type the code in.
    let mut login = home.command(&["auth", "login", "--provider", "openai"]);
    let mut child = login.stdout(Stdio::null()).spawn().expect("started");
    let polled = || server.heard().iter().any(|r| r.contains("deviceauth/token")).then_some(());
    assert!(eventually(SOON, polled).is_some());
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(home.read("auth.json"), old);
    // Killed while the token is renewed: the server had not answered, so the old one still does.
    state.lock().expect("no panic").slow = Duration::from_secs(2);
    let mut agent = home.command(&["agent", "-m", "hi"]);
    let mut child = agent.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    let renewing = || server.heard().iter().any(|r| r.contains("grant_type=refresh")).then_some(());
    assert!(eventually(SOON, renewing).is_some());
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(home.read("auth.json"), old);
    // The answer to the one that is gone is on its way before the server forgets it.
    let answered = || (!state.lock().expect("no panic").used.is_empty()).then_some(());
    assert!(eventually(SOON, answered).is_some());
    // As if the kill had come before the server read it.
    *state.lock().expect("no panic") = Issuer { slow: Duration::from_secs(1), ..Issuer::default() };
    // Several at once: the server takes each refresh token once only.
    std::thread::scope(|scope| {
        let asking: Vec<_> =
            (0..3).map(|_| scope.spawn(|| home.run(&["agent", "-m", "hi"]))).collect();
        for done in asking {
            let done = done.join().expect("no panic");
            assert!(done.stdout.contains("the model answers"), "{}", done.all());
        }
    });
    assert_eq!(state.lock().expect("no panic").used, ["refresh-0"]);
    // Ended at the server: what to do about it.
    state.lock().expect("no panic").used.push("refresh-1".into());
    expire(&home, "2020-01-01T00:00:00Z");
    let done = home.run(&["agent", "-m", "hi"]);
    assert!(done.all().contains("ended there with openai: picoclaw auth login"), "{}", done.all());
    // Not yet over and not to be renewed: it is used with a warning.
    expire(&home, &soon(250));
    state.lock().expect("no panic").used.clear();
    assert!(home.run(&["agent", "-m", "hi"]).stdout.contains("the model answers"));
}

#[test]
fn rows_of_setup_tokens() {
    rows("auth", |_, name, input, expected| {
        // The row names the Go test's variable.
        let valid = format!("sk-ant-oat01-{}", "a".repeat(80));
        let text = match string(&input["input"]) {
            "validToken" => &valid,
            text => text,
        };
        let got = picoclaw::provider::sign_in::setup_token(text).err().unwrap_or("");
        assert_eq!(got, string(&expected["wantErr"]), "{name}");
        Ok(())
    });
}
