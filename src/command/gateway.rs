//! `picoclaw gateway`.

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::app::gateway::{self, GatewayOptions};
use crate::args;
use crate::config::{self, Config, LoadOptions, Loaded};
use crate::environment;
use crate::error::{Error, Result};
use crate::log;
use crate::store::credentials;
use crate::supervise::notify::SupervisorSocket;
use crate::sys::{clock, pages};

/// Loads the configuration, or the last good one, and runs until a signal ends it.
///
/// # Errors
/// Exit status 1 with the reason: a first start with a bad configuration, another instance, a taken port.
pub fn run(args: &args::GatewayArgs) -> Result<ExitCode> {
    #[cfg(feature = "heap-profile")]
    let _profiler = dhat::Profiler::new_heap();
    pages::map_small_pieces();
    let target = if args.syslog { log::LogTarget::Syslog } else { log::LogTarget::Stderr };
    log::start(target, "info");
    let options = LoadOptions { allow_empty: args.allow_empty, ..LoadOptions::from_process() };
    let (loaded, config_state) = load(&options)?;
    let level =
        std::env::var(environment::LOG_LEVEL).unwrap_or(loaded.config.gateway.log_level.clone());
    log::set_level(if args.debug { "debug" } else { &level });
    log::set_secrets(config::with_encodings(credentials::with_tokens(
        &loaded.config.home,
        loaded.secrets(),
    )));
    for warning in &loaded.warnings {
        crate::log::warn!("{warning}");
    }
    if let Some(tz) = clock::unknown_tz() {
        crate::log::warn!("TZ is {tz:?}, which names no time zone: local time is UTC");
    }
    let mut config = loaded.config;
    if let Some(host) = &args.host {
        if host.trim().is_empty() {
            return Err(Error::new("--host is empty; leave it out or name an address"));
        }
        config.gateway.hosts = host.split(',').map(|h| h.trim().to_string()).collect();
        if let Some(message) = config::unserved(&config.gateway) {
            crate::log::warn!("--host: {message} ({})", config::UNSERVED_CURE);
        }
    }
    if std::io::stderr().is_terminal() {
        eprintln!("{}", greeting(&config, args.syslog));
    }
    gateway::run(GatewayOptions { config, config_state, allow_empty: args.allow_empty })
}

/// The one line for somebody who starts a gateway at a terminal, whatever the log's level is.
fn greeting(config: &Config, syslog: bool) -> String {
    let enabled = config.channels.iter().filter(|c| c.enabled).map(|c| c.name.as_str());
    let names = enabled.collect::<Vec<_>>().join(", ");
    let channels = if names.is_empty() { "none" } else { &names };
    let log = if syslog { "in syslog" } else { "here" };
    let health = match cfg!(feature = "health") {
        true => format!(
            "; health page: {} port {}",
            config.gateway.hosts.join(", "),
            config.gateway.port
        ),
        false => String::new(),
    };
    format!(
        "🦞 picoclaw {} runs until Ctrl-C; channels: {channels}{health}; the log is {log}, `picoclaw status` has the state",
        crate::version::VERSION
    )
}

/// The configuration to run with and what `status` says of it.
fn load(options: &LoadOptions) -> Result<(Loaded, String)> {
    match config::load(options) {
        Ok(loaded) => {
            if let Err(e) = config::save_last_good(&loaded.config.home, &loaded) {
                crate::log::warn!("the configuration could not be kept as the last good one: {e}");
            }
            Ok((loaded, "current".into()))
        }
        Err(errors) => {
            for line in errors.to_string().lines() {
                crate::log::error!("{line}");
            }
            let home = options.home()?;
            match config::load_last_good(&home, options) {
                Ok(loaded) => {
                    let state = format!(
                        "the configuration has errors, so the last good one is in force; see `picoclaw config check`: {}",
                        errors.to_string().lines().next().unwrap_or_default()
                    );
                    crate::log::warn!("{state}");
                    Ok((loaded, state))
                }
                Err(e) => {
                    // That there is none yet is no news.
                    if home.join(config::LAST_GOOD).exists() {
                        crate::log::error!("the last good configuration cannot be used: {e}");
                    }
                    // Nothing of us will run, so this is the only word on picoclaw.status.txt.
                    let told = format!("The assistant does not start: {errors}");
                    SupervisorSocket::from_environment().announce(&told);
                    Err(Error::new(
                        "the configuration has errors and there is no last good one; correct it (`picoclaw config check`) and start again",
                    ))
                }
            }
        }
    }
}
