//! Limits that are given in seconds and minutes, waited out by a gateway of this process that has less patience.

use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use picoclaw::app::assistant::Assistant;
use picoclaw::app::outbox::Outbox;
use picoclaw::app::turns::attachments::DownloadLimits;
use picoclaw::channel::AnyChannel;
use picoclaw::config;
use picoclaw::net::http::HttpClient;
use picoclaw::provider::Models;
use picoclaw::store::session::Sessions;
use picoclaw::store::writer::Journal;
use picoclaw_peer::{Peer, Say};
use serde_json::json;
use smol::LocalExecutor;
use smol::channel::Sender;

use crate::harness::{Home, OWNER, SOON, peer};

/// How long things may take here.
#[derive(Clone, Copy)]
struct Limits {
    fetch: Duration,
    idle: Duration,
    voice: Duration,
    subagent: Duration,
}

/// More than a test waits.
const LONG: Duration = Duration::from_secs(600);
const PATIENT: Limits = Limits { fetch: LONG, idle: LONG, voice: LONG, subagent: LONG };

/// A gateway's middle, on a thread of its own until this is dropped.
struct Inside {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Inside {
    fn start(home: &Home, limits: Limits) -> Inside {
        let options = home.options();
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let thread = std::thread::spawn(move || {
            let mut config = config::load(&options).expect("a configuration").config;
            config.agent.subturn.timeout = limits.subagent;
            let config = Rc::new(config);
            std::fs::create_dir_all(&config.agent.workspace).expect("a workspace");
            let sessions = Sessions::new(&config.home);
            let journal = Journal::open(&config.home.join("state"), sessions.dir());
            let journal = Rc::new(journal.0);
            let http = HttpClient::new().expect("a client");
            let models = Models::new(config.clone(), http.clone());
            let channels = AnyChannel::all(&config, &http);
            let channels: Vec<Rc<AnyChannel>> = channels.into_iter().map(Rc::new).collect();
            let agent = picoclaw::app::agent(config, models, http, journal);
            let outbox = Rc::new(Outbox::new(agent.journal.clone(), sessions, channels.clone()));
            let limits =
                DownloadLimits { fetch: limits.fetch, idle: limits.idle, voice: limits.voice };
            let assistant = Assistant::new(Rc::new(agent), outbox, None, limits);
            let executor = Rc::new(LocalExecutor::new());
            assistant.spawn(&executor);
            for channel in channels {
                let inbox = assistant.inbox.clone();
                executor.spawn(async move { channel.run(&*inbox).await }).detach();
            }
            // Closed is told as well.
            let _ = smol::block_on(executor.run(stopped.recv()));
        });
        Inside { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the gateway's thread failed");
        }
    }
}

/// What the model was asked, when the message with this marker was answered.
#[track_caller]
fn asked(peer: &Peer, marker: &picoclaw_peer::Marker) -> String {
    assert!(peer.wait_reply(marker, SOON).is_some(), "{marker}: {:?}", peer.texts(OWNER));
    let is =
        |request: &serde_json::Value| request["messages"].to_string().contains(&marker.to_string());
    peer.requests().into_iter().rev().find(is).expect("a request").to_string()
}

#[test]
fn a_file_that_never_comes_is_given_up_and_the_message_answered() {
    let second = Duration::from_secs(1);
    for (limits, calls, why) in [
        (Limits { fetch: second, ..PATIENT }, 1, "it did not come within 1 s"),
        (Limits { idle: second / 5, ..PATIENT }, 3, "could not be downloaded"),
    ] {
        let peer = peer(false);
        let home = Home::new(&peer);
        let _inside = Inside::start(&home, limits);
        peer.faults(&["tg:file:stall:1"]);
        let id = peer.add_file("a.pdf", vec![7; 300_000]);
        let (marker, _) =
            peer.tell(Say::new(OWNER, OWNER, "read it").document(&id, "a.pdf", 300_000));
        let begun = Instant::now();
        assert!(peer.wait_calls("tg.file", 1, SOON));
        // Others do not wait for it.
        let other = peer.say(-77, OWNER, "and here?");
        assert!(peer.wait_reply(&other, SOON).is_some());
        let seen = asked(&peer, &marker);
        assert!(seen.contains("could not be downloaded") && seen.contains(why), "{seen}");
        assert!(begun.elapsed() >= limits.fetch.min(limits.idle), "{:?}", begun.elapsed());
        assert_eq!(peer.calls("tg.file"), calls);
        let told = |s: &picoclaw_peer::Sent| s.text.contains(why);
        assert!(peer.wait_sent(OWNER, SOON, told).is_some(), "{:?}", peer.texts(OWNER));
        peer.faults(&[]);
        let (marker, _) =
            peer.tell(Say::new(OWNER, OWNER, "again").document(&id, "a.pdf", 300_000));
        let seen = asked(&peer, &marker);
        assert!(seen.contains("[file:/"), "{seen}");
    }
}

#[test]
fn a_voice_that_nobody_writes_down_in_time_is_a_file() {
    let peer = peer(false);
    let base = format!("{}/v1", peer.base_url());
    let entry = |name: &str, model: &str| json!({ "model_name": name, "model": model, "api_base": base, "api_keys": ["k-test-123456"] });
    let models = json!([entry("m", "openai/test"), entry("ears", "openai/whisper-1")]);
    let home =
        Home::patched(&peer, &json!({ "model_list": models, "voice": { "model_name": "ears" } }));
    let limit = Duration::from_millis(500);
    let _inside = Inside::start(&home, Limits { voice: limit, ..PATIENT });
    let id = peer.add_file("voice.oga", b"OggShello".to_vec());
    for fault in ["llm:transcriptions:hang:1", "llm:transcriptions:stall:1"] {
        let before = peer.calls("llm.transcriptions");
        peer.faults(&[fault]);
        let begun = Instant::now();
        let (marker, _) = peer.tell(Say::new(OWNER, OWNER, "").voice(&id));
        assert!(peer.wait_calls("llm.transcriptions", before + 1, SOON), "{fault}");
        let other = peer.say(-77, OWNER, "and here?");
        assert!(peer.wait_reply(&other, SOON).is_some(), "{fault}");
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{fault}: {:?}", peer.texts(OWNER));
        let seen = peer.requests().into_iter().map(|r| r.to_string());
        let failed = seen.filter(|r| r.contains("[voice (transcription failed)]")).count();
        assert!(failed > 0 && begun.elapsed() >= limit, "{fault}: {failed}");
    }
    peer.faults(&[]);
    let (marker, _) = peer.tell(Say::new(OWNER, OWNER, "").voice(&id));
    assert!(peer.wait_reply(&marker, SOON).is_some());
    let last = peer.requests().pop().expect("a request").to_string();
    assert!(last.contains("[voice transcription: hello]"), "{last}");
}

#[test]
fn a_sub_agent_that_takes_too_long_fails_and_the_next_one_works() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let _inside = Inside::start(&home, Limits { subagent: Duration::from_secs(1), ..PATIENT });
    let call = |name: &str, task: &str| {
        let arguments =
            json!({ "task": task, "label": "look" }).to_string().replace('[', "\\u005b");
        format!("[call:{name} {arguments}]")
    };
    // Waited for: the call's result says so.
    let marker = peer.say(OWNER, OWNER, &call("subagent", "[delay:20000] q800001"));
    let other = peer.say(-77, OWNER, "and here?");
    assert!(peer.wait_reply(&other, SOON).is_some());
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{:?}", peer.texts(OWNER));
    let seen = peer.requests().pop().expect("a request").to_string();
    assert!(seen.contains("it was not done after"), "{seen}");
    // Not waited for: it is reported.
    let marker = peer.say(OWNER, OWNER, &call("spawn", "[delay:20000] q800002"));
    assert!(peer.wait_reply(&marker, SOON).is_some());
    let reported = || {
        let all = peer.requests().into_iter().map(|r| r.to_string());
        all.filter(|r| r.contains("Task 'look' failed") && r.contains("not done after")).count()
    };
    let there = crate::harness::eventually(SOON, || (reported() > 0).then_some(()));
    assert!(there.is_some(), "{:?}", peer.texts(OWNER));
    let marker = peer.say(OWNER, OWNER, &call("subagent", "q800003"));
    assert!(peer.wait_reply(&marker, SOON).is_some());
    let seen = peer.requests().pop().expect("a request").to_string();
    assert!(seen.contains("re q800003 ok."), "{seen}");
}
