//! Conformance rows ([`crate::rows`]) about migrating.

use std::path::Path;

use picoclaw::command::migrate::{provider, snake};
use picoclaw::config::LoadOptions;

use crate::rows::{rows, same, string};

#[test]
fn names_and_paths() {
    rows("migrate", |test, _, input, want| {
        let input = string(&input["input"]);
        match test {
            "TestMapProvider" => same(input, &*provider(input), string(&want["expected"])),
            "TestCamelToSnake" => same(input, &*snake(input), string(&want["want"])),
            "TestExpandHome" => {
                let path = LoadOptions::default().expand(input);
                same(input, path.as_path(), Path::new(string(&want["expected"])))
            }
            _ => Err("the workspace goes to the one of the target home, wherever that is".into()),
        }
    });
}
