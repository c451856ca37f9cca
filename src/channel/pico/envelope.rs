//! What the words of a client mean.

use serde_json::Value;

/// Is what stands in a payload a thought and no answer?
pub fn is_thought(payload: &Value) -> bool {
    let kind = payload["kind"].as_str().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("thought") || payload["thought"] == true
}

/// Yes or no, where a text is nothing else.
pub(super) fn verdict(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|w| w.eq_ignore_ascii_case(text.trim()));
    match () {
        () if is(["yes", "y", "/yes"]) => Some(true),
        () if is(["no", "n", "/no"]) => Some(false),
        () => None,
    }
}
