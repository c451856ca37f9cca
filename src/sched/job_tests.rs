use super::*;
use crate::proto::date::{parse_rfc3339, rfc3339};

fn unix(text: &str) -> i64 {
    parse_rfc3339(&format!("{text}:00Z")).unwrap_or_else(|| panic!("{text} is a moment"))
}

fn zones(name: &str) -> Result<LocalClock, String> {
    let name = if name.is_empty() { "UTC" } else { name };
    LocalClock::find(name).map_err(|e| e.to_string())
}

fn job(schedule: &str, state: &str) -> Job {
    let raw = format!(r#"{{"id":"x","enabled":true,"schedule":{schedule},"state":{state}}}"#);
    Job::parse(&raw).expect("a job")
}

fn ms(text: &str) -> i64 {
    unix(text) * 1000
}

const NOON: &str = "2026-05-01T12:00";

fn at(wall: &str) -> Now {
    Now { wall: unix(wall), trusted: true, mono: 1000 }
}

/// `schedule`, then state as `next last` (`-` for none), the clock, and when it is due.
#[track_caller]
fn check(schedule: &str, state: &str, now: Now, want: &str) {
    let mut fields = state.split(' ').map(|t| if t == "-" { Value::Null } else { json!(ms(t)) });
    let mut job = job(schedule, "{}");
    job.set("state", "nextRunAtMs", fields.next().unwrap_or_default());
    job.set("state", "lastRunAtMs", fields.next().unwrap_or_default());
    let due = match job.due(now, &mut zones) {
        Ok(None) => "never".to_owned(),
        Ok(Some(Due::Wall(at))) => rfc3339(at)[..16].to_owned(),
        Ok(Some(Due::Mono(at))) => format!("+{}", at - now.mono),
        Err(e) => e,
    };
    assert_eq!(due, want, "{schedule} {state}");
}

#[test]
fn one_time_jobs() {
    let schedule = format!(r#"{{"kind":"at","atMs":{}}}"#, ms("2026-05-01T13:00"));
    check(&schedule, "- -", at(NOON), "2026-05-01T13:00");
    check(&schedule, "- -", at("2026-06-01T00:00"), "2026-05-01T13:00");
    check(&schedule, "- 2026-05-01T13:00", at(NOON), "never");
}

#[test]
fn intervals_count_on_the_clock_that_never_steps() {
    let schedule = r#"{"kind":"every","everyMs":600000}"#;
    check(schedule, "- -", at(NOON), "+600");
    check(schedule, "2026-05-01T12:05 -", at(NOON), "+300");
    check(schedule, "2026-05-01T11:00 -", at(NOON), "+0");
    check(schedule, "2027-01-01T00:00 -", at(NOON), "+600");
    let dark = Now { wall: 5, trusted: false, mono: 1000 };
    check(schedule, "2026-05-01T12:05 -", dark, "+600");
}

#[test]
fn expressions() {
    let schedule = r#"{"kind":"cron","expr":"0 8 * * *"}"#;
    check(schedule, "- -", at(NOON), "2026-05-02T08:00");
    // A stored future time is recomputed: another version may have ignored the zone.
    check(schedule, "2026-05-02T06:00 -", at(NOON), "2026-05-02T08:00");
    // Missed while the device was off: due now.
    check(schedule, "2026-04-20T08:00 2026-04-19T08:00", at(NOON), "2026-04-20T08:00");
    let dark = Now { wall: 5, trusted: false, mono: 1000 };
    check(schedule, "2026-05-02T08:00 -", dark, "2026-05-02T08:00");
    let zoned = r#"{"kind":"cron","expr":"0 8 * * *","tz":"America/New_York"}"#;
    check(zoned, "- -", at("2026-05-01T00:00"), "2026-05-01T12:00");
}

#[test]
fn a_clock_that_steps_back_repeats_nothing() {
    let schedule = r#"{"kind":"cron","expr":"0 8 * * *"}"#;
    let fired = "2026-05-02T08:00 2026-05-01T08:00";
    check(schedule, fired, at("2026-05-01T07:30"), "2026-05-02T08:00");
    check(schedule, fired, at("2026-04-30T08:00"), "2026-05-02T08:00");
    // Years: the clock that it fired by was wrong.
    check(schedule, fired, at("2024-01-01T00:00"), "2024-01-01T08:00");
}

#[test]
fn faults_are_reported() {
    check(
        r#"{"kind":"cron","expr":"0 8 * *"}"#,
        "- -",
        at(NOON),
        &Expr::parse("0 8 * *").expect_err("bad"),
    );
    check(
        r#"{"kind":"cron","expr":"0 8 * * *","tz":"Mars/Olympus"}"#,
        "- -",
        at(NOON),
        "unknown time zone `Mars/Olympus`; write a name like Europe/Berlin, or UTC",
    );
    check(r#"{"kind":"moon"}"#, "- -", at(NOON), "schedule.kind `moon` is not at, every or cron");
    check(r#"{"kind":"every"}"#, "- -", at(NOON), "schedule.everyMs is missing or out of range");
    check(
        r#"{"kind":"at","atMs":-5}"#,
        "- -",
        at(NOON),
        "schedule.atMs is missing or out of range",
    );
    check("7", "- -", at(NOON), "schedule.kind `` is not at, every or cron");
    for bad in ["7", "{}", r#"{"id":7}"#, r#"{"id":""}"#] {
        assert!(Job::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn firing_moves_on_or_ends() {
    let now = unix(NOON);
    let mut daily = job(r#"{"kind":"cron","expr":"0 8 * * *"}"#, r#"{"lastError":"x","own":1}"#);
    assert!(daily.fired(now, &mut zones));
    assert_eq!((daily.next(), daily.last()), (Some(unix("2026-05-02T08:00")), Some(now)));
    assert_eq!(daily.outcome(), ("ok", ""));
    assert_eq!(daily.0["state"]["own"], 1, "unknown fields stay");
    let mut often = job(r#"{"kind":"every","everyMs":60000}"#, "{}");
    assert!(often.fired(now, &mut zones));
    assert_eq!(often.next(), Some(now + 60));
    let mut once = job(r#"{"kind":"at","atMs":1000}"#, "{}");
    assert!(once.fired(now, &mut zones) && !once.enabled());
    assert_eq!(once.due(at(NOON), &mut zones), Ok(None));
    let mut gone = job(r#"{"kind":"at","atMs":1000}"#, "{}");
    gone.set("", "deleteAfterRun", json!(true));
    assert!(!gone.fired(now, &mut zones));
}

#[test]
fn outcomes_are_written_only_when_they_change() {
    let mut job = job(r#"{"kind":"every","everyMs":60000}"#, "{}");
    assert!(job.record_end(Some("no network")));
    assert!(!job.record_end(Some("no network")));
    assert!(job.record_end(None));
    assert!(!job.record_end(None));
}

#[test]
fn a_reminder_comes_back_from_the_original_as_one() {
    let mut job = Job::parse(r#"{"id":"x"}"#).expect("a job");
    job.set_deliver(true);
    let topic = Address { channel: "telegram".into(), chat: "-305".into(), topic: "9".into() };
    job.set_to(&topic);
    assert_eq!((job.deliver(), job.to()), (true, topic.clone()));
    assert_eq!(job.0["payload"]["to"], "-305/9");
    // The fields of a payload that the original preserves: kind, message, command, channel, to.
    job.set("payload", "deliver", Value::Null);
    job.set("payload", "topic", Value::Null);
    assert_eq!((job.deliver(), job.to()), (true, topic));
    job.set_deliver(false);
    assert!(!job.deliver());
    let old =
        |payload: &str| Job::parse(&format!(r#"{{"id":"x","payload":{payload}}}"#)).expect("a job");
    assert!(old(r#"{"kind":"agent_turn","deliver":true}"#).deliver());
    assert!(!old(r#"{"kind":"agent_turn"}"#).deliver());
    let slash = old(r#"{"channel":"pico","to":"a/b","topic":""}"#);
    assert_eq!(slash.to().chat, "a/b", "only numbers have topics");
}

#[test]
fn a_topic_is_told_by_its_form_in_every_instance() {
    let work = r#"{"id":"x","payload":{"channel":"work","to":"-305/9"}}"#;
    let topic = Address { channel: "work".into(), chat: "-305".into(), topic: "9".into() };
    let mut job = Job::parse(work).expect("a job");
    assert_eq!(job.to(), topic);
    job.set_to(&topic);
    assert_eq!((&job.0["payload"]["to"], job.to()), (&json!("-305/9"), topic));
    for chat in ["5/9", "a/b", "-/9", "5/"] {
        let own = Address { channel: "pico".into(), chat: chat.into(), topic: String::new() };
        job.set_to(&own);
        assert_eq!(job.to(), own, "the slash is the chat's own");
    }
}

#[test]
fn jobs_missed_by_more_than_a_day_are_reported() {
    let missed = |schedule: &str, next: &str, now: Now| {
        let mut job = job(schedule, "{}");
        job.set("state", "nextRunAtMs", if next == "-" { Value::Null } else { json!(ms(next)) });
        job.missed(now).map(|at| rfc3339(at)[..16].to_owned())
    };
    let once = format!(r#"{{"kind":"at","atMs":{}}}"#, ms("2026-04-30T12:00"));
    let day = Some("2026-04-30T12:00".to_owned());
    assert_eq!(missed(&once, "-", at("2026-05-01T12:00")), None, "a day to the second");
    assert_eq!(missed(&once, "-", at("2026-05-01T12:01")), day);
    let dark = Now { trusted: false, ..at("2026-06-01T12:00") };
    assert_eq!(missed(&once, "-", dark), None);
    let daily = r#"{"kind":"cron","expr":"0 12 * * *"}"#;
    assert_eq!(missed(daily, "2026-04-30T12:00", at("2026-05-01T11:00")), None);
    assert_eq!(missed(daily, "2026-04-30T12:00", at("2026-05-03T11:00")), day);
    assert_eq!(missed(daily, "-", at("2026-05-03T11:00")), None);
    let every = r#"{"kind":"every","everyMs":600000}"#;
    assert_eq!(missed(every, "2026-04-30T12:00", at("2026-05-03T11:00")), day);
    assert_eq!(missed("7", "2026-04-30T12:00", at("2026-05-03T11:00")), None);
}

#[test]
fn an_expression_with_seconds_fires_every_ten_at_most() {
    let mut job = job(r#"{"kind":"cron","expr":"* * * * * *","tz":"UTC"}"#, "{}");
    let now = at(NOON);
    assert!(job.fired(now.wall, &mut zones));
    assert_eq!(job.next(), Some(now.wall + 10));
    assert_eq!(job.due(now, &mut zones), Ok(Some(Due::Wall(now.wall + 10))));
    let later = Now { wall: now.wall + 5, ..now };
    assert_eq!(job.due(later, &mut zones), Ok(Some(Due::Wall(now.wall + 10))));
}
