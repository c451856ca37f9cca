//! Files of sessions, state and jobs that become something else at random moments while chats talk: healthy chats are
//! answered, every start succeeds, what was said stays somewhere, and what a link points to is left alone.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use picoclaw_peer::Marker;

use super::Orders;
use super::books::Books;
use super::lane::{CHATS, Lane, chat, markers_in};
use crate::harness::{Home, SOON, eventually};
use crate::harness_daemon::Daemon;

/// Within this time healthy chats are answered, on a machine that runs other tests.
const ANSWERED: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(60);
/// What is replaced, in the home; sessions are in [`target`].
const STATE: [&str; 7] = [
    "state/journal.a",
    "state/journal.b",
    "state/state.json",
    "state/adopted",
    "state/cron.key",
    "state/crashed",
    "cron/jobs.json",
];
/// What the file of a link holds.
const CANARY: &str = "not yours\n";
/// A user that owns nothing here.
const OTHER_USER: u32 = 12_345;

/// What a file becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Becomes {
    Folder,
    FullFolder,
    Fifo,
    Link,
    DeadLink,
    Owned,
    ReadOnly,
    Gone,
}

const ALL: [Becomes; 8] = [
    Becomes::Folder,
    Becomes::FullFolder,
    Becomes::Fifo,
    Becomes::Link,
    Becomes::DeadLink,
    Becomes::Owned,
    Becomes::ReadOnly,
    Becomes::Gone,
];

#[test]
fn files_that_become_something_else_stop_nobody_else() {
    Orders::new(10, 2).run("files", |orders| Some(replaced(orders)));
}

/// A home under attack. What the attack takes away is kept in `aside`.
struct Victim {
    home: Home,
    aside: PathBuf,
    /// Whom the daemon runs as; `None` is us.
    user: Option<u32>,
    taken: u64,
    journal_taken: bool,
}

impl Victim {
    fn new(home: Home, other_user: bool) -> Victim {
        for folder in ["aside", "state", "sessions", "cron", "workspace"] {
            fs::create_dir_all(home.path(folder)).expect("a folder");
        }
        home.write("aside/canary", CANARY);
        let user = if other_user { home.give_away() } else { None };
        let aside = home.path("aside");
        Victim { home, aside, user, taken: 0, journal_taken: false }
    }

    fn start(&self, lane: &mut Lane) -> Daemon {
        let mut command = self.home.command(&["gateway"]);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let polls = lane.peer.calls("tg.getUpdates");
        let daemon = Daemon::spawn_command(&self.home, command);
        let polled = lane.peer.wait_calls("tg.getUpdates", polls + 1, SOON);
        assert!(polled, "no start\n{}", daemon.log());
        lane.ready();
        daemon
    }

    /// Takes a file away and puts something else in its place.
    fn replace(&mut self, name: &str, becomes: Becomes) {
        let path = self.home.path(name);
        self.journal_taken |= name.contains("journal");
        // The daemon may write the file anew in between.
        let put = eventually(SOON, || self.put(&path, name, becomes).then_some(()));
        assert!(put.is_some(), "{name} cannot become {becomes:?}");
    }

    /// False where something was there again.
    fn put(&mut self, path: &Path, name: &str, becomes: Becomes) -> bool {
        if !matches!(becomes, Becomes::Owned | Becomes::ReadOnly) {
            self.taken += 1;
            let kept = self.aside.join(format!("{}-{}", self.taken, name.replace('/', "-")));
            // It may never have been there.
            let _ = fs::rename(path, kept);
        }
        let mode = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).is_ok();
        match becomes {
            Becomes::Folder => fs::create_dir(path).is_ok(),
            Becomes::FullFolder => {
                fs::create_dir(path).and_then(|()| fs::create_dir(path.join("full"))).is_ok()
            }
            Becomes::Fifo => {
                let made = Command::new("mkfifo").arg(path).stderr(Stdio::null()).status();
                made.is_ok_and(|s| s.success())
            }
            Becomes::Link => symlink(self.aside.join("canary"), path).is_ok(),
            Becomes::DeadLink => symlink(self.aside.join("nothing"), path).is_ok(),
            // It may not be there, and then nothing becomes of it.
            Becomes::Owned => {
                !path.is_file() || (chown(path, Some(OTHER_USER), None).is_ok() && mode(0o600))
            }
            Becomes::ReadOnly => !path.is_file() || mode(0o400),
            Becomes::Gone => true,
        }
    }

    /// What was said in files that were taken away: by us, or by the daemon that found something else in their place. A turn
    /// that a kill has cut short cannot continue with their lines.
    fn markers_aside(&self) -> BTreeSet<Marker> {
        let mut aside = markers_in(&self.aside, "");
        aside.extend(markers_in(&self.home.path(""), ".unfit"));
        aside
    }

    /// Makes it a place for a file again.
    fn mend(&self, name: &str) {
        let path = self.home.path(name);
        let Ok(found) = path.symlink_metadata() else { return };
        if found.is_file() {
            chown(&path, self.user.or(Some(0)), None).expect("given back");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
        } else if found.is_dir() {
            fs::remove_dir_all(&path).expect("no folder");
        } else {
            fs::remove_file(&path).expect("no obstacle");
        }
    }
}

fn replaced(orders: Orders) -> Books {
    let (mut lane, home) = Lane::new(orders.seed);
    // As a user whom the kernel refuses things, and where the tests run as root, as root.
    let mut victim = Victim::new(home, orders.seed % 2 == 0);
    let mut daemon = victim.start(&mut lane);
    for _ in 0..orders.count {
        let sick = lane.random.below(CHATS);
        let (name, becomes) = (target(&mut lane, sick), lane.random.one_of(&ALL));
        lane.chatter(3, 4);
        lane.note(format!("{name} becomes {becomes:?}"));
        victim.replace(&name, becomes);
        lane.chatter(3, 4);
        // The sick chat says something, too; it is answered or told why not by the end.
        lane.tell(chat(sick), "and me?");
        let healthy = lane.tell(chat((sick + 1) % CHATS), "are you well?");
        lane.due("a healthy chat's answer", ANSWERED, |p| p.wait_reply(&healthy, Duration::ZERO));
        let mended = lane.random.below(2) == 0;
        if mended {
            lane.note("mended".into());
            victim.mend(&name);
        }
        match lane.random.below(3) {
            0 => {
                lane.note("kill".into());
                lane.killed(|_| daemon.kill9());
                daemon = victim.start(&mut lane);
            }
            1 => {
                lane.note("a clean stop".into());
                if !lane.drained(ANSWERED) {
                    lane.set_aside(&victim.markers_aside());
                }
                lane.calm(daemon);
                daemon = victim.start(&mut lane);
            }
            _ => {}
        }
        let after = lane.tell(chat((sick + 2) % CHATS), "still well?");
        lane.due("an answer after it", ANSWERED, |p| p.wait_reply(&after, Duration::ZERO));
        victim.mend(&name);
    }
    lane.drained(PATIENCE);
    lane.set_aside(&victim.markers_aside());
    let mut books = lane.close(daemon, &victim.home.path(""), PATIENCE);
    judge(&mut books, &victim);
    books
}

fn target(lane: &mut Lane, sick: u64) -> String {
    let ending = lane.random.one_of(&["jsonl", "meta.json"]);
    let state = lane.random.one_of(&STATE);
    match lane.random.below(2) {
        0 => format!("sessions/telegram_{}.{ending}", chat(sick)),
        _ => state.to_owned(),
    }
}

/// What only this campaign promises.
fn judge(books: &mut Books, victim: &Victim) {
    let canary = fs::read_to_string(victim.aside.join("canary")).unwrap_or_default();
    if canary != CANARY || victim.aside.join("nothing").symlink_metadata().is_ok() {
        books.files_damaged += 1;
        books.complaints.push(format!("what a link points to was written: {canary:?}"));
    }
    if victim.journal_taken {
        // A journal that its owner takes away records nothing: no promise, but counted.
        let (replies, effects) = (books.repeated_known, books.effects_repeated);
        (books.repeated_known, books.effects_repeated) = (0, 0);
        books.add("replies_repeated_journal_taken", replies);
        books.add("side_effects_repeated_journal_taken", effects);
    }
}
