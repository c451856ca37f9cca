//! Cron expressions: five fields (crontab(5)), or six with leading seconds; a year may follow. Pure.
//!
//! Day of month and day of week: if both are restricted, either may match, as in every cron. `L`, `15W`, `5L` and
//! `5#2` have the Go original's meaning. [`Expr::next`] computes when an expression fires in a zone.

use crate::limits::{CRON_EXPR_BYTES, CRON_YEAR_RANGES};
use crate::proto::date::{self, days_in_month};

/// A parsed expression; bit n of a field is the value n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expr {
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u64,
    days: Days,
    months: u64,
    weekdays: Weekdays,
    years: [Years; CRON_YEAR_RANGES],
}

/// Days of a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Days {
    plain: u64,
    /// `L`: the last one.
    last: bool,
    /// `15W`: the weekday (Monday to Friday) nearest to a day, within its month.
    working: u64,
    /// The field begins with `*` or `?`.
    any: bool,
}

/// Days of a week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weekdays {
    plain: u64,
    /// `5L`: the last Friday of a month.
    last: u64,
    /// `5#2`: the second Friday; seven bits for each week.
    numbered: u64,
    /// The field begins with `*` or `?`.
    any: bool,
}

/// From, to, step; a step of 0 means no range. Without ranges all years match.
type Years = (u16, u16, u16);

/// A day to match.
#[derive(Clone, Copy)]
struct Day {
    of_month: i64,
    of_week: i64,
    /// Number of days in its month.
    last: i64,
}

struct Field {
    name: &'static str,
    low: u64,
    high: u64,
    names: &'static [&'static str],
}

const SECOND: Field = Field { name: "second", low: 0, high: 59, names: &[] };
const MINUTE: Field = Field { name: "minute", low: 0, high: 59, names: &[] };
const HOUR: Field = Field { name: "hour", low: 0, high: 23, names: &[] };
const DAY_OF_MONTH: Field = Field { name: "day of month", low: 1, high: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 7 is also Sunday.
const DAY_OF_WEEK: Field = Field {
    name: "day of week",
    low: 0,
    high: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};
const YEAR: Field = Field { name: "year", low: 1, high: 9999, names: &[] };

/// Names for whole expressions, as in the Go original's library.
const NICKNAMES: [(&str, &str); 13] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@30minutes", "*/30 * * * *"),
    ("@15minutes", "*/15 * * * *"),
    ("@10minutes", "*/10 * * * *"),
    ("@5minutes", "*/5 * * * *"),
    ("@always", "* * * * *"),
    ("@everysecond", "* * * * * *"),
];

impl Expr {
    /// Parses an expression. The error is a sentence that names the field.
    pub fn parse(text: &str) -> Result<Expr, String> {
        let text = text.trim();
        if text.len() > CRON_EXPR_BYTES {
            return Err(format!("the cron expression has more than {CRON_EXPR_BYTES} bytes"));
        }
        if text.starts_with('@') {
            let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
            return match known {
                Some((_, expr)) => Expr::parse(expr),
                None => Err(format!(
                    "cron expression `{text}`: known are @hourly, @daily, @weekly, @monthly and @yearly"
                )),
            };
        }
        let parts: Vec<&str> = text.split_whitespace().take(9).collect();
        // The last of six fields is a year if it has four digits, as in the Go original.
        let is_year =
            |part: &str| part.as_bytes().windows(4).any(|w| w.iter().all(u8::is_ascii_digit));
        let (second, [minute, hour, day, month, weekday], year) = match parts[..] {
            [a, b, c, d, e] => ("0", [a, b, c, d, e], "*"),
            [a, b, c, d, e, year] if is_year(year) => ("0", [a, b, c, d, e], year),
            [second, a, b, c, d, e] => (second, [a, b, c, d, e], "*"),
            [second, a, b, c, d, e, year] => (second, [a, b, c, d, e], year),
            _ => {
                return Err(format!(
                    "cron expression `{text}` has {} fields; 5 are needed: minute, hour, day of month, month, day of week",
                    parts.len()
                ));
            }
        };
        Ok(Expr {
            seconds: SECOND.bits(second)?,
            minutes: MINUTE.bits(minute)?,
            hours: HOUR.bits(hour)?,
            days: Days::parse(day)?,
            months: MONTH.bits(month)?,
            weekdays: Weekdays::parse(weekday)?,
            years: parse_years(year)?,
        })
    }

    /// Whether it fires on this day (its number since 1970), at the times of the other fields.
    pub(super) fn fires_on(&self, day: i64) -> bool {
        let (year, month, of_month) = date::civil_from_days(day);
        if self.months >> month & 1 == 0 || !self.fits_year(year) {
            return false;
        }
        let day = Day {
            of_month: of_month.into(),
            of_week: (day + 4).rem_euclid(7),
            last: days_in_month(year, month).into(),
        };
        match (self.days.any, self.weekdays.any) {
            (false, false) => self.days.matches(day) || self.weekdays.matches(day),
            _ => self.days.matches(day) && self.weekdays.matches(day),
        }
    }

    pub(super) fn fits_year(&self, year: i64) -> bool {
        let fits = |(from, to, step): Years| {
            let (from, to) = (i64::from(from), i64::from(to));
            (from..=to).contains(&year) && (year - from) % i64::from(step) == 0
        };
        self.years[0].2 == 0 || self.years.iter().any(|y| y.2 > 0 && fits(*y))
    }

    /// The minimum seconds between two firings; 60 means 60 or more.
    pub fn shortest_pause(&self) -> u32 {
        let (mut shortest, mut before) = (60, None);
        for second in (0..60).filter(|s| self.seconds >> s & 1 == 1) {
            shortest = before.map_or(shortest, |before| shortest.min(second - before));
            before = Some(second);
        }
        let around = 60 - before.unwrap_or(0) + self.seconds.trailing_zeros();
        // With only one minute, the next round of seconds is an hour away.
        if self.minutes.count_ones() > 1 { shortest.min(around) } else { shortest }
    }
}

impl Days {
    fn parse(text: &str) -> Result<Days, String> {
        let mut days = Days { any: text.starts_with(['*', '?']), ..Days::default() };
        for item in text.split(',') {
            if item.eq_ignore_ascii_case("L") {
                days.last = true;
            } else if let Some(day) = item.strip_suffix(['W', 'w']) {
                days.working |= 1 << DAY_OF_MONTH.value(day, text)?;
            } else {
                days.plain |= DAY_OF_MONTH.item(item, text)?.bits();
            }
        }
        Ok(days)
    }

    fn matches(&self, day: Day) -> bool {
        let is_working = |other: i64| {
            let of_week = (day.of_week + other - day.of_month).rem_euclid(7);
            (1..=day.last).contains(&other) && (1..=5).contains(&of_week)
        };
        let nearest = |n: i64| [n, n - 1, n + 1, n - 2, n + 2].into_iter().find(|d| is_working(*d));
        self.plain >> day.of_month & 1 == 1
            || self.last && day.of_month == day.last
            || self.working != 0
                && (1..=31).any(|n| self.working >> n & 1 == 1 && nearest(n) == Some(day.of_month))
    }
}

impl Weekdays {
    fn parse(text: &str) -> Result<Weekdays, String> {
        let mut days = Weekdays { any: text.starts_with(['*', '?']), ..Weekdays::default() };
        for item in text.split(',') {
            if let Some(day) = item.strip_suffix(['L', 'l']).filter(|d| !d.is_empty()) {
                days.last |= 1 << (DAY_OF_WEEK.value(day, text)? % 7);
            } else if let Some((day, week)) = item.split_once('#') {
                let week = match week.parse::<u64>() {
                    Ok(week @ 1..=5) => week - 1,
                    _ => return Err(DAY_OF_WEEK.error(text, &format!("`{week}` is not 1 to 5"))),
                };
                days.numbered |= 1 << (DAY_OF_WEEK.value(day, text)? % 7 + 7 * week);
            } else {
                days.plain |= DAY_OF_WEEK.item(item, text)?.bits();
            }
        }
        days.plain = (days.plain | days.plain >> 7) & 0x7f;
        Ok(days)
    }

    fn matches(&self, day: Day) -> bool {
        let week = (day.of_month - 1) / 7;
        self.plain >> day.of_week & 1 == 1
            || self.last >> day.of_week & 1 == 1 && day.of_month + 7 > day.last
            || self.numbered >> (day.of_week + 7 * week) & 1 == 1
    }
}

fn parse_years(text: &str) -> Result<[Years; CRON_YEAR_RANGES], String> {
    let mut years = [(0, 0, 0); CRON_YEAR_RANGES];
    if matches!(text, "*" | "?") {
        return Ok(years);
    }
    for (n, item) in text.split(',').enumerate() {
        let range = YEAR.item(item, text)?;
        let few = format!("more than {CRON_YEAR_RANGES} of them");
        *years.get_mut(n).ok_or_else(|| YEAR.error(text, &few))? =
            // The field has checked that they are at most 9999.
            (range.low as u16, range.high as u16, range.step as u16);
    }
    Ok(years)
}

/// Every `step`th value of a field.
struct Range {
    low: u64,
    high: u64,
    step: u64,
}

impl Range {
    fn bits(&self) -> u64 {
        (self.low..=self.high).step_by(self.step as usize).fold(0, |bits, n| bits | 1 << n)
    }
}

impl Field {
    fn bits(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, item| Ok(bits | self.item(item, text)?.bits()))
    }

    fn error(&self, text: &str, why: &str) -> String {
        format!("{} `{text}`: {why}", self.name)
    }

    /// `*`, `n`, `a-b`, each with `/step`; `n/step` continues to the end. `text` is the whole field, for errors.
    fn item(&self, item: &str, text: &str) -> Result<Range, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (low, high) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (self.low, self.last()),
            Some((low, high)) => (self.value(low, text)?, self.value(high, text)?),
            None if step.is_some() => (self.value(range, text)?, self.last()),
            None => {
                let value = self.value(range, text)?;
                (value, value)
            }
        };
        // `fri-sun` with names: Sunday is 7 there.
        let high = if high == 0 && low > 0 && self.high == 7 { 7 } else { high };
        if low > high {
            return Err(self.error(text, &format!("{low} to {high} is the wrong way round")));
        }
        let step = match step {
            None => 1,
            Some(step) => match step.parse::<u64>() {
                Ok(n) if (1..=9999).contains(&n) => n,
                _ => return Err(self.error(text, &format!("`{step}` is not a step"))),
            },
        };
        Ok(Range { low, high, step })
    }

    /// The end of `*`: Sunday counts once.
    fn last(&self) -> u64 {
        if self.high == 7 { 6 } else { self.high }
    }

    fn value(&self, value: &str, text: &str) -> Result<u64, String> {
        let named = self.names.iter().position(|n| n.eq_ignore_ascii_case(value));
        let number = || value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok())?;
        match named.map(|at| at as u64 + u64::from(self.high == 12)).or_else(number) {
            Some(n) if (self.low..=self.high).contains(&n) => Ok(n),
            _ => Err(self.error(text, &format!("`{value}` is not {} to {}", self.low, self.high))),
        }
    }
}

#[cfg(test)]
#[path = "cron_expr_tests.rs"]
mod tests;
