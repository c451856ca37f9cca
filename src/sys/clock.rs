//! Wall-clock time and the local zone.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{files::read_bounded, zones};
use crate::limits::ZONE_FILE_BYTES;
use crate::proto::tz::Zone;

/// Where systems keep zone files.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];
/// The zone of a system whose environment names none.
const OWN: &str = "/etc/localtime";

/// Seconds since 1970, 0 when the clock is before it.
pub fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

/// The same in milliseconds.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Whole milliseconds, for people. (`Duration::as_millis` has 128 bits, and printing those takes 2 kB.)
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds that local time is ahead of UTC at `unix`, by `TZ` and the system's zone files or the table, read once.
pub fn utc_offset(unix: i64) -> i32 {
    static LOCAL: OnceLock<Zone> = OnceLock::new();
    LOCAL.get_or_init(|| local(env::var("TZ").ok().as_deref()).unwrap_or_default()).offset(unix)
}

/// The zone that `TZ` names as tzset(3) has it: a rule, or a file behind an optional colon; `None` for what is neither. (The C
/// library's own reader would be 5 kB more, for what [`Zone`] does anyway.)
fn local(tz: Option<&str>) -> Option<Zone> {
    let name = tz.unwrap_or(OWN);
    let file = name.strip_prefix(':').unwrap_or(name);
    let rule = Zone::from_posix(name);
    let full = || file.starts_with('/').then(|| read(Path::new(file))).flatten();
    rule.or_else(full).or_else(|| zone(file))
}

/// The value of `TZ` where it names no zone, so that local time is UTC.
pub fn unknown_tz() -> Option<String> {
    let given = env::var("TZ").ok()?;
    (!matches!(&*given, "" | ":") && local(Some(&given)).is_none()).then_some(given)
}

/// The zone of this name: of the system's file, else of the table in the program.
pub fn zone(name: &str) -> Option<Zone> {
    zone_file(name).or_else(|| zones::find(name))
}

/// The system's file for a zone of this name.
pub fn zone_file(name: &str) -> Option<Zone> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    if name.len() > 64 || name.starts_with('/') || !name.bytes().all(plain) {
        return None;
    }
    let own = env::var_os("TZDIR").map(PathBuf::from);
    // A file that cannot be read is as good as none: the next folder has it, or a table.
    own.into_iter().chain(FOLDERS.map(PathBuf::from)).find_map(|folder| read(&folder.join(name)))
}

fn read(path: &Path) -> Option<Zone> {
    Zone::from_tzif(&read_bounded(File::open(path).ok()?, ZONE_FILE_BYTES).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tz_is_a_rule_or_a_file_or_utc() {
        let at = |tz, unix| local(tz).unwrap_or_default().offset(unix);
        assert_eq!(at(Some("CET-1CEST,M3.5.0,M10.5.0/3"), 1_782_864_000), 7200);
        assert_eq!(at(Some("EST5"), 0), -18_000);
        for none in
            ["", ":", "UTC", "Mars/Olympus", ":/nonexistent", "../../etc/passwd", "/etc/passwd"]
        {
            assert_eq!(at(Some(none), 0), 0, "{none}");
        }
        // Where the system has no zone files, the table has it.
        assert_eq!(at(Some("Europe/Berlin"), 1_782_864_000), 7200);
        assert_eq!(at(Some(":Europe/Berlin"), 1_782_864_000), 7200);
    }

    #[test]
    fn the_system_is_asked_as_the_c_library_does() {
        for unix in [0, 1_700_000_000, 1_782_864_000] {
            let time = unix as _;
            // SAFETY: both pointers are to live values of the right type, and localtime_r keeps neither.
            let theirs = unsafe {
                let mut there: libc::tm = std::mem::zeroed();
                assert!(!libc::localtime_r(&raw const time, &raw mut there).is_null());
                there.tm_gmtoff as i32
            };
            assert_eq!(utc_offset(unix), theirs, "{unix}");
        }
    }
}
