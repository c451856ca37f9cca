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
        assert_eq!(&rfc3339(at)[..want.len()], *want, "{expr} after {after}");
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
fn seconds_and_years() {
    let start = "2026-01-01T00:00";
    check_in("UTC0", "30 0 8 * * *", start, &["2026-01-01T08:00:30", "2026-01-02T08:00:30"]);
    check_in("UTC0", "*/20 59 23 * * *", "2026-01-01T23:59:20Z", &["2026-01-01T23:59:40"]);
    check_in("UTC0", "* * * * * *", start, &["2026-01-01T00:00:01", "2026-01-01T00:00:02"]);
    check_in("UTC0", "@everysecond", "2026-12-31T23:59:59Z", &["2027-01-01T00:00:00"]);
    check("0 0 1 1 * 2030", start, &["2030-01-01T00:00"]);
    check("0 12 1 1 * 2026,2050-2060/5", start, &["2026-01-01T12:00", "2050-01-01T12:00"]);
    check_in("UTC0", "5 0 0 1 1 * 2027", start, &["2027-01-01T00:00:05"]);
    assert_eq!(Expr::parse("0 0 1 1 * 2020").expect("valid").next(unix(start), &|_| 0), None);
}

#[test]
fn last_days_working_days_and_numbered_weekdays() {
    let start = "2026-01-01T00:00"; // a Thursday
    check("0 9 L * *", start, &["2026-01-31T09:00", "2026-02-28T09:00", "2026-03-31T09:00"]);
    check("0 9 l 2 *", "2027-03-01T00:00", &["2028-02-29T09:00"]);
    check("0 9 15,L * *", start, &["2026-01-15T09:00", "2026-01-31T09:00"]);
    // 2026-02-15 is a Sunday, 2026-08-15 a Saturday; 1 February a Sunday, 1 August a Saturday.
    check("0 9 15W 2,8 *", start, &["2026-02-16T09:00", "2026-08-14T09:00"]);
    check("0 9 1W 2,8 *", start, &["2026-02-02T09:00", "2026-08-03T09:00"]);
    check("0 9 31W * *", start, &["2026-01-30T09:00", "2026-03-31T09:00"]);
    check("0 9 * * 5L", start, &["2026-01-30T09:00", "2026-02-27T09:00"]);
    check("0 9 * * friL,7l", start, &["2026-01-25T09:00", "2026-01-30T09:00"]);
    check("0 9 * * 5#2", start, &["2026-01-09T09:00", "2026-02-13T09:00"]);
    check("0 9 * * 7#5", start, &["2026-03-29T09:00", "2026-05-31T09:00"]);
    check("0 9 L * 1", "2026-01-26T12:00", &["2026-01-31T09:00", "2026-02-02T09:00"]);
}

#[test]
fn pauses() {
    let pause = |expr: &str| Expr::parse(expr).expect("valid").shortest_pause();
    assert_eq!(pause("* * * * *"), 60);
    assert_eq!(pause("* * * * * *"), 1);
    assert_eq!(pause("*/15 * * * * *"), 15);
    assert_eq!(pause("0,55 * * * * *"), 5);
    assert_eq!(pause("0,55 30 * * * *"), 55);
    assert_eq!(pause("59 * * * * *"), 60);
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
fn a_minute_that_is_not_full_counts_as_begun() {
    check("* * * * *", "2026-01-01T00:00:59Z", &["2026-01-01T00:01"]);
    check("0 0 * * *", "2025-12-31T23:59:59Z", &["2026-01-01T00:00"]);
}

#[test]
fn impossible_dates_have_no_next() {
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
    wrong("0 0 * * * * * *", "has 8 fields");
    wrong("60 0 * * * *", "second `60`");
    wrong("0 0 1 1 * 10000", "year `10000`");
    wrong("0 0 1 1 * 2026,2027,2028,2030,2040", "more than 4");
    wrong("0 0 LW * *", "day of month `LW`");
    wrong("0 0 L-3 * *", "day of month `L-3`");
    wrong("0 0 32W * *", "day of month `32W`");
    wrong("0 0 * * L", "day of week `L`");
    wrong("0 0 * * 8L", "day of week `8L`");
    wrong("0 0 * * 1#6", "day of week `1#6`: `6` is not 1 to 5");
    wrong("60 * * * *", "minute `60`: `60` is not 0 to 59");
    wrong("* 24 * * *", "hour `24`");
    wrong("* * 0 * *", "day of month `0`");
    wrong("* * * 13 *", "month `13`");
    wrong("* * * * 8", "day of week `8`");
    wrong("* * * foo *", "month `foo`");
    wrong("5-1 * * * *", "wrong way round");
    wrong("*/0 * * * *", "`0` is not a step");
    wrong("*/x * * * *", "`x` is not a step");
    wrong("1,,2 * * * *", "minute `1,,2`");
    wrong("-1 * * * *", "minute");
    wrong("+1 * * * *", "minute");
    wrong("@reboot", "@daily");
    wrong(&"1,".repeat(200), "bytes");
    wrong("99999999999999999999999 * * * *", "minute");
}
