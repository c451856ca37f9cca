//! What the gateway listens on: the health server and the control socket.

use std::path::PathBuf;
use std::rc::Rc;
#[cfg(feature = "health")]
use std::time::Instant;

use smol::LocalExecutor;

use super::attached_cli::AttachedCli;
use super::control;
#[cfg(feature = "health")]
use super::health;
use super::inbox::Inbox;
#[cfg(feature = "health")]
use super::status::Listening;
use super::status::Status;
#[cfg(feature = "health")]
use super::tasks::Tasks;
use crate::agent::Agent;
#[cfg(feature = "health")]
use crate::channel::{AnyChannel, ChannelRoute};
#[cfg(feature = "health")]
use crate::config::Config;
#[cfg(feature = "health")]
use crate::error::Result;
#[cfg(feature = "health")]
use crate::net::listen;

/// Serves the health page, and beside it the channels that have a path there. A port that is taken is only logged: the
/// assistant is worth more than its health page.
///
/// # Errors
/// A bound socket that cannot be used.
#[cfg(feature = "health")]
pub fn health(
    executor: &Rc<LocalExecutor<'static>>,
    config: &Config,
    started: Instant,
    tasks: &Tasks,
    channels: &[Rc<AnyChannel>],
    listening: &Listening,
) -> Result<()> {
    let config = &config.gateway;
    let local_only = ("gateway", "gateway.token");
    let bound = listen::bind(&config.hosts, config.port, !config.token.is_empty(), local_only);
    let listeners = match bound {
        Ok(listeners) => listeners,
        Err(e) => {
            crate::log::error!("{e}; nothing is served there");
            return Ok(());
        }
    };
    let route = |channel: &Rc<AnyChannel>| Some((channel.route()?, channel.clone()));
    let routes: health::Routes = channels.iter().filter_map(route).collect();
    for listener in listeners {
        let address = listener.local_addr()?;
        crate::log::info!("listening on http://{address}/health");
        let told = match (listen::is_local(address), config.token.is_empty()) {
            (true, true) => "whether the daemon is alive; set gateway.token to see more",
            (true, false) => "whether the daemon is alive; with gateway.token, its state",
            (false, _) => "requests need gateway.token",
        };
        listening.borrow_mut().push(format!("http://{address}/health: {told}"));
        for (ChannelRoute { scheme, path, serves }, channel) in routes.iter() {
            let told = format!("{scheme}://{address}{path}: {serves} {}", channel.name());
            listening.borrow_mut().push(told);
        }
        listener.set_nonblocking(true)?;
        let channels = channels.to_vec();
        let checks: health::Checks =
            Rc::new(move || vec![("channels", channels.iter().all(|c| c.is_healthy()))]);
        let (executor2, tasks) = (executor.clone(), tasks.clone());
        let (token, routes) = (config.token.clone(), routes.clone());
        let serve = async move {
            let serve = || {
                let listener = listener.try_clone();
                let (executor, checks) = (executor2.clone(), checks.clone());
                let (token, routes) = (token.clone(), routes.clone());
                async move {
                    let listener = listener?;
                    health::serve(listener, executor, started, token, checks, routes).await
                }
            };
            tasks.run("health", serve).await;
        };
        executor.spawn(serve).detach();
    }
    Ok(())
}

/// Serves the control socket of `home`: requests are answered by `status`, command lines attach to `inbox`.
pub fn control(
    executor: &Rc<LocalExecutor<'static>>,
    home: PathBuf,
    status: Rc<Status>,
    agent: Rc<Agent>,
    inbox: Rc<Inbox>,
) {
    let tasks = status.tasks.clone();
    let listening = status.listening.clone();
    let outbox = status.outbox.clone();
    let answer: control::RequestHandler = Rc::new(move |request, body| {
        let status = status.clone();
        Box::pin(async move { status.answer(request, &body).await })
    });
    let executor2 = executor.clone();
    let attach: control::AttachHandler = Rc::new(move |stream| {
        let Some(cli) = outbox.cli() else { return Box::pin(async {}) };
        let (agent, inbox) = (agent.clone(), inbox.clone());
        let attached = AttachedCli { cli, agent, inbox, executor: executor2.clone() };
        Box::pin(attached.serve(stream))
    });
    let bound: control::OnBound = Rc::new(move |path| {
        let line = format!("unix:{}: root and the daemon's user, no commands", path.display());
        let mut listening = listening.borrow_mut();
        listening.retain(|known| !known.starts_with("unix:"));
        listening.push(line);
    });
    let executor2 = executor.clone();
    let serve = async move {
        let serve = || {
            let (answer, attach) = (answer.clone(), attach.clone());
            control::serve(&home, executor2.clone(), answer, attach, bound.clone())
        };
        tasks.run("control", serve).await;
    };
    executor.spawn(serve).detach();
}
