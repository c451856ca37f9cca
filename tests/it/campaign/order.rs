//! Write order: power cuts at random moments on a recorded ext4, each leaving what a card may hold at that moment.
//!
//! The daemon's home is on ext4 on [`Recorder`]. At a cut every flushed write is on the card, of the others all, none, the
//! first ones or any; the last may be torn between sectors. The next daemon starts on that, after e2fsck as on the board.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::Orders;
use super::books::Books;
use super::lane::Lane;
use super::recorder::Recorder;
use crate::harness::{SOON, finish, wait};
use crate::harness_daemon::Daemon;
use crate::harness_disk::OwnDisk;

/// Bytes of the card's data partition.
const SIZE: u64 = 24 << 20;
/// Where mkfs and fsck are.
const TOOLS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

#[test]
fn every_order_of_writes_is_survived() {
    Orders::new(8, 1).run("order", cuts);
}

/// Where the namespace has the recorded device; the home is hidden by what is mounted on it.
const DEVICE: &str = "/mnt/card";

fn cuts(orders: Orders) -> Option<Books> {
    let (mut lane, home) = Lane::new(orders.seed);
    let disk = OwnDisk::new(home)?;
    let mut card = fresh(&disk)?;
    for _ in 0..orders.count {
        let recorder = power(&disk, card)?;
        let unready = lane.random.below(8) == 0;
        let daemon = if unready { disk.spawn() } else { disk.start(&lane.peer) };
        if !unready {
            lane.ready();
        }
        lane.chatter(8, 3);
        let mut daemon = Some(daemon);
        match lane.random.below(5) {
            0 => daemon.take().into_iter().for_each(|d| lane.calm(d)),
            _ => lane.random.pause(30),
        }
        let (writes, flushes, open) = recorder.counts();
        card = lane.killed(|random| {
            recorder.hold();
            daemon.iter().for_each(|d| d.signal(Signal::KILL));
            let card = recorder.cut(random);
            daemon.into_iter().for_each(Daemon::kill9);
            card
        });
        dark(&disk);
        card = checked(&mut lane, &disk, &card);
        lane.books.add("writes_recorded", writes);
        lane.books.add("flushes_recorded", flushes);
        lane.books.add("writes_open_at_cuts", open);
    }
    let _recorder = power(&disk, card)?;
    let daemon = disk.start(&lane.peer);
    lane.ready();
    lane.settle(&daemon, Duration::from_secs(60));
    if lane.books.lost > 0 {
        lane.complain(daemon.log());
    }
    assert!(daemon.term().success());
    lane.inspect(&disk.inside(""));
    dark(&disk);
    Some(lane.books)
}

/// An empty card.
pub fn fresh(disk: &OwnDisk) -> Option<Vec<u8>> {
    let path = disk.home.path("card.img");
    File::create(&path).and_then(|f| f.set_len(SIZE)).expect("a file");
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"]);
    let made = mkfs.arg(&path).env("PATH", TOOLS).output();
    if !made.is_ok_and(|o| o.status.success()) {
        crate::skip::skip(crate::skip::Missing::Ext4);
        return None;
    }
    Some(std::fs::read(&path).expect("a card"))
}

/// Power on: the card is the daemon's home.
pub fn power(disk: &OwnDisk, card: Vec<u8>) -> Option<Recorder> {
    let fuse = File::options().read(true).write(true).open("/dev/fuse").ok();
    let Some(fuse) = fuse else {
        crate::skip::skip(crate::skip::Missing::Fuse);
        return None;
    };
    std::fs::write(disk.at(DEVICE), "").expect("a place to mount on");
    let options = "fd=0,rootmode=100600,user_id=0,group_id=0";
    let mut mount = disk.command(&["mount", "-i", "-t", "fuse", "-o", options, "recorder", DEVICE]);
    let done = finish_with(&mut mount, fuse.try_clone().expect("a handle"));
    assert!(done, "FUSE was not mounted");
    let recorder = Recorder::serve(card, fuse);
    disk.mount(&["-o", "loop,noatime", DEVICE]);
    Some(recorder)
}

fn finish_with(command: &mut Command, input: File) -> bool {
    let mut child = command.stdin(input).spawn().expect("mount starts");
    wait(&mut child, SOON).is_some_and(|s| s.success())
}

/// Takes the card out.
pub fn dark(disk: &OwnDisk) {
    let home = disk.home.path("").display().to_string();
    for place in [home.as_str(), DEVICE] {
        let done = disk.run(&["umount", "-l", place]);
        assert!(done.status.success(), "{done:?}");
    }
}

/// What the board's next boot does before it mounts the card.
fn checked(lane: &mut Lane, disk: &OwnDisk, card: &[u8]) -> Vec<u8> {
    let path = disk.home.path("card.img");
    std::fs::write(&path, card).expect("a file");
    let mut fsck = Command::new("e2fsck");
    fsck.arg("-p").arg(&path).env("PATH", TOOLS);
    let done = finish(fsck);
    // 1: repaired. 4 and more: it wants a person.
    if done.status.code().is_none_or(|code| code >= 4) {
        lane.books.add("file_systems_damaged", 1);
        lane.complain(done.all());
    }
    std::fs::read(&path).expect("a card")
}
