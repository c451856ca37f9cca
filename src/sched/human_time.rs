//! Times as people write them: `5m`, `in 2h`, `tomorrow 9:00`, `monday 9:00`, `2026-12-01 09:00`. Pure.

use crate::proto::date::{self, DAY, days_from_civil, days_in_month};
use crate::proto::tz;

/// Names of units, and their seconds; the first one that starts with the input is used.
const UNITS: [(&str, i64); 9] = [
    ("seconds", 1),
    ("secs", 1),
    ("minutes", 60),
    ("mins", 60),
    ("hours", 3600),
    ("hrs", 3600),
    ("days", DAY),
    ("weeks", 7 * DAY),
    ("wks", 7 * DAY),
];

const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Parses a duration into seconds: `90`, `5m`, `1h30m`, `2 days`.
///
/// # Errors
/// A sentence with examples.
pub fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a span of time; write 90 (seconds), 5m, 1h30m or 2d");
    let (mut rest, mut sum) = (text.trim(), 0i64);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = rest[..letters].to_ascii_lowercase();
        rest = rest[letters..].trim_start();
        let known = UNITS.iter().find(|(name, _)| name.starts_with(&unit)).ok_or_else(wrong)?;
        let span = number.checked_mul(known.1).ok_or_else(wrong)?;
        sum = sum.checked_add(span).filter(|sum| *sum < 100 * 366 * DAY).ok_or_else(wrong)?;
    }
    Ok(sum)
}

/// Parses a time into a unix second, relative to `now` and a clock `offset` seconds ahead of UTC. A local time that occurs
/// twice means the first one, a skipped one means the first instant after the gap.
///
/// # Errors
/// A sentence: it is not a time, or is in the past.
pub fn moment(text: &str, now: i64, offset: &dyn Fn(i64) -> i32) -> Result<i64, String> {
    let text = text.trim();
    let at = find(&text.to_ascii_lowercase(), text, now, offset).ok_or_else(|| {
        format!(
            "`{text}` is not a time; write 90 (seconds from now), in 2h, 18:30, tomorrow 9:00, monday 9:00, 2026-12-01 09:00 \
             or 2026-12-01T09:00:00Z"
        )
    })?;
    if at <= now {
        return Err(format!("`{text}` is in the past"));
    }
    Ok(at)
}

fn find(words: &str, text: &str, now: i64, offset: &dyn Fn(i64) -> i32) -> Option<i64> {
    if let Ok(span) = seconds(words.strip_prefix("in ").unwrap_or(words)) {
        return Some(now + span);
    }
    if let Some(at) = date::parse_rfc3339(text) {
        return Some(at);
    }
    let local = now + i64::from(offset(now));
    let today = local.div_euclid(DAY);
    let instant = |day: i64, time: i64| tz::instant(day * DAY + time, offset);
    // `2026-12-01t09:00` as well.
    let (day, time) = words.split_once([' ', 't']).filter(|(day, _)| !day.is_empty()).unzip();
    let dated = |day: &str| Some((civil_day(day)?, time.and_then(clock)?));
    if let Some((day, time)) = day.and_then(dated) {
        return Some(instant(day, time));
    }
    let Some((day, time)) = words.split_once(' ') else {
        let time = clock(words)?;
        let at = instant(today, time);
        return Some(if at > now { at } else { instant(today + 1, time) });
    };
    let time = clock(time.trim_start().strip_prefix("at ").unwrap_or(time))?;
    match day {
        "today" => Some(instant(today, time)),
        "tomorrow" => Some(instant(today + 1, time)),
        day => {
            let named = |name: &&str| day.len() >= 3 && name.starts_with(day);
            let wanted = WEEKDAYS.iter().position(named)? as i64;
            let ahead = (wanted - (today + 4)).rem_euclid(7);
            let at = instant(today + ahead, time);
            Some(if at > now { at } else { instant(today + ahead + 7, time) })
        }
    }
}

/// `2026-12-01` as a day number.
fn civil_day(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let month = u8::try_from(month).ok()?;
    let day = u8::try_from(day).ok().filter(|d| (1..=days_in_month(year, month)).contains(d))?;
    let whole = parts.next().is_none() && (1970..=9999).contains(&year);
    whole.then(|| days_from_civil(year, month, day))
}

/// `9:00`, `18:30` or `18:30:15` as seconds of the day.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.trim().split(':').map(|part| {
        let two = matches!(part.len(), 1 | 2) && part.bytes().all(|b| b.is_ascii_digit());
        two.then(|| part.parse::<i64>().ok())?
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().map_or(Some(0), |second| second)?;
    let fits = hour < 24 && minute < 60 && second < 60 && parts.next().is_none();
    fits.then_some(hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::date::{parse_rfc3339, rfc3339};
    use crate::proto::tz::Zone;

    #[track_caller]
    fn span(text: &str, want: Option<i64>) {
        assert_eq!(seconds(text).ok(), want, "{text}");
    }

    #[test]
    fn spans() {
        span("90", Some(90));
        span("5m", Some(300));
        span(" 1h30m ", Some(5400));
        span("2 days", Some(172_800));
        span("1 hour 5 min", Some(3900));
        span("1W", Some(604_800));
        span("0", Some(0));
        for bad in
            ["", "m", "5x", "5 moons", "-5", "1.5h", "99999999999999999999", "9999999w", "5m:"]
        {
            span(bad, None);
        }
    }

    /// Read on Wednesday, 25 March 2026, 12:00 in Berlin.
    #[track_caller]
    fn check(text: &str, want: &str) {
        let berlin = Zone::from_posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let now = parse_rfc3339("2026-03-25T11:00:00Z").expect("a moment");
        let found = moment(text, now, &|at| berlin.offset(at));
        assert_eq!(found.map_or_else(|e| e, rfc3339), want, "{text}");
    }

    #[test]
    fn moments() {
        check("60", "2026-03-25T11:01:00Z");
        check("in 2h", "2026-03-25T13:00:00Z");
        check("2h", "2026-03-25T13:00:00Z");
        check("18:30", "2026-03-25T17:30:00Z");
        check("9:00", "2026-03-26T08:00:00Z");
        check("today 18:30", "2026-03-25T17:30:00Z");
        check("Tomorrow 9:00", "2026-03-26T08:00:00Z");
        check("tomorrow at 09:00:30", "2026-03-26T08:00:30Z");
        check("monday 9:00", "2026-03-30T07:00:00Z");
        check("wed 13:00", "2026-03-25T12:00:00Z");
        check("wed 9:00", "2026-04-01T07:00:00Z");
        check("2026-12-01 09:00", "2026-12-01T08:00:00Z");
        check("2026-12-01T09:00", "2026-12-01T08:00:00Z");
        check("2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z");
        check("2026-12-01T09:00:00-05:00", "2026-12-01T14:00:00Z");
        // Skipped, and doubled.
        check("sunday 2:30", "2026-03-29T01:00:00Z");
        check("2026-10-25 2:30", "2026-10-25T00:30:00Z");
    }

    #[test]
    fn invalid_and_past_times_are_errors() {
        check("today 8:00", "`today 8:00` is in the past");
        check("2020-01-01 00:00", "`2020-01-01 00:00` is in the past");
        check("0", "`0` is in the past");
        for bad in [
            "",
            "tomorrow",
            "25:00",
            "9:60",
            "2026-02-30 09:00",
            "mo 9:00",
            "soon",
            "t9:00",
            "2026-12-01",
        ] {
            let e = moment(bad, 0, &|_| 0).expect_err(bad);
            assert!(e.contains("is not a time; write "), "{bad}: {e}");
        }
    }
}
