//! The control socket: how `picoclaw status` and other commands ask the running daemon.
//!
//! `$PICOCLAW_HOME/state/control.sock` (see [`paths`]), mode 0600. A request is one opcode byte, then its text up to the client's
//! end of writing; the answer is a nanoserde frame. Only root and the daemon's own user are answered
//! (SO_PEERCRED, unix(7)), and none of the commands that tools start, though they have the same user.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;

use async_net::unix::{UnixListener, UnixStream as AsyncStream};
use nanoserde::{DeBin, SerBin};
use smol::LocalExecutor;
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::{Context, Error, Result};
use crate::limits::{CONTROL_ANSWER_BYTES, CONTROL_REQUEST_BYTES, CONTROL_WAIT, LOCAL_CLIENTS};
use crate::net::half_open::HalfOpen;
use crate::store::dir::Dir;
use crate::supervise;

/// Asks for a [`GatewayReport`].
pub const STATUS: u8 = b'S';
/// Asks for the configuration to be read again; the answer is a text.
pub const RELOAD: u8 = b'R';

/// A [`crate::tool::cron_handle::CronRequest`] follows; the answer is a [`ControlReply`].
pub const CRON: u8 = b'C';

/// What follows are packets both ways ([`crate::proto::packet`]): a command line that stays.
pub const AGENT: u8 = b'A';

/// Goes on with a command line.
pub type AttachHandler = Rc<dyn Fn(AsyncStream) -> Pin<Box<dyn Future<Output = ()>>>>;

/// Answers one request: the opcode and what followed it.
pub type RequestHandler = Rc<dyn Fn(u8, Vec<u8>) -> Pin<Box<dyn Future<Output = Vec<u8>>>>>;

/// What a running daemon that says nothing means.
const NO_ANSWER: &str = "the running gateway does not answer";

/// What a closed connection without any answer means.
pub const REFUSED: &str = "the running gateway refused: only root and its own user may ask";

/// Told where the socket is.
pub type OnBound = Rc<dyn Fn(&Path)>;

/// The answer to an order.
#[derive(Clone, Debug, Default, SerBin, DeBin)]
pub struct ControlReply {
    /// It was carried out.
    pub ok: bool,
    /// What came of it, or why nothing did.
    pub text: String,
}

/// State of the running daemon.
#[derive(Clone, Debug, Default, SerBin, DeBin)]
pub struct GatewayReport {
    /// Process id of the daemon, which the supervisor may have restarted since.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime: u64,
    /// Seconds since the last reload, at least 1; 0 for none.
    pub reloaded: u64,
    /// Version and build id, as `picoclaw version` prints them.
    pub version: String,
    /// `on`, or why not.
    pub durability: String,
    /// `current`, or why the last good one is in force.
    pub config: String,
    /// Model in use, as `status` shows it.
    pub model: String,
    /// Messages waiting, turns under way, turns since the start.
    pub waiting: u64,
    /// Turns that run at this moment.
    pub running: u64,
    /// Turns since the start of the daemon.
    pub turns: u64,
    /// What is not finished: messages and replies open in the journal, and conversations being summarised.
    pub unfinished: u64,
    /// Replies refused for good.
    pub refused: u64,
    /// fsyncs and bytes written since the start.
    pub syncs: u64,
    /// Bytes written since the start of the daemon.
    pub bytes: u64,
    /// Journal writes that were cut short, since there is a journal.
    pub torn: u64,
    /// Bytes of heap in use.
    pub heap: u64,
    /// Name and state of each channel, and an open pairing code or empty.
    pub channels: Vec<ChannelReport>,
    /// Name, state and restarts of each task.
    pub tasks: Vec<TaskReport>,
    /// Cron jobs, in words.
    pub cron: String,
    /// Token estimates, one line a model.
    pub tokens: Vec<String>,
    /// Sockets that are listened on, `ADDRESS: what is told whom`.
    pub listening: Vec<String>,
    /// How commands are held.
    pub tools: String,
    /// Session files that cannot be written, `NAME: why`; the first ones.
    pub failing: Vec<String>,
    /// Hooks, `NAME: state ...`.
    pub hooks: Vec<String>,
}

impl ControlReply {
    /// Layout that [`crate::proto::binschema`] checks before it decodes an answer of another version.
    pub const SHAPE: &str = "bs";
}

impl GatewayReport {
    /// Layout that [`crate::proto::binschema`] checks before it decodes an answer of another version.
    pub const SHAPE: &str = "dqqssssqqqqqqqqq[S][T]s[s][s]s[s][s]";
}

/// How the state of a channel begins that receives; details may follow.
pub const RUNNING: &str = "running";

/// One channel in a [`GatewayReport`].
#[derive(Clone, Debug, Default, SerBin, DeBin)]
pub struct ChannelReport {
    /// Instance name: the channel's key in `channel_list`.
    pub name: String,
    /// State for people: [`RUNNING`], or why it does not receive.
    pub state: String,
    /// Where people find it, or empty.
    pub link: String,
    /// Code that pairs a stranger now, or empty.
    pub pairing_code: String,
}

/// One task in a [`GatewayReport`].
#[derive(Clone, Debug, Default, SerBin, DeBin)]
pub struct TaskReport {
    /// Name of the task, for people.
    pub name: String,
    /// Times it ended and was started again.
    pub restarts: u32,
    /// Why it ended last, or empty.
    pub last_error: String,
}

/// Where the socket of a home may be: in it, or on a disk that takes no files in the folder that the supervisor made
/// in RAM.
pub fn paths(home: &Path) -> [PathBuf; 2] {
    [home.join("state/control.sock"), supervise::run_folder().join("user/control.sock")]
}

/// The daemon of `home`, if one is running there. Each read and write takes [`CONTROL_WAIT`] at most.
///
/// # Errors
/// One is running, but accepts nobody in that time.
pub fn connect(home: &Path) -> Result<Option<UnixStream>> {
    for path in paths(home) {
        match crate::sys::files::connect_within(&path, CONTROL_WAIT) {
            Ok(stream) => return Ok(Some(stream)),
            Err(e) if e.kind() == ErrorKind::TimedOut => return Err(e).context(NO_ANSWER),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Asks the daemon of `home`; `None` when none is running there.
///
/// # Errors
/// A daemon that does not answer within [`CONTROL_WAIT`], or refuses.
pub fn ask(home: &Path, request: u8, body: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(mut stream) = connect(home)? else { return Ok(None) };
    let exchange = (|| -> std::io::Result<Vec<u8>> {
        stream.write_all(&[request])?;
        stream.write_all(body)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.take(CONTROL_ANSWER_BYTES).read_to_end(&mut answer)?;
        Ok(answer)
    })();
    let answer = exchange.context(NO_ANSWER)?;
    if answer.is_empty() {
        return Err(Error::new(REFUSED));
    }
    Ok(Some(answer))
}

/// The daemon's side: answers for ever.
///
/// # Errors
/// The socket cannot be made.
pub async fn serve(
    home: &Path,
    executor: Rc<LocalExecutor<'static>>,
    answer: RequestHandler,
    attach: AttachHandler,
    bound: OnBound,
) -> Result<()> {
    let [path, in_ram] = paths(home);
    let (listener, path) = match bind(&path) {
        Ok(listener) => (listener, path),
        // Its own trouble is of no interest where the folder is not there.
        Err(e) => (bind(&in_ram).map_err(|_| e)?, in_ram),
    };
    bound(&path);
    let half_open = HalfOpen::new(LOCAL_CLIENTS);
    loop {
        let (stream, _) = listener.accept().await.with_context(|| path.display().to_string())?;
        if !is_trusted_peer(&stream) {
            continue;
        }
        let place = half_open.enter(None);
        let (answer, attach) = (answer.clone(), attach.clone());
        let client = async move {
            let limit = async {
                async_io::Timer::after(CONTROL_WAIT).await;
                None
            };
            let displaced = async {
                place.evicted().await;
                None
            };
            let stays = or(client(stream, &answer), or(limit, displaced)).await;
            drop(place);
            if let Some(stream) = stays {
                attach(stream).await;
            }
        };
        executor.spawn(client).detach();
    }
}

fn bind(path: &Path) -> Result<UnixListener> {
    // A socket left by a killed daemon: the lock on the home says that nobody is behind it.
    let _ = Dir::parent_of(path, 1).and_then(|(dir, name)| dir.remove(name));
    let listener = UnixListener::bind(path).with_context(|| path.display().to_string())?;
    crate::sys::files::set_mode(path, 0o600).with_context(|| path.display().to_string())?;
    Ok(listener)
}

/// Root or our own user, and none of our commands.
fn is_trusted_peer(stream: &AsyncStream) -> bool {
    match crate::sys::files::trusted_peer(stream) {
        Some(pid) if crate::sys::process::is_tool_behind(stream.as_fd(), pid) => {
            crate::log::warn!("a command tried the control socket and was rejected");
            false
        }
        found => found.is_some(),
    }
}

/// Answers one request; gives back the connection of a command line that stays.
async fn client(mut stream: AsyncStream, answer: &RequestHandler) -> Option<AsyncStream> {
    let mut request = [0; 1];
    let mut body = Vec::new();
    stream.read_exact(&mut request).await.ok()?;
    if request[0] == AGENT {
        return Some(stream);
    }
    if (&mut stream).take(CONTROL_REQUEST_BYTES).read_to_end(&mut body).await.is_ok() {
        let answer = answer(request[0], body).await;
        // A client that went away gets nothing, and nothing is lost.
        let _ = stream.write_all(&answer).await;
    }
    None
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
