//! Time zones by name, for systems without zone files.

use crate::proto::tz::Zone;

/// Rules of most of the world's zones: 7 kB that are only paged in by a search.
const TABLE: &str = include_str!("zones.txt");

/// All names.
pub fn all() -> impl Iterator<Item = String> {
    lines().flat_map(|(_, words)| names(words))
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

/// The zone of this name, whatever its capitals; `None` where the table lacks it.
pub fn find(name: &str) -> Option<Zone> {
    let (rule, _) =
        lines().find(|(_, words)| names(words).any(|n| n.eq_ignore_ascii_case(name)))?;
    Zone::from_posix(rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn every_rule_of_the_table_is_one() {
        assert!(lines().count() > 80);
        assert!(all().count() > 400);
        for (rule, names) in lines() {
            assert!(Zone::from_posix(rule).is_some(), "{rule}");
            assert!(!names.is_empty(), "{rule}");
        }
    }

    #[test]
    fn table_and_system_agree_on_the_years_to_come() {
        let (mut compared, mut differ) = (0, Vec::new());
        for name in all() {
            let (Some(system), Some(table)) = (clock::zone_file(&name), find(&name)) else {
                continue;
            };
            compared += 1;
            // Every five days until 2060.
            let mut days = (1_780_000_000..2_840_000_000i64).step_by(432_000);
            if days.any(|at| system.offset(at) != table.offset(at)) {
                differ.push(name);
            }
        }
        if clock::zone_file("Europe/Berlin").is_none() {
            return crate::sys::skip::skip("this system has no zone files");
        }
        assert!(compared > 300, "only {compared} zones were compared");
        // A system's rules may be older or newer: eight zones changed between Debian 12's and 2026f.
        assert!(differ.len() * 20 <= compared, "{differ:?}");
    }
}
