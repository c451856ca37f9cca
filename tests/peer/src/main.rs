//! `picoclaw-peer`: the peer as a program, and the commands that steer one that runs.
//!
//! `serve` never outlives its purpose: it ends when its standard input closes, when the process that
//! started it is gone, and at the latest after `--max-secs`.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use argh::FromArgs;
use picoclaw_peer::client::Client;
use picoclaw_peer::{Peer, PeerOptions};
use serde_json::{Value, json};

/// How often `serve` looks for its parent.
const TICK: Duration = Duration::from_millis(200);
/// `st_rdev` of /dev/null: a background command of a script has it as standard input.
const DEV_NULL: u64 = 0x103;

/// A fake Bot API and model server, with SNTP and DNS responders
#[derive(FromArgs)]
struct Arguments {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Serve(Serve),
    Drive(Drive),
    Faults(Faults),
    Stats(Stats),
    Control(Control),
}

/// Answer until standard input closes
#[derive(FromArgs)]
#[argh(subcommand, name = "serve")]
struct Serve {
    /// port of the plain listener, 0 for any (default)
    #[argh(option, default = "0")]
    port: u16,
    /// port of the TLS listener, 0 for any; without it there is no TLS
    #[argh(option)]
    tls_port: Option<u16>,
    /// address to listen on, default 127.0.0.1
    #[argh(option, default = "IpAddr::from([127, 0, 0, 1])")]
    bind: IpAddr,
    /// folder with ca.pem, leaf.pem and leaf.key, made when they are not there
    #[argh(option)]
    ca_dir: Option<PathBuf>,
    /// another name or address for the certificate
    #[argh(option)]
    name: Vec<String>,
    /// the bot's token, default 1:test; empty takes any
    #[argh(option, default = "\"1:test\".to_owned()")]
    token: String,
    /// port of the time server, 0 for any; without it there is none
    #[argh(option)]
    sntp: Option<u16>,
    /// port of the name server, 0 for any; without it there is none
    #[argh(option)]
    dns: Option<u16>,
    /// name=address for the name server
    #[argh(option)]
    dns_map: Vec<String>,
    /// fault rule, e.g. tg:sendMessage:drop_after:0.05
    #[argh(option)]
    fault: Vec<String>,
    /// seed of the faults, default 1
    #[argh(option, default = "1")]
    seed: u64,
    /// milliseconds the model thinks
    #[argh(option)]
    model_delay: Option<u64>,
    /// also write the line with the ports to this file, when everything listens
    #[argh(option)]
    ready_file: Option<PathBuf>,
    /// end after so many seconds, default 3600
    #[argh(option, default = "3600")]
    max_secs: u64,
}

/// Run a load against the bot and print the books as JSON
#[derive(FromArgs)]
#[argh(subcommand, name = "drive")]
struct Drive {
    /// messages, default 100
    #[argh(option, default = "100")]
    n: u64,
    /// private chats, the first is 1001
    #[argh(option, default = "1")]
    chats: u64,
    /// closed (one at a time, default), burst (all at once) or chats (one at a time in each chat)
    #[argh(option, default = "\"closed\".to_owned()")]
    mode: String,
    /// a tool call in every so many messages, 0 for none
    #[argh(option, default = "0")]
    tool_every: u64,
    /// the tool for it, | between alternatives
    #[argh(option, default = "\"list_dir\".to_owned()")]
    tool: String,
    /// text of the messages
    #[argh(option, default = "\"hello, please answer\".to_owned()")]
    text: String,
    /// seconds without an answer after which a message counts as lost, default 30
    #[argh(option, default = "30.0")]
    timeout: f64,
    /// seconds to wait for late duplicates, default 0.5
    #[argh(option, default = "0.5")]
    settle: f64,
    /// go on with the books as they are
    #[argh(switch)]
    keep: bool,
    /// http://host:port of the peer
    #[argh(option)]
    control: String,
}

/// Set the fault rules; none to heal everything
#[derive(FromArgs)]
#[argh(subcommand, name = "faults")]
struct Faults {
    /// rules SIDE:METHOD:KIND:P[:key=value]
    #[argh(positional)]
    rules: Vec<String>,
    /// seed, default 1
    #[argh(option, default = "1")]
    seed: u64,
    /// http://host:port of the peer
    #[argh(option)]
    control: String,
}

/// Print the books as JSON
#[derive(FromArgs)]
#[argh(subcommand, name = "stats")]
struct Stats {
    /// begin new ones afterwards
    #[argh(switch)]
    reset: bool,
    /// http://host:port of the peer
    #[argh(option)]
    control: String,
}

/// Any control command, with its JSON
#[derive(FromArgs)]
#[argh(subcommand, name = "control")]
struct Control {
    /// say, update, wait, set, chat, sent, requests, ...
    #[argh(positional)]
    what: String,
    /// JSON object, default {{}}
    #[argh(positional)]
    json: Option<String>,
    /// http://host:port of the peer
    #[argh(option)]
    control: String,
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let done = match arguments.command {
        Command::Serve(serve) => run_server(serve),
        Command::Drive(drive) => run_drive(&drive),
        Command::Faults(f) => {
            ask(&f.control, "faults", &json!({ "rules": f.rules, "seed": f.seed }))
        }
        Command::Stats(s) => ask(&s.control, "stats", &json!({})).and_then(|()| match s.reset {
            true => Client::new(&s.control, None)?.control("reset", &json!({})).map(|_| ()),
            false => Ok(()),
        }),
        Command::Control(c) => serde_json::from_str(c.json.as_deref().unwrap_or("{}"))
            .map_err(io::Error::other)
            .and_then(|json: Value| ask(&c.control, &c.what, &json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("picoclaw-peer: {e}");
            ExitCode::FAILURE
        }
    }
}

fn ask(control: &str, what: &str, json: &Value) -> io::Result<()> {
    let answer = Client::new(control, None)?.control(what, json)?;
    writeln!(io::stdout(), "{answer}")
}

fn run_server(serve: Serve) -> io::Result<()> {
    let peer = Peer::start(PeerOptions {
        tls: serve.tls_port.is_some(),
        bind: serve.bind,
        port: serve.port,
        tls_port: serve.tls_port.unwrap_or(0),
        ca_dir: serve.ca_dir,
        names: serve.name,
        token: serve.token,
        sntp: serve.sntp,
        dns: serve.dns,
    })?;
    let mut client = Client::new(&peer.control_url(), None)?;
    client.control("faults", &json!({ "rules": serve.fault, "seed": serve.seed }))?;
    let delay = serve.model_delay.unwrap_or(0);
    client.control("set", &json!({ "model_delay_ms": delay, "dns": serve.dns_map }))?;
    let line = json!({
        "pid": std::process::id(), "port": peer.port(), "tls_port": peer.tls_port(),
        "control": peer.control_url(), "base_url": peer.base_url(), "ca": peer.ca_path(),
        "sntp_port": peer.sntp().map(|s| s.address().port()),
        "dns_port": peer.dns().map(|d| d.address().port()),
    });
    writeln!(io::stdout(), "{line}")?;
    if let Some(file) = &serve.ready_file {
        // Renamed into place: who waits for the file finds the whole line in it.
        let begun = file.with_extension("new");
        std::fs::write(&begun, format!("{line}\n"))?;
        std::fs::rename(&begun, file)?;
    }
    wait_for_the_end(Duration::from_secs(serve.max_secs));
    Ok(())
}

fn wait_for_the_end(limit: Duration) {
    let end = Instant::now() + limit;
    let parent = std::os::unix::process::parent_id();
    let closed = stdin_closed();
    while Instant::now() < end && std::os::unix::process::parent_id() == parent {
        match closed.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

/// Says when standard input ends; never when it is /dev/null.
fn stdin_closed() -> mpsc::Receiver<()> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let null =
            std::fs::metadata(Path::new("/proc/self/fd/0")).is_ok_and(|m| m.rdev() == DEV_NULL);
        if null {
            loop {
                std::thread::park();
            }
        }
        let mut piece = [0; 256];
        while io::stdin().read(&mut piece).is_ok_and(|n| n > 0) {}
        let _ = tell.send(());
    });
    told
}

fn run_drive(drive: &Drive) -> io::Result<()> {
    let order = json!({
        "n": drive.n, "chats": drive.chats, "mode": drive.mode, "tool_every": drive.tool_every,
        "tool": drive.tool, "text": drive.text, "timeout": drive.timeout, "settle": drive.settle,
        "reset": !drive.keep,
    });
    let mut client = Client::new(&drive.control, None)?;
    client.timeout = None;
    let run = std::thread::spawn(move || client.control("drive", &order));
    let mut watch = Client::new(&drive.control, None)?;
    let mut next = Instant::now() + Duration::from_secs(3);
    while !run.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
        if Instant::now() > next {
            next += Duration::from_secs(3);
            let books = watch.control("stats", &json!({}))?;
            eprintln!("{} of {} answered", books["replied"], drive.n);
        }
    }
    let books = run.join().map_err(|_| io::Error::other("the drive failed"))??;
    writeln!(io::stdout(), "{books}")
}
