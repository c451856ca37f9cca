//! Time zones by name: from the system's zone files, else from a compact table in the program. Blocks on the disk.

use crate::config::nearest::nearest;
use crate::error::{Error, Result};
use crate::proto::tz::Zone;
use crate::sys::clock;

/// Rules of most of the world's zones, for systems without zone files: 7 kB that are only paged in by a search.
const TABLE: &str = include_str!("zones.txt");

/// The local clock of an expression.
#[derive(Clone, Debug)]
pub enum LocalClock {
    /// The system's own zone (`TZ`, /etc/localtime).
    System,
    /// A zone of the tz database, by its name.
    Named(Zone),
}

impl LocalClock {
    /// The zone of this name; the system's own for an empty one.
    ///
    /// # Errors
    /// An unknown name; never treated as UTC.
    pub fn find(name: &str) -> Result<LocalClock> {
        let name = name.trim();
        if name.is_empty() {
            // A board without zone files silently treats a name in TZ as UTC; the table is better.
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
    clock::zone_file(name).or_else(|| from_table(name))
}

/// The rules, each with its names.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(' '))
}

/// Expands the names of a line: `Asia/Oral,Qatar` has two.
fn names(words: &'static str) -> impl Iterator<Item = String> {
    words.split(' ').flat_map(|word| {
        let (area, places) = word.split_at(word.find('/').map_or(0, |at| at + 1));
        places.split(',').map(move |place| [area, place].concat())
    })
}

fn from_table(name: &str) -> Option<Zone> {
    let (rule, _) =
        lines().find(|(_, words)| names(words).any(|n| n.eq_ignore_ascii_case(name)))?;
    Zone::from_posix(rule)
}

fn unknown(name: &str) -> Error {
    let shown = crate::proto::text::one_line(name, 64);
    let known: Vec<String> = lines().flat_map(|(_, words)| names(words)).collect();
    Error::new(match nearest(name, known.iter().map(String::as_str)) {
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
        assert!(lines().flat_map(|(_, words)| names(words)).count() > 400);
        for (rule, names) in lines() {
            assert!(Zone::from_posix(rule).is_some(), "{rule}");
            assert!(!names.is_empty(), "{rule}");
        }
    }

    #[test]
    fn table_and_system_agree_on_the_years_to_come() {
        let (mut compared, mut differ) = (0, Vec::new());
        for name in lines().flat_map(|(_, words)| names(words)) {
            let (Some(system), Some(table)) = (clock::zone_file(&name), from_table(&name)) else {
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
        // A system may have rules that are newer than the table.
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
