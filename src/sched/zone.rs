//! Time zones of cron expressions, by name. Blocks on the disk.

use crate::config::nearest::nearest;
use crate::error::{Error, Result};
use crate::proto::tz::Zone;
use crate::sys::{clock, zones};

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
            return Ok(LocalClock::System);
        }
        clock::zone(name).map(LocalClock::Named).ok_or_else(|| unknown(name))
    }

    /// Seconds that its time is ahead of UTC at an instant.
    pub fn offset(&self, unix: i64) -> i32 {
        match self {
            LocalClock::System => clock::utc_offset(unix),
            LocalClock::Named(zone) => zone.offset(unix),
        }
    }
}

fn unknown(name: &str) -> Error {
    let shown = crate::proto::text::one_line(name, 64);
    let known: Vec<String> = zones::all().collect();
    Error::new(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("unknown time zone `{shown}`; did you mean {near}?"),
        None => format!("unknown time zone `{shown}`; write a name like Europe/Berlin, or UTC"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
