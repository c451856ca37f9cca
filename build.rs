//! Puts the build's time into the binary: a clock that is earlier than it cannot be right.
//! `SOURCE_DATE_EPOCH` (reproducible-builds.org) takes precedence, so that builds can repeat.

use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.toml");
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|t| t.trim().parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let epoch: u64 = given.unwrap_or_else(now);
    println!("cargo:rustc-env=PICOCLAW_BUILD_EPOCH={epoch}");
}
