//! Reads the JSON of a model server's answer by name: the part that both dialects share.

use super::Failure;
use super::exchange::{cut, error_object, malformed};
use crate::proto::json::{Json, TypeMismatch};
use crate::proto::text;

/// Reads one text of an answer.
///
/// # Errors
/// The server's own error object; [`malformed`] if the text is not JSON, or `read` finds another type than it expects.
pub fn answer(
    text: &str,
    read: &mut dyn FnMut(Json<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mismatch = TypeMismatch::default();
    let json = Json::parse(text, &mismatch)
        .map_err(|e| malformed(format_args!("{e} in `{}`", cut(text))))?;
    server_error(json)?;
    read(json)?;
    documented(json)
}

/// What `error` of an object says; nothing where it is empty, as some servers send it beside a good answer.
///
/// # Errors
/// The error object.
pub fn server_error(json: Json<'_>) -> Result<(), Failure> {
    let error = json.get("error").raw();
    if matches!(error, "null" | "{}" | "[]" | "\"\"" | "false") {
        return Ok(());
    }
    Err(error_object(error))
}

/// The sentence of a refusal, in the forms that servers give it; `None` where there is none to be found.
pub fn error_words(body: &str) -> Option<String> {
    let mismatch = TypeMismatch::default();
    let json = Json::parse(body, &mismatch).ok()?;
    let json = if json.is_list() { json.items().next()? } else { json };
    let error = json.get("error");
    let places = [
        error.get("message"),
        error,
        json.get("message"),
        json.get("detail"),
        json.get("msg"),
        json.get("base_resp").get("status_msg"),
    ];
    let text =
        places.into_iter().find(|place| place.raw().len() > 2 && place.raw().starts_with('"'));
    text.map(Json::string)
}

/// A count of tokens, which servers also write as a fraction or a text; 0 for anything else.
pub fn count(json: Json<'_>) -> u64 {
    text::number(json.raw().trim_matches('"')).unwrap_or_default() as u64
}

/// Whether everything read so far has its documented type.
///
/// # Errors
/// The first value that was not.
pub fn documented(json: Json<'_>) -> Result<(), Failure> {
    match json.mismatch() {
        Some(mismatch) => Err(malformed(format_args!("unexpected `{}`", cut(mismatch)))),
        None => Ok(()),
    }
}

/// The elements of an array, none of null.
///
/// # Errors
/// More than `most`: an endless `[{},{},…` would be endless work.
pub fn elements(list: Json<'_>, most: usize) -> Result<impl Iterator<Item = Json<'_>>, Failure> {
    match list.items().nth(most) {
        Some(_) => {
            Err(malformed(format_args!("an array that should have at most {most} elements")))
        }
        None => Ok(list.items()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, want: Option<usize>) {
        let mut count = None;
        let read = answer(json, &mut |json| {
            count = Some(elements(json.get("a"), 3)?.count());
            Ok(())
        });
        assert_eq!(read.ok().and(count), want, "{json}");
    }

    #[test]
    fn arrays_have_an_end() {
        check(r#"{"a":null}"#, Some(0));
        check(r#"{"a":[]}"#, Some(0));
        check(r#"{"a":[1,2,3]}"#, Some(3));
        check(r#"{"a":[1,2,3,4]}"#, None);
        check(r#"{"a":{}}"#, None);
        check("[1,", None);
        check("[]", None);
    }

    #[test]
    fn an_empty_error_is_none() {
        for empty in ["null", "{}", "[]", "\"\"", "false"] {
            check(&format!(r#"{{"a":[1],"error":{empty}}}"#), Some(1));
        }
        for error in [r#""x""#, r#"{"message":""}"#, "true"] {
            check(&format!(r#"{{"a":[1],"error":{error}}}"#), None);
        }
    }

    #[test]
    fn refusals_are_sentences() {
        for body in [
            r#"{"error":{"message":"no","code":"x"}}"#,
            r#"{"error":"no"}"#,
            r#"[{"error":{"message":"no"}}]"#,
            r#"{"message":"no"}"#,
            r#"{"detail":"no"}"#,
            r#"{"code":1,"msg":"no"}"#,
            r#"{"base_resp":{"status_code":1,"status_msg":"no"}}"#,
        ] {
            assert_eq!(error_words(body).as_deref(), Some("no"), "{body}");
        }
        for body in ["", "no", "{}", r#"{"error":{"message":""}}"#, r#"{"detail":[{"msg":"x"}]}"#] {
            assert_eq!(error_words(body), None, "{body}");
        }
    }

    #[test]
    fn counts_may_be_of_any_type() {
        let mismatch = TypeMismatch::default();
        for (text, want) in [("10", 10), ("10.0", 10), ("\"10\"", 10), ("-1", 0), ("[]", 0)] {
            assert_eq!(count(Json::parse(text, &mismatch).expect("JSON")), want, "{text}");
        }
        assert_eq!(mismatch.get(), None);
    }
}
