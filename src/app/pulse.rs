//! The daemon's sign of life, and what the supervisor passes on to the boot partition.

use std::rc::Rc;
use std::time::Duration;

use crate::channel::AnyChannel;
use crate::config::Config;
use crate::limits::HEARTBEAT_EVERY;
use crate::supervise::notify::Supervisor;
use crate::sys::pages;

/// Tells the supervisor that the loop is alive, which time servers to ask, and what the owner needs to know.
pub async fn tell_supervisor(
    config: Rc<Config>,
    config_state: String,
    channels: Vec<Rc<AnyChannel>>,
) {
    let supervisor = Supervisor::from_environment();
    supervisor.time_servers(&config.time_servers);
    let mut announced = String::new();
    loop {
        supervisor.heartbeat();
        let mut lines = String::new();
        if config_state != "current" {
            lines.push_str(&format!("Configuration: {config_state}\n"));
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
        pages::give_back();
        async_io::Timer::after(Duration::from_secs(HEARTBEAT_EVERY)).await;
    }
}
