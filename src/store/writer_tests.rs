use super::*;
use crate::bus::Inbound;
use crate::limits::UNSAVED_BYTES;
use crate::sys::scratch::Scratch;

fn received(id: u64) -> Frame {
    Frame::Received {
        id,
        message: Inbound { event: id as i64, text: "hello".into(), ..Inbound::default() },
    }
}

fn open(dir: &Path) -> Journal {
    Journal::open(&dir.join("state"), &dir.join("sessions")).0
}

fn drive<T>(journal: &Journal, work: impl Future<Output = T>) -> T {
    smol::block_on(or(work, async {
        journal.run().await;
        unreachable!("run never ends")
    }))
}

#[test]
fn synced_frames_survive_a_restart() {
    let dir = Scratch::named("writer");
    let journal = open(&dir);
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(1))).await);
        assert!(journal.synced(journal.record(&received(2))).await);
        journal.record_lines(1, "s.jsonl", 0, b"{}\n".to_vec(), vec![]);
        assert!(journal.synced(journal.record(&Frame::Finished { id: 2 })).await);
    });
    drop(journal);
    assert_eq!(std::fs::read(dir.join("sessions/s.jsonl")).expect("session"), b"{}\n");
    std::fs::remove_file(dir.join("sessions/s.jsonl")).expect("remove");
    let again = open(&dir);
    assert_eq!(again.ledger(|l| l.entries().map(|e| e.id).collect::<Vec<_>>()), [1]);
    assert_eq!(std::fs::read(dir.join("sessions/s.jsonl")).expect("repaired"), b"{}\n");
}

#[test]
fn a_turn_takes_no_other_turns_lines_for_its_own() {
    let dir = Scratch::named("writer-moved");
    let file = dir.join("sessions/s.jsonl");
    let user = |text: &str| format!("{{\"role\":\"user\",\"content\":\"{text}\"}}\n");
    let answered = format!("{}{{\"role\":\"assistant\",\"content\":\"old\"}}\n", user("old"));
    let journal = open(&dir);
    drive(&journal, async {
        // From then on the journal carries the lines.
        assert!(journal.synced(journal.record(&received(1))).await);
        journal.record_lines(1, "s.jsonl", 0, answered.clone().into_bytes(), vec![]);
        journal.record(&Frame::Finished { id: 1 });
        journal.record(&received(2));
        let lines = user("new").into_bytes();
        let at = answered.len() as u64;
        let next = at + lines.len() as u64;
        journal.record_lines(2, "s.jsonl", at, lines, vec![]);
        // The turn is told more while it runs.
        let more = user("more").into_bytes();
        assert!(journal.synced(journal.record_lines(2, "s.jsonl", next, more, vec![])).await);
    });
    drop(journal);
    // As it was left: the turn continues with its line.
    let whole = std::fs::read(&file).expect("session");
    let progress = |journal: &Journal| journal.ledger(|l| l.get(2).expect("open").progress.clone());
    assert!(progress(&open(&dir)).is_some());
    // Another file has its name: the first lines come behind what is there.
    std::fs::write(&file, user("x")).expect("another file");
    let (again, notes) = Journal::open(&dir.join("state"), &dir.join("sessions"));
    assert_eq!(progress(&again), None, "{notes:?}");
    assert!(notes.iter().any(|n| n.contains("a turn of it begins again")), "{notes:?}");
    let text = again.ledger(|l| l.get(2).expect("open").message.text.clone());
    assert_eq!(text, "hello\n\nmore");
    drop(again);
    std::fs::write(&file, &whole).expect("back");
    // Gone without a trace, and the journal has the lines: they are put back where they were.
    std::fs::remove_file(&file).expect("remove");
    assert!(progress(&open(&dir)).is_some());
    assert_eq!(std::fs::read(&file).expect("repaired"), whole);
}

#[test]
fn lines_of_a_file_that_was_set_aside_do_not_come_into_the_next_one() {
    let dir = Scratch::named("writer-aside");
    let file = dir.join("sessions/s.jsonl");
    let line = |text: &str| format!("{{\"role\":\"user\",\"content\":\"{text}\"}}\n");
    let journal = open(&dir);
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(1))).await);
        journal.record_lines(1, "s.jsonl", 0, line("old").into_bytes(), vec![]);
        assert!(journal.synced(journal.record(&Frame::Finished { id: 1 })).await);
        // What is there now is no file of ours.
        std::fs::rename(&file, dir.join("old")).expect("taken");
        std::fs::create_dir(&file).expect("a folder");
        assert!(journal.synced(journal.record(&received(2))).await);
        let ticket = journal.record_lines(2, "s.jsonl", 0, line("new").into_bytes(), vec![]);
        assert!(journal.synced(ticket).await);
        let other = line("other").into_bytes();
        assert!(journal.synced(journal.record_lines(2, "t.jsonl", 0, other, vec![])).await);
    });
    drop(journal);
    let again = open(&dir);
    assert_eq!(std::fs::read_to_string(&file).expect("session"), line("new"));
    let progress = again.ledger(|l| l.get(2).expect("open").progress.clone());
    assert_eq!(progress, Some(("s.jsonl".into(), 0)), "the turn continues");
    drop(again);
    // Both files of the new lines are restored.
    for name in ["s", "t"] {
        std::fs::remove_file(dir.join(format!("sessions/{name}.jsonl"))).expect("remove");
    }
    drop(open(&dir));
    assert_eq!(std::fs::read_to_string(&file).expect("session"), line("new"));
    assert_eq!(std::fs::read_to_string(dir.join("sessions/t.jsonl")).expect("t"), line("other"));
}

#[test]
fn lines_of_a_file_that_cannot_be_completed_at_the_start_wait_for_it() {
    let dir = Scratch::named("writer-wait");
    let file = dir.join("sessions/s.jsonl");
    let journal = open(&dir);
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(1))).await);
        for (offset, line) in [(0, "1\n"), (2, "2\n")] {
            journal.record_lines(1, "s.jsonl", offset, line.into(), vec![]);
        }
        assert!(journal.finish().await);
    });
    drop(journal);
    // Somebody's folder, which cannot be moved away because all its names for that are taken.
    std::fs::remove_file(&file).expect("gone");
    std::fs::create_dir(&file).expect("a folder");
    let names =
        || (1..=crate::limits::DIR_ASIDE).map(|n| dir.join(format!("sessions/s.jsonl.unfit-{n}")));
    names().for_each(|name| std::fs::create_dir(name).expect("taken"));
    for _ in 0..2 {
        let again = open(&dir);
        assert!(again.failures(|f| f.why("s.jsonl").is_some()));
        assert_eq!(
            again.unsaved("s.jsonl").into_iter().flat_map(|(_, b)| b).collect::<Vec<u8>>(),
            b"1\n2\n"
        );
        // The next life has them as well.
        drive(&again, async { assert!(again.synced(again.record(&received(2))).await) });
    }
    std::fs::remove_dir(&file).expect("mended");
    let again = open(&dir);
    assert!(again.failures(|f| f.why("s.jsonl").is_none()));
    assert_eq!(std::fs::read_to_string(&file).expect("session"), "1\n2\n");
}

#[test]
fn many_waiters_share_a_sync() {
    let dir = Scratch::named("writer-group");
    let journal = open(&dir);
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(1))).await);
        let before = journal.costs().syncs;
        let mut last = None;
        for id in 2..50 {
            last = Some(journal.record(&received(id)));
        }
        assert!(journal.synced(last.expect("some")).await);
        assert!(journal.costs().syncs - before <= 2, "{:?}", journal.costs());
    });
}

#[test]
fn long_lines_are_synced_in_their_own_file() {
    let dir = Scratch::named("writer-long");
    let journal = open(&dir);
    let long = vec![b'x'; JOURNAL_LINES_BYTES + 1];
    drive(&journal, async {
        journal.record(&received(1));
        let ticket = journal.record_lines(1, "s.jsonl", 0, long.clone(), vec![]);
        assert!(journal.synced(ticket).await);
    });
    assert_eq!(std::fs::read(dir.join("sessions/s.jsonl")).expect("session"), long);
    let journal_bytes = std::fs::read(dir.join("state/journal.a")).expect("journal");
    assert!(!journal_bytes.windows(64).any(|w| w == &long[..64]));
}

#[test]
fn a_failing_disk_is_survived_and_reported() {
    let dir = Scratch::named("writer-off");
    let journal = open(&dir);
    // A file where the folder belongs: every write fails, as on a read-only disk, also for root.
    std::fs::write(dir.join("state"), b"").expect("write");
    std::fs::write(dir.join("sessions"), b"").expect("write");
    drive(&journal, async {
        let ticket = journal.record(&received(1));
        assert!(!journal.synced(ticket).await);
        assert!(journal.durability().off().is_some());
        let ticket = journal.record_lines(1, "s.jsonl", 0, b"{}\n".to_vec(), vec![]);
        journal.written(ticket).await;
        assert_eq!(journal.unsaved("s.jsonl"), [(3, b"{}\n".to_vec())]);
        std::fs::remove_file(dir.join("state")).expect("remove");
        std::fs::remove_file(dir.join("sessions")).expect("remove");
        assert!(journal.synced(journal.record(&received(2))).await);
        assert!(journal.durability().off().is_none());
        assert!(journal.unsaved("s.jsonl").is_empty());
    });
    assert_eq!(std::fs::read(dir.join("sessions/s.jsonl")).expect("saved late"), b"{}\n");
    assert_eq!(open(&dir).ledger(|l| l.len()), 2);
}

#[test]
fn unsaved_lines_are_bounded() {
    let dir = Scratch::named("writer-bound");
    std::fs::write(dir.join("sessions"), b"").expect("write");
    let journal = open(&dir);
    drive(&journal, async {
        for _ in 0..20 {
            let ticket = journal.record_lines(0, "s.jsonl", 0, vec![b'x'; 8000], vec![]);
            journal.written(ticket).await;
        }
        let unsaved = journal.unsaved("s.jsonl");
        assert!(unsaved.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() <= UNSAVED_BYTES);
    });
}

#[test]
fn lines_are_unsaved_until_their_job_has_ended() {
    let dir = Scratch::named("writer-under-way");
    let journal = open(&dir);
    journal.record_lines(0, "s.jsonl", 7, b"{}\n".to_vec(), vec![]);
    let job = journal.inner.borrow_mut().job(&dir).expect("a job");
    assert_eq!(journal.unsaved("s.jsonl"), [(10, b"{}\n".to_vec())]);
    journal.record_lines(0, "s.jsonl", 10, b"[]\n".to_vec(), vec![]);
    journal.inner.borrow_mut().complete(job, 1, false);
    let both = [(10, b"{}\n".to_vec()), (13, b"[]\n".to_vec())];
    assert_eq!(journal.unsaved("s.jsonl"), both);
}

#[test]
fn an_acceptance_passes_the_sync_that_is_under_way() {
    let dir = Scratch::named("writer-ahead");
    let journal = open(&dir);
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(1))).await);
        assert!(journal.synced(journal.record(&received(2))).await);
    });
    let ticket = journal.record(&received(3));
    journal.inner.borrow_mut().sync_wanted = ticket.0;
    let mut job = journal.inner.borrow_mut().job(&dir.join("sessions")).expect("a job");
    assert!(!journal.inner.borrow().may_pipeline());
    journal.record(&received(4));
    assert!(!journal.inner.borrow().may_pipeline(), "only a reply's acceptance is in a hurry");
    journal.record(&Frame::Finished { id: 1 });
    assert!(journal.inner.borrow().may_pipeline());
    smol::block_on(journal.write_ahead());
    assert!(!journal.inner.borrow().may_pipeline());

    let open_now = || open_copy(&dir);
    assert_eq!(open_now(), [2, 4], "it counts although what is written before it is not there yet");
    job.run().expect("write");
    assert_eq!(open_now(), [2, 3, 4]);
    journal.inner.borrow_mut().complete(job, ticket.0, true);
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(5))).await);
    });
    assert_eq!(open_now(), [2, 3, 4, 5]);
}

/// What a kill at this moment would leave open.
fn open_copy(dir: &Path) -> Vec<u64> {
    let copy = Scratch::named("writer-ahead-copy");
    std::fs::create_dir_all(copy.join("state")).expect("folder");
    for name in ["journal.a", "journal.b"] {
        let _ = std::fs::copy(dir.join("state").join(name), copy.join("state").join(name));
    }
    open(&copy).ledger(|l| l.entries().map(|e| e.id).collect())
}

#[test]
fn a_passing_write_that_fails_begins_a_new_file() {
    let dir = Scratch::named("writer-ahead-fails");
    let journal = open(&dir);
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(1))).await);
    });
    let ticket = journal.record(&received(2));
    journal.inner.borrow_mut().sync_wanted = ticket.0;
    let mut job = journal.inner.borrow_mut().job(&dir.join("sessions")).expect("a job");
    job.run().expect("write");
    journal.record(&Frame::Finished { id: 1 });
    std::fs::rename(dir.join("state"), dir.join("away")).expect("rename");
    smol::block_on(journal.write_ahead());
    std::fs::rename(dir.join("away"), dir.join("state")).expect("rename");
    journal.inner.borrow_mut().complete(job, ticket.0, true);
    assert!(journal.inner.borrow().failed);
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(3))).await);
    });
    assert_eq!(open(&dir).ledger(|l| l.entries().map(|e| e.id).collect::<Vec<_>>()), [2, 3]);
}

#[test]
fn lines_are_not_restored_after_a_clean_stop() {
    let dir = Scratch::named("writer-close");
    let (file, mut syncs) = (dir.join("sessions/s.jsonl"), Vec::new());
    for _ in 0..2 {
        let journal = open(&dir);
        drive(&journal, async {
            assert!(journal.synced(journal.record(&received(1))).await);
            journal.record_lines(1, "s.jsonl", 0, b"{}\n".to_vec(), vec![]);
            assert!(journal.close().await);
            let before = journal.costs().syncs;
            assert!(journal.close().await);
            syncs.push(journal.costs().syncs - before);
        });
        drop(journal);
        assert_eq!(std::fs::read(&file).expect("session"), b"{}\n");
        std::fs::remove_file(&file).expect("remove");
    }
    assert!(syncs.iter().all(|n| *n <= 1), "nothing is compacted twice: {syncs:?}");
    let again = open(&dir);
    assert!(!file.exists());
    assert_eq!(again.ledger(|l| l.get(1).expect("open").progress.clone()), None, "it begins again");
}

#[test]
fn synced_lines_are_not_restored_after_a_kill() {
    let dir = Scratch::named("writer-synced");
    let (journal, file) = (open(&dir), dir.join("sessions/s.jsonl"));
    let long = [vec![b'x'; JOURNAL_LINES_BYTES], b"\n".to_vec()].concat();
    drive(&journal, async {
        assert!(journal.synced(journal.record(&received(1))).await);
        journal.record_lines(1, "s.jsonl", 0, b"{1}\n".to_vec(), vec![]);
        let ticket = journal.record_lines(1, "s.jsonl", 4, long.clone(), vec![]);
        journal.written(ticket).await;
        let at = 4 + long.len() as u64;
        assert!(
            journal.synced(journal.record_lines(1, "s.jsonl", at, b"{2}\n".to_vec(), vec![])).await
        );
    });
    drop(journal);
    std::fs::remove_file(&file).expect("remove");
    drop(open(&dir));
    assert_eq!(std::fs::read(&file).expect("session"), b"{2}\n");
    // A file that began anew since has lines at the same places, which are not safe.
    let journal = open(&dir);
    drive(&journal, async {
        let ticket = journal.record_lines(1, "t.jsonl", 0, long.clone(), vec![]);
        journal.written(ticket).await;
        std::fs::remove_file(dir.join("sessions/t.jsonl")).expect("remove");
        let ticket = journal.record_lines(1, "t.jsonl", 0, b"{3}\n".to_vec(), vec![]);
        assert!(journal.synced(ticket).await);
    });
    drop(journal);
    std::fs::remove_file(dir.join("sessions/t.jsonl")).expect("remove");
    drop(open(&dir));
    assert_eq!(std::fs::read(dir.join("sessions/t.jsonl")).expect("session"), b"{3}\n");
}
