//! What the daemon does by the clock: its sign of life, what the supervisor passes on to the boot partition, and
//! memory that goes back.

use std::rc::Rc;
use std::time::Duration;

use super::status::ConfigState;
use super::turns::Turns;
use crate::channel::AnyChannel;
use crate::config::Config;
use crate::limits::{BLOCKING_STUCK, KEEPALIVE_EVERY, RELEASE_PAGES_EVERY};
use crate::supervise::notify::SupervisorSocket;
use crate::sys::pages;

/// Tells the supervisor that the loop is alive, which time servers to ask, and what the owner needs to know.
pub async fn tell_supervisor(
    config: Rc<Config>,
    config_state: ConfigState,
    channels: Vec<Rc<AnyChannel>>,
) {
    let supervisor = SupervisorSocket::from_environment();
    supervisor.time_servers(&config.time_servers);
    let mut announced = String::new();
    let mut told = false;
    loop {
        let (stuck, all) = crate::sys::stuck();
        let hangs = stuck >= BLOCKING_STUCK;
        if hangs != told {
            told = hangs;
            match hangs {
                true => crate::log::error!("{}", stuck_message(stuck)),
                false => crate::log::info!("disk operations work again"),
            }
        }
        // Nothing can be kept any more: only a new process helps.
        if !(hangs && all) {
            supervisor.keepalive();
        }
        let mut lines = String::new();
        if *config_state.borrow() != "current" {
            lines.push_str(&format!("Configuration: {}\n", config_state.borrow()));
        }
        for channel in &channels {
            lines.push_str(&format!(
                "{}: {} {}\n",
                channel.name(),
                channel.state(),
                channel.link()
            ));
            let code = channel.pairing_code();
            if !code.is_empty() {
                lines.push_str(&format!("Pairing code: {code} (send /pair {code} to the bot)\n"));
            }
        }
        if lines != announced {
            supervisor.announce(&lines);
            announced = lines;
        }
        pages::release();
        async_io::Timer::after(Duration::from_secs(KEEPALIVE_EVERY)).await;
    }
}

/// What is said of work that has hung for so long.
pub fn stuck_message(stuck: Duration) -> String {
    format!("work on the disk has hung for {} s; what needs it waits", stuck.as_secs())
}

/// Gives pages back again and again while turns run, and twice after the last: once for the turn, once for its delivery.
/// What a turn touches does not pile up, whether its model answers in milliseconds or in minutes.
pub async fn release_pages(turns: Rc<Turns>) {
    loop {
        turns.turn_begun().await;
        let mut rests = 0;
        while rests < 2 {
            async_io::Timer::after(RELEASE_PAGES_EVERY).await;
            pages::release();
            rests = if turns.is_busy() { 0 } else { rests + 1 };
        }
    }
}
