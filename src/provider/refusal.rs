//! Learns from a refused request what the server does not take. Servers and models are more than any table knows; their
//! refusals name the field, in words of a few kinds.

use super::Failure;
use super::server_rules::{Rule, ServerRules};

/// What a refusal teaches.
#[derive(Debug, PartialEq)]
pub struct Lesson {
    /// The rules for the next attempt.
    pub rules: ServerRules,
    /// They hold for later requests as well, not only for a conversation of this length.
    pub lasts: bool,
}

/// Words of servers that do not take a field.
const REFUSED: &[&str] = &[
    "unsupported",
    "not support",
    "deprecated",
    "extra_forbidden",
    "extra inputs",
    "unknown",
    "unrecognized",
    "unexpected",
    "only 1 is allowed",
    "only the default",
    "must be 1",
    "not permitted",
    "not allowed",
];

/// Names of the bound of an answer.
const BOUNDS: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "completion tokens",
    "max_new_tokens",
    "in the completion",
];

/// Words of servers for a number that is too large.
const TOO_LARGE: &[&str] = &[
    "too large",
    "at most",
    "exceed",
    "less than",
    "range of",
    "<=",
    "greater than",
    "maximum context length",
];

/// Fields of ours that can be left out, and the rule that does so.
const FIELDS: &[(&str, Rule)] = &[
    ("temperature", Rule::NoTemperature),
    ("stream_options", Rule::NoStreamOptions),
    ("prompt_cache_key", Rule::NoCacheKey),
    ("reasoning_effort", Rule::NoThinking),
    ("thinking", Rule::NoThinking),
];

/// Sentences that mean one thing, in the words of Ollama, OpenRouter, vLLM, llama.cpp, Moonshot, DeepSeek, Mistral, Gemini.
const SENTENCES: &[(&str, Rule)] = &[
    ("does not support tools", Rule::NoTools),
    ("support tool use", Rule::NoTools),
    ("tool choice requires", Rule::NoTools),
    ("tools param requires", Rule::NoTools),
    ("tool calling is not supported", Rule::NoTools),
    ("reasoning_content is missing", Rule::ReplaysReasoning),
    ("must be passed back", Rule::ReplaysReasoning),
    ("after role 'tool'", Rule::BridgesRoles),
    ("after role tool", Rule::BridgesRoles),
    ("roles must alternate", Rule::BridgesRoles),
    ("with a length of 9", Rule::NineCharacterIds),
    ("thought_signature", Rule::ReturnsExtraContent),
];

/// Fewer tokens are no answer: then the conversation has to become shorter.
const LEAST_ANSWER: u32 = 256;

/// What the refusal of a request with these rules and this bound of the answer says; `None` where it is about something else.
pub fn learn(rules: ServerRules, failure: &Failure, max_tokens: u32) -> Option<Lesson> {
    if !matches!(failure.status, 400 | 404 | 413 | 422 | 500) {
        return None;
    }
    let text = failure.message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let lasting = |rule: Rule| {
        let lesson = Lesson { rules: rules.with(rule), lasts: true };
        (!rules.has(rule)).then_some(lesson)
    };
    if let Some((_, rule)) = SENTENCES.iter().find(|(words, _)| text.contains(words)) {
        return lasting(*rule);
    }
    if says(BOUNDS) {
        if text.contains("max_completion_tokens") && says(REFUSED) {
            return lasting(Rule::OtherMaxTokensField);
        }
        let applies = max_tokens > 0 && !rules.has(Rule::NoMaxTokens) && says(TOO_LARGE);
        return applies.then(|| shorter_answer(rules, &text, max_tokens));
    }
    let (_, rule) = FIELDS.iter().find(|(field, _)| text.contains(field))?;
    says(REFUSED).then(|| lasting(*rule))?
}

/// The bound of the answer is too large: the largest that the server's numbers allow, and after that none.
fn shorter_answer(rules: ServerRules, text: &str, max_tokens: u32) -> Lesson {
    let numbers = || {
        let digits = text.split(|c: char| !c.is_ascii_digit());
        digits.filter_map(|digits| digits.parse::<u32>().ok())
    };
    // With the length of the conversation in the sentence, both together have to fit.
    let lasts = !["input", "prompt", "messages"].iter().any(|word| text.contains(word));
    let allowed = if lasts {
        numbers().filter(|n| *n < max_tokens).max()
    } else {
        let behind = |words| text.split(words).nth(1).map(|rest| rest.trim_start_matches('`'));
        let stated = behind("<= ").or_else(|| behind("context length is ")).unwrap_or_default();
        let digits = stated.split(|c: char| !c.is_ascii_digit()).next();
        let stated = digits.and_then(|digits| digits.parse().ok());
        let window: u32 = stated.or(numbers().max()).unwrap_or_default();
        // The sum of both may be among them.
        let input = numbers().filter(|n| *n < window && *n != max_tokens).max();
        input.and_then(|input| window.checked_sub(input))
    };
    let known = if rules.max_tokens == 0 { max_tokens } else { rules.max_tokens };
    let mut rules = rules;
    match allowed {
        Some(allowed) if allowed >= LEAST_ANSWER && allowed < known => rules.max_tokens = allowed,
        _ => rules = rules.with(Rule::NoMaxTokens),
    }
    Lesson { rules, lasts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Class;

    fn learned(rules: ServerRules, message: &str) -> Option<Lesson> {
        let failure = Failure { status: 400, ..Failure::new(Class::Format, message) };
        learn(rules, &failure, 32768)
    }

    #[track_caller]
    fn check(message: &str, want: Option<Rule>) {
        let rules = ServerRules::default();
        let want = want.map(|rule| Lesson { rules: rules.with(rule), lasts: true });
        let lesson = learned(rules, message);
        assert_eq!(lesson, want, "{message}");
        if let Some(lesson) = lesson {
            assert_eq!(learned(lesson.rules, message), None, "twice: {message}");
        }
    }

    #[test]
    fn refused_fields_are_left_out() {
        let renamed = "'max_tokens' is not supported with this model. Use 'max_completion_tokens'.";
        check(renamed, Some(Rule::OtherMaxTokensField));
        let default = "Unsupported value: 'temperature' does not support 0.7 with this model.";
        check(default, Some(Rule::NoTemperature));
        check("invalid temperature: only 1 is allowed for this model", Some(Rule::NoTemperature));
        check("library/gemma3:latest does not support tools", Some(Rule::NoTools));
        check("No endpoints found that support tool use.", Some(Rule::NoTools));
        check("reasoning_content is missing in message 3", Some(Rule::ReplaysReasoning));
        check("Unexpected role 'user' after role 'tool'", Some(Rule::BridgesRoles));
        check("Unrecognized request argument: prompt_cache_key", Some(Rule::NoCacheKey));
        check("stream_options: Extra inputs are not permitted", Some(Rule::NoStreamOptions));
        for other in ["The model does not exist", "the temperature of the room", "max_tokens", ""] {
            check(other, None);
        }
        let busy = Failure::new(Class::RateLimit, "temperature is not supported");
        assert_eq!(learn(ServerRules::default(), &Failure { status: 429, ..busy }, 1), None);
    }

    #[track_caller]
    fn check_bound(message: &str, want: Option<u32>, lasts: bool) {
        let lesson = learned(ServerRules::default(), message).expect("a lesson");
        assert_eq!(lesson.lasts, lasts, "{message}");
        let Some(bound) = want else {
            return assert!(lesson.rules.has(Rule::NoMaxTokens), "{message}");
        };
        assert_eq!(lesson.rules.max_tokens, bound, "{message}");
        // Refused once more, the bound goes.
        let again = learned(lesson.rules, message).expect("a lesson");
        assert!(again.rules.has(Rule::NoMaxTokens), "{message}");
    }

    #[test]
    fn a_bound_that_is_too_large_becomes_what_fits() {
        let of_model =
            "max_tokens is too large: 32768. It supports at most 16384 completion tokens";
        check_bound(of_model, Some(16384), true);
        check_bound("Range of max_tokens should be [1, 8192]", Some(8192), true);
        check_bound("`max_tokens` must be less than or equal to `4096`", Some(4096), true);
        let sum = "'max_tokens' is too large: 32768. The maximum context length is 32768 tokens \
                   and your request has 2100 input tokens (32768 > 32768 - 2100).";
        check_bound(sum, Some(30668), false);
        let sum = "input length and `max_tokens` exceed context limit: 190000 + 32768 > 200000";
        check_bound(sum, Some(10000), false);
        let sum = "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 500 and 32768";
        check_bound(sum, Some(3596), false);
        check_bound("max_tokens is too large", None, true);
        let sum = "This model's maximum context length is 8192 tokens. However, you requested 33576 tokens \
                   (808 in the messages, 32768 in the completion). Please reduce the length.";
        check_bound(sum, Some(7384), false);
        // The conversation alone is too long: without a bound it is refused as that.
        let long = "This model's maximum context length is 8192 tokens. However, you requested 42000 tokens \
                    (9232 in the messages, 32768 in the completion).";
        check_bound(long, None, false);
    }
}
