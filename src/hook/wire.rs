//! What is written to a hook and what is read of its answers, member by member.

use crate::bus::{Address, Sender};
use crate::proto::json::{Json, TypeMismatch};

/// A string of JSON.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The turn that a question is about.
#[derive(Clone, Copy)]
pub struct TurnScope<'a> {
    /// Its number in the journal; 0 where it has none.
    pub turn: u64,
    /// Key of its session.
    pub session: &'a str,
    /// Requests to the model so far.
    pub round: u32,
    /// Where its answer goes.
    pub chat: &'a Address,
    /// The person who started it.
    pub sender: &'a Sender,
}

/// A call as hooks may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCall {
    /// Name of the tool.
    pub tool: String,
    /// Its arguments, a JSON object.
    pub arguments: String,
}

/// A result as hooks may change it (upstream's ToolResult).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Responded {
    /// Text for the model.
    pub for_model: String,
    /// For the chat, or empty.
    pub for_user: String,
    /// Show the chat nothing.
    pub silent: bool,
    /// It says what failed.
    pub is_error: bool,
}

/// What a call of a method without a decision of its own goes on with.
pub(super) type Changed<T> = Result<Option<T>, String>;

/// An open object with what every question has.
pub(super) fn head(scope: TurnScope<'_>, path: &str) -> String {
    let TurnScope { turn, session, round, chat, sender } = scope;
    let (channel, id) = (quoted(&chat.channel), quoted(&chat.chat));
    format!(
        "{{\"meta\":{{\"AgentID\":\"main\",\"TurnID\":\"turn-{turn}\",\"ParentTurnID\":\"\",\"SessionKey\":{},\
         \"Iteration\":{round},\"TracePath\":\"{path}\",\"Source\":\"runTurn\"}},\
         \"context\":{{\"inbound\":{{\"channel\":{channel},\"chat_id\":{id},\"topic_id\":{},\"sender_id\":{}}}}},\
         \"channel\":{channel},\"chat_id\":{id}",
        quoted(session),
        quoted(&chat.topic),
        quoted(&sender.id),
    )
}

pub(super) fn members(call: &HookCall) -> String {
    format!(",\"tool\":{},\"arguments\":{}", quoted(&call.tool), call.arguments)
}

pub(super) fn written(result: &Responded) -> String {
    format!(
        "{{\"for_llm\":{},\"for_user\":{},\"silent\":{},\"is_error\":{},\"async\":false}}",
        quoted(&result.for_model),
        quoted(&result.for_user),
        result.silent,
        result.is_error
    )
}

/// The call of an answer; `None` where it changes nothing.
pub(super) fn changed_call(call: &HookCall, json: Json<'_>) -> Changed<HookCall> {
    let mismatch = TypeMismatch::default();
    let Some(changed) = json.get("call").non_null().map(|c| c.with_mismatch(&mismatch)) else {
        return Ok(None);
    };
    let tool = match changed.get("tool").string() {
        tool if tool.is_empty() => call.tool.clone(),
        tool => tool,
    };
    let arguments = match changed.get("arguments").non_null() {
        Some(arguments) => arguments_of(arguments.raw()).ok_or("its arguments are no object")?,
        None => call.arguments.clone(),
    };
    if mismatch.get().is_some() {
        return Err("its call is no call".into());
    }
    Ok(Some(HookCall { tool, arguments }))
}

/// Arguments in the one form that every reader of JSON understands in the same way: an object, each name once. `None` for what is
/// no object.
pub fn arguments_of(text: &str) -> Option<String> {
    let text = text.trim();
    let text = if text.is_empty() || text == "null" { "{}" } else { text };
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.is_object().then(|| value.to_string())
}

pub(super) fn responded(json: Json<'_>) -> Result<Responded, String> {
    let mismatch = TypeMismatch::default();
    let json = json.with_mismatch(&mismatch);
    let result = Responded {
        for_model: json.get("for_llm").string(),
        for_user: json.get("for_user").string(),
        silent: json.get("silent").bool(),
        is_error: json.get("is_error").bool(),
    };
    match mismatch.get() {
        None => Ok(result),
        Some(_) => Err("its result is no result".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<T>(text: &str, read: impl Fn(Json<'_>) -> T) -> T {
        let mismatch = TypeMismatch::default();
        read(Json::parse(text, &mismatch).expect("JSON"))
    }

    #[test]
    fn arguments_have_one_form() {
        let twice = r#" {"command":"ls", "command":"rm x"} "#;
        assert_eq!(arguments_of(twice).as_deref(), Some(r#"{"command":"rm x"}"#));
        assert_eq!(arguments_of("null").as_deref(), Some("{}"));
        assert_eq!(arguments_of(" ").as_deref(), Some("{}"));
        for text in ["[]", "7", "{", "\"x\"", "{} {}"] {
            assert_eq!(arguments_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_call_is_changed_in_part_or_not_at_all() {
        let call = HookCall { tool: "exec".into(), arguments: r#"{"command":"ls"}"#.into() };
        let of = |text: &str| parsed(text, |json| changed_call(&call, json));
        assert_eq!(of("{}"), Ok(None));
        assert_eq!(of(r#"{"call":null}"#), Ok(None));
        assert_eq!(of(r#"{"call":{}}"#), Ok(Some(call.clone())));
        let other = HookCall { tool: "read_file".into(), arguments: r#"{"path":"x"}"#.into() };
        assert_eq!(
            of(r#"{"call":{"tool":"read_file","arguments":{"path":"x"}}}"#),
            Ok(Some(other))
        );
        for text in [r#"{"call":7}"#, r#"{"call":{"tool":7}}"#, r#"{"call":{"arguments":"x"}}"#] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
