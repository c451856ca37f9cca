//! Checks a call's arguments against the tool's JSON Schema: type, properties, required,
//! additionalProperties, enum, items, minimum, maximum. Other keywords are ignored, so that schemas of
//! external servers are usable; unknown properties are refused unless the schema allows them.

use serde_json::{Map, Value};

use super::args::Args;
use crate::limits::{SCHEMA_DEPTH, TOOL_ARGS_BYTES};

/// Parses the arguments of a call to `tool` and checks them against `schema`.
///
/// Errors are sentences for the model: they name the property and what is expected, and for text
/// that is not JSON at all the properties the tool requires.
pub fn parse(tool: &str, schema: &str, arguments: &str) -> Result<Args, String> {
    if arguments.len() > TOOL_ARGS_BYTES {
        return Err(format!(
            "arguments for {tool:?} have {} bytes, more than {TOOL_ARGS_BYTES}; split the work",
            arguments.len()
        ));
    }
    let schema: Value = serde_json::from_str(schema)
        .map_err(|e| format!("the schema of {tool:?} is not valid: {e}"))?;
    let text = arguments.trim();
    let value = if text.is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_str(text).map_err(|e| {
            format!("arguments for {tool:?} are not valid JSON ({e}); {}", wanted(&schema))
        })?
    };
    let args = match value {
        Value::Object(args) => args,
        Value::Null => Map::new(),
        other => {
            return Err(format!(
                "arguments for {tool:?} must be a JSON object, not {}; {}",
                kind(&other),
                wanted(&schema)
            ));
        }
    };
    match object(&schema, &args, "", 0) {
        Ok(()) => Ok(args),
        Err(e) => Err(format!("invalid arguments for {tool:?}: {e}")),
    }
}

fn wanted(schema: &Value) -> String {
    let mut text = String::from("expected an object");
    for (i, name) in required(schema).enumerate() {
        text.push_str(if i == 0 { " with " } else { ", " });
        let kind = schema["properties"][name]["type"].as_str().unwrap_or("any");
        text.push_str(&format!("{name:?} ({kind})"));
    }
    text
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn value(schema: &Value, value: &Value, path: &str, depth: usize) -> Result<(), String> {
    if depth > SCHEMA_DEPTH {
        return Err(format!("{}: nested deeper than {SCHEMA_DEPTH} levels", shown(path)));
    }
    types(schema, value, path)?;
    if let Some(allowed) = schema["enum"].as_array() {
        if !allowed.contains(value) {
            let list = Value::Array(allowed.clone());
            return Err(format!("{}: value {value} not in enum {list}", shown(path)));
        }
    }
    if let Some(n) = value.as_f64() {
        if schema["minimum"].as_f64().is_some_and(|low| n < low) {
            return Err(format!(
                "{}: {value} is below the minimum {}",
                shown(path),
                schema["minimum"]
            ));
        }
        if schema["maximum"].as_f64().is_some_and(|high| n > high) {
            return Err(format!(
                "{}: {value} is above the maximum {}",
                shown(path),
                schema["maximum"]
            ));
        }
    }
    match value {
        Value::Object(args) => object(schema, args, path, depth),
        Value::Array(items) => {
            if let Some(item) = schema.get("items") {
                for (i, v) in items.iter().enumerate() {
                    self::value(item, v, &format!("{path}[{i}]"), depth + 1)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn object(schema: &Value, args: &Args, path: &str, depth: usize) -> Result<(), String> {
    for name in required(schema) {
        if !args.contains_key(name) {
            return Err(at(path, format!("missing required property {name:?}")));
        }
    }
    let Some(properties) = schema["properties"].as_object() else { return Ok(()) };
    let extra = &schema["additionalProperties"];
    for (name, v) in args {
        let inner = || if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (properties.get(name), extra) {
            (Some(schema), _) => value(schema, v, &inner(), depth + 1)?,
            (None, Value::Bool(true)) => {}
            (None, Value::Object(_)) => value(extra, v, &inner(), depth + 1)?,
            (None, _) => return Err(at(path, unexpected(name, properties))),
        }
    }
    Ok(())
}

fn unexpected(name: &str, known: &Args) -> String {
    let mut text = format!("unexpected property {name:?}; known are");
    for (i, known) in known.keys().enumerate() {
        text.push_str(if i == 0 { " " } else { ", " });
        text.push_str(known);
    }
    text
}

fn types(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let wrong =
        |expected: &str| Err(format!("{}: expected {expected}, got {}", shown(path), kind(value)));
    match &schema["type"] {
        Value::String(one) if !fits(one, value) => wrong(one),
        Value::Array(some) if !some.iter().filter_map(Value::as_str).any(|t| fits(t, value)) => {
            let names: Vec<&str> = some.iter().filter_map(Value::as_str).collect();
            wrong(&names.join(" or "))
        }
        _ => Ok(()),
    }
}

fn fits(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn at(path: &str, text: String) -> String {
    if path.is_empty() { text } else { format!("{path}: {text}") }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "arguments" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","properties":{
        "path":{"type":"string"},"lines":{"type":"integer","minimum":1,"maximum":9},
        "mode":{"type":"string","enum":["r","w"]},"ratio":{"type":"number"},"deep":{"type":"boolean"},
        "list":{"type":"array","items":{"type":"object","properties":{"k":{"type":"string"}},"required":["k"]}},
        "id":{"type":["string","integer"]}},"required":["path"]}"#;

    #[track_caller]
    fn check(arguments: &str, want: &str) {
        match parse("t", SCHEMA, arguments) {
            Ok(_) => assert_eq!(want, "", "accepted: {arguments}"),
            Err(e) => assert!(!want.is_empty() && e.contains(want), "{arguments}: {e}"),
        }
    }

    #[test]
    fn arguments_are_checked_before_a_tool_runs() {
        check(r#"{"path":"a"}"#, "");
        check(r#" {"path":"a","lines":3.0,"ratio":1,"deep":false,"mode":"w"} "#, "");
        check(r#"{"path":"a","list":[{"k":"x"},{"k":"y"}],"id":7}"#, "");
        check("", r#"missing required property "path""#);
        check("null", r#"missing required property "path""#);
        check("{}", r#"invalid arguments for "t": missing required property "path""#);
        check(r#"{"path":1}"#, "path: expected string, got number");
        check(r#"{"path":null}"#, "path: expected string, got null");
        check(r#"{"path":"a","lines":2.5}"#, "expected integer");
        check(r#"{"path":"a","lines":"2"}"#, "lines: expected integer, got string");
        check(r#"{"path":"a","lines":0}"#, "below the minimum 1");
        check(r#"{"path":"a","lines":10}"#, "above the maximum 9");
        check(r#"{"path":"a","mode":"x"}"#, r#"mode: value "x" not in enum ["r","w"]"#);
        check(r#"{"path":"a","pth":"b"}"#, r#"unexpected property "pth"; known are"#);
        check(r#"{"path":"a","list":[{"k":"x"},{}]}"#, r#"list[1]: missing required property "k""#);
        check(r#"{"path":"a","list":[{"k":"x","z":1}]}"#, r#"list[0]: unexpected property "z""#);
        check(r#"{"path":"a","list":{}}"#, "list: expected array, got object");
        check(r#"{"path":"a","id":true}"#, "id: expected string or integer, got boolean");
    }

    #[test]
    fn text_that_is_no_object_names_what_is_needed() {
        check(r#"{"path": "#, r#"not valid JSON (EOF while parsing"#);
        check("ls -la", r#"expected an object with "path" (string)"#);
        check("[1]", "must be a JSON object, not array");
        check("\"x\"", "not string");
        check(&format!("{{\"path\":\"{}\"}}", "x".repeat(TOOL_ARGS_BYTES)), "split the work");
    }

    #[test]
    fn a_schema_decides_about_extra_properties() {
        #[track_caller]
        fn check(schema: &str, args: &str, ok: bool) {
            assert_eq!(parse("t", schema, args).is_ok(), ok);
        }
        check("{}", r#"{"any":1}"#, true);
        check(r#"{"properties":{},"additionalProperties":true}"#, r#"{"x":1}"#, true);
        check(r#"{"properties":{},"additionalProperties":{"type":"string"}}"#, r#"{"x":1}"#, false);
        check(
            r#"{"properties":{},"additionalProperties":{"type":"string"}}"#,
            r#"{"x":"1"}"#,
            true,
        );
        check(r#"{"properties":{}}"#, r#"{"x":1}"#, false);
        check(r#"{"type":"object"}"#, "null", true);
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        let schema: Value =
            serde_json::from_str(r#"{"type":"array","items":{"type":"array","items":{}}}"#)
                .expect("a schema");
        let mut nested = schema.clone();
        let mut args = Value::Array(vec![]);
        for _ in 0..SCHEMA_DEPTH + 2 {
            nested = serde_json::json!({"type": "array", "items": nested});
            args = Value::Array(vec![args]);
        }
        assert!(value(&nested, &args, "", 0).is_err_and(|e| e.contains("nested deeper")));
    }
}
