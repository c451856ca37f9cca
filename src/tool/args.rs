//! The arguments of a call, and how tools read them.

use serde_json::{Map, Value};

/// Arguments, parsed and valid against the tool's schema.
pub type Args = Map<String, Value>;

/// A string property, or `""`.
pub fn text<'a>(args: &'a Args, name: &str) -> &'a str {
    args.get(name).and_then(Value::as_str).unwrap_or("")
}

/// A whole number, written as `3` or `3.0`.
pub fn integer(args: &Args, name: &str) -> Option<i64> {
    let value = args.get(name)?;
    value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64))
}

/// A boolean, `false` when absent.
pub fn flag(args: &Args, name: &str) -> bool {
    args.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A call's arguments, one per line, as shown to its user.
pub(super) fn lines(args: &Args) -> String {
    let mut out = String::new();
    for (key, value) in args {
        out.push_str(key);
        out.push_str(": ");
        match value.as_str() {
            Some(text) => out.push_str(text),
            None => out.push_str(&value.to_string()),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        let args: Args = serde_json::from_str(r#"{"path":"p","lines":4.0}"#).expect("arguments");
        assert_eq!((integer(&args, "lines"), integer(&args, "none")), (Some(4), None));
        assert_eq!((text(&args, "path"), flag(&args, "deep")), ("p", false));
    }
}
