use super::*;
use crate::proto::date::{parse_rfc3339, rfc3339};

fn posix(text: &str) -> Zone {
    Zone::from_posix(text).unwrap_or_else(|| panic!("{text} is a TZ string"))
}

fn unix(text: &str) -> i64 {
    parse_rfc3339(text).unwrap_or_else(|| panic!("{text} is a moment"))
}

#[track_caller]
fn check(tz: &str, moment: &str, seconds: i32) {
    assert_eq!(posix(tz).offset(unix(moment)), seconds, "{tz} at {moment}");
}

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";

#[test]
fn rules_change_at_their_instants() {
    check("UTC0", "2026-07-01T00:00:00Z", 0);
    check("<+0545>-5:45", "2026-07-01T00:00:00Z", 20_700);
    check("<-0930>9:30", "2026-07-01T00:00:00Z", -34_200);
    check(BERLIN, "2026-03-29T00:59:59Z", 3600);
    check(BERLIN, "2026-03-29T01:00:00Z", 7200);
    check(BERLIN, "2026-10-25T00:59:59Z", 7200);
    check(BERLIN, "2026-10-25T01:00:00Z", 3600);
    check(NEW_YORK, "2026-03-08T06:59:59Z", -18_000);
    check(NEW_YORK, "2026-03-08T07:00:00Z", -14_400);
    check("EST5EDT", "2026-07-01T00:00:00Z", -14_400);
    // South of the equator, half an hour, and the summer that is winter's exception.
    check("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 39_600);
    check("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-01-01T00:00:00Z", 39_600);
    check("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-07-01T00:00:00Z", 3600);
    check("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-12-01T00:00:00Z", 0);
    check("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600);
    check("QQQ3EDT4,0/0,J365/23", "2026-07-01T00:00:00Z", -14_400);
}

#[test]
fn invalid_rules_are_refused() {
    for text in [
        "",
        "UTC",
        "AB0",
        "<AB",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/200",
        "CET-1CEST,J0,J365",
        "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-25",
        "CET-1:60",
        "é-1",
    ] {
        assert_eq!(Zone::from_posix(text), None, "{text}");
    }
}

/// A version 2 file: one 32-bit block without anything, then `changes` between two offsets.
fn file(changes: &[(i64, u8)], footer: &str) -> Vec<u8> {
    let head = |times: u32, types: u32| {
        let mut h = b"TZif2".to_vec();
        h.extend([0; 15]);
        for n in [0, 0, 0, times, types, 4] {
            h.extend(u32::to_be_bytes(n));
        }
        h
    };
    let kind = |offset: i32| [&offset.to_be_bytes()[..], &[0, 0]].concat();
    let mut out = head(0, 1);
    out.extend([&kind(0)[..], b"UTC\0"].concat());
    out.extend(head(changes.len() as u32, 2));
    changes.iter().for_each(|(at, _)| out.extend(at.to_be_bytes()));
    changes.iter().for_each(|(_, kind)| out.push(*kind));
    out.extend([kind(3600), kind(7200), b"QQQ\0".to_vec()].concat());
    out.extend(format!("\n{footer}\n").bytes());
    out
}

#[test]
fn zone_files_are_read() {
    let bytes = file(&[(1000, 1), (2000, 0)], "QQQ-3");
    let zone = Zone::from_tzif(&bytes).expect("a zone");
    let offsets = [999, 1000, 1999, 2000, i64::MAX].map(|at| zone.offset(at));
    assert_eq!(offsets, [3600, 7200, 7200, 10_800, 10_800]);
    let zone = Zone::from_tzif(&file(&[(1000, 1)], "")).expect("a zone");
    assert_eq!((zone.offset(i64::MIN), zone.offset(i64::MAX)), (3600, 7200));
}

#[test]
fn damaged_zone_files_are_refused() {
    let good = file(&[(1000, 1), (2000, 0)], "QQQ-3");
    for end in 0..good.len() - 1 {
        assert!(Zone::from_tzif(&good[..end]).is_none() || end > good.len() - 8, "cut at {end}");
    }
    for bad in
        [file(&[(1000, 1), (1000, 0)], ""), file(&[(1000, 9)], ""), file(&[], "Europe/Berlin")]
    {
        assert_eq!(Zone::from_tzif(&bad), None);
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        // Whatever it is now, it must not panic.
        if let Some(zone) = Zone::from_tzif(&bad) {
            zone.offset(1500);
        }
    }
}

#[track_caller]
fn local(tz: &str, local: &str, want: &str) {
    let zone = posix(tz);
    assert_eq!(rfc3339(instant(unix(local), &|at| zone.offset(at))), want, "{local} in {tz}");
}

#[test]
fn local_times_become_instants() {
    local(BERLIN, "2026-01-01T12:00:00Z", "2026-01-01T11:00:00Z");
    local(BERLIN, "2026-07-01T12:00:00Z", "2026-07-01T10:00:00Z");
    // Skipped: the first instant behind the gap.
    for skipped in ["02:00", "02:30", "02:59"] {
        local(BERLIN, &format!("2026-03-29T{skipped}:00Z"), "2026-03-29T01:00:00Z");
    }
    local(BERLIN, "2026-03-29T03:00:00Z", "2026-03-29T01:00:00Z");
    // Doubled: the first of the two.
    local(BERLIN, "2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z");
    local(BERLIN, "2026-10-25T03:00:00Z", "2026-10-25T02:00:00Z");
    local(NEW_YORK, "2026-11-01T01:30:00Z", "2026-11-01T05:30:00Z");
}

#[test]
fn a_day_that_was_left_out_is_skipped() {
    // Across the date line: 24 hours are missing.
    let jump = unix("2026-12-30T10:00:00Z");
    let offset = |at: i64| if at < jump { -36_000 } else { 50_400 };
    assert_eq!(instant(unix("2026-12-30T12:00:00Z"), &offset), jump);
}
