use std::fs;

use super::*;
use crate::bus::Inbound;
use crate::sys::scratch::Scratch;

fn received(id: u64) -> Frame {
    Frame::Received {
        id,
        message: Inbound { event: id as i64, text: "x".repeat(500), ..Inbound::default() },
    }
}

fn encoded(frame: &Frame, generation: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(frame::encode(frame, generation, &mut bytes));
    bytes
}

fn snapshot(ledger: &Ledger, generation: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    ledger.snapshot(|f| assert!(frame::encode(f, generation, &mut bytes)));
    bytes
}

/// What the writer does with one frame.
fn put(files: &mut Files, ledger: &mut Ledger, frame: &Frame) {
    ledger.apply(frame);
    if files.is_full(1000) {
        files.compact(&snapshot(ledger, files.next_generation())).expect("compact");
    } else {
        files.append(&encoded(frame, files.generation()), true).expect("append");
    }
}

#[test]
fn an_empty_folder_is_an_empty_journal() {
    let dir = Scratch::named("journal-empty");
    let r = Files::recover(&dir.join("state"));
    assert!(r.ledger.is_empty() && !r.torn && r.files.is_full(0));
}

#[test]
fn thousands_of_frames_stay_under_the_limit_and_come_back() {
    let dir = Scratch::named("journal-many");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    for id in 1..=2000 {
        put(&mut files, &mut ledger, &received(id));
        if id > 3 {
            put(&mut files, &mut ledger, &Frame::Finished { id: id - 3 });
        }
        for name in NAMES {
            assert!(fs::metadata(dir.join(name)).map_or(0, |m| m.len()) <= JOURNAL_BYTES);
        }
    }
    let again = Files::recover(&dir);
    assert_eq!(again.ledger.entries().map(|e| e.id).collect::<Vec<_>>(), [1998, 1999, 2000]);
    assert!(!again.torn);
    assert!(files.generation() > 3, "it was compacted");
}

#[test]
fn a_compaction_cut_short_leaves_the_old_file_in_force() {
    let dir = Scratch::named("journal-cut");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    put(&mut files, &mut ledger, &received(1));
    put(&mut files, &mut ledger, &received(2));
    let other = dir.join(NAMES[1 - files.current]);
    let whole = {
        let mut bytes = header(files.next_generation()).to_vec();
        bytes.extend(snapshot(&Ledger::default(), files.next_generation()));
        bytes
    };
    for cut in 0..whole.len() {
        fs::write(&other, &whole[..cut]).expect("write");
        assert_eq!(Files::recover(&dir).ledger.len(), 2, "cut at {cut}");
    }
    fs::write(&other, &whole).expect("write");
    assert_eq!(Files::recover(&dir).ledger.len(), 0);
}

#[test]
fn sectors_of_a_compaction_may_reach_the_card_in_any_order() {
    let dir = Scratch::named("journal-sectors");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    let mut compact = |ids: std::ops::Range<u64>| {
        ids.for_each(|id| ledger.apply(&received(id)));
        files.compact(&snapshot(&ledger, files.next_generation())).expect("compact");
        dir.join(NAMES[files.current])
    };
    let other = compact(1..3);
    let old = fs::read(&other).expect("old");
    compact(3..4);
    assert_eq!(compact(4..6), other);
    let new = fs::read(&other).expect("new");
    let sectors = new.chunks(512).zip(old.chunks(512)).take_while(|(n, o)| n != o).count();
    assert!(sectors > 4);
    for there in 0u32..1 << sectors {
        let mut mixed = old.clone();
        for at in (0..sectors).filter(|i| there & 1 << i != 0).map(|i| i * 512) {
            mixed[at..at + 512].copy_from_slice(&new[at..at + 512]);
        }
        fs::write(&other, &mixed).expect("write");
        let found = Files::recover(&dir).ledger.len();
        assert_eq!(found, if mixed == new { 5 } else { 3 }, "sectors {there:b}");
    }
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let dir = Scratch::named("journal-torn");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    put(&mut files, &mut ledger, &received(1));
    let bytes = encoded(&received(2), files.generation());
    files.append(&bytes[..bytes.len() - 200], true).expect("append");
    let again = Files::recover(&dir);
    assert!(again.torn);
    assert_eq!(again.ledger.len(), 1);
}

#[test]
fn a_newer_journal_is_set_aside_and_reported() {
    let dir = Scratch::named("journal-newer");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    put(&mut files, &mut ledger, &received(1));
    let name = NAMES[files.current];
    // The newer build began a file of its own.
    let mut bytes = fs::read(dir.join(name)).expect("a journal");
    let mut at = HEADER;
    while at < files.at as usize {
        bytes[at] = frame::VERSION + 1;
        let length: [u8; 4] = bytes[at + 5..at + 9].try_into().expect("a length");
        at += frame::HEAD + u32::from_le_bytes(length) as usize;
    }
    fs::write(dir.join(name), bytes).expect("a newer journal");
    let before = fs::read(dir.join(name)).expect("a journal");
    let mut again = Files::recover(&dir);
    assert!(again.notes[0].contains("a newer picoclaw"), "{:?}", again.notes);
    assert_eq!(fs::read(dir.join(format!("{name}.unfit-1"))).expect("kept"), before);
    assert!(again.ledger.is_empty(), "what the newer one has done is not done again");
    // And what is written from here on is what the next start reads, not the older file beside it.
    put(&mut again.files, &mut again.ledger, &received(7));
    assert_eq!(Files::recover(&dir).ledger.entries().map(|e| e.id).collect::<Vec<_>>(), [7]);
}

#[test]
fn journal_recovers_from_any_directory_entry() {
    for kind in ["folder", "fifo", "link", "rubbish", "empty"] {
        let dir = Scratch::named(&format!("journal-{kind}"));
        let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
        put(&mut files, &mut ledger, &received(1));
        let place = dir.join(NAMES[1 - files.current]);
        match kind {
            "folder" => fs::create_dir(&place).expect("a folder"),
            "link" => std::os::unix::fs::symlink("nowhere", &place).expect("a link"),
            "rubbish" => fs::write(&place, [7; 9000]).expect("a file"),
            "fifo" => rustix::fs::mknodat(
                rustix::fs::CWD,
                &place,
                rustix::fs::FileType::Fifo,
                0o600.into(),
                0,
            )
            .expect("a FIFO"),
            _ => fs::write(&place, []).expect("a file"),
        }
        let mut again = Files::recover(&dir);
        assert_eq!(again.ledger.len(), 1, "{kind}");
        put(&mut again.files, &mut again.ledger, &received(2));
        assert_eq!(Files::recover(&dir).ledger.len(), 2, "{kind}: it can be written");
    }
}

#[test]
fn every_cut_and_a_flipped_bit_in_every_byte_start() {
    let dir = Scratch::named("journal-damage");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    let small = |id| Frame::Received { id, message: Inbound { event: 1, ..Inbound::default() } };
    (1..4).for_each(|id| put(&mut files, &mut ledger, &small(id)));
    let path = dir.join(NAMES[files.current]);
    let mut whole = fs::read(&path).expect("a journal");
    let used = files.at as usize;
    whole.truncate(used + 64);
    for cut in 0..=used {
        fs::write(&path, &whole[..cut]).expect("cut");
        assert!(Files::recover(&dir).ledger.len() <= 3, "cut at {cut}");
    }
    let (length, head) = (encoded(&small(3), files.generation()).len(), frame::HEAD);
    let is_head = |at| at < HEADER + head || (used - at - 1) % length >= length - head;
    // Of a payload one bit of each byte: its sum is wrong by any of them.
    for bit in (0..used * 8).filter(|bit| is_head(bit / 8) || bit % 8 == bit / 8 % 8) {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).expect("damage");
        let found = Files::recover(&dir);
        // The version of the last frame may be a later build's, which has done more: nothing is done again.
        let is_set_aside = fs::remove_file(format!("{}.unfit-1", path.display())).is_ok();
        let may_be = bit / 8 == used - length && damaged[bit / 8] > frame::VERSION;
        let is_good = may_be || (2..=3).contains(&found.ledger.len());
        assert!(is_good && is_set_aside == may_be, "bit {bit}: {:?}", found.notes);
    }
}

#[test]
fn a_file_of_any_size_is_read_in_bounded_memory() {
    let dir = Scratch::named("journal-large");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    put(&mut files, &mut ledger, &received(1));
    // More than ever fits; such a file must not keep the daemon from starting.
    let mut bytes = Vec::new();
    for id in 2..40_000 {
        frame::encode(&received(id), files.generation(), &mut bytes);
        frame::encode(&Frame::Finished { id }, files.generation(), &mut bytes);
    }
    assert!(bytes.len() as u64 > 64 * JOURNAL_BYTES);
    files.append(&bytes, true).expect("append");
    let mut again = Files::recover(&dir);
    assert_eq!(again.ledger.len(), 1);
    assert!(again.notes.is_empty() && !again.torn);
    // The next file begun in its place is small again.
    for id in 50_000..50_003 {
        again.ledger.apply(&received(id));
        let bytes = snapshot(&again.ledger, again.files.next_generation());
        again.files.compact(&bytes).expect("compact");
    }
    assert!(
        NAMES.iter().all(|name| {
            fs::metadata(dir.join(name)).is_ok_and(|m| m.len() == JOURNAL_STEP_BYTES)
        })
    );
}

#[test]
fn with_much_open_not_every_write_starts_a_file() {
    let dir = Scratch::named("journal-open");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    for id in 1..=160 {
        put(&mut files, &mut ledger, &received(id));
    }
    assert!(ledger.bytes() as u64 > JOURNAL_STEP_BYTES);
    let before = files.generation();
    for id in 161..=190 {
        put(&mut files, &mut ledger, &received(id));
        put(&mut files, &mut ledger, &Frame::Finished { id });
    }
    let begun = files.generation() - before;
    assert!(begun <= 3, "{begun} files for 60 writes");
    for id in 1..=160 {
        put(&mut files, &mut ledger, &Frame::Finished { id });
    }
    files.compact(&snapshot(&ledger, files.next_generation())).expect("compact");
    assert_eq!(files.length, JOURNAL_STEP_BYTES, "and it shrinks again");
}

#[test]
fn damage_is_told_and_what_it_hides_is_kept() {
    let dir = Scratch::named("journal-told");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    (1..4).for_each(|id| put(&mut files, &mut ledger, &received(id)));
    let path = dir.join(NAMES[files.current]);
    let whole = fs::read(&path).expect("a journal");
    let damaged = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).expect("damage");
        (bytes, Files::recover(&dir))
    };
    for at in [0, 9, 15] {
        let (_, found) = damaged(at);
        assert_eq!(found.ledger.len(), 3, "the header alone: nothing is lost");
        assert!(found.notes[0].contains("header"), "{:?}", found.notes);
    }
    let (bytes, found) = damaged(files.at as usize - 700);
    let ids: Vec<u64> = found.ledger.entries().map(|e| e.id).collect();
    assert_eq!((ids, found.torn), (vec![1, 3], true), "only the damaged frame is lost");
    assert!(found.notes[0].contains("damaged at byte"), "{:?}", found.notes);
    let kept = fs::read(format!("{}.damaged", path.display())).expect("a copy");
    assert_eq!(kept, bytes);
    let (_, found) = damaged(files.at as usize - 10);
    assert_eq!((found.ledger.len(), found.torn, found.notes.len()), (2, true, 0), "a cut write");
    let mut rubbish = whole;
    rubbish[..600].fill(7);
    fs::write(&path, &rubbish).expect("damage");
    let found = Files::recover(&dir);
    assert!(found.notes[0].contains("unfit-1"), "{:?}", found.notes);
}

#[test]
fn frames_behind_damage_are_used() {
    let dir = Scratch::named("journal-middle");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    let steps = |id| Frame::Step {
        id,
        session: "s.jsonl".into(),
        offset: id * 10,
        lines: vec![id as u8],
        started: vec![],
    };
    for id in 1..=20 {
        put(&mut files, &mut ledger, &received(id));
        put(&mut files, &mut ledger, &steps(id));
    }
    let path = dir.join(NAMES[files.current]);
    let whole = fs::read(&path).expect("a journal");
    let frame = encoded(&received(7), files.generation());
    let at = whole.windows(frame.len()).position(|w| w == frame).expect("frame 7");
    // In the version, the generation, the length, the checksum, and the message.
    for damage in [0, 1, 4, 5, 8, 9, 12, 300] {
        let mut bytes = whole.clone();
        bytes[at + damage] ^= 0x41;
        fs::write(&path, &bytes).expect("damage");
        let found = Files::recover(&dir);
        let ids: Vec<u64> = found.ledger.entries().map(|e| e.id).collect();
        let others: Vec<u64> = (1..=20).filter(|id| *id != 7).collect();
        assert_eq!(ids, others, "{damage}");
        let mut lines = Vec::new();
        found.lines(&mut |_, _, bytes| lines.extend(bytes));
        assert_eq!(lines, (1..=20).collect::<Vec<u8>>(), "{damage}");
        let note = format!("damaged at byte {at}");
        assert!(found.notes[0].contains(&note), "{damage}: {:?}", found.notes);
        let kept = fs::read(format!("{}.damaged", path.display())).expect("a copy");
        assert!(kept == bytes, "{damage}");
        // What was lost may come again, and what is there is not taken twice.
        assert_eq!(found.ledger.offset(""), 6, "{damage}");
        assert!(!found.ledger.knows("", 7) && found.ledger.knows("", 8), "{damage}");
        // Damage is not damage for ever: the next write starts a file.
        let Recovered { mut files, ledger, .. } = found;
        let bytes = snapshot(&ledger, files.next_generation());
        files.compact(&bytes).expect("compact");
        let again = Files::recover(&dir);
        assert!(again.ledger.len() == 19 && again.notes.is_empty(), "{damage}");
        fs::remove_file(dir.join(NAMES[files.current])).expect("as before");
    }
}

#[test]
fn an_interrupted_compaction_is_not_taken_for_damage() {
    let dir = Scratch::named("journal-interrupted");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    (1..6).for_each(|id| put(&mut files, &mut ledger, &received(id)));
    let bytes = snapshot(&ledger, files.next_generation());
    files.compact(&bytes).expect("compact");
    let path = dir.join(NAMES[files.current]);
    let mut bytes = fs::read(&path).expect("a journal");
    bytes[700..1200].fill(0);
    fs::write(&path, &bytes).expect("damage");
    // A part of the snapshot is missing; the file before it has everything.
    let found = Files::recover(&dir);
    assert_eq!((found.ledger.len(), found.notes.len()), (5, 0));
    // The compaction had ended if more was written: then the older file is out of date.
    for later in [Frame::Finished { id: 1 }, received(6)] {
        files.append(&encoded(&later, files.generation()), true).expect("append");
        let found = Files::recover(&dir);
        let ids: Vec<u64> = found.ledger.entries().map(|e| e.id).collect();
        assert!(ids.contains(&5) && !ids.contains(&2), "{ids:?}");
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    }
}

/// What a restart finds after a torn write that left of a message's frame only what somebody had written into the message:
/// frames for the generations up to 200.
fn found_with_forged_frames(dir: &Scratch, files: &Files) -> Vec<u64> {
    let path = dir.join(NAMES[files.current]);
    let mut bytes = fs::read(&path).expect("a journal");
    bytes.truncate(files.at as usize);
    bytes.extend(b"the rest of a message");
    (0..200).for_each(|generation| bytes.extend(encoded(&received(99), generation)));
    fs::write(&path, bytes).expect("damage");
    Files::recover(dir).ledger.entries().map(|e| e.id).collect()
}

#[test]
fn a_frame_that_somebody_wrote_into_a_message_is_none() {
    let dir = Scratch::named("journal-forged");
    let Recovered { mut files, mut ledger, .. } = Files::recover(&dir);
    put(&mut files, &mut ledger, &received(1));
    assert!(files.generation() >= GUESSABLE, "{}", files.generation());
    assert_eq!(found_with_forged_frames(&dir, &files), [1]);
    // Where the generation is known, they would be believed.
    (files.generation, files.jump) = (6, 1);
    files.compact(&snapshot(&ledger, files.next_generation())).expect("compact");
    fs::remove_file(dir.join(NAMES[1 - files.current])).expect("removed");
    assert_eq!(found_with_forged_frames(&dir, &files), [1, 99]);
}

#[test]
fn a_journal_that_counted_from_one_goes_on_where_nobody_can_guess() {
    let dir = Scratch::named("journal-counted");
    let Recovered { mut files, ledger, .. } = Files::recover(&dir);
    (files.generation, files.jump) = (6, 1);
    files.compact(&snapshot(&ledger, files.next_generation())).expect("compact");
    files.append(&encoded(&received(1), 7), true).expect("append");
    let Recovered { mut files, ledger, .. } = Files::recover(&dir);
    assert_eq!((files.generation(), ledger.len()), (7, 1));
    assert!(files.is_full(0), "the next write starts a file");
    files.compact(&snapshot(&ledger, files.next_generation())).expect("compact");
    let again = Files::recover(&dir);
    assert!(again.files.generation() >= GUESSABLE && !again.files.is_full(0));
    assert_eq!(again.ledger.len(), 1);
}
