//! The forms in which a secret turns up when a program has written it down in its own way: percent-encoded, in base64,
//! in hexadecimal digits, as a JSON string.
//!
//! An attacker can use other encodings; the sandbox protects secrets from commands. This catches what
//! programs do by themselves: URLs in messages, Authorization headers, dumps.

use crate::proto::base64::{UNPADDED, URL};
use crate::proto::text;

/// Bytes of a secret, at least, to be looked for in other forms: parts of shorter ones would hit ordinary words.
const LEAST: usize = 8;
/// Forms that are looked for at most, all secrets together; each costs a search of every log line and tool result.
const MOST: usize = 256;

/// `secrets`, and what they look like otherwise.
pub fn with_encodings(mut secrets: Vec<String>) -> Vec<String> {
    let plain = secrets.len();
    for at in 0..plain {
        let secret = secrets[at].clone();
        if secret.len() >= LEAST && secrets.len() < MOST {
            forms(&secret, &mut secrets);
        }
    }
    secrets.sort_unstable();
    secrets.dedup();
    secrets
}

fn forms(secret: &str, out: &mut Vec<String>) {
    let bytes = secret.as_bytes();
    let hex = text::hex(bytes);
    out.push(hex.to_ascii_uppercase());
    out.push(hex);
    for upper in [true, false] {
        let escaped: String = bytes
            .iter()
            .map(|b| match b {
                b if b.is_ascii_alphanumeric() || b"-._~".contains(b) => char::from(*b).to_string(),
                b if upper => format!("%{b:02X}"),
                b => format!("%{b:02x}"),
            })
            .collect();
        out.push(escaped);
    }
    if let Ok(json) = serde_json::to_string(secret) {
        out.push(json.trim_matches('"').to_owned());
    }
    // Three bytes make four digits, so where the secret begins in a text decides how it looks; the digits at its ends
    // that hold bits of its neighbours are left out.
    for before in 0..3 {
        let mut text = vec![0; before];
        text.extend_from_slice(bytes);
        let (first, last) = ((before * 4).div_ceil(3), text.len() * 4 / 3);
        for code in [UNPADDED.encode(&text), URL.encode(&text)] {
            out.extend(code.get(first..last).map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret::redact;
    use super::*;

    const SECRET: &str = "123:AAb+c/d_ü\"x";

    #[track_caller]
    fn check(text: &str) {
        let secrets = with_encodings(vec![SECRET.to_owned()]);
        let clean = redact(text, &secrets, 1);
        assert!(clean.contains("[FILTERED]"), "{clean}");
        // What is left of base64 are at most two digits on each side.
        assert!(clean.len() < "before  after".len() + "[FILTERED]".len() + 12, "{clean}");
    }

    #[test]
    fn other_forms_are_found() {
        check(SECRET);
        check("123%3AAAb%2Bc%2Fd_%C3%BC%22x");
        check("123%3aAAb%2bc%2fd_%c3%bc%22x");
        check("123:AAb+c/d_ü\\\"x");
        let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
        check(&hex);
        check(&hex.to_uppercase());
        for before in ["", "u", "us", "use", "user"] {
            for after in ["", "1", "12", "123"] {
                let text = format!("{before}{SECRET}{after}");
                check(&UNPADDED.encode(&text));
                check(&URL.encode(&text));
            }
        }
    }

    #[test]
    fn short_secrets_have_one_form() {
        assert_eq!(with_encodings(vec!["1:test".into()]), ["1:test"]);
    }
}
