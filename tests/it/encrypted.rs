//! `enc://` values: made by `auth encrypt`, opened at load, and what the daemon does when it cannot.

use std::fs;
use std::process::Stdio;

use picoclaw::config::LAST_GOOD;
use picoclaw::limits::SECRET_FILE_BYTES;
use serde_json::json;

use crate::harness::{Finished, Home, OWNER, SOON, eventually, finish, peer};
use crate::harness_daemon::Daemon;

const PASSPHRASE: &str = "opens-the-door-77";

/// Runs a command with `input` on its standard input.
#[track_caller]
fn piped(home: &Home, arguments: &[&str], input: &str) -> Finished {
    // A file, since the program's input is given before it is started.
    home.write("input", input);
    let mut command = home.command(arguments);
    command.stdin(Stdio::from(fs::File::open(home.path("input")).expect("a file")));
    let done = finish(command);
    fs::remove_file(home.path("input")).expect("removed");
    done
}

#[test]
fn encrypted_secrets_are_opened_at_load_and_stay_encrypted_on_disk() {
    let peer = peer(true);
    let home = Home::new(&peer).env("PICOCLAW_KEY_PASSPHRASE", PASSPHRASE);
    let made = |plain: &str| {
        let done = piped(&home, &["auth", "encrypt"], plain);
        assert!(done.status.success(), "{}", done.all());
        assert!(!done.all().contains(plain.trim()), "{}", done.all());
        done.stdout.trim().to_owned()
    };
    let (key, token) = (made("k-test-123456\n"), made("1:test"));
    assert!(key.starts_with("enc://") && home.path(".ssh/picoclaw_ed25519.key").exists());
    let mut config: serde_json::Value =
        serde_json::from_str(&home.read("config.json")).expect("a configuration");
    config["model_list"][0]["api_keys"] = json!([key]);
    home.write("config.json", &config.to_string());
    home.write(
        ".security.yml",
        &format!("channels:\n  telegram:\n    settings:\n      token: {token}\n"),
    );
    let plain = config.to_string();
    config["channel_list"]["telegram"]["settings"]["token"] = json!("");
    home.write("config.json", &config.to_string());
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    // The passphrase is a secret of its own: no tool result shows it.
    home.write("workspace/note.txt", PASSPHRASE);
    let marker = peer.say(OWNER, OWNER, r#"[call:read_file {"path":"note.txt"}]"#);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let sent = serde_json::Value::from(peer.requests()).to_string();
    assert!(sent.contains("[FILTERED]") && !sent.contains(PASSPHRASE), "{sent}");
    assert!(daemon.term().success());
    let kept = home.read(LAST_GOOD);
    assert!(kept.contains("enc://") && !kept.contains("k-test-123456"), "{kept}");

    // A broken edit: the last good one is opened again.
    home.write("config.json", "{ broken");
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "still there?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.kill9();

    // A damaged value counts as one.
    home.write("config.json", &plain.replace(&key, &key.replace("enc://", "enc://AAAA")));
    let daemon = Daemon::start(&home, &peer);
    assert!(
        daemon.log().contains("model_list[0].api_keys[0]: cannot be decrypted"),
        "{}",
        daemon.log()
    );
    let marker = peer.say(OWNER, OWNER, "and now?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
}

#[test]
fn decryption_errors_name_place_cause_and_fix() {
    let peer = peer(false);
    let home = Home::new(&peer).env("PICOCLAW_KEY_PASSPHRASE", PASSPHRASE);
    let key = piped(&home, &["auth", "encrypt"], "k-test-123456").stdout.trim().to_owned();
    home.write("config.json", &home.read("config.json").replace("k-test-123456", &key));
    let good = home.run(&["config", "check"]);
    assert!(good.status.success(), "{}", good.all());
    assert!(home.run(&["config", "show"]).all().find("k-test-123456").is_none());
    let check = |passphrase: &str, want: [&str; 2]| {
        let mut command = home.command(&["config", "check"]);
        command.env("PICOCLAW_KEY_PASSPHRASE", passphrase);
        let done = finish(command);
        let all = done.all();
        assert!(!done.status.success(), "{all}");
        for want in want.into_iter().chain(["config.json:1:", "model_list[0].api_keys[0]: "]) {
            assert!(all.contains(want), "{want} in {all}");
        }
        for secret in ["k-test-123456", &key["enc://".len()..], "wrong-one"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
    };
    check("wrong-one", ["cannot be decrypted", "picoclaw auth encrypt"]);
    check("", ["PICOCLAW_KEY_PASSPHRASE is not set", "where the program is started"]);
    let file = home.path(".ssh/picoclaw_ed25519.key");
    let elsewhere = home.path("elsewhere");
    fs::rename(&file, &elsewhere).expect("moved");
    check(PASSPHRASE, ["the key file", "PICOCLAW_SSH_KEY_PATH"]);
    let mut command = home.command(&["config", "check"]);
    command.env("PICOCLAW_SSH_KEY_PATH", &elsewhere);
    assert!(finish(command).status.success());
    // No configuration and no last good one: no start, and the reason.
    let mut command = home.command(&["gateway"]);
    command.env("PICOCLAW_KEY_PASSPHRASE", "wrong-one");
    let done = finish(command);
    assert!(!done.status.success() && done.stderr.contains("the key file"), "{}", done.stderr);
}

#[test]
fn a_reload_that_cannot_open_the_secrets_changes_nothing_and_says_so() {
    let peer = peer(false);
    let home = Home::new(&peer).env("PICOCLAW_KEY_PASSPHRASE", PASSPHRASE);
    let key = piped(&home, &["auth", "encrypt"], "k-test-123456").stdout.trim().to_owned();
    let good = home.read("config.json").replace("k-test-123456", &key);
    home.write("config.json", &good);
    let daemon = Daemon::start(&home, &peer);
    let answers = |text: &str| {
        let marker = peer.say(OWNER, OWNER, text);
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    };
    answers("hello");
    let reload = |want: &str| {
        let before = peer.texts(OWNER).len();
        daemon.signal(rustix::process::Signal::HUP);
        let told = |text: &String| text.contains("was not reloaded") && text.contains(want);
        let said = eventually(SOON, || peer.texts(OWNER)[before..].iter().any(told).then_some(()));
        assert!(said.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
        answers("still there?");
    };
    // Made with other words.
    let mut command = home.command(&["auth", "encrypt"]);
    home.write("input", "k-test-123456");
    command.stdin(Stdio::from(fs::File::open(home.path("input")).expect("a file")));
    command.env("PICOCLAW_KEY_PASSPHRASE", "other words");
    let other = finish(command).stdout.trim().to_owned();
    home.write("config.json", &good.replace(&key, &other));
    reload("model_list[0].api_keys[0]: cannot be decrypted");
    home.write("config.json", &good);
    // Another key file, and none.
    let file = home.path(".ssh/picoclaw_ed25519.key");
    let kept = fs::read(&file).expect("a key file");
    fs::write(&file, "another").expect("written");
    reload("cannot be decrypted");
    fs::remove_file(&file).expect("removed");
    reload("the key file");
    fs::write(&file, kept).expect("written");
    daemon.signal(rustix::process::Signal::HUP);
    let again = eventually(SOON, || (daemon.log().matches("answers on").count() > 1).then_some(()));
    assert!(again.is_some(), "{}", daemon.log());
    answers("and after it?");
}

#[test]
fn nothing_is_encrypted_without_a_passphrase_or_a_secret() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let done = piped(&home, &["auth", "encrypt"], "k-test-123456");
    assert!(!done.status.success() && done.stderr.contains("PICOCLAW_KEY_PASSPHRASE is not set"));
    let home = home.env("PICOCLAW_KEY_PASSPHRASE", PASSPHRASE);
    for (input, want) in
        [(" \n", "nothing was entered"), (&*"x".repeat(SECRET_FILE_BYTES + 1), "at most")]
    {
        let done = piped(&home, &["auth", "encrypt"], input);
        assert!(!done.status.success() && done.stderr.contains(want), "{}", done.stderr);
    }
    assert!(!home.path(".ssh").exists());
    let longest = "x".repeat(SECRET_FILE_BYTES);
    assert!(piped(&home, &["auth", "encrypt"], &longest).status.success());
}

#[test]
fn onboard_encrypts_what_is_there() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let before = home.read("config.json");
    let done = home.run(&["onboard", "--enc"]);
    assert!(!done.status.success() && done.stderr.contains("PICOCLAW_KEY_PASSPHRASE is not set"));
    assert_eq!(home.read("config.json"), before);
    let home = home.env("PICOCLAW_KEY_PASSPHRASE", PASSPHRASE);
    // What `config set` has written is a file of its own.
    let set = piped(&home, &["config", "set", "tools.web.brave.api_keys", "-"], "set-apart-77");
    assert!(set.status.success(), "{}", set.all());
    let done = home.run(&["onboard", "--enc"]);
    for (n, file) in [(2, "config.json"), (1, "config.d/99-set.json")] {
        let line = format!("Encrypted {n} secrets in {}.", home.path(file).display());
        assert!(done.stdout.contains(&line), "{}", done.all());
    }
    let set = home.read("config.d/99-set.json");
    assert!(set.contains("enc://") && !set.contains("set-apart-77"), "{set}");
    let now = home.read("config.json");
    assert!(!now.contains("k-test-123456") && !now.contains("1:test"), "{now}");
    assert_eq!(now.matches("enc://").count(), 2);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(home.run(&["onboard", "--enc"]).stdout.contains("Encrypted 0 secrets"));
    assert_eq!(home.read("config.json"), now);
}
