//! Directives in a user's message that tell the fake model what to do.
//!
//! | directive | the model |
//! |---|---|
//! | `[tool:NAME]`, `[tool:NAME x3]` | calls NAME (three rounds), arguments filled from its schema |
//! | `[tool:A\|B]` | calls whichever is on offer |
//! | `[tool:A+B]` | calls both in one answer |
//! | `[call:NAME {"k":"v"}]` | calls NAME with these arguments, whether on offer or not |
//! | `[badargs:NAME]` | calls NAME with arguments that are not JSON |
//! | `[bigargs:NAME x9000]` | calls NAME with a path and a content of so many bytes |
//! | `[loop:NAME]`, `[loop:NAME {..}]` | calls NAME in every round, for ever |
//! | `[say:"text\n"]` | puts this text (a JSON string) in front of its answer |
//! | `[long:N]` | puts N characters of words in front |
//! | `[pad:N]` | puts N times the letter `Z` behind its answer |
//! | `[huge:N]` | answers with a body of N bytes |
//! | `[invalid-utf8]`, `[notjson]`, `[missing:FIELD]` | answers with a broken body |
//! | `[empty]`, `[cut]` | answers with no text; says the answer was cut at max_tokens |
//! | `[delay:MS]` | thinks that long |
//! | `[obey]` | also does what the results of its tools say |
//! | `[status:503]`, `[status:503 x2]` | refuses (the first two times) |
//!
//! Rounds of tool calls run in the order they are written.

use std::time::Duration;

use serde_json::{Value, json};

/// How an answer's body is broken.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Oddity {
    #[default]
    None,
    /// Padding up to so many bytes.
    Huge(usize),
    InvalidUtf8,
    NotJson,
    /// Every field of this name is left out.
    Missing(String),
}

/// Arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Args {
    Schema,
    Given(Value),
    Broken,
}

/// A call: the first of the names that is on offer.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub names: Vec<String>,
    pub args: Args,
}

/// What a message asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    pub rounds: Vec<Vec<Wanted>>,
    pub endless: Option<Vec<Wanted>>,
    /// In front of the answer.
    pub text: String,
    /// Letters behind the answer.
    pub pad: usize,
    pub oddity: Oddity,
    pub cut: bool,
    pub empty: bool,
    pub delay: Duration,
    /// Status and how often.
    pub status: Option<(u16, u32)>,
}

impl Script {
    /// Reads the directives of a message; `None` when there is none.
    pub fn parse(text: &str) -> Option<Script> {
        let mut script = Script::default();
        for (at, _) in text.match_indices('[') {
            // What is no directive is text.
            let _ = script.directive(&text[at + 1..]);
        }
        (script != Script::default()).then_some(script)
    }

    fn directive(&mut self, rest: &str) -> Option<()> {
        let end = rest.find([':', ']'])?;
        let (name, rest) = (&rest[..end], &rest[end..]);
        let argument = rest.strip_prefix(':').unwrap_or("");
        let plain = argument.split(']').next().unwrap_or("").trim();
        match name {
            "tool" => {
                let (names, times) = times(plain, 1)?;
                let round: Vec<Wanted> =
                    names.split('+').map(|n| wanted(n, Args::Schema)).collect();
                self.rounds.extend((0..times).map(|_| round.clone()));
            }
            "badargs" => self.rounds.push(vec![wanted(plain, Args::Broken)]),
            "bigargs" => {
                let (name, bytes) = times(plain, 1)?;
                let args = json!({ "path": "big.txt", "content": "x".repeat(bytes as usize) });
                self.rounds.push(vec![wanted(name, Args::Given(args))]);
            }
            "call" => self.rounds.push(vec![with_json(argument)?]),
            "loop" => {
                let call = with_json(argument).unwrap_or_else(|| wanted(plain, Args::Schema));
                self.endless = Some(vec![call]);
            }
            "say" => self.text.push_str(first_json(argument)?.0.as_str()?),
            "long" => self.text.push_str(&words(plain.parse().ok()?)),
            "pad" => self.pad = plain.parse().ok()?,
            "huge" => self.oddity = Oddity::Huge(plain.parse().ok()?),
            "invalid-utf8" => self.oddity = Oddity::InvalidUtf8,
            "notjson" => self.oddity = Oddity::NotJson,
            "missing" => self.oddity = Oddity::Missing(plain.to_owned()),
            "empty" => self.empty = true,
            "cut" => self.cut = true,
            "delay" => self.delay = Duration::from_millis(plain.parse().ok()?),
            "status" => {
                let (code, times) = times(plain, u32::MAX)?;
                self.status = Some((code.parse().ok()?, times));
            }
            _ => {}
        }
        Some(())
    }
}

/// `NAME x3` taken apart.
fn times(text: &str, default: u32) -> Option<(&str, u32)> {
    match text.split_once(" x") {
        Some((name, n)) => Some((name.trim(), n.parse().ok()?)),
        None => Some((text, default)),
    }
}

fn wanted(names: &str, args: Args) -> Wanted {
    Wanted { names: names.split('|').map(|n| n.trim().to_owned()).collect(), args }
}

/// `NAME {json}]`
fn with_json(argument: &str) -> Option<Wanted> {
    let (name, json) = argument.split_at(argument.find('{')?);
    if name.contains(']') {
        return None;
    }
    Some(wanted(name, Args::Given(first_json(json)?.0)))
}

/// The JSON value a text begins with, if a bracket follows it.
fn first_json(text: &str) -> Option<(Value, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    let value = values.next()?.ok()?;
    let end = values.byte_offset();
    text[end..].trim_start().starts_with(']').then_some((value, end))
}

/// Numbered words with a line break now and then.
fn words(characters: usize) -> String {
    let mut out = String::with_capacity(characters + 16);
    let mut n = 0;
    while out.len() < characters {
        n += 1;
        out.push_str(&format!("word{n}{}", if n % 12 == 0 { '\n' } else { ' ' }));
    }
    out.truncate(characters);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Script) {
        assert_eq!(Script::parse(text).unwrap_or_default(), want);
    }

    #[test]
    fn directives_are_read() {
        let call = |name: &str, args: Args| Wanted { names: vec![name.to_owned()], args };
        let none = Script::default();
        check("hello [there] q000001", none.clone());
        check(
            "[tool:ls x2]",
            Script { rounds: vec![vec![call("ls", Args::Schema)]; 2], ..none.clone() },
        );
        check(
            "[tool:a|b]",
            Script {
                rounds: vec![vec![Wanted {
                    names: vec!["a".into(), "b".into()],
                    args: Args::Schema,
                }]],
                ..none.clone()
            },
        );
        check(
            "do [tool:a+b] [call:c {\"k\":[1,\"]\"]}] q000001",
            Script {
                rounds: vec![
                    vec![call("a", Args::Schema), call("b", Args::Schema)],
                    vec![call("c", Args::Given(json!({"k": [1, "]"]})))],
                ],
                ..none.clone()
            },
        );
        check(
            "[badargs:a]",
            Script { rounds: vec![vec![call("a", Args::Broken)]], ..none.clone() },
        );
        check(
            "[loop:a {\"b\":1}]",
            Script { endless: Some(vec![call("a", Args::Given(json!({"b": 1})))]), ..none.clone() },
        );
        check("[loop:a]", Script { endless: Some(vec![call("a", Args::Schema)]), ..none.clone() });
        check("[say:\"a [b]\\n\"]", Script { text: "a [b]\n".into(), ..none.clone() });
        check("[pad:5]", Script { pad: 5, ..none.clone() });
        check("[long:5]", Script { text: "word1".into(), ..none.clone() });
        check(
            "[huge:7] [delay:20]",
            Script { oddity: Oddity::Huge(7), delay: Duration::from_millis(20), ..none.clone() },
        );
        check(
            "[missing:choices]",
            Script { oddity: Oddity::Missing("choices".into()), ..none.clone() },
        );
        check("[status:503 x2]", Script { status: Some((503, 2)), ..none.clone() });
        check("[status:401]", Script { status: Some((401, u32::MAX)), ..none.clone() });
        check("[call:x {broken]", none);
    }
}
