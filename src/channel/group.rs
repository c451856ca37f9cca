//! Whether a message in a group is for the bot.

use crate::config::GroupTrigger;

/// The text to answer, or `None` for silence. Mentions (and replies to the bot) always count; with `mention_only`
/// nothing else does; with prefixes a text that begins with one, which is taken off; with neither everything.
pub fn trigger<'a>(rule: &GroupTrigger, mentioned: bool, text: &'a str) -> Option<&'a str> {
    if mentioned {
        return Some(text);
    }
    if rule.mention_only {
        return None;
    }
    let mut prefixes = rule.prefixes.iter().filter(|p| !p.is_empty()).peekable();
    if prefixes.peek().is_none() {
        return Some(text);
    }
    prefixes.find_map(|prefix| text.strip_prefix(prefix.as_str())).map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mention_only: bool, prefixes: &[&str], mentioned: bool, want: Option<&str>) {
        let rule = GroupTrigger {
            mention_only,
            prefixes: prefixes.iter().map(|p| p.to_string()).collect(),
        };
        assert_eq!(trigger(&rule, mentioned, "pico: hi"), want);
    }

    #[test]
    fn rules() {
        check(false, &[], false, Some("pico: hi"));
        check(false, &[""], false, Some("pico: hi"));
        check(true, &[], false, None);
        check(true, &[], true, Some("pico: hi"));
        check(false, &["pico:"], false, Some("hi"));
        check(false, &["x", "pico"], false, Some(": hi"));
        check(false, &["bot"], false, None);
        check(false, &["bot"], true, Some("pico: hi"));
        check(true, &["pico:"], false, None);
    }
}
