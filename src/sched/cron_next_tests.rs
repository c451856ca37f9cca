use crate::proto::date::{parse_rfc3339, rfc3339};
use crate::proto::tz::Zone;
use crate::sched::cron_expr::Expr;
use crate::sys::zones;

fn unix(text: &str) -> i64 {
    parse_rfc3339(text).unwrap_or_else(|| panic!("{text} is a moment"))
}

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

/// The next firings after `after`, as `03-29T01:00` of UTC.
#[track_caller]
fn check(tz: &str, expr: &str, after: &str, want: &[&str]) {
    let zone = Zone::from_posix(tz).expect("a zone");
    let parsed = Expr::parse(expr).unwrap_or_else(|e| panic!("{expr}: {e}"));
    let mut at = unix(after);
    for want in want {
        at = parsed.next(at, &|at| zone.offset(at)).unwrap_or_else(|| panic!("{expr}: never"));
        assert_eq!(&rfc3339(at)[5..16], *want, "{expr} after {after}");
    }
}

#[test]
fn several_hours_fire_in_both_passes() {
    let night = "2026-10-24T23:45:00Z"; // 01:45 in Berlin; from 00:00Z on it is 02:00 twice
    check(BERLIN, "*/30 * * * *", night, &["10-25T00:00", "10-25T00:30", "10-25T01:00"]);
    check(BERLIN, "30 2,14 * * *", night, &["10-25T00:30", "10-25T01:30", "10-25T13:30"]);
    check(BERLIN, "30 1-3 * * *", night, &["10-25T00:30", "10-25T01:30", "10-25T02:30"]);
    // Started between the two.
    check(BERLIN, "30 2,14 * * *", "2026-10-25T00:45:00Z", &["10-25T01:30", "10-25T13:30"]);
}

#[test]
fn one_hour_of_the_day_means_once_a_day() {
    check(BERLIN, "30 2 * * *", "2026-10-24T12:00:00Z", &["10-25T00:30", "10-26T01:30"]);
    check(BERLIN, "*/30 2 * * *", "2026-10-24T12:00:00Z", &["10-25T00:00", "10-25T00:30"]);
    check(BERLIN, "30 2 * * *", "2026-10-25T01:10:00Z", &["10-26T01:30"]);
    check(BERLIN, "45 2 * * *", "2026-10-25T01:30:00Z", &["10-26T01:45"]);
    check(BERLIN, "0 3 * * *", "2026-10-25T00:59:00Z", &["10-25T02:00"]);
}

#[test]
fn nothing_fires_at_a_minute_that_it_does_not_name() {
    let night = "2026-03-29T00:40:00Z"; // 01:40 in Berlin; 02:00 to 03:00 are left out
    let sunday = "27,34,7 * * * */7";
    check(BERLIN, sunday, night, &["03-29T01:07", "03-29T01:27", "03-29T01:34"]);
    check(BERLIN, "15 2,14 * * *", night, &["03-29T12:15", "03-30T00:15"]);
    check(BERLIN, "*/20 2-3 * * *", night, &["03-29T01:00", "03-29T01:20", "03-29T01:40"]);
}

#[test]
fn one_hour_that_is_left_out_is_made_good_an_hour_later() {
    check(BERLIN, "30 2 * * *", "2026-03-28T12:00:00Z", &["03-29T01:30", "03-30T00:30"]);
    check(BERLIN, "0,30 2 * * *", "2026-03-28T12:00:00Z", &["03-29T01:00", "03-29T01:30"]);
    check(BERLIN, "30 2 * * *", "2026-03-29T01:10:00Z", &["03-29T01:30"]);
    check(BERLIN, "30 2 * * *", "2026-03-29T01:30:00Z", &["03-30T00:30"]);
    // Half an hour: the rest of the hour fires as well.
    let spring = "2026-10-03T12:00:00Z";
    check(LORD_HOWE, "15 2 * * *", spring, &["10-03T16:15", "10-04T15:15"]);
    check(LORD_HOWE, "*/20 2 * * *", spring, &["10-03T15:40", "10-03T16:00", "10-03T16:20"]);
    // Over midnight, and two hours at once.
    check(
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "30 23 * * 6",
        "2026-03-27T00:00:00Z",
        &["03-29T01:30"],
    );
    check(
        "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3",
        "40 1 * * *",
        "2026-03-28T12:00:00Z",
        &["03-29T01:40"],
    );
}

#[test]
fn a_day_that_was_left_out_has_no_firing() {
    // Across the date line: 24 hours are missing.
    let jump = unix("2026-12-30T10:00:00Z");
    let offset = |at: i64| if at < jump { -36_000 } else { 50_400 };
    let daily = Expr::parse("0 12 * * *").expect("valid");
    let first = daily.next(unix("2026-12-29T23:00:00Z"), &offset).expect("one");
    assert_eq!(rfc3339(first), "2026-12-30T22:00:00Z");
}

/// Rows computed by `scripts/check/cron --table`, independently of this program: `zone | expression | after | firings | note`.
/// Both take the rules of `src/sys/zones.txt`: zone files of two machines may differ (Moldova's, in
/// Debian 12 and in tzdata 2026f).
#[test]
fn the_table_holds() {
    let rows: Vec<&str> =
        include_str!("cron_next.txt").lines().filter(|l| !l.starts_with('#')).collect();
    assert!(rows.len() >= 220, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let [zone, expr, after, firings, _] = row.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("five columns: {row}")
        };
        let clock = zones::find(zone).unwrap_or_else(|| panic!("{row}: not in zones.txt"));
        let parsed = Expr::parse(expr).unwrap_or_else(|e| panic!("{row}: {e}"));
        let mut at = unix(after);
        let found: Vec<String> = firings
            .split(' ')
            .map(|_| {
                at = parsed.next(at, &|at| clock.offset(at)).expect(row);
                rfc3339(at)
            })
            .collect();
        if found.join(" ") != firings {
            wrong.push(format!("{row}\n  found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
