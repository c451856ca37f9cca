//! Whether the value in force is another one than was written.

use serde_json::Value;

use super::key::{Key, ZeroMeaning};
use super::load::Loaded;

/// The value in force for a key and what was `written` at its path, and why it differs, as ` (at least 5)`; `None` where it
/// does not differ. Never of a secret.
pub(super) fn differs(
    loaded: &Loaded,
    key: &Key,
    path: &str,
    written: &Value,
) -> Option<(Value, String)> {
    if key.secret() {
        return None;
    }
    let other = loaded.config.resolved_value(path).filter(|value| value != written);
    let Some(number) = written.as_i64() else { return other.map(|value| (value, String::new())) };
    let limited = key.in_force(number, loaded.config.version);
    let why = match limited {
        _ if limited == number => return other.map(|value| (value, String::new())),
        _ if number <= 0 && key.limits.zero != ZeroMeaning::Itself => {
            format!(" ({number} means {limited})")
        }
        _ if limited > number => format!(" (at least {limited})"),
        _ => format!(" (at most {limited})"),
    };
    Some((limited.into(), why))
}
