//! A gateway put together: [`assistant`] has the parts, [`gateway`] runs them as a daemon.

pub mod adopt;
pub mod asker;
pub mod assistant;
mod attached_cli;
pub mod commands;
mod consolidation;
pub mod control;
mod cron;
mod cron_health;
mod cron_jobs;
mod cron_message;
mod cron_notice;
#[cfg(feature = "hardware")]
mod devices;
pub mod gateway;
#[cfg(feature = "health")]
mod health;
mod heartbeat;
pub mod home;
pub mod housekeeping;
pub mod inbox;
mod last_chat;
pub mod last_crash;
mod life;
mod listen;
pub mod notifier;
pub mod outbox;
mod placeholders;
pub mod session_key;
mod status;
mod subagents;
mod tasks;
pub mod turns;
mod uploads;
mod within;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::agent::Agent;
use crate::agent::prompt::Prompt;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::net::http::HttpClient;
use crate::provider::Models;
use crate::skill::load::Roots;
use crate::store::session::Sessions;
use crate::store::writer::Journal;

/// The models of a configuration.
///
/// # Errors
/// There is none, and that was not allowed.
pub fn models(config: &Rc<Config>, http: &HttpClient, allow_empty: bool) -> Result<Models> {
    if config.models.is_empty() && !allow_empty {
        return Err(Error::new(
            "no model is configured: add one to model_list (`picoclaw onboard` writes an example), or start with --allow-empty",
        ));
    }
    Ok(Models::new(config.clone(), http.clone()))
}

/// The agent of a configuration.
pub fn agent(config: Rc<Config>, models: Models, http: HttpClient, journal: Rc<Journal>) -> Agent {
    crate::store::audit::start(&config.home);
    let workspace = &config.agent.workspace;
    let roots = Roots::of(&config);
    let readable: Vec<_> = roots.readable().iter().map(|p| p.to_path_buf()).collect();
    let prompt = Prompt::new(workspace, roots);
    Agent {
        sessions: Sessions::new(&config.home),
        readable_roots: readable.into(),
        prompt: Arc::new(Mutex::new(prompt)),
        models,
        http,
        journal,
        cron: RefCell::default(),
        #[cfg(feature = "hooks")]
        hooks: crate::hook::Hooks::new(config.clone()),
        config,
    }
}
