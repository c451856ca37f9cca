//! Computes when a cron expression fires next, with rules for hours that occur twice or are skipped. Pure.
//!
//! - An expression fires at each instant whose local time matches. In an hour that occurs twice it fires both times.
//! - An expression that names one hour of the day (`30 2 * * *`) means once a day. If its time occurs twice,
//!   it fires at the first; if it is skipped, it fires at the same minute of the first hour after the gap (03:30). A day
//!   that a zone skips is skipped.
//!
//! So nothing fires at a minute that does not match, unlike cron's "right after the gap".

use super::cron_expr::Expr;
use crate::limits::CRON_HORIZON_DAYS;
use crate::proto::date::{DAY, civil_from_days, days_from_civil};
use crate::proto::tz;

const HOUR: i64 = 3600;

/// Seconds that local time is ahead of UTC at an instant.
type Offset<'a> = &'a dyn Fn(i64) -> i32;

impl Expr {
    /// The first instant after `after` (unix seconds) at which it fires, by a clock `offset` seconds ahead of UTC.
    /// `None` if it never does (30 February). Zones change at most once in two days.
    pub fn next(&self, after: i64, offset: Offset<'_>) -> Option<i64> {
        let mut from = after.checked_add(1)?;
        for _ in 0..CRON_HORIZON_DAYS {
            from = self.skip_years(from)?;
            let until = from.checked_add(DAY)?;
            let day = from.div_euclid(DAY);
            // The local days that can overlap this UTC day and the one before.
            if (day - 2..=day + 3).any(|day| self.fires_on(day)) {
                if let Some(at) = self.within(from, until, offset) {
                    return Some(at);
                }
            }
            from = until;
        }
        None
    }

    /// `from`, or the start of the next matching year if that is far away.
    fn skip_years(&self, from: i64) -> Option<i64> {
        let (year, _, _) = civil_from_days(from.div_euclid(DAY));
        if (year - 1..=year + 1).any(|y| self.fits_year(y)) {
            return Some(from);
        }
        let next = (year + 2..=9999).find(|y| self.fits_year(*y))?;
        Some((days_from_civil(next, 1, 1) - 2) * DAY)
    }

    /// The first firing in `from..until`, which is at most a day.
    fn within(&self, from: i64, until: i64, offset: Offset<'_>) -> Option<i64> {
        let (old, new) = (i64::from(offset(from - DAY)), i64::from(offset(until - 1)));
        if old == new {
            return Some(self.first_local(from + new, until + new)? - new);
        }
        let change = tz::change(from - DAY, until - 1, offset);
        if from < change {
            if let Some(local) = self.first_local(from + old, until.min(change) + old) {
                return Some(local - old);
            }
        }
        let jump = new - old;
        let once = self.hours.count_ones() == 1;
        let again = if once && jump < 0 { change - jump } else { change };
        let named = self.first_local(from.max(again) + new, until + new);
        let moved = if once && 0 < jump && jump < DAY {
            self.first_moved(change + old, change + new, from + new).filter(|l| *l < until + new)
        } else {
            None
        };
        let first = [named, moved].into_iter().flatten().min()?;
        Some(first - new)
    }

    /// The first skipped matching time, moved to the same minute after its gap, from `from` on.
    fn first_moved(&self, gap: i64, end: i64, from: i64) -> Option<i64> {
        let (mut at, mut first) = (gap, None::<i64>);
        while let Some(skipped) = self.first_local(at, end) {
            let hours = (end - skipped + HOUR - 1) / HOUR;
            let moved = skipped + hours * HOUR;
            if moved >= from {
                first = Some(first.map_or(moved, |first| first.min(moved)));
            }
            at = skipped + 1;
        }
        first
    }

    /// The first local time (seconds since 1970 by the local clock) in `from..until` that matches.
    fn first_local(&self, from: i64, until: i64) -> Option<i64> {
        let today = from.div_euclid(DAY);
        (today..=(until - 1).div_euclid(DAY))
            .filter(|day| self.fires_on(*day))
            .find_map(|day| {
                let begin = if day == today { from.rem_euclid(DAY) } else { 0 };
                self.first_second(begin as u32).map(|second| day * DAY + i64::from(second))
            })
            .filter(|local| *local < until)
    }

    /// The first matching second of a day from `begin` on.
    fn first_second(&self, begin: u32) -> Option<u32> {
        let (hour, minute, second) = (begin / 3600, begin / 60 % 60, begin % 60);
        for h in (hour..24).filter(|h| self.hours >> h & 1 == 1) {
            let first = if h == hour { minute } else { 0 };
            for m in (first..60).filter(|m| self.minutes >> m & 1 == 1) {
                let first = if (h, m) == (hour, minute) { second } else { 0 };
                let left = self.seconds >> first << first;
                if left != 0 {
                    return Some((h * 60 + m) * 60 + left.trailing_zeros());
                }
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "cron_next_tests.rs"]
mod tests;
