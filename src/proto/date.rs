//! Calendar arithmetic on unix seconds (proleptic Gregorian, no leap seconds) and RFC 3339 text.
//!
//! No clock and no time zone data: the caller provides seconds and, for local time, the offset.
//! Any `i64` is accepted; years outside 0..=9999 have no RFC 3339 form and are clamped to it.

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// First and last second that RFC 3339 can express: 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const RFC3339_RANGE: (i64, i64) = (-62_167_219_200, 253_402_300_799);

/// The calendar fields of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Astronomical year (0 is 1 BC).
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 is Sunday.
    pub weekday: u8,
}

impl Civil {
    /// `Monday` ...
    pub fn weekday_name(&self) -> &'static str {
        const NAMES: [&str; 7] =
            ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
        NAMES[usize::from(self.weekday) % 7]
    }
}

/// The day number (0 is 1970-01-01) of a moment `offset` seconds east of UTC.
pub fn day_number(unix: i64, offset: i32) -> i64 {
    unix.saturating_add(i64::from(offset)).div_euclid(DAY)
}

/// Converts unix seconds; add the zone's offset first for local time.
pub fn civil(unix: i64) -> Civil {
    let days = unix.div_euclid(DAY);
    let rest = unix.rem_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    Civil {
        year,
        month,
        day,
        hour: (rest / 3600) as u8,
        minute: (rest / 60 % 60) as u8,
        second: (rest % 60) as u8,
        weekday: (days + 4).rem_euclid(7) as u8,
    }
}

/// Day number to year, month, day. Years are counted from 1 March, so that the leap day is the last
/// one and the lengths of months follow one formula; 400 years have exactly 146,097 days.
pub fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468; // days from 0000-03-01 to 1970-01-01
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * march_month + 2) / 5 + 1) as u8;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 } as u8;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Year, month (1 to 12), day to the day number; days beyond the month's end count on into the next one.
pub fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = year.clamp(-1_000_000, 1_000_000) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = (i64::from(month) + 9) % 12;
    let of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

/// Days of a month, 0 for a month that does not exist.
pub fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    }
}

/// `2026-02-17T08:15:00Z`.
pub fn rfc3339(unix: i64) -> String {
    let c = civil(unix.clamp(RFC3339_RANGE.0, RFC3339_RANGE.1));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

/// Unix seconds of an HTTP date (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`; the old forms give `None`.
pub fn parse_http(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut parts = text.split_once(", ")?.1.split([' ', ':']);
    let day = parts.next()?;
    let month = parts.next().filter(|m| m.len() == 3).and_then(|m| MONTHS.find(m))?;
    if month % 3 != 0 {
        return None;
    }
    let (year, hour) = (parts.next()?, parts.next()?);
    let (minute, second) = (parts.next()?, parts.next()?);
    let month = month / 3 + 1;
    parse_rfc3339(&format!("{year}-{month:02}-{day}T{hour}:{minute}:{second}Z"))
}

/// Unix seconds of an RFC 3339 moment (`T`, `t` or a blank between; fraction dropped; `Z` or `±hh:mm`).
/// A leap second counts as the second before it. `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = b.get(from..to)?;
        digits
            .iter()
            .try_fold(0i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
    };
    let is = |at: usize, set: &[u8]| b.get(at).is_some_and(|c| set.contains(c));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)? as u8, number(8, 10)? as u8);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?.min(60));
    if day == 0
        || day > days_in_month(year, month)
        || hour > 23
        || minute > 59
        || number(17, 19)? > 60
    {
        return None;
    }
    let mut at = 19;
    if is(at, b".") {
        at += 1;
        let digits = b[at..].iter().take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        at += digits;
    }
    let offset = if is(at, b"Zz") {
        at += 1;
        0
    } else if is(at, b"+-") && is(at + 3, b":") {
        let (h, m) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
        if h > 23 || m > 59 {
            return None;
        }
        let sign = if b[at] == b'-' { -1 } else { 1 };
        at += 6;
        sign * (h * 3600 + m * 60)
    } else {
        return None;
    };
    if at != b.len() {
        return None;
    }
    Some(
        days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second.min(59)
            - offset,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates() {
        assert_eq!(parse_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for bad in
            ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 anF 1994 08:49:37 GMT", "Sun, 06", ""]
        {
            let found = parse_http(bad);
            assert!(found.is_none(), "{bad}: {found:?}");
        }
    }

    #[track_caller]
    fn check(unix: i64, text: &str, weekday: &str) {
        assert_eq!(rfc3339(unix), text);
        assert_eq!(parse_rfc3339(text), Some(unix));
        assert_eq!(civil(unix).weekday_name(), weekday, "{text}");
    }

    #[test]
    fn seconds_and_text_agree() {
        check(0, "1970-01-01T00:00:00Z", "Thursday");
        check(-1, "1969-12-31T23:59:59Z", "Wednesday");
        check(951_782_399, "2000-02-28T23:59:59Z", "Monday");
        check(951_782_400, "2000-02-29T00:00:00Z", "Tuesday");
        check(951_868_800, "2000-03-01T00:00:00Z", "Wednesday");
        check(1_000_000_000, "2001-09-09T01:46:40Z", "Sunday");
        check(2_147_483_648, "2038-01-19T03:14:08Z", "Tuesday");
        check(4_107_542_400, "2100-03-01T00:00:00Z", "Monday");
        check(-62_167_219_200, "0000-01-01T00:00:00Z", "Saturday");
        check(253_402_300_799, "9999-12-31T23:59:59Z", "Friday");
    }

    #[test]
    fn every_day_of_eight_centuries_comes_back() {
        for days in -150_000..150_000 {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
            assert!(d >= 1 && d <= days_in_month(y, m), "{y}-{m}-{d}");
        }
    }

    #[test]
    fn extremes_are_clamped_not_a_panic() {
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(i64::MIN), "0000-01-01T00:00:00Z");
        assert!(civil(i64::MAX).year > 9999);
        assert!(civil(i64::MIN).year < 0);
        assert_eq!(day_number(i64::MAX, 3600), i64::MAX / DAY);
        assert!(days_from_civil(i64::MIN, 0, 255) < 0);
    }

    #[test]
    fn local_day_follows_the_offset() {
        assert_eq!(day_number(0, 0), 0);
        assert_eq!(day_number(0, -3600), -1);
        assert_eq!(day_number(82_800, 3600), 1);
    }

    #[track_caller]
    fn parses(text: &str, want: Option<i64>) {
        assert_eq!(parse_rfc3339(text), want, "{text}");
    }

    #[test]
    fn offsets_and_fractions_are_understood() {
        parses("1970-01-01T01:00:00+01:00", Some(0));
        parses("1969-12-31T16:00:00-08:00", Some(0));
        parses("1970-01-01t00:00:00.123456789z", Some(0));
        parses("1970-01-01 00:00:10Z", Some(10));
        parses("2016-12-31T23:59:60Z", Some(1_483_228_799));
        parses("2026-02-17T08:15:00.5+05:30", Some(1_771_296_300));
    }

    #[test]
    fn invalid_dates_are_refused() {
        for text in [
            "",
            "1970",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-13-01T00:00:00Z",
            "1970-00-01T00:00:00Z",
            "1970-02-29T00:00:00Z",
            "1970-01-00T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:61Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00Zx",
            "1970/01/01T00:00:00Z",
            "+970-01-01T00:00:00Z",
            "１970-01-01T00:00:00Z",
        ] {
            parses(text, None);
        }
    }
}
