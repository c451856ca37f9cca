//! Commands that change a file of the home without a gateway, many at a time: none is lost.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::cron::{cron, jobs};
use crate::harness::{Home, SOON, peer, wait};

/// Starts them all before it waits for the first; each gets its input. Gives what they print, in their order.
#[track_caller]
fn together(home: &Home, commands: &[Vec<String>], input: &str) -> Vec<String> {
    let start = |words: &Vec<String>| -> Child {
        let mut command = home.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // Some do not read it.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        child
    };
    let mut children: Vec<Child> = commands.iter().map(start).collect();
    for child in &mut children {
        assert!(wait(child, 3 * SOON).is_some(), "it does not end");
    }
    let ends = children.into_iter().map(|child| child.wait_with_output().expect("its output"));
    ends.map(|end| {
        assert!(end.status.success(), "{}", String::from_utf8_lossy(&end.stderr));
        String::from_utf8_lossy(&end.stdout).into_owned()
    })
    .collect()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn jobs_that_are_added_together_are_all_there() {
    const JOBS: usize = 40;
    let home = Home::new(&peer(false));
    let add = |n| words(&format!("cron add -n j{n} -m m -e 3600"));
    together(&home, &(0..JOBS).map(add).collect::<Vec<_>>(), "");
    let names: BTreeSet<String> =
        jobs(&home).iter().map(|job| job["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(names.len(), JOBS);
    let change = |n| match n % 3 {
        0 => words(&format!("cron remove j{n}")),
        1 => words(&format!("cron disable j{n}")),
        _ => words("cron list"),
    };
    together(&home, &(0..24).map(change).collect::<Vec<_>>(), "");
    assert_eq!(jobs(&home).len(), JOBS - 8);
    assert_eq!(jobs(&home).iter().filter(|job| job["enabled"] == false).count(), 8);
}

#[test]
fn a_lock_that_is_not_released_is_reported() {
    let home = Home::new(&peer(false));
    cron(&home, &["add", "-n", "a", "-m", "m", "-e", "3600"]);
    let lock = File::open(home.path("state/lock")).expect("a lock file");
    flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("free");
    let begun = Instant::now();
    let done = home.run(&["cron", "remove", "a"]);
    assert!(!done.status.success() && done.stderr.contains("nothing was changed"), "{done:?}");
    assert!(done.stderr.contains("PID") && done.stderr.contains("try again"), "{done:?}");
    assert!(begun.elapsed() < 2 * picoclaw::limits::COMMAND_LOCK_WAIT + Duration::from_secs(5));
    // What only reads does not wait.
    assert!(cron(&home, &["list"]).contains("every 3600s"));
}

#[test]
fn keys_that_are_set_together_are_all_set() {
    let home = Home::new(&peer(false));
    let tools = ["read_file", "write_file", "edit_file", "append_file", "list_dir", "exec"];
    let set = |tool: &&str| words(&format!("config set tools.{tool}.enabled false"));
    together(&home, &tools.iter().map(set).collect::<Vec<_>>(), "");
    let patch: Value = serde_json::from_str(&home.read("config.d/99-set.json")).expect("JSON");
    for tool in tools {
        assert_eq!(patch["tools"][tool]["enabled"], false, "{tool}: {patch}");
    }
}

#[cfg(feature = "sign-in")]
#[test]
fn sign_ins_that_come_together_are_all_kept() {
    let home = Home::new(&peer(false));
    let providers = ["anthropic", "groq", "deepseek", "openrouter", "mistral", "zai"];
    let login = |name: &&str| words(&format!("auth login -p {name} --token"));
    together(&home, &providers.iter().map(login).collect::<Vec<_>>(), "t-123456789\n");
    let kept: Value = serde_json::from_str(&home.read("auth.json")).expect("JSON");
    for name in providers {
        assert_eq!(kept["credentials"][name]["access_token"], "t-123456789", "{name}: {kept}");
    }
}

#[cfg(feature = "encryption")]
#[test]
fn secrets_that_are_encrypted_together_have_one_key() {
    let home = Home::new(&peer(false)).env("PICOCLAW_KEY_PASSPHRASE", "p");
    let values = together(&home, &vec![words("auth encrypt"); 6], "s-123456789\n");
    let file = home.path(".ssh/picoclaw_ed25519.key");
    let keys = picoclaw::config::enc::Keys { passphrase: "p".into(), file };
    for value in values {
        let value = value.trim().strip_prefix("enc://").expect("a value");
        assert_eq!(keys.decrypt(value).expect("of the key that is there"), "s-123456789");
    }
}

#[cfg(feature = "skill-install")]
#[test]
fn skills_that_are_installed_together_are_all_there() {
    let home = Home::new(&peer(false));
    let names = ["one", "two", "three", "four"];
    for name in names {
        let text = format!("---\nname: {name}\ndescription: d\n---\n# {name}\n");
        home.write(&format!("from/{name}/SKILL.md"), &text);
    }
    let install = |name: &&str| words(&format!("skills install ./from/{name}"));
    together(&home, &names.iter().map(install).collect::<Vec<_>>(), "");
    for name in names {
        assert!(home.path(&format!("workspace/skills/{name}/SKILL.md")).exists(), "{name}");
    }
}
