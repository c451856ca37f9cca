//! A `PICOCLAW_HOME` of its own for each test, and commands run in it.
//!
//! Nothing of the machine's own configuration reaches the tests: the environment is built from nothing.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "media")]
use picoclaw::config::LoadOptions;
use picoclaw_peer::{Peer, PeerOptions};
use serde_json::{Value, json};

use crate::pause;

/// For everything that should happen at once; generous, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(20);
/// The one user who may talk to the bot, and their private chat.
pub const OWNER: i64 = 1001;
/// Somebody else.
pub const STRANGER: i64 = 2002;
/// So long others may hold what one needs for oneself.
const ALONE_LIMIT: Duration = Duration::from_secs(600);
/// Ends every command that is not a daemon.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// A peer, with TLS or without.
pub fn peer(tls: bool) -> Peer {
    Peer::start(PeerOptions { tls, ..PeerOptions::default() }).expect("a peer")
}

/// A home whose configuration points to a peer; removed when dropped.
pub struct Home {
    dir: PathBuf,
    environment: Vec<(String, String)>,
    /// Port of `/health`.
    pub health_port: u16,
}

impl Home {
    /// With a configuration of version 3.
    pub fn new(peer: &Peer) -> Home {
        Home::patched(peer, &json!({}))
    }

    /// The same with a JSON Merge Patch (RFC 7396) on it.
    pub fn patched(peer: &Peer, patch: &Value) -> Home {
        let home = Home::bare(peer);
        let mut config = json!({
            "version": 3,
            "agents": { "defaults": { "model_name": "m", "workspace": home.path("workspace") } },
            "model_list": [{
                "model_name": "m", "model": "openai/test", "api_base": format!("{}/v1", peer.base_url()),
                "api_keys": ["k-test-123456"],
            }],
            "channel_list": { "telegram": {
                "enabled": true, "allow_from": [OWNER.to_string()],
                "settings": { "token": "1:test", "base_url": peer.base_url() },
            } },
            "gateway": { "host": "127.0.0.1", "port": home.health_port, "log_level": "info" },
        });
        if rustix::process::geteuid().is_root() {
            // What holds commands of other users is tested as root, too.
            config["tools"] = json!({ "exec": { "as_root": true } });
        }
        merge(&mut config, patch);
        home.write("config.json", &config.to_string());
        home
    }

    /// With a configuration without version, as the first release wrote it.
    pub fn old(peer: &Peer) -> Home {
        let home = Home::bare(peer);
        let config = json!({
            "agents": { "defaults": {
                "workspace": home.path("workspace"), "provider": "openai", "model": "test",
            } },
            "channels": { "telegram": {
                "enabled": true, "token": "1:test", "base_url": peer.base_url(), "allow_from": [OWNER],
            } },
            "providers": { "openai": {
                "api_key": "k-test-123456", "api_base": format!("{}/v1", peer.base_url()),
            } },
            "gateway": { "host": "127.0.0.1", "port": home.health_port },
        });
        home.write("config.json", &config.to_string());
        home
    }

    /// With what the daemon's timers say of their next time in the log ([`crate::harness_daemon::Daemon::says`]).
    pub fn timed(peer: &Peer, patch: &Value) -> Home {
        let mut all = json!({ "gateway": { "log_level": "debug" } });
        merge(&mut all, patch);
        Home::patched(peer, &all)
    }

    /// Without any configuration.
    pub fn bare(peer: &Peer) -> Home {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("picoclaw-it-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let mut environment: Vec<(String, String)> = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        environment.push(("HOME".to_owned(), dir.display().to_string()));
        environment.push(("PICOCLAW_HOME".to_owned(), dir.display().to_string()));
        if let Some(ca) = peer.ca_path() {
            environment.push(("SSL_CERT_FILE".to_owned(), ca.display().to_string()));
        }
        Home { dir, environment, health_port: free_port() }
    }

    /// One more variable for everything that runs here.
    pub fn env(mut self, key: &str, value: &str) -> Home {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// What this process reads its configuration with.
    #[cfg(feature = "media")]
    pub fn options(&self) -> LoadOptions {
        LoadOptions {
            env: self.environment.iter().cloned().collect(),
            etc: self.path("etc"),
            ..LoadOptions::default()
        }
    }

    /// A path in the home; the empty one is the home itself.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    /// Writes a file in the home.
    #[track_caller]
    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// Reads a file in the home; empty when there is none.
    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_default()
    }

    /// The program with these arguments, ready to start.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments);
        self.furnish(&mut command);
        command
    }

    /// [`Home::command`], started as a user without rights where the tests run as root; the home becomes that user's.
    #[track_caller]
    pub fn command_of_nobody<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.command(arguments);
        if let Some(user) = self.give_away() {
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, user);
        }
        command
    }

    /// Gives any command the home's environment.
    pub fn furnish(&self, command: &mut Command) {
        command.env_clear().current_dir(&self.dir).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
    }

    /// Gives everything in the home to a user without rights, where the tests run as root, and says as whom commands are to
    /// be started; `None` where they are no root's.
    #[track_caller]
    pub fn give_away(&self) -> Option<u32> {
        fn give(path: &Path, user: u32) {
            std::os::unix::fs::lchown(path, Some(user), Some(user)).expect("given away");
            if path.is_dir() && !path.is_symlink() {
                for entry in fs::read_dir(path).expect("a folder").flatten() {
                    give(&entry.path(), user);
                }
            }
        }
        // Nobody's, in every distribution.
        let user = 65534;
        rustix::process::geteuid().is_root().then(|| {
            give(&self.dir, user);
            user
        })
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Finished {
        finish(self.command(arguments))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::env::var_os("PICOCLAW_KEEP").is_some() {
            eprintln!("kept: {}", self.dir.display());
            return;
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The program under test: `PICOCLAW_BIN` (a release build, say), else the one built with these tests. Every user can start
/// it.
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let built = || PathBuf::from(env!("CARGO_BIN_EXE_picoclaw"));
        reachable(std::env::var_os("PICOCLAW_BIN").map_or_else(built, PathBuf::from))
    });
    program.clone()
}

/// The folder of the build may be closed to others, as /root is: then a copy, one for all runs with this program.
fn reachable(program: PathBuf) -> PathBuf {
    let open = |folder: &Path| fs::metadata(folder).is_ok_and(|m| m.permissions().mode() & 1 == 1);
    if !rustix::process::geteuid().is_root() || program.ancestors().skip(1).all(open) {
        return program;
    }
    let name: String = program.display().to_string().replace('/', "-");
    let folder = std::env::temp_dir().join(format!("picoclaw-it-program{name}"));
    let _ = fs::create_dir(&folder);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("its folder");
    let (new, copy) = (folder.join(format!("new-{}", std::process::id())), folder.join("picoclaw"));
    fs::copy(&program, &new).expect("a copy of the program");
    fs::rename(new, &copy).expect("in its place");
    copy
}

/// What a command came to.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Both outputs, for a search.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs any command to its end, killing it when that takes too long.
#[track_caller]
pub fn finish(mut command: Command) -> Finished {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let status = wait(&mut child, COMMAND_LIMIT).unwrap_or_else(|| {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} did not end within {COMMAND_LIMIT:?}")
    });
    let text = |t: std::thread::JoinHandle<String>| t.join().expect("a reader");
    Finished { status, stdout: text(stdout), stderr: text(stderr) }
}

fn read_aside(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    let mut pipe = pipe.expect("a pipe");
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The exit status of a child, `None` when it still runs after `limit`.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return Some(status);
        }
        if Instant::now() > end {
            return None;
        }
        pause::step();
    }
}

/// Waits until `ready` finds something.
pub fn eventually<T>(limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let found = ready();
        if found.is_some() || Instant::now() > end {
            return found;
        }
        pause::step();
    }
}

/// Holds a name on this machine until it is dropped, waiting for whoever has it: for tests that share a user's processes
/// with others, also with those of another run.
pub struct Alone {
    _name: UnixListener,
}

impl Alone {
    #[track_caller]
    pub fn with(what: &str) -> Alone {
        let name = SocketAddr::from_abstract_name(format!("picoclaw-it-{what}")).expect("a name");
        let claim = eventually(ALONE_LIMIT, || UnixListener::bind_addr(&name).ok());
        Alone { _name: claim.expect("it is let go in time") }
    }
}

/// A port that is ours until this process ends: no other test run is given it, and no connection that goes out gets it,
/// because it is below the kernel's ephemeral ports.
pub fn free_port() -> u16 {
    static HELD: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(32_768);
    let count = u32::from(u16::max(first, 20_000)) - 10_000;
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    // Runs side by side begin at different places.
    let from = std::process::id().wrapping_mul(97) + held.len() as u32;
    for n in 0..count {
        let port = 10_000 + (from.wrapping_add(n) % count) as u16;
        // A name that goes with the process that has it (unix(7), abstract sockets).
        let name = SocketAddr::from_abstract_name(format!("picoclaw-it-port-{port}"));
        let Ok(claim) = UnixListener::bind_addr(&name.expect("a name")) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            held.push(claim);
            return port;
        }
    }
    panic!("no port is free");
}

/// JSON Merge Patch (RFC 7396).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}
