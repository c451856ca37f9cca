//! Rows of `../shared/cases`, which are not part of this repository.

use std::path::PathBuf;

use serde_json::Value;

/// Calls `check` with (test, name, input, expected) of every row of an area; it says why a row is left out.
pub fn rows(area: &str, check: impl Fn(&str, &str, &Value, &Value) -> Result<(), String>) {
    let folder = std::env::var_os("PICOCLAW_CASES").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/cases"));
    let Ok(text) = std::fs::read_to_string(folder.join(area).with_extension("json")) else {
        println!("skipped: no ../shared/cases");
        return;
    };
    let all: Value = serde_json::from_str(&text).expect("rows");
    let mut checked = 0;
    for suite in all["suites"].as_array().expect("suites") {
        let test = string(&suite["source"]["test"]);
        for row in suite["cases"].as_array().expect("cases") {
            let name = string(&row["name"]);
            match check(test, name, &row["input"], &row["expected"]) {
                Ok(()) => checked += 1,
                Err(why) => println!("not matched on purpose: {area}/{test}/{name}: {why}"),
            }
        }
    }
    println!("{area}: {checked} rows checked");
    assert!(checked > 0, "{area} has no row that was checked");
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
