use std::rc::Rc;

use smol::LocalExecutor;

use super::*;
use crate::app::assistant::Assistant;
use crate::app::turns::attachments::DownloadLimits;
use crate::config::Config;
use crate::limits::SPILL_CHAT_BYTES;
use crate::net::http::HttpClient;
use crate::provider::Models;
use crate::store::session::Sessions;
use crate::sys::scratch::Scratch;

/// An assistant whose journal writes and whose turns never begin, on an executor of its own.
fn with_assistant<F: Future<Output = ()>>(test: impl FnOnce(Rc<Assistant>) -> F) {
    let dir = Scratch::named("inbox");
    let mut config = Config { home: dir.to_path_buf(), ..Config::default() };
    config.session.dimensions = vec!["chat".into()];
    config.agent.workspace = dir.join("workspace");
    let config = Rc::new(config);
    let sessions = Sessions::new(&config.home);
    let (journal, notes) = Journal::open(&dir.join("state"), sessions.dir());
    assert!(notes.is_empty(), "{notes:?}");
    let http = HttpClient::new().expect("a client");
    let models = Models::new(config.clone(), http.clone());
    let agent = Rc::new(crate::app::agent(config, models, http, Rc::new(journal)));
    let outbox = Rc::new(Outbox::new(agent.journal.clone(), sessions, Vec::new()));
    let assistant = Assistant::new(agent.clone(), outbox, None, DownloadLimits::default());
    let executor = LocalExecutor::new();
    executor.spawn(async move { agent.journal.run().await }).detach();
    async_io::block_on(executor.run(test(Rc::new(assistant))));
}

fn message(chat: &str, event: i64, text: &str) -> Inbound {
    let from = Address { channel: "t".into(), chat: chat.into(), ..Address::default() };
    Inbound { event, from, text: text.into(), ..Inbound::default() }
}

/// Submits one message; true when everything may be confirmed.
async fn submit(inbox: &Inbox, message: Inbound) -> bool {
    let next = message.event + 1;
    inbox.submit("t", vec![message], next).await == next
}

#[test]
fn a_chat_over_its_bound_is_told_once_and_stops_nobody() {
    with_assistant(|assistant| async move {
        let inbox = &assistant.inbox;
        let text = "x".repeat(MESSAGE_BYTES);
        let count = 2 * SPILL_CHAT_BYTES as i64 / MESSAGE_BYTES as i64;
        for event in 1..=count {
            assert!(submit(inbox, message("loud", event, &text)).await, "polling stops at {event}");
        }
        let loud = message("loud", 0, "").from;
        assert_eq!(*inbox.refused.borrow(), [loud], "it is told once");
        for (n, chat) in (0..40).map(|n| (n, n.to_string())) {
            assert!(submit(inbox, message(&chat, count + 1 + n, "hello")).await);
        }
        let open = assistant
            .agent
            .journal
            .ledger(|l| l.entries().filter(|e| e.message.text == "hello").count());
        assert_eq!(open, 40, "others are not kept waiting");
    });
}

#[test]
fn replies_to_commands_are_bounded_and_stop_is_heard_all_the_same() {
    with_assistant(|assistant| async move {
        let (inbox, journal) = (&assistant.inbox, &assistant.agent.journal);
        let count = COMMAND_REPLIES as i64;
        for event in 1..=4 * count {
            assert!(submit(inbox, message(&event.to_string(), event, "/help")).await);
        }
        let replies = || journal.ledger(|l| l.entries().filter(|e| e.stage != Stage::Open).count());
        assert_eq!(replies(), COMMAND_REPLIES);
        let event = 4 * count + 1;
        assert!(submit(inbox, message("a", event, "do something")).await);
        let (waiting, _) = assistant.turns.queue.load();
        assert!(submit(inbox, message("a", event + 1, "/stop")).await);
        assert_eq!(assistant.turns.queue.load().0, waiting - 1, "it was stopped");
        assert_eq!(replies(), COMMAND_REPLIES);
    });
}

#[test]
fn command_line_messages_wait_for_capacity() {
    with_assistant(|assistant| async move {
        let (inbox, journal) = (&assistant.inbox, &assistant.agent.journal);
        let local = |text: &str| Inbound {
            from: Address { channel: CLI.into(), chat: "s".into(), ..Address::default() },
            ..message("s", 0, text)
        };
        let mut ids = Vec::new();
        for _ in 0..crate::limits::CHAT_QUEUE {
            ids.push(inbox.take_local(local("hello")).await.0);
        }
        for command in ["/clear", "/btw why?"] {
            let room = async {
                let id = ids.pop().expect("an open message");
                // Somebody waits by now: the other side of the pair was polled first.
                journal.record(&Frame::Finished { id });
                std::future::pending().await
            };
            let (id, why) = or(inbox.take_local(local(command)), room).await;
            assert!(id != 0, "{command}: {why}");
        }
    });
}

#[test]
fn a_disk_that_hangs_does_not_hold_up_admission() {
    let dir = Scratch::named("inbox-hang");
    // Nobody runs this journal: what is recorded is never written, as on a disk that hangs.
    let journal = Rc::new(Journal::open(&dir.join("state"), &dir).0);
    let spill = SpillQueue::new(journal.clone(), &dir.join("state"));
    journal.record(&Frame::Skipped { channel: "t".into(), event: 1 });
    async_io::block_on(async {
        for _ in 0..3 {
            assert_eq!(spill.keep(&message("a", 2, "x")).await, SpillResult::Unwritable);
        }
    });
    assert!(spill.is_empty());
}

#[test]
fn messages_on_the_card_go_with_their_chat() {
    with_assistant(|assistant| async move {
        let inbox = &assistant.inbox;
        let text = "x".repeat(MESSAGE_BYTES);
        for event in 1..=4 {
            assert!(submit(inbox, message("old", event, &text)).await);
        }
        let (old, new) = (message("old", 0, "").from, message("new", 0, "").from);
        assert!(inbox.spill.holds(&old));
        inbox.migrated("t", "old", "new").await;
        assert!(inbox.spill.holds(&new) && !inbox.spill.holds(&old));
        let journal = &assistant.agent.journal;
        let first = journal.ledger(|l| l.entries().map(|e| e.id).collect::<Vec<_>>());
        for id in first {
            journal.record(&Frame::Finished { id });
        }
        while !inbox.spill.is_empty() {
            inbox.spill.move_one(|id| assert!(id > 0)).await;
            let chats = journal.ledger(|l| {
                l.entries().map(|e| (e.id, e.message.from.chat.clone())).collect::<Vec<_>>()
            });
            for (id, chat) in chats {
                assert_eq!(chat, "new");
                journal.record(&Frame::Finished { id });
            }
        }
    });
}

#[test]
fn an_offset_belongs_to_its_bot() {
    with_assistant(|assistant| async move {
        let inbox = &assistant.inbox;
        assert!(submit(inbox, message("1", 9_000_000, "hello")).await);
        assert_eq!(inbox.offset("t", 0), 9_000_001);
        assert_eq!(inbox.offset("t", 222), 9_000_001, "the journal named no bot yet");
        assert_eq!(inbox.offset("t", 111), 0, "another bot");
        assert!(submit(inbox, message("2", 8_999_990, "hello")).await);
        assert_eq!(inbox.offset("t", 111), 8_999_991, "the same bot after a restart");
        let open = assistant.agent.journal.ledger(|l| l.entries().count());
        assert_eq!(open, 2, "both bots' messages were taken");
        assert_eq!(inbox.offset("t", 222), 0);
        assert_eq!(inbox.offset("t", 222), 0);
    });
}
