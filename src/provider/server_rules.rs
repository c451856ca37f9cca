//! What a server takes in a request: known from the table of providers, or learned from its refusals.

use crate::config::ModelConfig;
use crate::config::providers::Quirk;

/// How a conversation is written for one model entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerRules {
    flags: u16,
    /// Most tokens of an answer that the server allows; 0 where it has not said.
    pub max_tokens: u32,
}

/// One of the [`ServerRules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Rule {
    /// `reasoning_content` goes back with each call.
    ReplaysReasoning = 1,
    /// A user may not follow a tool or a user: the assistant says a word in between.
    BridgesRoles = 1 << 1,
    /// Ids of calls have nine letters or digits.
    NineCharacterIds = 1 << 2,
    /// `extra_content` goes back with each call.
    ReturnsExtraContent = 1 << 3,
    /// `temperature` is left out.
    NoTemperature = 1 << 4,
    /// Tools are not offered.
    NoTools = 1 << 5,
    /// `stream_options` is left out.
    NoStreamOptions = 1 << 6,
    /// `prompt_cache_key` is left out.
    NoCacheKey = 1 << 7,
    /// The fields of `thinking_level` are left out.
    NoThinking = 1 << 8,
    /// No bound of the answer is sent.
    NoMaxTokens = 1 << 9,
    /// The bound has the other one of its two names.
    OtherMaxTokensField = 1 << 10,
}

impl ServerRules {
    /// Those of the provider's row.
    pub fn of(model: &ModelConfig) -> ServerRules {
        let rules = [
            (Quirk::ReplaysReasoning, Rule::ReplaysReasoning),
            (Quirk::BridgesRoles, Rule::BridgesRoles),
            (Quirk::NineCharacterIds, Rule::NineCharacterIds),
            (Quirk::ReturnsExtraContent, Rule::ReturnsExtraContent),
        ];
        let own = rules.into_iter().filter(|(quirk, _)| model.has(*quirk));
        own.fold(ServerRules::default(), |all, (_, rule)| all.with(rule))
    }

    /// Whether the rule holds.
    #[inline(always)]
    pub fn has(self, rule: Rule) -> bool {
        // The others are part of a feature: a build without it has no code for them.
        let known = cfg!(feature = "servers") || rule as u16 == Rule::ReplaysReasoning as u16;
        known && self.flags & rule as u16 != 0
    }

    /// The same and this one.
    pub fn with(self, rule: Rule) -> ServerRules {
        ServerRules { flags: self.flags | rule as u16, ..self }
    }
}
