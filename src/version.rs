//! Version, revision, target and features: what `picoclaw version` prints.

/// Version from Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Revision the build was told of (`PICOCLAW_GIT`), or `unknown`.
pub const REVISION: &str = match option_env!("PICOCLAW_GIT") {
    Some(revision) => revision,
    None => "unknown",
};

/// The lines of `version`, or one JSON object.
pub fn text(json: bool) -> String {
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let built = crate::proto::date::rfc3339(crate::sys::board::BUILD_TIME as i64);
    if json {
        let value = serde_json::json!({
            "version": VERSION, "git": REVISION, "build": built, "target": target, "features": features(),
        });
        return value.to_string();
    }
    format!(
        "🦞 picoclaw {VERSION} (git: {REVISION})\n  Build: {built}\n  Target: {target}\n  Features: {}",
        features().join(" ")
    )
}

/// The features of Cargo.toml that this build has, as the build script was told of them.
fn features() -> Vec<&'static str> {
    env!("PICOCLAW_FEATURES").split_whitespace().collect()
}
