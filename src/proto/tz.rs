//! Time zones: compiled zone files (TZif, RFC 9636) and POSIX TZ strings (POSIX.1, `TZ`), and conversion from local time to instants.
//!
//! No clock and no files: the caller provides the bytes. Leap seconds are not counted, as everywhere in Unix time.

use super::date::{self, DAY, days_from_civil, days_in_month};

/// Changes of offset in one zone file that are read; real ones have at most about 250.
const TRANSITIONS: usize = 4096;

/// Offsets of one zone over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zone {
    /// From this instant on, this many seconds east of UTC; ascending.
    changes: Vec<(i64, i32)>,
    /// Before the first of them.
    before: i32,
    /// After the last of them.
    rule: Option<Rule>,
}

/// A parsed POSIX TZ string.
#[derive(Clone, Debug, PartialEq)]
struct Rule {
    standard: i32,
    summer: Option<(i32, Change, Change)>,
}

/// When a rule changes in a year: a day and seconds of local time on it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    day: Day,
    seconds: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Day {
    /// 1 to 365, 29 February is never counted.
    Julian(i64),
    /// 0 to 365.
    Ordinal(i64),
    /// Month, week (5 is the last), weekday.
    Month(u8, i64, i64),
}

impl Zone {
    /// Seconds that local time is ahead of UTC at an instant.
    pub fn offset(&self, unix: i64) -> i32 {
        let at = self.changes.partition_point(|(from, _)| *from <= unix);
        match (&self.rule, at.checked_sub(1)) {
            (Some(rule), _) if at == self.changes.len() => rule.offset(unix),
            (_, Some(last)) => self.changes[last].1,
            (_, None) => self.before,
        }
    }

    /// Parses a zone file; `None` if it is invalid.
    pub fn from_tzif(bytes: &[u8]) -> Option<Zone> {
        let (first, version) = Header::read(bytes)?;
        if version == 0 {
            return body(bytes.get(44..)?, &first, 4).map(|(zone, _)| zone);
        }
        // From version 2 on the same again in 64 bits, then a TZ string for what comes after.
        let second = bytes.get(44 + first.size(4)?..)?;
        let (header, _) = Header::read(second)?;
        let (mut zone, end) = body(second.get(44..)?, &header, 8)?;
        let footer = second.get(44 + end..)?.strip_prefix(b"\n")?;
        let line = footer.split(|b| *b == b'\n').next()?;
        if !line.is_empty() {
            zone.rule = Some(Rule::parse(std::str::from_utf8(line).ok()?)?);
        }
        Some(zone)
    }

    /// Reads a POSIX TZ string such as `CET-1CEST,M3.5.0,M10.5.0/3`; `None` if it is invalid.
    pub fn from_posix(text: &str) -> Option<Zone> {
        Some(Zone { rule: Some(Rule::parse(text)?), ..Zone::default() })
    }
}

/// Counts of one block of a zone file.
struct Header {
    flags: usize,
    leaps: usize,
    times: usize,
    types: usize,
    names: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<(Header, u8)> {
        let head = bytes.get(..44)?;
        if &head[..4] != b"TZif" {
            return None;
        }
        let count = |i: usize| {
            let at = 20 + 4 * i;
            u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
        };
        let most = (0..6).map(count).max()?;
        let header = Header {
            flags: count(0) + count(1),
            leaps: count(2),
            times: count(3),
            types: count(4),
            names: count(5),
        };
        (most <= TRANSITIONS && header.types > 0).then_some((header, head[4]))
    }

    /// Bytes of the block after the header.
    fn size(&self, time: usize) -> Option<usize> {
        Some(
            self.times * (time + 1)
                + self.types * 6
                + self.names
                + self.leaps * (time + 4)
                + self.flags,
        )
    }
}

/// One block; the second value is its size.
fn body(bytes: &[u8], header: &Header, time: usize) -> Option<(Zone, usize)> {
    let size = header.size(time)?;
    let bytes = bytes.get(..size)?;
    let (times, rest) = bytes.split_at(header.times * time);
    let (kinds, rest) = rest.split_at(header.times);
    let types = &rest[..header.types * 6];
    let offset = |kind: u8| -> Option<i32> {
        let t = types.get(usize::from(kind) * 6..usize::from(kind) * 6 + 4)?;
        let offset = i32::from_be_bytes([t[0], t[1], t[2], t[3]]);
        (i64::from(offset).abs() < 2 * DAY).then_some(offset)
    };
    let mut changes = Vec::with_capacity(header.times);
    for (at, kind) in times.chunks_exact(time).zip(kinds) {
        let at = at.iter().skip(1).fold(i64::from(at[0] as i8), |n, b| n << 8 | i64::from(*b));
        changes.push((at, offset(*kind)?));
    }
    if changes.windows(2).any(|w| w[0].0 >= w[1].0) {
        return None;
    }
    Some((Zone { changes, before: offset(0)?, rule: None }, size))
}

impl Rule {
    fn parse(text: &str) -> Option<Rule> {
        let mut rest = text;
        name(&mut rest)?;
        let standard = -(hms(&mut rest, 24)? as i32);
        if rest.is_empty() {
            return Some(Rule { standard, summer: None });
        }
        name(&mut rest)?;
        let summer = match rest.chars().next() {
            None | Some(',') => standard + 3600,
            _ => -(hms(&mut rest, 24)? as i32),
        };
        // Without dates the rule of the United States applies, as in every C library.
        let mut dates = match rest {
            "" => "M3.2.0,M11.1.0",
            dates => dates.strip_prefix(',')?,
        };
        let start = change_at(&mut dates)?;
        dates = dates.strip_prefix(',')?;
        let end = change_at(&mut dates)?;
        dates.is_empty().then_some(Rule { standard, summer: Some((summer, start, end)) })
    }

    fn offset(&self, unix: i64) -> i32 {
        let Some((summer, start, end)) = &self.summer else { return self.standard };
        let year = date::civil(unix.saturating_add(i64::from(self.standard))).year;
        let begins = start.instant(year) - i64::from(self.standard);
        let ends = end.instant(year) - i64::from(*summer);
        let in_summer = if begins < ends {
            (begins..ends).contains(&unix)
        } else {
            !(ends..begins).contains(&unix)
        };
        if in_summer { *summer } else { self.standard }
    }
}

impl Change {
    /// Seconds since 1970 by the local clock.
    fn instant(&self, year: i64) -> i64 {
        let first = days_from_civil(year, 1, 1);
        let days = match self.day {
            Day::Julian(n) => {
                let leap = days_in_month(year, 2) == 29 && n >= 60;
                first + n - 1 + i64::from(leap)
            }
            Day::Ordinal(n) => first + n,
            Day::Month(month, week, weekday) => {
                let first = days_from_civil(year, month, 1);
                let ahead = (weekday - (first + 4)).rem_euclid(7);
                let mut day = ahead + 7 * (week - 1);
                if day >= i64::from(days_in_month(year, month)) {
                    day -= 7;
                }
                first + day
            }
        };
        days * DAY + self.seconds
    }
}

/// Skips a zone's abbreviation: letters, or anything between `<` and `>`.
fn name(rest: &mut &str) -> Option<()> {
    let end = match rest.strip_prefix('<') {
        Some(quoted) => quoted.find('>')? + 2,
        None => rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()),
    };
    *rest = &rest[end..];
    (end >= 3).then_some(())
}

/// `[+-]hh[:mm[:ss]]` in seconds.
fn hms(rest: &mut &str, most_hours: i64) -> Option<i64> {
    let sign = if rest.starts_with('-') { -1 } else { 1 };
    *rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let mut seconds = number(rest, 0, most_hours)? * 3600;
    for unit in [60, 1] {
        let Some(more) = rest.strip_prefix(':') else { break };
        *rest = more;
        seconds += number(rest, 0, 59)? * unit;
    }
    Some(sign * seconds)
}

fn number(rest: &mut &str, low: i64, high: i64) -> Option<i64> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let value = rest[..end].parse().ok().filter(|n| (low..=high).contains(n))?;
    *rest = &rest[end..];
    Some(value)
}

/// `Mm.w.d`, `Jn` or `n`, and `/time`, which is 02:00 by default and may be up to a week away (RFC 9636, 3.3.2).
fn change_at(rest: &mut &str) -> Option<Change> {
    let dot = |rest: &mut &str| {
        *rest = rest.strip_prefix('.')?;
        Some(())
    };
    let day = if let Some(more) = rest.strip_prefix('M') {
        *rest = more;
        let month = number(rest, 1, 12)? as u8;
        dot(rest)?;
        let week = number(rest, 1, 5)?;
        dot(rest)?;
        Day::Month(month, week, number(rest, 0, 6)?)
    } else if let Some(more) = rest.strip_prefix('J') {
        *rest = more;
        Day::Julian(number(rest, 1, 365)?)
    } else {
        Day::Ordinal(number(rest, 0, 365)?)
    };
    let mut seconds = 2 * 3600;
    if let Some(more) = rest.strip_prefix('/') {
        *rest = more;
        seconds = hms(rest, 167)?;
    }
    Some(Change { day, seconds })
}

/// The instant of a local time (seconds since 1970 by the local clock): of a doubled one the first, for a skipped one the
/// first instant after the gap. Monotonic in `local`.
pub fn instant(local: i64, offset: &dyn Fn(i64) -> i32) -> i64 {
    let early = local - i64::from(offset(local - DAY));
    let late = local - i64::from(offset(local + DAY));
    let is = |unix: i64| unix + i64::from(offset(unix)) == local;
    match (is(early), is(late)) {
        (true, true) => early.min(late),
        (true, false) => early,
        (false, true) => late,
        (false, false) => {
            // In a gap: the change is between the two.
            change(early.min(late), early.max(late), offset)
        }
    }
}

/// The first instant in `low..=high` with another offset than `low` has; `high` if there is none. Assumes that the
/// offset changes once.
pub fn change(low: i64, high: i64, offset: &dyn Fn(i64) -> i32) -> i64 {
    let (mut low, mut high) = (low, high);
    let from = offset(low);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(middle) == from { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
#[path = "tz_tests.rs"]
mod tests;
