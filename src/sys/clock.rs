//! Wall-clock time and the local zone.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, 0 when the clock stands before it.
pub fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// The same in milliseconds.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Seconds that local time is ahead of UTC at `unix`, by TZ and the system's zone files (localtime_r(3)).
pub fn utc_offset(unix: i64) -> i32 {
    let time = unix as _;
    // SAFETY: both pointers are to live values of the right type, and localtime_r keeps neither. It reads the
    // environment, which this program never changes.
    unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&raw const time, &raw mut local).is_null() {
            0
        } else {
            local.tm_gmtoff as i32
        }
    }
}
