//! What the gateway listens on: the health server and the control socket, and what they are told.

use std::rc::Rc;

use nanoserde::SerBin;
use smol::LocalExecutor;

use super::control::{self, ChannelReport, Report};
#[cfg(feature = "health")]
use super::health;
use super::{Gateway, housekeeping, ordered};
use crate::channel::AnyChannel;
#[cfg(feature = "health")]
use crate::channel::Route;
#[cfg(feature = "health")]
use crate::error::Result;
use crate::limits::BLOCKING_STUCK;
#[cfg(feature = "health")]
use crate::net::listen;
use crate::store::ledger::TORN;

impl Gateway {
    #[cfg(feature = "health")]
    pub(super) fn listen(&self, executor: &Rc<LocalExecutor<'static>>) -> Result<()> {
        let gateway = &self.config.gateway;
        let listeners = match listen::bind(
            &gateway.hosts,
            gateway.port,
            !gateway.token.is_empty(),
            ("gateway", "gateway.token"),
        ) {
            Ok(listeners) => listeners,
            Err(e) => {
                // The assistant is worth more than its health page.
                crate::log::error!("{e}; nothing is served there");
                return Ok(());
            }
        };
        for listener in listeners {
            let address = listener.local_addr()?;
            crate::log::info!("listening on http://{address}/health");
            let told = match (listen::is_local(address), gateway.token.is_empty()) {
                (true, true) => "alive or not, no token set for more",
                (true, false) => "alive or not, more with gateway.token",
                (false, _) => "with gateway.token only",
            };
            self.listening.borrow_mut().push(format!("http://{address}/health: {told}"));
            let routes = self.routes();
            for (Route { scheme, path, serves }, channel) in routes.iter() {
                let told = format!("{scheme}://{address}{path}: {serves} {}", channel.name());
                self.listening.borrow_mut().push(told);
            }
            listener.set_nonblocking(true)?;
            let channels = self.channels.clone();
            let checks: health::Checks = Rc::new(move || {
                let all = channels.iter().all(|c| c.is_healthy());
                vec![("channels", all)]
            });
            let (executor2, started, tasks) = (executor.clone(), self.started, self.tasks.clone());
            let token = gateway.token.clone();
            executor
                .spawn(async move {
                    tasks
                        .keep("health", || {
                            let listener = listener.try_clone();
                            let (executor, checks) = (executor2.clone(), checks.clone());
                            let routes = routes.clone();
                            let token = token.clone();
                            async move {
                                health::serve(listener?, executor, started, token, checks, routes)
                                    .await
                            }
                        })
                        .await;
                })
                .detach();
        }
        Ok(())
    }

    /// The channels that are served by the gateway's server, and where.
    #[cfg(feature = "health")]
    fn routes(&self) -> health::Routes {
        let route = |channel: &Rc<AnyChannel>| Some((channel.route()?, channel.clone()));
        self.channels.iter().filter_map(route).collect()
    }

    pub(super) fn serve_control(&self, executor: &Rc<LocalExecutor<'static>>) {
        let seed = Report {
            pid: std::process::id(),
            version: crate::version::text(false),
            config: self.config_state.clone(),
            tools: crate::tool::sandbox::describe(&self.config),
            ..Report::default()
        };
        let (hub, outbox, channels) =
            (self.hub.clone(), self.outbox.clone(), self.channels.clone());
        let (tasks, started, cron) = (self.tasks.clone(), self.started, self.cron.clone());
        let (state, listening) = (cron.clone(), self.listening.clone());
        let answer = move |request: u8| match request {
            control::STATUS => {
                let (waiting, running) = hub.load();
                let costs = hub.journal.costs();
                let channel = |c: &Rc<AnyChannel>| ChannelReport {
                    name: c.name().into(),
                    state: c.state(),
                    link: c.link(),
                    pairing_code: c.pairing_code(),
                };
                Report {
                    uptime: started.elapsed().as_secs(),
                    durability: durability(hub.journal.durability().off()),
                    model: hub.agent.models.current().to_string(),
                    waiting: waiting as u64,
                    running: running as u64,
                    turns: hub.turns(),
                    unfinished: hub.unfinished() as u64,
                    refused: outbox.refused(),
                    syncs: costs.syncs,
                    bytes: costs.bytes,
                    torn: hub.journal.ledger(|l| l.offset(TORN)) as u64,
                    heap: crate::sys::heap::in_use() as u64,
                    channels: channels.iter().map(channel).collect(),
                    tasks: tasks.report(),
                    listening: listening
                        .borrow()
                        .iter()
                        .cloned()
                        .chain(channels.iter().map(|c| c.listening()).filter(|l| !l.is_empty()))
                        .collect(),
                    cron: state.as_ref().map_or("off".into(), |c| c.state()),
                    tokens: hub.agent.models.token_errors(),
                    ..seed.clone()
                }
                .serialize_bin()
            }
            control::RELOAD => {
                crate::sys::signal::reload_self();
                b"reload asked for".to_vec()
            }
            _ => b"unknown request".to_vec(),
        };
        let answer = Rc::new(answer);
        let answer: control::Answering = Rc::new(move |request, body| {
            let (answer, cron) = (answer.clone(), cron.clone());
            Box::pin(async move {
                if request == control::CRON { ordered(cron, &body).await } else { answer(request) }
            })
        });
        let attached = self.hub.clone();
        let executor3 = executor.clone();
        let attach: control::Attaching = Rc::new(move |stream| {
            Box::pin(super::attend::attend(attached.clone(), executor3.clone(), stream))
        });
        let (home, tasks, executor2) =
            (self.config.home.clone(), self.tasks.clone(), executor.clone());
        let listening = self.listening.clone();
        let bound: control::Bound = Rc::new(move |path| {
            let line = format!("unix:{}: root and the daemon's user, no commands", path.display());
            let mut listening = listening.borrow_mut();
            listening.retain(|known| !known.starts_with("unix:"));
            listening.push(line);
        });
        executor
            .spawn(async move {
                tasks
                    .keep("control", || {
                        let (answer, attach) = (answer.clone(), attach.clone());
                        control::serve(&home, executor2.clone(), answer, attach, bound.clone())
                    })
                    .await;
            })
            .detach();
    }
}

/// `on`, or what is wrong with the disk.
fn durability(off: Option<String>) -> String {
    let stuck = crate::sys::stuck().0;
    match off {
        Some(why) => format!("off ({why})"),
        None if stuck >= BLOCKING_STUCK => format!("off ({})", housekeeping::hanging(stuck)),
        None => "on".into(),
    }
}
