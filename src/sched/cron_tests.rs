use super::*;
use crate::proto::date::{parse_rfc3339, rfc3339};
use crate::proto::tz::Zone;

fn unix(text: &str) -> i64 {
    let text = if text.len() == 16 { format!("{}:00Z", text) } else { text.to_string() };
    parse_rfc3339(&text).unwrap_or_else(|| panic!("{text} is a moment"))
}

/// The next times after `after`, as `2026-01-01T00:00`, in UTC.
#[track_caller]
fn check_in(tz: &str, expr: &str, after: &str, want: &[&str]) {
    let zone = Zone::from_posix(tz).expect("a zone");
    let parsed = Expr::parse(expr).unwrap_or_else(|e| panic!("{expr}: {e}"));
    let mut at = unix(after);
    for want in want {
        at = parsed.next(at, &|at| zone.offset(at)).unwrap_or_else(|| panic!("{expr}: never"));
        assert_eq!(&rfc3339(at)[..16], *want, "{expr} after {after}");
    }
}

#[track_caller]
fn check(expr: &str, after: &str, want: &[&str]) {
    check_in("UTC0", expr, after, want);
}

#[test]
fn fields_lists_ranges_and_steps() {
    let start = "2026-01-01T00:00"; // a Thursday
    check("* * * * *", start, &["2026-01-01T00:01", "2026-01-01T00:02"]);
    check("0 * * * *", start, &["2026-01-01T01:00", "2026-01-01T02:00"]);
    check("5,10 3 * * *", start, &["2026-01-01T03:05", "2026-01-01T03:10", "2026-01-02T03:05"]);
    check("*/20 * * * *", start, &["2026-01-01T00:20", "2026-01-01T00:40", "2026-01-01T01:00"]);
    check("7/25 0 * * *", start, &["2026-01-01T00:07", "2026-01-01T00:32", "2026-01-01T00:57"]);
    check("0 9-17/4 * * *", start, &["2026-01-01T09:00", "2026-01-01T13:00", "2026-01-01T17:00"]);
    check("0 0 31 * *", start, &["2026-01-31T00:00", "2026-03-31T00:00", "2026-05-31T00:00"]);
    check("0 0 1 FEB,dec *", start, &["2026-02-01T00:00", "2026-12-01T00:00"]);
    check("0 8 * * mon-fri", start, &["2026-01-01T08:00", "2026-01-02T08:00", "2026-01-05T08:00"]);
    check("0 8 * * 0", start, &["2026-01-04T08:00"]);
    check("0 8 * * 7", start, &["2026-01-04T08:00"]);
    check("0 8 * * sat-sun", start, &["2026-01-03T08:00", "2026-01-04T08:00", "2026-01-10T08:00"]);
    check("0 8 * * 5-7", start, &["2026-01-02T08:00", "2026-01-03T08:00", "2026-01-04T08:00"]);
    check("0 8 ? * 1", start, &["2026-01-05T08:00"]);
    check("0 0 29 2 *", start, &["2028-02-29T00:00", "2032-02-29T00:00"]);
    check("0 0 29 2 *", "2096-03-01T00:00", &["2104-02-29T00:00"]);
    check("59 23 31 12 *", "2026-12-31T23:59", &["2027-12-31T23:59"]);
    check("  0   0\t1 1 * ", start, &["2027-01-01T00:00"]);
}

#[test]
fn both_days_restricted_means_either() {
    let start = "2026-01-01T00:00";
    check("0 0 13 * 5", start, &["2026-01-02T00:00", "2026-01-09T00:00", "2026-01-13T00:00"]);
    check("0 0 13 * *", start, &["2026-01-13T00:00", "2026-02-13T00:00"]);
    // A field that begins with a star is not restricted, whatever its step.
    check("0 0 */2 * 5", start, &["2026-01-09T00:00", "2026-01-23T00:00"]);
}

#[test]
fn nicknames() {
    let start = "2026-01-01T00:00";
    check("@yearly", start, &["2027-01-01T00:00"]);
    check("@monthly", start, &["2026-02-01T00:00"]);
    check("@weekly", start, &["2026-01-04T00:00"]);
    check("@Daily", start, &["2026-01-02T00:00"]);
    check("@hourly", start, &["2026-01-01T01:00"]);
    check("@5minutes", start, &["2026-01-01T00:05"]);
}

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

#[test]
fn local_times_follow_the_zone() {
    check_in(BERLIN, "0 8 * * *", "2026-03-28T00:00", &["2026-03-28T07:00", "2026-03-29T06:00"]);
    check_in(
        "<+0545>-5:45",
        "30 0 * * *",
        "2026-01-01T00:00",
        &["2026-01-01T18:45", "2026-01-02T18:45"],
    );
}

#[test]
fn skipped_times_fire_behind_the_gap_once() {
    let day = &["2026-03-29T01:00", "2026-03-30T00:30"];
    check_in(BERLIN, "30 2 * * *", "2026-03-28T12:00", day);
    check_in(BERLIN, "0,30 2 * * *", "2026-03-28T12:00", &["2026-03-29T01:00", "2026-03-30T00:00"]);
    check_in(
        BERLIN,
        "*/30 2-3 * * *",
        "2026-03-28T12:00",
        &["2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:00"],
    );
}

#[test]
fn doubled_times_fire_once() {
    check_in(BERLIN, "30 2 * * *", "2026-10-24T12:00", &["2026-10-25T00:30", "2026-10-26T01:30"]);
    // Between the two half past two, and by the second clock.
    check_in(BERLIN, "30 2 * * *", "2026-10-25T01:10", &["2026-10-26T01:30"]);
    check_in(BERLIN, "45 2 * * *", "2026-10-25T01:30", &["2026-10-26T01:45"]);
    check_in(BERLIN, "0 3 * * *", "2026-10-25T00:59", &["2026-10-25T02:00"]);
}

#[test]
fn a_minute_that_is_not_full_counts_as_begun() {
    check("* * * * *", "2026-01-01T00:00:59Z", &["2026-01-01T00:01"]);
    check("0 0 * * *", "2025-12-31T23:59:59Z", &["2026-01-01T00:00"]);
}

#[test]
fn what_never_comes_has_no_next() {
    for expr in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
        assert_eq!(Expr::parse(expr).expect("valid").next(0, &|_| 0), None, "{expr}");
    }
}

#[track_caller]
fn wrong(expr: &str, want: &str) {
    let e = Expr::parse(expr).expect_err(expr);
    assert!(e.contains(want), "{expr}: {e}");
}

#[test]
fn errors_name_the_field() {
    wrong("", "has 0 fields");
    wrong("* * * *", "has 4 fields");
    wrong("0 * * * * *", "has 6 fields");
    wrong("60 * * * *", "minute `60`: `60` is not 0 to 59");
    wrong("* 24 * * *", "hour `24`");
    wrong("* * 0 * *", "day of month `0`");
    wrong("* * * 13 *", "month `13`");
    wrong("* * * * 8", "day of week `8`");
    wrong("* * * foo *", "month `foo`");
    wrong("5-1 * * * *", "wrong way round");
    wrong("*/0 * * * *", "`0` is no step");
    wrong("*/x * * * *", "no step");
    wrong("1,,2 * * * *", "minute `1,,2`");
    wrong("-1 * * * *", "minute");
    wrong("+1 * * * *", "minute");
    wrong("@reboot", "@daily");
    wrong(&"1,".repeat(200), "bytes");
    wrong("99999999999999999999999 * * * *", "minute");
}
