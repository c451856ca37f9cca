//! Wires a gateway together and takes it apart again.

mod attend;
pub mod commands;
pub mod control;
pub mod cron;
mod cron_jobs;
mod cron_notice;
#[cfg(feature = "hardware")]
mod devices;
pub mod files;
#[cfg(feature = "health")]
pub mod health;
pub mod heartbeat;
pub mod home;
pub mod housekeeping;
pub mod hub;
mod inbox;
mod intake;
pub mod internal;
mod last_chat;
pub mod last_end;
mod listen;
mod nightly;
mod notify;
pub mod outbox;
mod poison;
pub mod session_key;
mod skills;
mod steer;
pub mod subagents;
pub mod tasks;
mod uploads;

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nanoserde::SerBin;
use smol::LocalExecutor;

use crate::agent::Agent;
use crate::agent::prompt::Prompt;
use crate::channel::AnyChannel;
use crate::channel::cli::Cli;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::limits::SHUTDOWN;
use crate::net::http::Client;
use crate::proto::binschema;
use crate::provider::Models;
use crate::skill::install;
use crate::skill::load::Roots;
use crate::store::dir::Dir;
use crate::store::session::Sessions;
use crate::store::session_go;
use crate::store::writer::Journal;
use crate::tool::cron::CronRequest;
use control::Reply;
use cron::Scheduler;
use home::Home;
use hub::Hub;
use outbox::Outbox;
use tasks::Tasks;

/// How a gateway is started.
pub struct GatewayOptions {
    /// The configuration in force.
    pub config: Config,
    /// `current`, or why the last good one is in force.
    pub config_state: String,
    /// Start although no model can be used.
    pub allow_empty: bool,
}

/// What made the gateway stop.
enum Stop {
    Terminated,
    Reload,
}

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// What keeps it from starting: another instance, no home, no usable model, a port that is taken.
pub fn gateway(options: GatewayOptions) -> Result<ExitCode> {
    let started = Instant::now();
    crate::sys::crash::install()?;
    crate::sys::process::harden();
    crate::sys::process::adopt();
    let home = Home::lock(&options.config.home)?;
    crate::tool::sandbox::sweep(&options.config.home);
    install::recover(&options.config);
    crate::tool::workspace_group::prepare(&options.config);
    let executor = Rc::new(LocalExecutor::new());
    let gateway = Gateway::build(options, started)?;
    let stop = async_io::block_on(executor.run(gateway.run(executor.clone())))?;
    drop(gateway);
    drop(home);
    match stop {
        Stop::Terminated => Ok(ExitCode::SUCCESS),
        // A fresh image of the same program reads everything anew and starts with a clean heap.
        Stop::Reload => Err(crate::sys::process_image::restart()),
    }
}

/// Everything that lives as long as the daemon.
pub struct Gateway {
    config: Rc<Config>,
    config_state: String,
    started: Instant,
    hub: Rc<Hub>,
    outbox: Rc<Outbox>,
    /// Absent where the tool cron is switched off.
    cron: Option<Rc<Scheduler>>,
    channels: Vec<Rc<AnyChannel>>,
    tasks: Tasks,
    /// Each with what it tells whom.
    listening: Rc<RefCell<Vec<String>>>,
}

/// Takes over sessions that the Go original has left; without them the assistant still works.
pub fn adopt(sessions: &Sessions) {
    match session_go::adopt(sessions) {
        Ok(0) => {}
        Ok(n) => crate::log::info!("sessions of the Go version taken over: {n}"),
        Err(e) => crate::log::warn!("{e}"),
    }
}

/// The models of a configuration.
///
/// # Errors
/// There is none, and that was not allowed.
pub fn models(config: &Rc<Config>, http: &Client, allow_empty: bool) -> Result<Models> {
    if config.models.is_empty() && !allow_empty {
        return Err(Error::new(
            "no model is configured: add one to model_list (`picoclaw onboard` writes an example), or start with --allow-empty",
        ));
    }
    Ok(Models::new(config.clone(), http.clone()))
}

/// The agent of a configuration.
pub fn agent(config: Rc<Config>, models: Models, http: Client, journal: Rc<Journal>) -> Agent {
    let workspace = &config.agent.workspace;
    let roots = Roots::of(&config);
    let readable: Vec<_> = roots.readable().iter().map(|p| p.to_path_buf()).collect();
    let prompt = Prompt::new(workspace, roots);
    Agent {
        sessions: Sessions::new(&config.agent.workspace),
        readable_roots: readable.into(),
        prompt: RefCell::new(prompt),
        models,
        http,
        journal,
        cron: RefCell::default(),
        config,
    }
}

/// Carries an order of the command line out.
async fn ordered(cron: Option<Rc<Scheduler>>, body: &[u8]) -> Vec<u8> {
    let done = match (cron, binschema::decode(CronRequest::SHAPE, body)) {
        (Some(cron), Some(request)) => cron.request(request).await,
        (None, _) => Err("cron is switched off (tools.cron.enabled)".into()),
        (_, None) => Err("the running gateway is of another version; restart it".into()),
    };
    let (ok, text) = match done {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    };
    Reply { ok, text }.serialize_bin()
}

impl Gateway {
    fn build(options: GatewayOptions, started: Instant) -> Result<Gateway> {
        let config = Rc::new(options.config);
        let sessions = Sessions::new(&config.agent.workspace);
        adopt(&sessions);
        let (journal, notes) = Journal::open(&config.home.join("state"), sessions.dir());
        for note in notes {
            crate::log::warn!("{note}");
        }
        let http = Client::new()?;
        let models = models(&config, &http, options.allow_empty)?;
        let agent = Rc::new(agent(config.clone(), models, http, Rc::new(journal)));
        let channels: Vec<Rc<AnyChannel>> =
            AnyChannel::all(&config, &agent.http)?.into_iter().map(Rc::new).collect();
        if channels.is_empty() {
            crate::log::warn!(
                "no channel is enabled; set channel_list.telegram.enabled and its token"
            );
        }
        let mut reached = channels.clone();
        reached.push(Rc::new(AnyChannel::Cli(Cli::default())));
        let outbox = Rc::new(Outbox::new(agent.journal.clone(), sessions, reached));
        let limit = std::env::var("PICOCLAW_MEM_LIMIT").ok();
        let limit = match limit.as_deref().map(home::parse_size) {
            Some(None) => {
                return Err(Error::new("PICOCLAW_MEM_LIMIT is no size like 8MiB or 8388608"));
            }
            Some(bytes) => bytes,
            None => None,
        };
        let hub = Rc::new(Hub::new(agent, outbox.clone(), limit));
        if crate::sys::crash::mark(&config.home.join("state/crashed")) {
            poison::blame(&hub);
        }
        let off = config.tools.disabled.iter().any(|tool| tool == "cron");
        let cron = (!off).then(|| Rc::new(Scheduler::new(hub.clone())));
        if let Some(cron) = cron.clone() {
            let handle = move |request| {
                let cron = cron.clone();
                let done = async move { cron.request(request).await };
                Box::pin(done) as std::pin::Pin<Box<dyn Future<Output = _>>>
            };
            hub.agent.cron.replace(Some(Rc::new(handle)));
        }
        Ok(Gateway {
            config,
            config_state: options.config_state,
            started,
            hub,
            outbox,
            cron,
            channels,
            tasks: Tasks::default(),
            listening: Rc::default(),
        })
    }

    async fn run(&self, executor: Rc<LocalExecutor<'static>>) -> Result<Stop> {
        let mut signals = crate::sys::signal::Signals::new()?;
        let spawn =
            |future: std::pin::Pin<Box<dyn Future<Output = ()>>>| executor.spawn(future).detach();
        let journal = self.hub.journal.clone();
        spawn(Box::pin(async move { journal.run().await }));
        spawn(Box::pin(self.outbox.clone().run(executor.clone())));
        spawn(Box::pin(self.hub.clone().run(executor.clone())));
        if let Some(cron) = self.cron.clone() {
            spawn(Box::pin(async move { cron.run().await }));
        }
        if !self.config.heartbeat.is_zero() {
            spawn(Box::pin(heartbeat::run(self.hub.clone(), self.config.heartbeat)));
        }
        #[cfg(feature = "hardware")]
        if self.config.usb_notices {
            let (hub, tasks) = (self.hub.clone(), self.tasks.clone());
            spawn(Box::pin(async move {
                tasks.keep("devices", || devices::run(hub.clone())).await;
            }));
        }
        if let Some(minute) = self.config.consolidation {
            spawn(Box::pin(nightly::run(self.hub.clone(), minute)));
        }
        let http = self.hub.agent.http.clone();
        spawn(Box::pin(async move { http.sweep().await }));
        #[cfg(feature = "health")]
        self.listen(&executor)?;
        self.serve_control(&executor);
        for channel in &self.channels {
            let (channel, hub, tasks) = (channel.clone(), self.hub.clone(), self.tasks.clone());
            spawn(Box::pin(async move {
                tasks
                    .keep(channel.name(), || async {
                        channel.run(&*hub).await;
                        Ok(())
                    })
                    .await;
            }));
        }
        if self.config_state != "current" {
            self.hub.notify(&format!("⚠️ {}", self.config_state));
        }
        spawn(Box::pin(housekeeping::tell_supervisor(
            self.config.clone(),
            self.config_state.clone(),
            self.channels.clone(),
        )));
        spawn(Box::pin(housekeeping::release_pages(self.hub.clone())));
        let hub = self.hub.clone();
        spawn(Box::pin(async move { last_end::tell(&hub).await }));
        crate::log::info!(
            "picoclaw {} answers on {} channel(s), model {}",
            crate::version::VERSION,
            self.channels.len(),
            self.hub.agent.models.current()
        );
        let stop = loop {
            match signals.next().await {
                crate::sys::signal::Signal::Terminate => break Stop::Terminated,
                crate::sys::signal::Signal::Reload => match crate::config::is_loadable() {
                    Ok(()) => break Stop::Reload,
                    Err(e) => {
                        let text = format!("the configuration was not reloaded: {e}");
                        crate::log::error!("{text}");
                        self.hub.notify(&format!("⚠️ {text}"));
                    }
                },
            }
        };
        crate::log::info!("stopping: running turns get {} s", SHUTDOWN.as_secs());
        self.hub.close(SHUTDOWN).await;
        let flush = self.outbox.drain(Duration::from_secs(2));
        flush.await;
        let chat = self.hub.last_chat.borrow_mut().due(crate::sys::clock::unix_now());
        last_chat::save(&self.config.agent.workspace, chat).await;
        self.hub.journal.finish().await;
        // Left behind it would only say that nobody answers.
        for path in control::paths(&self.config.home) {
            let _ = Dir::parent_of(&path, 1).and_then(|(dir, name)| dir.remove(name));
        }
        Ok(stop)
    }
}
