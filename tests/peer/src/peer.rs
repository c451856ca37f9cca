//! The peer in process: starts the listeners and is the handle tests hold.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dns::Dns;
use crate::drive::Drive;
use crate::ledger::Marker;
use crate::model::Settings;
use crate::sntp::Sntp;
use crate::telegram::messages::unix_now;
use crate::telegram::say::{Say, press};
use crate::telegram::sent::Sent;
use crate::telegram::{ChatState, Telegram};
use crate::world::{File, Shared, World};
use crate::{serve, tls};

/// How long dropping a peer waits for its connections to end.
const GOODBYE: Duration = Duration::from_secs(2);

/// What to start.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// Also listen with TLS; [`Peer::base_url`] is then https.
    pub tls: bool,
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port of the plain listener, 0 for any.
    pub port: u16,
    /// Port of the TLS listener, 0 for any.
    pub tls_port: u16,
    /// Where the certificate's files are or go; `None` is a temporary folder.
    pub ca_dir: Option<PathBuf>,
    /// More names and addresses the certificate is good for.
    pub names: Vec<String>,
    /// The bot's token; empty takes any.
    pub token: String,
    /// Port of the time server, 0 for any; `None` for no time server.
    pub sntp: Option<u16>,
    /// Port of the name server, 0 for any; `None` for no name server.
    pub dns: Option<u16>,
}

impl Default for PeerOptions {
    fn default() -> PeerOptions {
        PeerOptions {
            tls: false,
            bind: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            tls_port: 0,
            ca_dir: None,
            names: Vec::new(),
            token: "1:test".to_owned(),
            sntp: None,
            dns: None,
        }
    }
}

/// What the threads share.
pub struct Inner {
    pub shared: Shared,
    pub sntp: Option<Sntp>,
    pub dns: Option<Dns>,
    pub stopping: AtomicBool,
    /// Requests are reset, all but those that steer.
    pub offline: AtomicBool,
    connections: Mutex<HashMap<u64, Connection>>,
    next_connection: AtomicU64,
}

/// A connection as the peer remembers it.
pub struct Connection {
    stream: TcpStream,
    /// It carried a control command: taking the network away spares it.
    steers: bool,
}

impl Inner {
    /// Notes a connection so that it can be cut; `None` when the peer is out of descriptors.
    pub fn register(&self, stream: &TcpStream) -> Option<u64> {
        let id = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let stream = stream.try_clone().ok()?;
        self.connections().insert(id, Connection { stream, steers: false });
        Some(id)
    }

    pub fn forget(&self, id: u64) {
        self.connections().remove(&id);
    }

    /// This connection steers.
    pub fn steers(&self, id: u64) {
        if let Some(connection) = self.connections().get_mut(&id) {
            connection.steers = true;
        }
    }

    /// Takes the network away or brings it back.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Relaxed);
        if offline {
            self.cut(|c| !c.steers);
        }
    }

    fn cut(&self, which: impl Fn(&Connection) -> bool) {
        for connection in self.connections().values().filter(|c| which(c)) {
            // It may be gone already.
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running peer; everything of it ends when it is dropped.
pub struct Peer {
    pub(crate) inner: Arc<Inner>,
    plain: SocketAddr,
    tls: Option<SocketAddr>,
    ca: Option<PathBuf>,
    /// Removed at the end.
    temporary: Option<PathBuf>,
    threads: Vec<JoinHandle<()>>,
}

impl Peer {
    /// Starts listening; the peer answers from here on.
    pub fn start(options: PeerOptions) -> io::Result<Peer> {
        let at = |port| SocketAddr::new(options.bind, port);
        let telegram = Telegram::new(options.token.clone(), unix_now() as i64);
        // Markers do not repeat from run to run either.
        let first_marker = unix_now() % 900 * 1000;
        let inner = Arc::new(Inner {
            shared: Shared::new(World::new(telegram, Settings::default(), first_marker)),
            sntp: options.sntp.map(|port| Sntp::start(at(port))).transpose()?,
            dns: options.dns.map(|port| Dns::start(at(port))).transpose()?,
            stopping: AtomicBool::new(false),
            offline: AtomicBool::new(false),
            connections: Mutex::new(HashMap::new()),
            next_connection: AtomicU64::new(1),
        });
        let (plain, thread) = serve::listen(&inner, at(options.port), None)?;
        let mut peer =
            Peer { inner, plain, tls: None, ca: None, temporary: None, threads: vec![thread] };
        if options.tls {
            let dir = options.ca_dir.clone().unwrap_or_else(|| {
                static NEXT: AtomicU64 = AtomicU64::new(0);
                let n = NEXT.fetch_add(1, Ordering::Relaxed);
                let name = format!("picoclaw-peer-{}-{n}", std::process::id());
                peer.temporary.insert(std::env::temp_dir().join(name)).clone()
            });
            let files = tls::Files::at(&dir, &options.names)?;
            let config = files.server_config()?;
            let (address, thread) = serve::listen(&peer.inner, at(options.tls_port), Some(config))?;
            peer.tls = Some(address);
            peer.ca = Some(files.ca);
            peer.threads.push(thread);
        }
        Ok(peer)
    }

    /// Port of the plain listener.
    pub fn port(&self) -> u16 {
        self.plain.port()
    }
    /// Port of the TLS listener, 0 without TLS.
    pub fn tls_port(&self) -> u16 {
        self.tls.map_or(0, |a| a.port())
    }
    /// For `base_url`: https when there is TLS. With `/v1` behind it, for `api_base`.
    pub fn base_url(&self) -> String {
        match self.tls {
            Some(address) => format!("https://127.0.0.1:{}", address.port()),
            None => self.control_url(),
        }
    }
    /// The plain listener, where `/control/` is asked without certificates.
    pub fn control_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.plain.port())
    }
    /// For `SSL_CERT_FILE`, with TLS only.
    pub fn ca_path(&self) -> Option<&Path> {
        self.ca.as_deref()
    }
    /// The time server.
    pub fn sntp(&self) -> Option<&Sntp> {
        self.inner.sntp.as_ref()
    }
    /// The name server.
    pub fn dns(&self) -> Option<&Dns> {
        self.inner.dns.as_ref()
    }

    /// `user` writes `text` in `chat`, with a marker behind it.
    pub fn say(&self, chat: i64, user: i64, text: &str) -> Marker {
        self.tell(Say::new(chat, user, text)).0
    }
    /// `user` writes exactly `text` to the bot in private.
    pub fn command(&self, user: i64, text: &str) {
        self.tell(Say::new(user, user, text).unmarked());
    }
    /// Anything said; its marker and the message's number.
    pub fn tell(&self, say: Say) -> (Marker, i64) {
        self.inner.shared.change(|w| say.enqueue(w))
    }
    /// A button under a message is pressed; returns the update's number.
    pub fn press(&self, chat: i64, user: i64, message_id: i64, data: &str) -> i64 {
        self.inner.shared.change(|w| press(w, chat, user, message_id, data))
    }
    /// Any update; the peer gives it its number.
    pub fn update(&self, update: Value) -> i64 {
        self.inner.shared.change(|w| w.telegram.enqueue(update))
    }

    /// The reply to a message, waited for.
    pub fn wait_reply(&self, marker: &Marker, limit: Duration) -> Option<String> {
        self.wait(limit, |w| w.ledger.answer(marker).map(str::to_owned))
    }
    /// The first thing sent to `chat` that fits, waited for.
    pub fn wait_sent(
        &self,
        chat: i64,
        limit: Duration,
        fits: impl Fn(&Sent) -> bool,
    ) -> Option<Sent> {
        self.wait(limit, |w| w.telegram.sent.iter().find(|s| s.chat == chat && fits(s)).cloned())
    }
    /// Waits until a call (`tg.getUpdates`, `llm.chat`, ...) was made `n` times.
    pub fn wait_calls(&self, call: &str, n: u64, limit: Duration) -> bool {
        self.wait(limit, |w| (w.calls.get(call).copied().unwrap_or(0) >= n).then_some(())).is_some()
    }
    /// Waits until the fault rules struck `n` times in all.
    pub fn wait_faults(&self, n: u64, limit: Duration) -> bool {
        let hits = |w: &mut World| w.faults.hits().values().sum::<u64>();
        self.wait(limit, |w| (hits(w) >= n).then_some(())).is_some()
    }
    /// Waits until every message was answered.
    pub fn wait_all(&self, limit: Duration) -> bool {
        self.wait(limit, |w| w.ledger.lost().is_empty().then_some(())).is_some()
    }
    fn wait<T>(&self, limit: Duration, ready: impl FnMut(&mut World) -> Option<T>) -> Option<T> {
        self.inner.shared.wait(limit, &|| true, ready)
    }

    /// Everything the bot sent so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.inner.shared.look(|w| w.telegram.sent.iter().cloned().collect())
    }
    /// The file that the bot sent last.
    pub fn last_upload(&self) -> Vec<u8> {
        self.inner.shared.look(|w| w.last_upload.clone())
    }
    /// What a chat shows: texts of messages, oldest first, edits in place.
    pub fn texts(&self, chat: i64) -> Vec<String> {
        let mut shown: Vec<(i64, String)> = Vec::new();
        for sent in self.sent().into_iter().filter(|s| s.chat == chat) {
            match shown.iter_mut().find(|(id, _)| *id == sent.message_id) {
                Some((_, text)) => *text = sent.text,
                None => shown.push((sent.message_id, sent.text)),
            }
        }
        shown.into_iter().map(|(_, text)| text).collect()
    }
    /// The newest requests to a model server, oldest first.
    pub fn requests(&self) -> Vec<Value> {
        self.inner.shared.look(|w| w.requests.iter().cloned().collect())
    }
    /// Requests a real model server would have refused, in its words.
    pub fn refused(&self) -> Vec<String> {
        self.inner.shared.look(|w| w.refused.clone())
    }
    /// How often a call was made.
    pub fn calls(&self, call: &str) -> u64 {
        self.inner.shared.look(|w| w.calls.get(call).copied().unwrap_or(0))
    }
    /// The last setMyCommands.
    pub fn commands(&self) -> Value {
        self.inner.shared.look(|w| w.telegram.commands.clone())
    }
    /// When each reply to a message was accepted.
    pub fn answers(&self, marker: &Marker) -> Vec<Instant> {
        self.inner.shared.look(|w| w.ledger.answers(marker))
    }
    /// Messages without a reply.
    pub fn lost(&self) -> Vec<Marker> {
        self.inner.shared.look(|w| w.ledger.lost())
    }
    /// Messages with more than one reply.
    pub fn duplicated(&self) -> Vec<Marker> {
        self.inner.shared.look(|w| w.ledger.duplicated())
    }
    /// All counts and times.
    pub fn stats(&self) -> Value {
        self.inner.shared.look(|w| w.stats())
    }
    /// Forgets what was counted.
    pub fn reset(&self) {
        self.inner.shared.change(World::reset);
    }

    /// Sets the fault rules (`faults.rs` names the kinds); none to heal everything.
    ///
    /// # Panics
    /// On a rule that cannot be read: a typo in a test.
    #[track_caller]
    pub fn faults(&self, rules: &[&str]) {
        self.faults_seeded(rules, 1);
    }
    /// The same with a seed for the probabilities.
    ///
    /// # Panics
    /// On a rule that cannot be read.
    #[track_caller]
    pub fn faults_seeded(&self, rules: &[&str], seed: u64) {
        if let Err(e) = self.inner.shared.change(|w| w.faults.set(rules, seed)) {
            panic!("{e}");
        }
    }
    /// Thinking time of the model.
    pub fn model_delay(&self, delay: Duration) {
        self.inner.shared.look(|w| w.model.delay = delay);
    }
    /// The user blocks the bot, or lets it in again.
    pub fn block(&self, chat: i64, blocked: bool) {
        self.chat_state(chat, |c| c.blocked = blocked);
    }
    /// The chat does not exist (any more).
    pub fn vanish(&self, chat: i64) {
        self.chat_state(chat, |c| c.missing = true);
    }
    /// The group becomes a supergroup with another id.
    pub fn migrate(&self, chat: i64, to: i64) {
        self.chat_state(chat, |c| c.migrated_to = Some(to));
    }
    fn chat_state(&self, chat: i64, change: impl FnOnce(&mut ChatState)) {
        self.inner.shared.look(|w| change(w.telegram.chats.entry(chat).or_default()));
    }
    /// The bot's token is revoked, or good again.
    pub fn revoke_token(&self, revoked: bool) {
        self.inner.shared.change(|w| w.telegram.revoked = revoked);
    }
    /// Offers a file for getFile; returns its id.
    pub fn add_file(&self, name: &str, bytes: Vec<u8>) -> String {
        self.inner.shared.look(|w| w.telegram.add_file(name, bytes))
    }
    /// Gives a path of the web a file.
    pub fn serve_file(&self, path: &str, bytes: Vec<u8>) {
        self.inner.shared.look(|w| w.files.insert(path.to_owned(), File::Bytes(bytes)));
    }
    /// Lets a path of the web lead to another address.
    pub fn serve_redirect(&self, path: &str, to: &str) {
        self.inner.shared.look(|w| w.files.insert(path.to_owned(), File::Redirect(to.to_owned())));
    }
    /// Takes the network away (new connections are reset, old ones cut) or brings it back.
    pub fn offline(&self, offline: bool) {
        self.inner.set_offline(offline);
    }
    /// Waits until no client is connected: what a killed one had sent is then in the books.
    pub fn wait_alone(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while !self.inner.connections().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.inner.connections().is_empty()
    }
    /// Runs a load and reports.
    pub fn drive(&self, drive: &Drive) -> Value {
        drive.run(&self.inner.shared)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.inner.shared.change(|w| w.stopping = true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let end = Instant::now() + GOODBYE;
        while !self.inner.connections().is_empty() && Instant::now() < end {
            self.inner.cut(|_| true);
            std::thread::sleep(Duration::from_millis(2));
        }
        if let Some(dir) = &self.temporary {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}
