use super::*;
use crate::bus::Address;
use crate::sys::scratch::Scratch;

const NOW: Now = Now { wall: 1_777_636_800, trusted: true, mono: 50 }; // 2026-05-01T12:00Z

struct Fixture {
    path: std::path::PathBuf,
    _home: Scratch,
}

impl Fixture {
    fn new(name: &str) -> Fixture {
        let home = Scratch::named(name);
        Fixture { path: home.join("cron/jobs.json"), _home: home }
    }

    fn give(&self, request: CronRequest) -> Result<String, String> {
        apply(&self.path, &self.approval_mac(), &request, NOW)
            .map(|d| d.text)
            .map_err(|e| e.to_string())
    }

    fn approval_mac(&self) -> ApprovalMac {
        let home = self.path.parent().expect("a folder");
        std::fs::create_dir_all(home.join("state")).expect("a folder");
        ApprovalMac::new(home)
    }

    #[track_caller]
    fn add(&self, request: CronRequest) -> String {
        let text = self.give(CronRequest { action: "add".into(), ..request }).expect("added");
        let id = text.split(['(', ')']).nth(1).unwrap_or_default();
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
        id.to_owned()
    }

    fn on(&self, action: &str, id: &str) -> Result<String, String> {
        self.give(CronRequest { action: action.into(), id: id.into(), ..CronRequest::default() })
    }

    fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        jobs_file::scan(&self.path, &mut |job| jobs.push(job.expect("a job"))).expect("readable");
        jobs
    }
}

fn chat(chat: &str) -> Address {
    Address { channel: "telegram".into(), chat: chat.into(), topic: String::new() }
}

fn tea() -> CronRequest {
    CronRequest {
        message: "drink the tea that stands there".into(),
        at_seconds: 60,
        ..CronRequest::default()
    }
}

#[test]
fn a_job_has_the_form_of_the_original() {
    let fixture = Fixture::new("fixture-form");
    let id = fixture.add(CronRequest { to: chat("5"), ..tea() });
    let job = &fixture.jobs()[0].0;
    assert_eq!(job["id"], id);
    assert_eq!(job["name"], "drink the tea that stands ther");
    assert_eq!(job["schedule"], json!({"kind": "at", "atMs": (NOW.wall + 60) * 1000}));
    assert_eq!(
        job["payload"],
        json!({"kind": "reminder", "message": "drink the tea that stands there", "deliver": true, "channel": "telegram", "to": "5"})
    );
    assert_eq!(job["state"], json!({"nextRunAtMs": (NOW.wall + 60) * 1000}));
    assert_eq!((&job["enabled"], &job["deleteAfterRun"]), (&json!(true), &json!(true)));
}

#[test]
fn the_first_of_at_every_and_cron_counts() {
    let fixture = Fixture::new("fixture-request");
    let all = CronRequest { every_seconds: 60, cron_expr: "0 8 * * *".into(), ..tea() };
    fixture.add(all.clone());
    fixture.add(CronRequest { at_seconds: 0, ..all.clone() });
    fixture.add(CronRequest { at_seconds: 0, every_seconds: 0, tz: "Asia/Tokyo".into(), ..all });
    let kinds: Vec<Value> = fixture.jobs().iter().map(|j| j.0["schedule"].clone()).collect();
    assert_eq!(kinds[0]["kind"], "at");
    assert_eq!(kinds[1], json!({"kind": "every", "everyMs": 60_000}));
    assert_eq!(kinds[2], json!({"kind": "cron", "expr": "0 8 * * *", "tz": "Asia/Tokyo"}));
    let text = fixture.on("list", "").expect("a list");
    assert!(text.contains("every 60s, enabled, next 2026-05-01 12:01"), "{text}");
    assert!(
        text.contains("0 8 * * * (Asia/Tokyo), enabled, next 2026-05-02 08:00 Asia/Tokyo"),
        "{text}"
    );
    assert!(text.contains("one-time"), "{text}");
}

#[track_caller]
fn refused(change: impl FnOnce(&mut CronRequest), want: &str) {
    let fixture = Fixture::new("fixture-refused");
    let mut request = CronRequest { action: "add".into(), ..tea() };
    change(&mut request);
    let e = fixture.give(request).expect_err(want);
    assert!(e.contains(want), "{e}");
    assert!(!fixture.path.exists(), "nothing is written for {want}");
}

#[test]
fn refusals_say_why() {
    refused(|o| o.message.clear(), "message is required");
    refused(|o| o.at_seconds = 0, "one of at_seconds");
    refused(|o| o.at_seconds = -5, "negative");
    refused(|o| (o.at_seconds, o.every_seconds) = (0, 3), "at least 10");
    refused(|o| (o.at_seconds, o.cron_expr) = (0, "61 * * * *".into()), "minute");
    refused(|o| (o.at_seconds, o.cron_expr) = (0, "0 0 30 2 *".into()), "never comes true");
    refused(|o| o.tz = "Mars/Olympus".into(), "unknown time zone");
    refused(|o| o.command = "reboot".into(), "approval");
    refused(|o| o.message = "x".repeat(CRON_MESSAGE_BYTES + 1), "bytes");
    refused(|o| o.action = "fly".into(), "unknown action");
    refused(|o| o.action = "remove".into(), "job_id is required");
    refused(|o| (o.action, o.id) = ("update".into(), "gone".into()), "not found");
}

#[test]
fn one_time_jobs_need_a_clock() {
    let fixture = Fixture::new("fixture-clock");
    let dark = Now { wall: 5, trusted: false, mono: 5 };
    let e = apply(
        &fixture.path,
        &fixture.approval_mac(),
        &CronRequest { action: "add".into(), ..tea() },
        dark,
    )
    .expect_err("no clock");
    assert!(e.as_str().contains("clock is not set"), "{e}");
    let every = CronRequest { action: "add".into(), at_seconds: 0, every_seconds: 60, ..tea() };
    apply(&fixture.path, &fixture.approval_mac(), &every, dark).expect("an interval needs none");
    assert_eq!(fixture.jobs()[0].next(), None);
}

#[test]
fn jobs_are_switched_and_removed() {
    let fixture = Fixture::new("fixture-change");
    let daily = || CronRequest { at_seconds: 0, cron_expr: "@daily".into(), ..tea() };
    let id = fixture.add(CronRequest { name: "tea".into(), ..daily() });
    let other = fixture.add(daily());
    assert_eq!(fixture.on("disable", &id).expect("off"), "✓ Job 'tea' disabled");
    assert!(!fixture.jobs()[0].enabled() && fixture.jobs()[1].enabled());
    let before = std::fs::metadata(&fixture.path).expect("file").modified().expect("time");
    assert_eq!(fixture.on("disable", &id).expect("off"), "✓ Job 'tea' disabled");
    assert_eq!(before, std::fs::metadata(&fixture.path).expect("file").modified().expect("time"));
    assert_eq!(fixture.on("enable", &id).expect("on"), "✓ Job 'tea' enabled");
    assert_eq!(fixture.jobs()[0].next(), Some(1_777_680_000));
    let update = CronRequest {
        action: "update".into(),
        id: id.clone(),
        message: "new".into(),
        ..CronRequest::default()
    };
    assert_eq!(fixture.give(update).expect("changed"), "✓ Job 'tea' updated");
    assert_eq!(fixture.jobs()[0].message(), "new");
    assert_eq!(fixture.on("remove", &id).expect("gone"), format!("✓ Removed job {id}"));
    assert_eq!(fixture.on("remove", &id).expect_err("gone"), format!("✗ Job {id} not found"));
    assert_eq!(fixture.jobs().len(), 1);
    let run = CronRequest { action: "run".into(), id: other.clone(), ..CronRequest::default() };
    let done = apply(&fixture.path, &fixture.approval_mac(), &run, NOW).expect("found");
    assert_eq!((done.run, done.changed), (Some(key(&other)), None));
}

#[test]
fn a_chat_sees_its_own_jobs_only() {
    let fixture = Fixture::new("fixture-scope");
    let id = fixture.add(CronRequest { to: chat("5"), ..tea() });
    let as_other = |action: &str| CronRequest {
        action: action.into(),
        id: id.clone(),
        to: chat("6"),
        scoped: true,
        ..CronRequest::default()
    };
    assert_eq!(fixture.give(as_other("list")).expect("a list"), "No scheduled jobs.");
    assert!(fixture.give(as_other("remove")).expect_err("not theirs").contains("not found"));
    let own = CronRequest { to: chat("5"), ..as_other("remove") };
    assert!(fixture.give(own).is_ok());
}

#[test]
fn get_shows_the_whole_job_but_its_approval() {
    let store = Fixture::new("store-get");
    let id =
        store.add(CronRequest { command: "ls".into(), approved: true, to: chat("5"), ..tea() });
    assert!(store.jobs()[0].approval().len() == 64);
    let shown: Value = serde_json::from_str(&store.on("get", &id).expect("a job")).expect("JSON");
    assert_eq!((&shown["id"], &shown["payload"]["command"]), (&json!(id), &json!("ls")));
    assert_eq!(shown["payload"].get("approval"), None);
    assert_eq!(store.on("get", "").expect_err("none"), "job_id is required for get");
    assert_eq!(store.on("get", "gone").expect_err("none"), "✗ Job gone not found");
}

#[test]
fn an_update_changes_one_thing_at_least_and_one_schedule_at_most() {
    let store = Fixture::new("store-update");
    let tokyo = CronRequest { at_seconds: 0, cron_expr: "0 8 * * *".into(), ..tea() };
    let id = store.add(CronRequest { tz: "Asia/Tokyo".into(), ..tokyo });
    let update = |change: &dyn Fn(&mut CronRequest)| {
        let mut request = CronRequest {
            action: "update".into(),
            id: id.clone(),
            approved: true,
            ..CronRequest::default()
        };
        change(&mut request);
        store.give(request)
    };
    let e = update(&|_| ()).expect_err("nothing");
    assert!(e.starts_with("at least one update field is required"), "{e}");
    let e = update(&|o| (o.every_seconds, o.cron_expr) = (60, "@daily".into()));
    assert_eq!(
        e.expect_err("two"),
        "only one of at_seconds, every_seconds or cron_expr can be set"
    );
    let schedule = || store.jobs()[0].0["schedule"].clone();
    let zoned = |expr: &str, tz: &str| json!({"kind": "cron", "expr": expr, "tz": tz});
    // A new time keeps the zone, a new zone keeps the time.
    update(&|o| o.cron_expr = "30 9 * * *".into()).expect("changed");
    assert_eq!(schedule(), zoned("30 9 * * *", "Asia/Tokyo"));
    update(&|o| o.tz = "Europe/Berlin".into()).expect("changed");
    assert_eq!(schedule(), zoned("30 9 * * *", "Europe/Berlin"));
    update(&|o| o.command = "ls".into()).expect("changed");
    // The approval holds for the schedule it was given for.
    let valid = || store.approval_mac().verify(&store.jobs()[0]);
    assert!(valid());
    let e = update(&|o| o.every_seconds = 60).expect_err("the command is not approved for that");
    assert!(e.contains("give command again"), "{e}");
    assert!(valid(), "nothing has changed");
    update(&|o| (o.every_seconds, o.command) = (60, "ls".into())).expect("changed");
    assert!(valid());
    assert_eq!(store.jobs()[0].command(), "ls", "what is not given stays");
    let e = update(&|o| o.tz = "Asia/Tokyo".into()).expect_err("an interval has no zone");
    assert_eq!(e, "tz belongs to a cron_expr");
    update(&|o| o.clear_command = true).expect("changed");
    assert_eq!((store.jobs()[0].command(), store.jobs()[0].approval()), ("", ""));
}

#[test]
fn a_unique_name_is_as_good_as_an_id() {
    let store = Fixture::new("store-name");
    let first = store.add(CronRequest { name: "tea".into(), ..tea() });
    store.on("disable", "tea").expect("off");
    assert!(!store.jobs()[0].enabled());
    let second = store.add(CronRequest { name: "tea".into(), ..tea() });
    let e = store.on("remove", "tea").expect_err("two");
    assert_eq!(
        e,
        format!("there are 2 jobs with the name tea; say which by its id: {first}, {second}")
    );
    // An id takes precedence over a name, and names are per chat.
    store.add(CronRequest { name: first.clone(), to: chat("5"), ..tea() });
    assert_eq!(store.on("remove", &first).expect("gone"), format!("✓ Removed job {first}"));
    assert_eq!(store.on("remove", "tea").expect("gone"), format!("✓ Removed job {second}"));
    assert_eq!(store.jobs().len(), 1);
    let own = CronRequest {
        action: "disable".into(),
        id: first.clone(),
        to: chat("6"),
        scoped: true,
        ..CronRequest::default()
    };
    assert!(store.give(own).expect_err("another chat's").contains("not found"));
    assert!(store.on("disable", &first).is_ok());
}

#[test]
fn expressions_of_the_original_are_taken() {
    let store = Fixture::new("store-forms");
    for expr in ["0 9 L * *", "30 0 9 * * mon", "0 9 * * 5L", "0 9 * * 1#2", "0 9 15W * * 2099"] {
        store.add(CronRequest { at_seconds: 0, cron_expr: expr.into(), ..tea() });
    }
    refused(|o| (o.at_seconds, o.cron_expr) = (0, "*/5 * * * * *".into()), "again after 5 s");
    refused(|o| (o.at_seconds, o.cron_expr) = (0, "0 9 L-3 * *".into()), "day of month `L-3`");
}

#[test]
fn there_is_an_end_to_jobs_and_lists() {
    let fixture = Fixture::new("fixture-many");
    let one = json!({"id": "x", "name": "n".repeat(60), "enabled": true, "schedule": {"kind": "every", "everyMs": 60_000}});
    let jobs: Vec<Value> = (0..CRON_JOBS).map(|_| one.clone()).collect();
    std::fs::create_dir_all(fixture.path.parent().expect("a folder")).expect("made");
    std::fs::write(&fixture.path, json!({"version": 1, "jobs": jobs}).to_string()).expect("write");
    let list = fixture.on("list", "").expect("a list");
    assert!(list.len() < CRON_LIST_BYTES + 100 && list.contains("… and "), "{}", list.len());
    let e = fixture.give(CronRequest { action: "add".into(), ..tea() }).expect_err("full");
    assert!(e.contains("1000 jobs already"), "{e}");
}

#[test]
fn a_broken_file_is_reported_and_kept() {
    let fixture = Fixture::new("fixture-broken");
    std::fs::create_dir_all(fixture.path.parent().expect("a folder")).expect("made");
    std::fs::write(&fixture.path, "{\"jobs\":[").expect("write");
    for action in ["list", "add"] {
        let e = fixture.give(CronRequest { action: action.into(), ..tea() }).expect_err("broken");
        assert!(e.starts_with("jobs.json is broken"), "{e}");
    }
    assert_eq!(std::fs::read_to_string(&fixture.path).expect("kept"), "{\"jobs\":[");
}
