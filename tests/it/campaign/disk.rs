//! A disk that is full, read-only and well again at random moments, with kills between.

use std::time::Duration;

use super::Orders;
use super::books::Books;
use super::lane::Lane;
use crate::harness_disk::OwnDisk;

/// Large enough for what a long campaign leaves in the sessions.
const SIZE: &str = "size=16m";

#[test]
fn full_and_read_only_disks_lose_nothing() {
    Orders::new(12, 1).run("disk", troubles);
}

fn troubles(orders: Orders) -> Option<Books> {
    let (mut lane, home) = Lane::new(orders.seed);
    let disk = OwnDisk::new(home)?;
    disk.mount(&["-t", "tmpfs", "-o", SIZE, "none"]);
    let mut daemon = disk.start(&lane.peer);
    lane.ready();
    for _ in 0..orders.count {
        lane.chatter(3, 4);
        match lane.random.below(6) {
            0 | 1 => {
                disk.fill();
                lane.books.add("times_full", 1);
            }
            2 => {
                disk.remount("ro");
                lane.books.add("times_read_only", 1);
            }
            _ => well(&disk),
        }
        lane.random.pause(60);
        match lane.random.below(12) {
            0 => {
                well(&disk);
                lane.calm(daemon);
                daemon = disk.start(&lane.peer);
                lane.ready();
            }
            1..6 => {
                lane.killed(|_| daemon.kill9());
                daemon = disk.start(&lane.peer);
                lane.ready();
            }
            _ => {}
        }
    }
    well(&disk);
    lane.settle(&daemon, Duration::from_secs(60));
    if lane.books.lost > 0 {
        lane.complain(daemon.log());
    }
    assert!(daemon.term().success());
    lane.inspect(&disk.inside(""));
    // A kill while the disk takes nothing finds nothing recorded: no promise, but counted.
    let books = &mut lane.books;
    let (replies, effects) = (books.repeated_known, books.effects_repeated);
    (books.repeated_known, books.effects_repeated) = (0, 0);
    books.add("replies_repeated_durability_off", replies);
    books.add("side_effects_repeated_durability_off", effects);
    Some(lane.books)
}

fn well(disk: &OwnDisk) {
    disk.remount("rw");
    disk.free();
}
