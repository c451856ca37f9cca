//! A disk whose flushes take seconds, and a name server that answers after seconds: answers arrive, buttons and `/stop` act,
//! and looking up a name holds up no other chat.
//!
//! The home is on ext4 on [`super::recorder::Recorder`]; `/etc/resolv.conf` of the daemon's own mount namespace names the
//! test's name server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use picoclaw::limits::DISK_WAIT;
use picoclaw_peer::dns::{Dns, Mode};
use picoclaw_peer::{Peer, Sent};
use serde_json::json;

use super::Orders;
use super::books::Books;
use super::lane::{CHATS, Lane, chat};
use super::order::{dark, fresh, power};
use super::recorder::Recorder;
use crate::harness::{SOON, peer};
use crate::harness_disk::OwnDisk;

/// Risky by its name: it needs a yes.
const ASKING: &str = r#"[call:exec {"command":"crontab -l; true"}]"#;
/// A button and `/stop` wait for at most one batch, and that at most [`DISK_WAIT`] for the disk.
const ACTED: Duration = Duration::from_secs(DISK_WAIT.as_secs() + 4);
/// The same with a fast disk, while names take seconds.
const AT_ONCE: Duration = Duration::from_secs(4);
/// An answer waits for some flushes, one after the other.
const ANSWERED: Duration = Duration::from_secs(45);
const PATIENCE: Duration = Duration::from_secs(120);
/// The name of the model's and the Bot API's server, in one run of two.
const NAME: &str = "slow.test";

#[test]
fn slow_names_and_disks_hold_up_little() {
    Orders::new(1, 1).run("slow", slow);
}

/// How slow it is, in milliseconds. ext4 makes one to three flushes of an fsync.
#[derive(Clone, Copy, Debug)]
struct Slowness {
    flush: u64,
    name: u64,
}

fn slow(orders: Orders) -> Option<Books> {
    let peer = peer(false);
    let (names, base) = names(&peer, orders.seed % 2 == 0)?;
    let patch = json!({
        "model_list": [{
            "model_name": "m", "model": "openai/test", "api_base": format!("{base}/v1"),
            "api_keys": ["k-test-123456"],
        }],
        "channel_list": { "telegram": { "settings": { "base_url": base } } },
    });
    let (mut lane, home) = Lane::with(peer, orders.seed, &patch);
    let disk = OwnDisk::new(home)?;
    let recorder = power(&disk, fresh(&disk)?)?;
    resolve_by(&disk, &names);
    let mut daemon = disk.start(&lane.peer);
    lane.ready();
    for n in 0..orders.count {
        let slowness = Slowness {
            flush: lane.random.one_of(&[0, 300, 700, 1500]),
            name: lane.random.one_of(&[0, 1000, 2000]),
        };
        lane.note(format!("{slowness:?}"));
        recorder.slow(Duration::from_millis(slowness.flush));
        names.set_mode(Mode::Delay(Duration::from_millis(slowness.name)));
        round(&mut lane, slowness, n);
        if lane.random.below(3) == 0 {
            lane.note("kill".into());
            lane.killed(|_| daemon.kill9());
            daemon = disk.start(&lane.peer);
            lane.ready();
        }
    }
    well(&recorder, &names);
    let home = disk.inside("");
    let books = lane.close(daemon, &home, PATIENCE);
    dark(&disk);
    Some(books)
}

fn well(recorder: &Recorder, names: &Dns) {
    recorder.slow(Duration::ZERO);
    names.set_mode(Mode::Answer);
}

/// A name server, and the address of the peer by a name or without.
fn names(peer: &Peer, by_name: bool) -> Option<(Dns, String)> {
    // Of our own: others may run side by side.
    let [a, b, ..] = std::process::id().to_be_bytes().map(|n| n | 1);
    let [.., c, d] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 53 ^ a ^ b, c, d.clamp(1, 254));
    let Ok(names) = Dns::start(SocketAddr::from((address, 53))) else {
        crate::skip::skip(crate::skip::Missing::Root);
        return None;
    };
    names.add(NAME, Ipv4Addr::LOCALHOST.into());
    let base = match by_name {
        true => format!("http://{NAME}:{}", peer.port()),
        false => peer.base_url(),
    };
    Some((names, base))
}

/// The daemon's resolver asks our name server, once, and waits.
fn resolve_by(disk: &OwnDisk, names: &Dns) {
    let text = format!("nameserver {}\noptions timeout:30 attempts:1\n", names.address().ip());
    std::fs::write(disk.at("/mnt/resolv.conf"), text).expect("a file");
    let done = disk.run(&["mount", "--bind", "/mnt/resolv.conf", "/etc/resolv.conf"]);
    assert!(done.status.success(), "{done:?}");
}

/// One chat has a question open and another looks up a name, while a third wants an answer.
fn round(lane: &mut Lane, slowness: Slowness, n: u64) {
    let first = lane.random.below(CHATS);
    let [asks, looks, talks] = [0, 1, 2].map(|n| chat((first + n) % CHATS));
    let from = lane.peer.sent().len();
    let asking = lane.tell(asks, ASKING);
    let is = |s: &Sent| s.chat == asks && !s.buttons.is_empty();
    let asked = lane.due("a question", ANSWERED, |p| p.sent().into_iter().skip(from).find(is));
    // A name that nobody has asked for: no cache knows it.
    let call = json!({ "url": format!("http://n{n}.slow.test/") });
    lane.tell(looks, &format!("[call:web_fetch {call}]"));
    let (acted, answered) = match slowness.flush {
        0 => (AT_ONCE, AT_ONCE),
        _ => (ACTED, ANSWERED),
    };
    let talking = lane.tell(talks, "what time is it?");
    let from = lane.peer.sent().len();
    match (lane.random.below(3), asked) {
        (0, _) => {
            lane.note(format!("{asks} stops"));
            lane.peer.command(asks, "/stop");
            let is = |s: &Sent| s.chat == asks && s.text.contains("Stopped");
            // The answer is recorded before it is sent; the question ends at once.
            lane.due("/stop", answered.max(acted), |p| p.sent().into_iter().skip(from).find(is));
            lane.stopped(&[asking]);
        }
        (button, Some(asked)) => {
            let (_, data) = &asked.buttons[button as usize - 1];
            lane.note(format!("{asks} presses {data}"));
            lane.peer.press(asks, asks, asked.message_id, data);
            let is = |s: &Sent| s.message_id == asked.message_id && s.buttons.is_empty();
            lane.due("the button", acted, |p| p.sent().into_iter().skip(from).find(is));
        }
        // It is late already.
        (_, None) => {}
    }
    lane.due("an answer", answered, |peer| peer.wait_reply(&talking, Duration::ZERO));
    if !lane.drained(ANSWERED + SOON) {
        lane.books.late += 1;
        lane.complain("not all is answered in time".into());
    }
}
