//! Cron expressions: five fields (crontab(5)), and the next time one fires in a zone. Pure.
//!
//! Day of month and day of week: where both are restricted, either is enough, as in every cron.

use crate::limits::{CRON_EXPR_BYTES, CRON_HORIZON_DAYS};
use crate::proto::date::{self, DAY};
use crate::proto::tz;

/// A parsed expression; bit n of a field is the value n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expr {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day of month and day of week begin with `*`.
    any_day: bool,
    any_weekday: bool,
}

struct Field {
    name: &'static str,
    low: u64,
    high: u64,
    names: &'static [&'static str],
}

const MONTHS: &[&str] =
    &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, names: &[] },
    Field { name: "hour", low: 0, high: 23, names: &[] },
    Field { name: "day of month", low: 1, high: 31, names: &[] },
    Field { name: "month", low: 1, high: 12, names: MONTHS },
    // 7 is Sunday as well.
    Field { name: "day of week", low: 0, high: 7, names: WEEKDAYS },
];

/// Names for whole expressions; the minutes are those the Go original's library knows.
const NICKNAMES: [(&str, &str); 12] = [
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
];

impl Expr {
    /// Reads an expression. The error is a sentence that names the field.
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
        let [_, _, day, _, weekday] = parts[..] else {
            return Err(format!(
                "cron expression `{text}` has {} fields; 5 are needed: minute, hour, day of month, month, day of week",
                parts.len()
            ));
        };
        let mut bits = [0u64; 5];
        for ((bits, field), part) in bits.iter_mut().zip(&FIELDS).zip(&parts) {
            *bits = field.parse(part).map_err(|e| format!("{} `{part}`: {e}", field.name))?;
        }
        let [minutes, hours, days, months, weekdays] = bits;
        let any = |part: &str| part.starts_with(['*', '?']);
        Ok(Expr {
            minutes,
            hours,
            days,
            months,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            any_day: any(day),
            any_weekday: any(weekday),
        })
    }

    fn fires_on(&self, day: i64) -> bool {
        let (_, month, of_month) = date::civil_from_days(day);
        let day_fits = self.days >> of_month & 1 == 1;
        let weekday_fits = self.weekdays >> (day + 4).rem_euclid(7) & 1 == 1;
        let fits = match (self.any_day, self.any_weekday) {
            (false, false) => day_fits || weekday_fits,
            _ => day_fits && weekday_fits,
        };
        fits && self.months >> month & 1 == 1
    }

    /// The first instant after `after` (unix seconds) at which it fires, by a clock `offset` seconds east of UTC.
    /// A local time that a change of the clock skips fires at the first minute behind the gap, a doubled one
    /// fires the first time. `None` when it never does (30 February).
    pub fn next(&self, after: i64, offset: &dyn Fn(i64) -> i32) -> Option<i64> {
        let local = after.saturating_add(i64::from(offset(after)));
        let today = local.div_euclid(DAY);
        for day in today..today.saturating_add(CRON_HORIZON_DAYS) {
            if !self.fires_on(day) {
                continue;
            }
            // Before this minute everything lies in the past; see `tz::instant`, which never falls.
            let from = if day == today { local.rem_euclid(DAY) / 60 } else { 0 };
            for minute in from..24 * 60 {
                if self.hours >> (minute / 60) & 1 == 0 || self.minutes >> (minute % 60) & 1 == 0 {
                    continue;
                }
                let at = tz::instant(day * DAY + minute * 60, offset);
                if at > after {
                    return Some(at);
                }
            }
        }
        None
    }
}

impl Field {
    fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, item| Ok(bits | self.item(item)?))
    }

    /// `*`, `n`, `a-b`, each with `/step`; `n/step` goes on to the end.
    fn item(&self, item: &str) -> Result<u64, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (low, high) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (self.low, self.last()),
            Some((low, high)) => (self.value(low)?, self.value(high)?),
            None if step.is_some() => (self.value(range)?, self.last()),
            None => {
                let value = self.value(range)?;
                (value, value)
            }
        };
        // `fri-sun` with names: Sunday is the 7 there.
        let high = if high == 0 && low > 0 && self.high == 7 { 7 } else { high };
        if low > high {
            return Err(format!("{low} to {high} is the wrong way round"));
        }
        let step = match step {
            None => 1,
            Some(step) => match step.parse::<u64>() {
                Ok(n) if (1..=99).contains(&n) => n,
                _ => return Err(format!("`{step}` is no step")),
            },
        };
        let mut bits = 0;
        let mut value = low;
        while value <= high {
            bits |= 1 << value;
            value += step;
        }
        Ok(bits)
    }

    /// The end of `*`: Sunday counts once there.
    fn last(&self) -> u64 {
        if self.high == 7 { 6 } else { self.high }
    }

    fn value(&self, text: &str) -> Result<u64, String> {
        let named = self.names.iter().position(|n| n.eq_ignore_ascii_case(text));
        let number = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
        match named.map(|at| at as u64 + u64::from(self.high == 12)).or_else(number) {
            Some(n) if (self.low..=self.high).contains(&n) => Ok(n),
            _ => Err(format!("`{text}` is not {} to {}", self.low, self.high)),
        }
    }
}

#[cfg(test)]
#[path = "cron_tests.rs"]
mod tests;
