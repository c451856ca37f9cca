//! `thinking_level`: how much a model reasons before it answers, and each server's field for it.

use super::body::BodyWriter;
use crate::config::ModelConfig;
use crate::config::providers::{Quirk, Thinking};

/// The level; none means the server's own default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The request asks for no thinking.
    Off,
    /// Little thinking: quick and cheap.
    Low,
    /// Effort between [`Level::Low`] and [`Level::High`].
    Medium,
    /// High effort: slower and more tokens.
    High,
    /// As long as it may.
    Xhigh,
    /// The model chooses the effort itself.
    Adaptive,
}

impl Level {
    /// Parses the setting; case and surrounding blanks are ignored. `None` for anything else.
    pub fn parse(text: &str) -> Option<Level> {
        const NAMES: [(&str, Level); 6] = [
            ("off", Level::Off),
            ("low", Level::Low),
            ("medium", Level::Medium),
            ("high", Level::High),
            ("xhigh", Level::Xhigh),
            ("adaptive", Level::Adaptive),
        ];
        let text = text.trim();
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|&(_, level)| level)
    }

    /// Tokens for Anthropic's `budget_tokens`; 0 if the level is not a budget.
    pub fn budget(self) -> u32 {
        match self {
            Level::Off | Level::Adaptive => 0,
            Level::Low => 4_096,
            Level::Medium => 16_384,
            Level::High => 32_000,
            Level::Xhigh => 64_000,
        }
    }
}

/// Writes the fields for this, if the OpenAI-compatible server has any.
pub fn write(body: &mut BodyWriter<'_>, model: &ModelConfig, level: Level) {
    let way = model.quirks().find_map(|quirk| match quirk {
        Quirk::Thinking(way) => Some(way),
        _ => None,
    });
    let switch = if level == Level::Off { "disabled" } else { "enabled" };
    match way {
        Some(Thinking::Effort) => {
            kind(body, switch);
            let effort = match level {
                Level::Off | Level::Adaptive => return,
                Level::Xhigh => "max",
                Level::Low | Level::Medium | Level::High => "high",
            };
            if body.field("reasoning_effort") {
                body.string(effort);
            }
        }
        Some(Thinking::Switch) => kind(body, switch),
        Some(Thinking::SwitchOrAuto) => {
            kind(body, if level == Level::Adaptive { "auto" } else { switch })
        }
        Some(Thinking::Budget) => {
            if body.field("enable_thinking") {
                body.raw(if level == Level::Off { "false" } else { "true" });
            }
            if level.budget() > 0 && body.field("thinking_budget") {
                body.number(u64::from(level.budget()));
            }
        }
        None => {}
    }
}

fn kind(body: &mut BodyWriter<'_>, kind: &str) {
    if body.field("thinking") {
        body.raw("{\"type\":").string(kind).raw("}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<Level>) {
        assert_eq!(Level::parse(text), want);
    }

    #[test]
    fn levels_are_read_without_regard_to_case() {
        check("off", Some(Level::Off));
        check("LOW", Some(Level::Low));
        check(" Medium\n", Some(Level::Medium));
        check("high", Some(Level::High));
        check("xHigh", Some(Level::Xhigh));
        check("adaptive", Some(Level::Adaptive));
        check("", None);
        check("very high", None);
    }
}
