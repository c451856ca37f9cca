//! Zones by name: from the system's zone files, else from a compact table in the program. Blocks on the disk.

use std::path::PathBuf;

use crate::config::nearest::nearest;
use crate::error::{Error, Result};
use crate::limits::ZONE_FILE_BYTES;
use crate::proto::tz::Zone;
use crate::store::atomic::read_bounded;
use crate::sys::clock;

/// Rules of most of the world's zones, for systems without zone files: 9 kB that are only touched when they are searched.
const TABLE: &str = include_str!("zones.txt");

/// Where systems keep zone files.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];

/// A clock to read an expression by.
#[derive(Clone, Debug)]
pub enum LocalClock {
    /// The system's own zone (`TZ`, /etc/localtime).
    System,
    /// A named one.
    Named(Zone),
}

impl LocalClock {
    /// The zone of this name; the system's own for an empty one.
    ///
    /// # Errors
    /// A name nobody knows; never taken for UTC.
    pub fn find(name: &str) -> Result<LocalClock> {
        let name = name.trim();
        if name.is_empty() {
            // A board without zone files takes a name in TZ for UTC without a word; the table knows better.
            let set = std::env::var("TZ").unwrap_or_default();
            let set = set.strip_prefix(':').unwrap_or(&set);
            return Ok(match set.contains('/').then(|| named(set)).flatten() {
                Some(zone) => LocalClock::Named(zone),
                None => LocalClock::System,
            });
        }
        named(name).map(LocalClock::Named).ok_or_else(|| unknown(name))
    }

    /// Seconds that its time is ahead of UTC at an instant.
    pub fn offset(&self, unix: i64) -> i32 {
        match self {
            LocalClock::System => clock::utc_offset(unix),
            LocalClock::Named(zone) => zone.offset(unix),
        }
    }
}

fn named(name: &str) -> Option<Zone> {
    from_system(name).or_else(|| from_table(name))
}

fn from_system(name: &str) -> Option<Zone> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    if name.len() > 64 || name.starts_with('/') || !name.bytes().all(plain) {
        return None;
    }
    let own = std::env::var_os("TZDIR").map(PathBuf::from);
    own.into_iter().chain(FOLDERS.map(PathBuf::from)).find_map(|folder| {
        // A file that cannot be read is as good as none: the next folder or the table has it.
        let bytes = read_bounded(&folder.join(name), ZONE_FILE_BYTES).ok().flatten()?;
        Zone::from_tzif(&bytes)
    })
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(' '))
}

fn from_table(name: &str) -> Option<Zone> {
    let (rule, _) =
        lines().find(|(_, names)| names.split(' ').any(|n| n.eq_ignore_ascii_case(name)))?;
    Zone::from_posix(rule)
}

fn unknown(name: &str) -> Error {
    let shown = crate::proto::text::one_line(name, 64);
    let near = nearest(name, lines().flat_map(|(_, names)| names.split(' ')));
    Error::new(match near {
        Some(near) => format!("unknown time zone `{shown}`; did you mean {near}?"),
        None => format!("unknown time zone `{shown}`; write a name like Europe/Berlin, or UTC"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_table_is_one() {
        assert!(lines().count() > 80);
        for (rule, names) in lines() {
            assert!(Zone::from_posix(rule).is_some(), "{rule}");
            assert!(!names.is_empty(), "{rule}");
        }
    }

    #[test]
    fn table_and_system_agree_on_the_years_to_come() {
        let (mut compared, mut differ) = (0, Vec::new());
        for name in lines().flat_map(|(_, names)| names.split(' ')) {
            let (Some(system), Some(table)) = (from_system(name), from_table(name)) else {
                continue;
            };
            compared += 1;
            // Every five days until 2060.
            let mut days = (1_780_000_000..2_840_000_000i64).step_by(432_000);
            if days.any(|at| system.offset(at) != table.offset(at)) {
                differ.push(name);
            }
        }
        println!("{compared} zones compared");
        // A system may know of laws that are newer than the table.
        assert!(differ.len() <= 5, "{differ:?}");
    }

    #[track_caller]
    fn check(name: &str, unix: i64, want: Option<i32>) {
        assert_eq!(LocalClock::find(name).ok().map(|z| z.offset(unix)), want, "{name}");
    }

    #[test]
    fn names_are_found_and_unknown_ones_refused() {
        check("Europe/Berlin", 1_782_864_000, Some(7200));
        check(" america/new_york ", 1_782_864_000, Some(-14_400));
        check("UTC", 0, Some(0));
        for bad in
            ["Europe/Atlantis", "../../etc/passwd", "/etc/localtime", "zone.tab", "Mars", "a\0b"]
        {
            check(bad, 0, None);
        }
        let e = LocalClock::find("Europe/Berln").expect_err("unknown");
        assert!(e.as_str().contains("did you mean Europe/Berlin?"), "{e}");
    }
}
