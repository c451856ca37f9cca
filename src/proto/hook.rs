//! What a hook writes: answers in JSON-RPC 2.0, one on each line, as the Go original reads them.
//!
//! Nothing a hook writes is trusted to be what was asked for: what is no answer is [`None`], and an answer of another form an
//! error, which counts as no where it would have allowed something.

use super::json::{Json, TypeMismatch};
use super::text;

/// An answer to one question.
#[derive(Debug, PartialEq, Eq)]
pub struct HookAnswer {
    /// Of the question it answers.
    pub id: u64,
    /// The result as JSON, or the message of the hook's error.
    pub result: Result<String, String>,
}

/// Reads a line; `None` where it answers nothing (a request or notification of the hook's, text).
pub fn answer(line: &[u8]) -> Option<HookAnswer> {
    let mismatch = TypeMismatch::default();
    let json = Json::parse(text::utf8(line).ok()?, &mismatch).ok()?;
    let id = json.get("id").uint();
    if !is_object(json) || id == 0 || mismatch.get().is_some() || !json.get("method").is_null() {
        return None;
    }
    let error = json.get("error");
    let result = match error.non_null() {
        Some(error) => Err(error.get("message").string()),
        None => Ok(json.get("result").raw().to_owned()),
    };
    Some(HookAnswer { id, result })
}

fn is_object(json: Json<'_>) -> bool {
    json.raw().starts_with('{')
}

/// What a hook wants to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookAction {
    /// Continue, with what the answer changes.
    Continue,
    /// Use the result in the answer instead of running the tool.
    Respond,
    /// Do not run the tool.
    DenyTool,
    /// End the turn without an answer of the model.
    AbortTurn,
    /// Something that this program does not know.
    Unknown,
}

/// Where an answer is a result: the action, and the reason or an empty text.
///
/// # Errors
/// It is no object, or a member has another type.
pub fn decision(json: Json<'_>) -> Result<(HookAction, String), &'static str> {
    let (action, reason) = (json.get("action").str(), json.get("reason").string());
    let action = match &*action {
        "" | "continue" | "modify" => HookAction::Continue,
        "respond" => HookAction::Respond,
        "deny_tool" => HookAction::DenyTool,
        "abort_turn" | "hard_abort" => HookAction::AbortTurn,
        _ => HookAction::Unknown,
    };
    if is_object(json) && json.mismatch().is_none() {
        Ok((action, reason))
    } else {
        Err("its answer is no decision")
    }
}

/// Whether `approve_tool` allows a call: only a `true` does. With the reason, or an empty text.
///
/// # Errors
/// As [`decision`].
pub fn approval(json: Json<'_>) -> Result<(bool, String), &'static str> {
    let (approved, reason) = (json.get("approved").bool(), json.get("reason").string());
    if is_object(json) && json.mismatch().is_none() {
        Ok((approved, reason))
    } else {
        Err("its answer is no decision")
    }
}

/// The object under `key`, or the one of the same name in it: what the Go original nests is written flat as often.
pub fn nested<'a>(json: Json<'a>, key: &str) -> Option<Json<'a>> {
    let outer = json.get(key).non_null().filter(|json| is_object(*json))?;
    Some(outer.get(key).non_null().filter(|json| is_object(*json)).unwrap_or(outer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_answer_something() {
        let ok = |id, text: &str| Some(HookAnswer { id, result: Ok(text.to_owned()) });
        for (line, want) in [
            (
                r#"{"jsonrpc":"2.0","id":7,"result":{"approved":true}}"#,
                ok(7, r#"{"approved":true}"#),
            ),
            (r#" {"id":7} "#, ok(7, "null")),
            (r#"{"id":7,"error":null,"result":[]}"#, ok(7, "[]")),
            (
                r#"{"id":7,"error":{"code":-1,"message":"no"},"result":{}}"#,
                Some(HookAnswer { id: 7, result: Err("no".into()) }),
            ),
            (r#"{"id":7,"error":"no"}"#, Some(HookAnswer { id: 7, result: Err("".into()) })),
            (r#"{"id":0,"result":{}}"#, None),
            (r#"{"id":-7,"result":{}}"#, None),
            (r#"{"id":"7","result":{}}"#, None),
            (r#"{"result":{}}"#, None),
            (r#"{"id":7,"method":"x","result":{}}"#, None),
            (r#"[{"id":7,"result":{}}]"#, None),
            (r#"{"id":7,"result":{}"#, None),
            ("hello", None),
            ("", None),
        ] {
            assert_eq!(answer(line.as_bytes()), want, "{line}");
        }
        assert_eq!(answer(b"{\"id\":7,\"result\":\"\xff\"}"), None);
    }

    #[track_caller]
    fn read<T>(text: &str, read: impl Fn(Json<'_>) -> T) -> T {
        let mismatch = TypeMismatch::default();
        read(Json::parse(text, &mismatch).expect("JSON"))
    }

    #[test]
    fn only_true_is_a_yes() {
        let yes = |text: &str| read(text, |json| approval(json).is_ok_and(|(yes, _)| yes));
        assert!(yes(r#"{"approved":true}"#) && yes(r#"{"approved":true,"reason":"","x":1}"#));
        for no in [
            "null",
            "true",
            "[]",
            "{}",
            r#""approved""#,
            r#"{"approved":false}"#,
            r#"{"approved":"true"}"#,
            r#"{"approved":1}"#,
            r#"{"approved":null}"#,
            r#"{"approved":true,"reason":7}"#,
            r#"{"Approved":true}"#,
            r#"{"approved":false,"approved":true}"#,
        ] {
            assert!(!yes(no), "{no}");
        }
        let reason = read(r#"{"approved":false,"reason":"why"}"#, |j| approval(j).expect("one").1);
        assert_eq!(reason, "why");
    }

    #[test]
    fn decisions() {
        let of = |text: &str| read(text, |json| decision(json).map(|(action, _)| action));
        assert_eq!(of("{}"), Ok(HookAction::Continue));
        assert_eq!(of(r#"{"action":"modify"}"#), Ok(HookAction::Continue));
        assert_eq!(of(r#"{"action":"deny_tool","reason":"r"}"#), Ok(HookAction::DenyTool));
        assert_eq!(of(r#"{"action":"hard_abort"}"#), Ok(HookAction::AbortTurn));
        assert_eq!(of(r#"{"action":"respond"}"#), Ok(HookAction::Respond));
        assert_eq!(of(r#"{"action":"dance"}"#), Ok(HookAction::Unknown));
        assert!(of("null").is_err() && of("7").is_err() && of(r#"{"action":7}"#).is_err());
    }

    #[test]
    fn nested_and_flat_are_the_same() {
        for text in [r#"{"result":{"for_llm":"x"}}"#, r#"{"result":{"result":{"for_llm":"x"}}}"#] {
            let found =
                read(text, |json| nested(json, "result").map(|r| r.get("for_llm").string()));
            assert_eq!(found.as_deref(), Some("x"));
        }
        assert!(read(r#"{"result":"x"}"#, |json| nested(json, "result").is_none()));
    }
}
