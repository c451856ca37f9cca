//! Puts the build's time into the binary: a clock that is earlier than it cannot be right.
//! `SOURCE_DATE_EPOCH` (reproducible-builds.org) takes precedence, so that builds can repeat.
//!
//! And packs Mozilla's roots for `src/net/tls/roots.rs`.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

#[path = "src/proto/crc32.rs"]
mod crc32;

include!("src/net/tls/key_forms.rs");

fn main() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    for file in ["build.rs", "Cargo.toml", "src/proto/crc32.rs", "src/net/tls/key_forms.rs"] {
        println!("cargo:rerun-if-changed={file}");
    }
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|t| t.trim().parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let epoch: u64 = given.unwrap_or_else(now);
    println!("cargo:rustc-env=PICOCLAW_BUILD_EPOCH={epoch}");

    println!("cargo:rustc-env=PICOCLAW_FEATURES={}", features().join(" "));

    let folder = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&folder).join("roots.bin"), packed_roots())
        .expect("OUT_DIR is writable");
}

/// The features that are on, as Cargo.toml spells them, without `default`.
fn features() -> Vec<String> {
    let name = |(key, _): (String, String)| {
        let name = key.strip_prefix("CARGO_FEATURE_")?.to_ascii_lowercase().replace('_', "-");
        (name != "default").then_some(name)
    };
    let mut names: Vec<String> = std::env::vars().filter_map(name).collect();
    names.sort_unstable();
    names
}

/// One root after the other: the checksum of its name, its key's form, what differs in the key.
fn packed_roots() -> Vec<u8> {
    let mut packed = Vec::new();
    for root in webpki_roots::TLS_SERVER_ROOTS {
        packed.extend(crc32::crc32(&[&root.subject]).to_le_bytes());
        let key: &[u8] = &root.subject_public_key_info;
        let constraints = root.name_constraints.as_deref().unwrap_or_default();
        let form = KEY_FORMS.iter().position(|(before, len, after)| {
            key.len() == before.len() + len + after.len()
                && key.starts_with(before)
                && key.ends_with(after)
        });
        match form {
            Some(form) if constraints.is_empty() => {
                let (before, len, _) = KEY_FORMS[form];
                packed.push(form as u8);
                packed.extend(&key[before.len()..][..len]);
            }
            _ => {
                packed.push(u8::MAX);
                for whole in [key, constraints] {
                    packed.extend(u16::try_from(whole.len()).expect("a short key").to_le_bytes());
                    packed.extend(whole);
                }
            }
        }
    }
    packed
}
