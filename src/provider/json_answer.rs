//! Reads the JSON of a model server's answer by name: the part that both dialects share.

use super::Failure;
use super::exchange::{cut, error_object, malformed};
use crate::proto::json::{Json, TypeMismatch};

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
    if let Some(error) = json.get("error").non_null() {
        return Err(error_object(error.raw()));
    }
    read(json)?;
    documented(json)
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
}
