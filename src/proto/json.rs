//! Reads external JSON by member name, in place: no tree, no type per message.
//!
//! A deserializer derived by serde costs one to twelve kilobytes of code per type; reading a member costs a call. A missing or
//! null member is empty, zero, false. So is a member of an unexpected type, which is also recorded as [`TypeMismatch`], so that
//! the caller can decide at the end whether to accept the text.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{json_pos, text};

/// The first value of an unexpected type, as in the text.
pub type TypeMismatch<'a> = Cell<Option<&'a str>>;

/// One value. Looking up a member scans the members before it.
#[derive(Clone, Copy)]
pub struct Json<'a> {
    /// JSON without surrounding blanks.
    text: &'a str,
    mismatch: &'a TypeMismatch<'a>,
}

impl<'a> Json<'a> {
    /// Parses a text.
    ///
    /// # Errors
    /// serde_json's, if the text is not JSON.
    pub fn parse(text: &'a str, mismatch: &'a TypeMismatch<'a>) -> serde_json::Result<Json<'a>> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Json { text: raw.get(), mismatch })
    }

    /// The same value with a separate record of mismatches.
    pub fn with_mismatch<'b>(self, mismatch: &'b TypeMismatch<'b>) -> Json<'b>
    where
        'a: 'b,
    {
        Json { text: self.text, mismatch }
    }

    /// The first value of an unexpected type so far.
    pub fn mismatch(self) -> Option<&'a str> {
        self.mismatch.get()
    }

    /// The raw text of the value.
    pub fn raw(self) -> &'a str {
        self.text
    }

    /// Whether it is null or missing.
    pub fn is_null(self) -> bool {
        self.text == "null"
    }

    /// Whether it is an array.
    pub fn is_list(self) -> bool {
        self.text.starts_with('[')
    }

    /// Itself, unless it is null or missing.
    pub fn non_null(self) -> Option<Json<'a>> {
        (!self.is_null()).then_some(self)
    }

    /// A member of an object; the first of several.
    pub fn get(self, key: &str) -> Json<'a> {
        let found = self.values('{').find(|item| item.key.as_deref() == Some(key));
        Json { text: found.map_or("null", |item| &self.text[item.value..item.end]), ..self }
    }

    /// The elements of an array.
    pub fn items(self) -> impl Iterator<Item = Json<'a>> {
        self.values('[').map(move |item| Json { text: &self.text[item.value..item.end], ..self })
    }

    fn values(self, open: char) -> json_pos::Items<'a> {
        if self.text.starts_with(open) {
            return json_pos::items(self.text, 0);
        }
        self.expect(self.is_null());
        json_pos::items("", 0)
    }

    /// A string; borrowed unless it contains an escape.
    pub fn str(self) -> Cow<'a, str> {
        let inner = self.text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match inner {
            Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
            // An escape can still be an unpaired surrogate.
            Some(_) => Cow::Owned(self.read(serde_json::from_str(self.text).ok())),
            None => self.read(None),
        }
    }

    /// [`Json::str`], owned.
    pub fn string(self) -> String {
        self.str().into_owned()
    }

    /// An integer.
    pub fn int(self) -> i64 {
        self.read(self.text.parse().ok())
    }

    /// A non-negative integer.
    pub fn uint(self) -> u64 {
        self.read(self.text.parse().ok())
    }

    /// A number.
    pub fn float(self) -> f64 {
        self.read(text::number(self.text))
    }

    /// True or false.
    pub fn bool(self) -> bool {
        self.read(self.text.parse().ok())
    }

    fn read<T: Default>(self, value: Option<T>) -> T {
        self.expect(value.is_some() || self.is_null());
        value.unwrap_or_default()
    }

    fn expect(self, as_asked: bool) {
        if !as_asked && self.mismatch.get().is_none() {
            self.mismatch.set(Some(self.text));
        }
    }
}

/// An object of these members. (`collect` would sort them first, which costs another kilobyte of code.)
pub fn object(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    let mut map = Map::new();
    map.extend(members);
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(
        text: &str,
        read: impl Fn(Json<'_>) -> T,
        want: T,
        want_odd: Option<&str>,
    ) {
        let mismatch = TypeMismatch::default();
        let json = Json::parse(text, &mismatch).expect("JSON");
        assert_eq!(read(json), want, "{text}");
        assert_eq!(mismatch.get(), want_odd, "{text}");
    }

    #[test]
    fn values_are_found_by_name() {
        let text =
            r#" {"a": {"b": [1, {"c": "x\ny"}]}, "n": null, "t" : true, "u\u0063": -7, "a": 2} "#;
        check(
            text,
            |j| j.get("a").get("b").raw().to_string(),
            r#"[1, {"c": "x\ny"}]"#.into(),
            None,
        );
        check(
            text,
            |j| j.get("a").get("b").items().nth(1).map(|i| i.get("c").string()),
            Some("x\ny".into()),
            None,
        );
        check(text, |j| (j.get("t").bool(), j.get("uc").int()), (true, -7), None);
        check(text, |j| (j.get("n").is_null(), j.get("n").string()), (true, String::new()), None);
        check(text, |j| j.get("none").get("deeper").get("a").int(), 0, None);
        check(text, |j| j.get("n").items().count(), 0, None);
        check(
            text,
            |j| (j.get("n").non_null().is_none(), j.get("t").non_null().is_some()),
            (true, true),
            None,
        );
    }

    #[test]
    fn odd_values_are_kept() {
        check(
            r#"{"a":7,"b":"x"}"#,
            |j| (j.get("a").string(), j.get("b").int()),
            (String::new(), 0),
            Some("7"),
        );
        check(r#"{"a":7}"#, |j| j.get("a").get("b").int(), 0, Some("7"));
        check(r#"{"a":{}}"#, |j| j.get("a").items().count(), 0, Some("{}"));
        check(r#"{"a":-1}"#, |j| j.get("a").uint(), 0, Some("-1"));
        check(r#"{"a":1.5}"#, |j| j.get("a").int(), 0, Some("1.5"));
        check(
            r#"{"a":99999999999999999999}"#,
            |j| j.get("a").int(),
            0,
            Some("99999999999999999999"),
        );
        check(r#"{"a":"\ud800"}"#, |j| j.get("a").string(), String::new(), Some(r#""\ud800""#));
        check("7", |j| j.get("a").bool(), false, Some("7"));
    }

    #[test]
    fn invalid_json_has_no_value() {
        for text in ["", "{", "{\"a\":}", "[1,]", "\"", "nul", "{} x", "\u{1}"] {
            assert!(Json::parse(text, &TypeMismatch::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_apart_keeps_its_own_mismatchies() {
        let (all, one) = (TypeMismatch::default(), TypeMismatch::default());
        let json = Json::parse("[7]", &all).expect("JSON");
        let element = json.items().next().expect("one");
        assert_eq!(element.with_mismatch(&one).string(), "");
        assert_eq!((all.get(), one.get()), (None, Some("7")));
    }
}
