//! Which session a message belongs to: `channel:chat`, finer or coarser by `session.dimensions`. Pure.

use crate::bus::{CLI, CRON, HEARTBEAT, Inbound};
use crate::config::SessionConfig;

/// A job's own session.
pub fn cron(id: &str) -> String {
    format!("cron-{}", crate::proto::text::head(id, 100))
}

/// `telegram:123`, with topics `telegram:123/7`; senders and identity links as configured (behaviour.md 3A.1, 3B.5).
pub fn session_key(config: &SessionConfig, message: &Inbound) -> String {
    match message.sender.platform.as_str() {
        CRON => return cron(&message.sender.id),
        HEARTBEAT => return "heartbeat".into(),
        _ => {}
    }
    if message.from.channel == CLI {
        return message.from.chat.clone();
    }
    let has = |name: &str| config.dimensions.iter().any(|d| d == name);
    let from = &message.from;
    let mut key = from.channel.clone();
    if has("chat") || !(has("sender") || config.dimensions.is_empty()) {
        key.push(':');
        key.push_str(&from.chat);
    }
    if has("topic") && !from.topic.is_empty() {
        key.push('/');
        key.push_str(&from.topic);
    }
    if has("sender") {
        let platform_id = format!("{}:{}", message.sender.platform, message.sender.id);
        let linked = config
            .identity_links
            .iter()
            .find(|(_, ids)| ids.iter().any(|id| *id == platform_id || *id == message.sender.id));
        key.push('@');
        key.push_str(linked.map_or(message.sender.id.as_str(), |(name, _)| name));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Address, Sender};

    #[track_caller]
    fn check(dimensions: &[&str], key: &str) {
        let message = Inbound {
            from: Address { channel: "telegram".into(), chat: "-5".into(), topic: "7".into() },
            sender: Sender { platform: "telegram".into(), id: "42".into(), ..Sender::default() },
            ..Inbound::default()
        };
        let config = SessionConfig {
            dimensions: dimensions.iter().map(|d| d.to_string()).collect(),
            identity_links: [("ann".to_string(), vec!["telegram:42".to_string()])].into(),
        };
        assert_eq!(session_key(&config, &message), key);
    }

    #[test]
    fn dimensions_make_the_key() {
        check(&["chat"], "telegram:-5");
        check(&[], "telegram");
        check(&["topic"], "telegram:-5/7");
        check(&["space"], "telegram:-5");
        check(&["chat", "topic"], "telegram:-5/7");
        check(&["chat", "sender"], "telegram:-5@ann");
        check(&["sender"], "telegram@ann");
    }
}
