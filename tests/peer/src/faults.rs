//! Rules that break things: `SIDE:METHOD:KIND:P[:key=value]...`
//!
//! `SIDE` is `tg`, `llm` or `*`; `METHOD` a Bot API method, `file` (a download), `chat`, `messages`, `models` or `*`; `P` the
//! probability from 0 to 1. Kinds:
//!
//! | kind | what happens |
//! |---|---|
//! | `429` | refused with retry_after (`retry_after=1` seconds) |
//! | any other status from 400 to 599 | refused with it |
//! | `drop_before` | connection closed, request not processed |
//! | `drop_after` | request processed, connection closed without an answer |
//! | `reset` | as drop_before, but with a TCP reset |
//! | `malformed` | processed, the JSON or the event stream is cut in the middle |
//! | `garbled` | processed, the answer holds bytes that are no UTF-8 |
//! | `cut` | processed, the connection closes in the middle of the answer's body |
//! | `stall` | processed, in the middle of the answer's body nothing more comes |
//! | `hang` | not processed, never answered |
//! | `hang_after` | processed, never answered |
//! | `slow` | processed after `delay=2` seconds |
//!
//! `max=N` ends a rule after N hits, `skip=N` lets the first N pass. A seed makes a run repeatable.

use std::collections::BTreeMap;
use std::time::Duration;

/// Which server a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Telegram,
    Model,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Status { code: u16, retry_after: u64 },
    DropBefore,
    DropAfter,
    Reset,
    Malformed,
    Garbled,
    Cut,
    Stall,
    Hang,
    HangAfter,
    Slow(Duration),
}

#[derive(Clone, Debug)]
struct Rule {
    text: String,
    side: Option<Side>,
    method: String,
    kind: Kind,
    probability: f64,
    skip: u64,
    max: u64,
}

impl Rule {
    fn parse(text: &str) -> Option<Rule> {
        let mut fields = text.split(':');
        let side = match fields.next()? {
            "tg" => Some(Side::Telegram),
            "llm" => Some(Side::Model),
            "*" => None,
            _ => return None,
        };
        let method = fields.next()?.to_owned();
        let kind = fields.next()?;
        let probability = fields.next()?.parse().ok().filter(|p| (0.0..=1.0).contains(p))?;
        let (mut skip, mut max, mut retry_after, mut delay) = (0, u64::MAX, 1, 2.0);
        for option in fields {
            let (key, value) = option.split_once('=')?;
            match key {
                "skip" => skip = value.parse().ok()?,
                "max" => max = value.parse().ok()?,
                "retry_after" => retry_after = value.parse().ok()?,
                "delay" => delay = value.parse().ok()?,
                _ => return None,
            }
        }
        let kind = match kind {
            "drop_before" => Kind::DropBefore,
            "drop_after" => Kind::DropAfter,
            "reset" => Kind::Reset,
            "malformed" => Kind::Malformed,
            "garbled" => Kind::Garbled,
            "cut" => Kind::Cut,
            "stall" => Kind::Stall,
            "hang" => Kind::Hang,
            "hang_after" => Kind::HangAfter,
            "slow" => Kind::Slow(Duration::try_from_secs_f64(delay).ok()?),
            code => {
                let code = code.parse().ok().filter(|c| (400..600).contains(c))?;
                Kind::Status { code, retry_after }
            }
        };
        Some(Rule { text: text.to_owned(), side, method, kind, probability, skip, max })
    }
}

/// The rules in force and how often each struck.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<(Rule, u64)>,
    /// Counts every change, so that who hangs knows the rules are new.
    pub generation: u64,
    random: u64,
}

impl Faults {
    /// Replaces the rules and their counts; names the first that is none.
    pub fn set<S: AsRef<str>>(&mut self, rules: &[S], seed: u64) -> Result<(), String> {
        let parse = |text: &S| {
            let text = text.as_ref();
            Rule::parse(text).map(|r| (r, 0)).ok_or_else(|| format!("no fault rule: {text}"))
        };
        self.rules = rules.iter().map(parse).collect::<Result<_, _>>()?;
        self.generation += 1;
        self.random = seed;
        Ok(())
    }

    /// The fault that strikes this request, if any: the first rule that fits and wins its throw.
    pub fn strike(&mut self, side: Side, method: &str) -> Option<Kind> {
        for i in 0..self.rules.len() {
            let throw = next_random(&mut self.random);
            let (rule, seen) = &mut self.rules[i];
            let fits = rule.side.is_none_or(|s| s == side)
                && (rule.method == "*" || rule.method == method);
            if !fits || throw >= rule.probability {
                continue;
            }
            *seen += 1;
            if *seen > rule.skip && *seen - rule.skip <= rule.max {
                return Some(rule.kind);
            }
        }
        None
    }

    /// Hits of each rule.
    pub fn hits(&self) -> BTreeMap<String, u64> {
        let hits =
            |(r, seen): &(Rule, u64)| (r.text.clone(), seen.saturating_sub(r.skip).min(r.max));
        self.rules.iter().map(hits).collect()
    }
}

/// The next number in [0, 1) of a SplitMix64 sequence.
fn next_random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, want: Option<Kind>) {
        assert_eq!(Rule::parse(rule).map(|r| r.kind), want);
    }

    #[test]
    fn rules_are_read() {
        check("tg:sendMessage:429:0.5", Some(Kind::Status { code: 429, retry_after: 1 }));
        check("tg:*:429:1:retry_after=7:max=2", Some(Kind::Status { code: 429, retry_after: 7 }));
        check("llm:chat:503:0.1", Some(Kind::Status { code: 503, retry_after: 1 }));
        check("*:*:slow:1:delay=0.25", Some(Kind::Slow(Duration::from_millis(250))));
        check("llm:*:reset:1", Some(Kind::Reset));
        check("ftp:*:reset:1", None);
        check("tg:*:reset:2", None);
        check("tg:*:200:1", None);
        check("tg:*:slow:1:delay=-1", None);
        check("tg:*:reset:1:colour=red", None);
        check("tg:*", None);
    }

    #[test]
    fn limits_and_probabilities_hold() {
        let mut faults = Faults::default();
        faults.set(&["tg:sendMessage:drop_before:1:skip=1:max=2"], 1).expect("a rule");
        let struck: Vec<bool> =
            (0..5).map(|_| faults.strike(Side::Telegram, "sendMessage").is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!(faults.strike(Side::Model, "sendMessage"), None);
        assert_eq!(faults.hits().into_values().collect::<Vec<_>>(), [2]);

        faults.set(&["llm:*:500:0.2"], 7).expect("a rule");
        let hits = (0..1000).filter(|_| faults.strike(Side::Model, "chat").is_some()).count();
        assert!((150..250).contains(&hits), "{hits}");
        faults.set(&["llm:*:500:0.2"], 7).expect("a rule");
        let again = (0..1000).filter(|_| faults.strike(Side::Model, "chat").is_some()).count();
        assert_eq!(hits, again);
    }
}
