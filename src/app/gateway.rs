//! The daemon: starts an assistant and everything beside it, waits for a signal, and ends it in order.

use std::cell::RefCell;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;

use super::assistant::Assistant;
use super::cron::Scheduler;
use super::home::{self, Home};
use super::life::{Counters, Life};
use super::outbox::Outbox;
use super::status::{ConfigState, Status};
use super::tasks::Tasks;
use super::turns::attachments::DownloadLimits;
use super::turns::attempts;
use super::within::within;
use super::{consolidation, control, heartbeat, housekeeping, last_crash, listen};
use crate::channel::AnyChannel;
use crate::channel::cli::Cli;
use crate::config::Config;
use crate::environment;
use crate::error::{Error, Result};
use crate::limits::{DISK_WAIT, SHUTDOWN, SHUTDOWN_DELIVERY, SHUTDOWN_DISK};
use crate::net::http::HttpClient;
#[cfg(feature = "skill-install")]
use crate::skill::install;
use crate::store::dir::Dir;
use crate::store::session::Sessions;
use crate::store::writer::Journal;
use crate::sys::signal::{Signal, Signals};

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
    /// With what the next image is told.
    Reload(String),
}

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// What keeps it from starting: another instance, no home, no usable model, a port that is taken.
pub fn run(options: GatewayOptions) -> Result<ExitCode> {
    let life = Life::begin();
    crate::sys::crash::install()?;
    crate::sys::process::harden();
    crate::sys::process::adopt();
    let home = Home::lock(&options.config.home)?;
    home::close(&options.config.home);
    crate::tool::sandbox_plan::sweep(&options.config.home);
    #[cfg(feature = "skill-install")]
    install::recover(&options.config);
    crate::tool::workspace_group::prepare(&options.config);
    let executor = Rc::new(LocalExecutor::new());
    let gateway = Gateway::build(options, life)?;
    let stop = async_io::block_on(executor.run(gateway.run(executor.clone())))?;
    drop(gateway);
    drop(home);
    match stop {
        Stop::Terminated => Ok(ExitCode::SUCCESS),
        // A fresh image of the same program reads everything anew and starts with a clean heap.
        Stop::Reload(life) => Err(crate::sys::process_image::restart(&life)),
    }
}

/// Everything that lives as long as the daemon.
struct Gateway {
    config: Rc<Config>,
    config_state: ConfigState,
    life: Life,
    assistant: Assistant,
    /// Absent where the tool cron is switched off.
    cron: Option<Rc<Scheduler>>,
    channels: Vec<Rc<AnyChannel>>,
    tasks: Tasks,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// `PICOCLAW_MEM_LIMIT`, in bytes.
fn memory_limit() -> Result<Option<usize>> {
    let Ok(text) = std::env::var(environment::MEM_LIMIT) else { return Ok(None) };
    let refused = || Error::new("PICOCLAW_MEM_LIMIT is no size like 8MiB or 8388608");
    crate::proto::text::size(&text).map(Some).ok_or_else(refused)
}

impl Gateway {
    fn build(options: GatewayOptions, life: Life) -> Result<Gateway> {
        let config = Rc::new(options.config);
        super::adopt::run(&config);
        let sessions = Sessions::new(&config.home);
        let (journal, notes) = Journal::open(&config.home.join("state"), sessions.dir());
        for note in notes {
            crate::log::warn!("{note}");
        }
        let http = HttpClient::new()?;
        let models = super::models(&config, &http, options.allow_empty)?;
        let agent = Rc::new(super::agent(config.clone(), models, http, Rc::new(journal)));
        let channels: Vec<Rc<AnyChannel>> =
            AnyChannel::all(&config, &agent.http).into_iter().map(Rc::new).collect();
        if channels.is_empty() {
            crate::log::warn!("{}", crate::config::channels::NONE_ENABLED);
        }
        let mut reached = channels.clone();
        reached.push(Rc::new(AnyChannel::Cli(Cli::default())));
        let outbox = Rc::new(Outbox::new(agent.journal.clone(), sessions, reached));
        let limits = DownloadLimits::default();
        let assistant = Assistant::new(agent, outbox, memory_limit()?, limits);
        if crate::sys::crash::mark(&config.home.join("state/crashed")) {
            attempts::count_crash(&assistant.agent.journal);
        }
        let cron = cron(&config, &assistant);
        Ok(Gateway {
            config,
            config_state: Rc::new(RefCell::new(options.config_state)),
            life,
            assistant,
            cron,
            channels,
            tasks: Tasks::default(),
        })
    }

    async fn run(&self, executor: Rc<LocalExecutor<'static>>) -> Result<Stop> {
        let mut signals = Signals::new()?;
        self.assistant.spawn(&executor);
        #[cfg(feature = "hooks")]
        self.spawn_hooks(&executor);
        self.spawn_unattended(&executor);
        self.listen(&executor)?;
        self.spawn_channels(&executor);
        let state = self.config_state.borrow().clone();
        if state != "current" {
            self.assistant.notifier.notify(&format!("⚠️ {state}"));
        }
        self.spawn_housekeeping(&executor);
        crate::log::info!(
            "picoclaw {} answers on {} channel(s), model {}",
            crate::version::VERSION,
            self.channels.len(),
            self.assistant.agent.models.current()
        );
        let stop = self.stop_asked(&mut signals).await;
        crate::log::info!("stopping: running turns get {} s", SHUTDOWN.as_secs());
        self.assistant.turns.close(SHUTDOWN).await;
        #[cfg(feature = "hooks")]
        self.assistant.agent.hooks.close().await;
        self.assistant.outbox.drain(SHUTDOWN_DELIVERY).await;
        save_within(SHUTDOWN_DISK, self.save()).await;
        Ok(match stop {
            Signal::Terminate => Stop::Terminated,
            Signal::Reload => {
                let Assistant { turns, outbox, .. } = &self.assistant;
                Stop::Reload(self.life.hand_over(Counters::of(turns, outbox)))
            }
        })
    }

    /// What a clean stop leaves on the disk.
    async fn save(&self) {
        // First what matters: the rest waits behind it for the same disk.
        self.assistant.agent.journal.close().await;
        self.assistant.notifier.save_last_chat().await;
        let paths = control::paths(&self.config.home);
        crate::sys::spawn_blocking(move || {
            // Left behind it would only say that nobody answers.
            for path in paths {
                let _ = Dir::parent_of(&path, 1).and_then(|(dir, name)| dir.remove(name));
            }
        })
        .await;
        // Once more: a part of a reply may have been accepted meanwhile.
        self.assistant.agent.journal.close().await;
    }

    /// Waits for a signal that ends this process; a reload with a broken configuration does not.
    async fn stop_asked(&self, signals: &mut Signals) -> Signal {
        loop {
            match signals.next().await {
                Signal::Terminate => return Signal::Terminate,
                Signal::Reload => match is_config_loadable().await {
                    Ok(()) => return Signal::Reload,
                    Err(e) => {
                        let text = format!("the configuration was not reloaded: {e}");
                        crate::log::error!("{text}");
                        self.assistant.notifier.notify(&format!("⚠️ {text}"));
                        self.config_state.replace(format!("an older one, because {text}"));
                    }
                },
            }
        }
    }

    #[cfg(feature = "hooks")]
    fn spawn_hooks(&self, executor: &Rc<LocalExecutor<'static>>) {
        let agent = self.assistant.agent.clone();
        if !agent.hooks.is_empty() {
            executor.spawn(async move { agent.hooks.run().await }).detach();
        }
    }

    /// What begins turns or tells chats without anybody writing.
    fn spawn_unattended(&self, executor: &Rc<LocalExecutor<'static>>) {
        let spawn = |task: Task| executor.spawn(task).detach();
        let Assistant { agent, notifier, internal, .. } = &self.assistant;
        if let Some(cron) = self.cron.clone() {
            spawn(Box::pin(async move { cron.run().await }));
        }
        if !self.config.heartbeat.is_zero() {
            let heartbeat = heartbeat::Heartbeat {
                journal: agent.journal.clone(),
                workspace: self.config.agent.workspace.clone(),
                notifier: notifier.clone(),
                inbox: internal.clone(),
            };
            let interval = self.config.heartbeat;
            spawn(Box::pin(async move { heartbeat.run(interval).await }));
        }
        #[cfg(feature = "hardware")]
        if self.config.usb_notices {
            let (notifier, tasks) = (notifier.clone(), self.tasks.clone());
            spawn(Box::pin(async move {
                tasks.run("devices", || super::devices::run(notifier.clone())).await;
            }));
        }
        if let Some(minute) = self.config.consolidation {
            spawn(Box::pin(consolidation::run(agent.clone(), minute)));
        }
    }

    /// The health page and the control socket.
    fn listen(&self, executor: &Rc<LocalExecutor<'static>>) -> Result<()> {
        let listening = Rc::new(RefCell::new(Vec::new()));
        #[cfg(feature = "health")]
        listen::health(
            executor,
            &self.config,
            self.life.started,
            &self.tasks,
            &self.channels,
            &listening,
        )?;
        let Assistant { agent, outbox, turns, inbox, .. } = &self.assistant;
        let status = Status {
            config_state: self.config_state.clone(),
            life: self.life,
            turns: turns.clone(),
            outbox: outbox.clone(),
            channels: self.channels.clone(),
            cron: self.cron.clone(),
            tasks: self.tasks.clone(),
            listening,
            tools: crate::tool::sandbox_plan::describe(&self.config),
        };
        let (agent, inbox) = (agent.clone(), inbox.clone());
        listen::control(executor, self.config.home.clone(), Rc::new(status), agent, inbox);
        Ok(())
    }

    fn spawn_channels(&self, executor: &Rc<LocalExecutor<'static>>) {
        for channel in &self.channels {
            let (channel, tasks) = (channel.clone(), self.tasks.clone());
            let inbox = self.assistant.inbox.clone();
            // Boxed: a channel's future is large, and the executor would move it.
            let task: Task = Box::pin(async move {
                let run = || async {
                    channel.run(&*inbox).await;
                    Ok(())
                };
                tasks.run(channel.name(), run).await;
            });
            executor.spawn(task).detach();
        }
    }

    fn spawn_housekeeping(&self, executor: &Rc<LocalExecutor<'static>>) {
        let spawn = |task: Task| executor.spawn(task).detach();
        let http = self.assistant.agent.http.clone();
        spawn(Box::pin(async move { http.sweep().await }));
        spawn(Box::pin(housekeeping::tell_supervisor(
            self.config.clone(),
            self.config_state.clone(),
            self.channels.clone(),
        )));
        spawn(Box::pin(housekeeping::release_pages(self.assistant.turns.clone())));
        let notifier = self.assistant.notifier.clone();
        let state = self.config.home.join("state");
        spawn(Box::pin(async move { last_crash::report_to_owner(&notifier, &state).await }));
    }
}

/// Whether the configuration on the disk can be used.
///
/// # Errors
/// Why not; the disk does not give it within [`DISK_WAIT`].
async fn is_config_loadable() -> Result<()> {
    let read = within(DISK_WAIT, crate::sys::spawn_blocking(crate::config::is_loadable)).await;
    read.unwrap_or_else(|| Err(Error::new("the disk does not answer")))
}

/// Does `work` on the disk, within `limit`. A disk that hangs does not keep the gateway from stopping; then the log says what
/// is lost, and the result is false.
async fn save_within(limit: Duration, work: impl Future<Output = ()>) -> bool {
    let saved = within(limit, work).await.is_some();
    if !saved {
        crate::log::error!(
            "the disk has not taken the journal within {} s: the last lines of conversations may be missing, and replies \
             just sent may be sent again",
            limit.as_secs()
        );
    }
    saved
}

/// The scheduler, known to the tool cron; `None` where that is switched off.
fn cron(config: &Config, assistant: &Assistant) -> Option<Rc<Scheduler>> {
    if config.tools.disabled.iter().any(|tool| tool == crate::tool::cron::CRON_TOOL.name) {
        return None;
    }
    let Assistant { agent, notifier, internal, job_ends, .. } = assistant;
    let (notifier, inbox) = (notifier.clone(), internal.clone());
    let cron = Rc::new(Scheduler::new(agent.clone(), notifier, inbox, job_ends.clone()));
    let scheduler = cron.clone();
    let handle = move |request| {
        let scheduler = scheduler.clone();
        let done = async move { scheduler.request(request).await };
        Box::pin(done) as Pin<Box<dyn Future<Output = _>>>
    };
    agent.cron.replace(Some(Rc::new(handle)));
    Some(cron)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_hangs_does_not_keep_the_gateway_from_stopping() {
        let limit = Duration::from_millis(20);
        assert!(!smol::block_on(save_within(limit, std::future::pending())));
        assert!(smol::block_on(save_within(SHUTDOWN_DISK, async {})));
    }
}
