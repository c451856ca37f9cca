//! Rows of input and expected output: the project's own, and those of a folder beside the checkout in addition.
//!
//! `tests/data/rows.json` has the project's own rows: area, suite, rows. A suite is called as upstream's test of the same
//! thing. The folder (`PICOCLAW_CASES`, else `../shared/cases`) is not part of this repository: where nobody named one
//! and none is there, only the own rows are compared, which `scripts/test` says at its end.

use std::path::PathBuf;

use serde_json::Value;

use crate::skip::report;

const OWN: &str = include_str!("../data/rows.json");

/// One row.
pub struct Row {
    /// Upstream's name of the test, such as `TestTruncate`.
    pub suite: String,
    /// What failures call the row: its name, or else its input.
    pub name: String,
    /// The input's fields.
    pub input: Value,
    /// The fields that are expected.
    pub expected: Value,
    own: bool,
}

/// Calls `check` with (suite, name, input, expected) of every row of an area; it says why a row is left out. No row of
/// our own may be left out, and each suite that is compared has some.
pub fn rows(area: &str, mut check: impl FnMut(&str, &str, &Value, &Value) -> Result<(), String>) {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for row in all(area) {
        match check(&row.suite, &row.name, &row.input, &row.expected) {
            Ok(()) if row.own => own.push(row.suite),
            Ok(()) => others.push(row.suite),
            Err(why) if row.own => panic!("{area}/{}/{}: {why}", row.suite, row.name),
            Err(why) => {
                println!("not matched on purpose: {area}/{}/{}: {why}", row.suite, row.name);
            }
        }
    }
    assert!(!own.is_empty(), "{area} has no row of our own");
    let bare = others.iter().find(|suite| !own.contains(suite));
    assert_eq!(bare, None, "{area}: this suite has no row of our own");
}

/// Every row of one suite of an area.
pub fn rows_of(area: &str, suite: &str) -> Vec<Row> {
    let rows: Vec<Row> = all(area).into_iter().filter(|row| row.suite == suite).collect();
    assert!(rows.iter().any(|row| row.own), "{area}/{suite} has no row of our own");
    rows
}

/// Fails the test unless both are the same; the row was checked.
#[track_caller]
pub fn same<T: PartialEq + std::fmt::Debug>(name: &str, got: T, want: T) -> Result<(), String> {
    assert_eq!(got, want, "{name}");
    Ok(())
}

/// The text of a value, empty when it is none.
pub fn string(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The texts of a list, none when it is none.
pub fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| string(text).to_owned()).collect()
}

fn all(area: &str) -> Vec<Row> {
    let ours: Value = serde_json::from_str(OWN).expect("tests/data/rows.json");
    let suites = ours[area].as_object().unwrap_or_else(|| panic!("{area} has no rows of our own"));
    let mut found = Vec::new();
    for (suite, rows) in suites {
        let rows = rows.as_array().expect("rows");
        found.extend(rows.iter().map(|fields| row(suite, fields, true)));
    }
    let Some(folder) = folder() else {
        report("rows", &format!("{area}: no folder"));
        return found;
    };
    let path = folder.join(area).with_extension("json");
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let theirs: Value = serde_json::from_slice(&text).expect("rows");
    for suite in theirs["suites"].as_array().expect("suites") {
        let name = suite["source"]["test"].as_str().expect("a test's name");
        let rows = suite["cases"].as_array().expect("cases");
        found.extend(rows.iter().map(|fields| row(name, fields, false)));
    }
    report("rows", &format!("{area}: compared"));
    found
}

fn row(suite: &str, fields: &Value, own: bool) -> Row {
    let (input, expected) = (fields["input"].clone(), fields["expected"].clone());
    assert!(input.is_object() && expected.is_object(), "{suite}: {fields}");
    let name = fields["name"].as_str().map_or_else(|| input.to_string(), str::to_owned);
    Row { suite: suite.to_owned(), name, input, expected, own }
}

/// The folder of rows, if there is one; one that was named has to be there.
fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PICOCLAW_CASES") {
        let named = PathBuf::from(named);
        assert!(named.is_dir(), "PICOCLAW_CASES: {} is no folder", named.display());
        return Some(named);
    }
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/cases");
    beside.is_dir().then_some(beside)
}
