//! What the control socket answers: the state of the daemon, reloads, orders for the scheduler.

use std::cell::RefCell;
use std::rc::Rc;

use nanoserde::SerBin;

use super::control::{self, ChannelReport, ControlReply, GatewayReport};
use super::cron::Scheduler;
use super::housekeeping;
use super::life::{Counters, Life};
use super::outbox::Outbox;
use super::tasks::Tasks;
use super::turns::Turns;
use crate::channel::AnyChannel;
use crate::limits::{BLOCKING_STUCK, FAILING_SESSIONS_SHOWN};
use crate::proto::binschema;
use crate::store::ledger::TORN;
use crate::tool::cron_handle::CronRequest;

/// Sockets that are listened on, each with what it tells whom.
pub type Listening = Rc<RefCell<Vec<String>>>;

/// `current`, or why another configuration than that of the files is in force.
pub type ConfigState = Rc<RefCell<String>>;

/// What the state is put together from.
pub struct Status {
    /// Which configuration is in force, and why.
    pub config_state: ConfigState,
    /// Since when it runs.
    pub life: Life,
    /// What waits and runs.
    pub turns: Rc<Turns>,
    /// Knows which replies are open or were refused.
    pub outbox: Rc<Outbox>,
    /// Those that the configuration enables.
    pub channels: Vec<Rc<AnyChannel>>,
    /// `None` where the tool cron is switched off.
    pub cron: Option<Rc<Scheduler>>,
    /// Restarts and last errors of the long-lived tasks.
    pub tasks: Tasks,
    /// Sockets that this process accepts connections on.
    pub listening: Listening,
    /// How commands are held.
    pub tools: String,
}

impl Status {
    /// Answers a request of the control socket: an opcode of [`control`], and what followed it.
    pub async fn answer(&self, request: u8, body: &[u8]) -> Vec<u8> {
        match request {
            control::STATUS => self.report().serialize_bin(),
            control::RELOAD => {
                crate::sys::signal::reload_self();
                b"reload asked for".to_vec()
            }
            control::CRON => self.request(body).await,
            _ => b"unknown request".to_vec(),
        }
    }

    /// Carries a request of the command line out.
    async fn request(&self, body: &[u8]) -> Vec<u8> {
        let done = match (&self.cron, binschema::decode(CronRequest::SHAPE, body)) {
            (Some(cron), Some(request)) => cron.request(request).await,
            (None, _) => Err("cron is switched off (tools.cron.enabled)".into()),
            (_, None) => Err("the running gateway is of another version; restart it".into()),
        };
        let (ok, text) = match done {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        ControlReply { ok, text }.serialize_bin()
    }

    fn report(&self) -> GatewayReport {
        let (waiting, running) = self.turns.queue.load();
        let agent = &self.turns.agent;
        let counters = self.life.total(Counters::of(&self.turns, &self.outbox));
        let channel = |c: &Rc<AnyChannel>| ChannelReport {
            name: c.name().into(),
            state: c.state(),
            link: c.link(),
            pairing_code: c.pairing_code(),
        };
        let own = self.channels.iter().map(|c| c.listening()).filter(|l| !l.is_empty());
        GatewayReport {
            pid: std::process::id(),
            uptime: self.life.started.elapsed().as_secs(),
            reloaded: self.life.reloaded.map_or(0, |at| at.elapsed().as_secs().max(1)),
            version: crate::version::text(false),
            durability: durability(agent.journal.durability().off()),
            config: self.config_state.borrow().clone(),
            model: agent.models.current().to_string(),
            waiting: waiting as u64,
            running: running as u64,
            turns: counters.turns,
            unfinished: self.turns.unfinished() as u64,
            refused: counters.refused,
            syncs: counters.syncs,
            bytes: counters.bytes,
            torn: agent.journal.ledger(|l| l.offset(TORN)) as u64,
            heap: crate::sys::heap::in_use() as u64,
            channels: self.channels.iter().map(channel).collect(),
            tasks: self.tasks.report(),
            cron: self.cron.as_ref().map_or("off".into(), |c| c.state()),
            tokens: agent.models.token_errors(),
            listening: self.listening.borrow().iter().cloned().chain(own).collect(),
            tools: self.tools.clone(),
            failing: self.failing_sessions(),
            #[cfg(feature = "hooks")]
            hooks: agent.hooks.report(),
            #[cfg(not(feature = "hooks"))]
            hooks: Vec::new(),
        }
    }

    fn failing_sessions(&self) -> Vec<String> {
        let journal = &self.turns.agent.journal;
        let (mut lines, more) = journal.failures(|f| f.list(FAILING_SESSIONS_SHOWN));
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines
    }
}

/// `on`, or what is wrong with the disk.
fn durability(off: Option<String>) -> String {
    let stuck = crate::sys::stuck().0;
    match off {
        Some(why) => format!("off ({why})"),
        None if stuck >= BLOCKING_STUCK => format!("off ({})", housekeeping::stuck_message(stuck)),
        None => "on".into(),
    }
}
