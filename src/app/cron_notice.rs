//! What a chat is told of jobs that do not run: those missed by more than a day, and those whose schedule nobody
//! understands. One message for each chat. Looking at the file waits for the disk.

use std::path::Path;

use super::cron_jobs::PriorState;
use crate::bus::{Address, CRON, Inbound};
use crate::limits::{CRON_MISSED, CRON_NOTICE_JOBS};
use crate::proto::text::one_line;
use crate::sched::cron_store::{Zones, local_time};
use crate::sched::job::{Due, Job, Now, Schedule, key};
use crate::sched::jobs_file::{self, Edit, JobsFileError};

/// [`crate::bus::Sender::id`] of such messages begins so.
const NOTICE: &str = "notice-";

/// Missed and invalid jobs that one chat is told of, in one message.
#[derive(Debug, Default, PartialEq)]
pub(super) struct MissedNotice {
    pub(super) to: Address,
    missed: String,
    invalid: String,
    listed: usize,
    /// Jobs for which there was no room.
    more: usize,
}

/// Everything that is to be told, and the jobs that it is about.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Notices {
    pub(super) chats: Vec<MissedNotice>,
    /// Jobs whose time was missed.
    pub(super) missed: Vec<u64>,
    /// Jobs that cannot run, and why.
    pub(super) invalid: Vec<(u64, String)>,
}

impl Notices {
    /// There is nothing to tell and nothing to write down.
    pub(super) fn is_empty(&self) -> bool {
        self.missed.is_empty() && self.invalid.is_empty()
    }

    /// Looks at a job; true when it is not to fire.
    pub(super) fn check(
        &mut self,
        job: &Job,
        now: Now,
        known: &PriorState,
        zones: &mut Zones,
    ) -> bool {
        let number = key(job.id());
        let Some(at) = job.missed(now).filter(|_| !known.running_intervals.contains(&number))
        else {
            return false;
        };
        self.missed.push(number);
        // Told by a message that the last run left open: nothing was written down after it.
        let id = id(&job.to());
        let is_told =
            known.open_notices.iter().any(|(told, date)| *told == id && date - at > CRON_MISSED);
        if !is_told {
            let when = local_time(at, job.expr().1, zones).unwrap_or_default();
            let text = if job.command().is_empty() { job.message() } else { job.command() };
            let line =
                format!("\n- {} (due {when}): {}", one_line(job.name(), 60), one_line(text, 150));
            self.add(job, |notice| notice.missed.push_str(&line));
        }
        true
    }

    /// A job that cannot run; told once, as its state says.
    pub(super) fn invalid(&mut self, job: &Job, why: &str) {
        if !job.enabled() || job.outcome() == ("error", why) {
            return;
        }
        self.invalid.push((key(job.id()), why.to_owned()));
        let line = format!("\n- {}: {}", one_line(job.name(), 60), one_line(why, 200));
        self.add(job, |notice| notice.invalid.push_str(&line));
    }

    fn add(&mut self, job: &Job, write: impl FnOnce(&mut MissedNotice)) {
        let to = job.to();
        let at = self.chats.iter().position(|c| c.to == to).unwrap_or_else(|| {
            self.chats.push(MissedNotice { to, ..MissedNotice::default() });
            self.chats.len() - 1
        });
        let Some(notice) = self.chats.get_mut(at) else { return };
        if notice.listed == CRON_NOTICE_JOBS {
            notice.more += 1;
            return;
        }
        notice.listed += 1;
        write(notice);
    }
}

fn id(to: &Address) -> String {
    format!("{NOTICE}{:016x}", key(&[&*to.channel, &*to.chat, &*to.topic].join("\n")))
}

/// Is this the id of a notice and not of a job?
pub(super) fn is_notice(id: &str) -> bool {
    id.starts_with(NOTICE)
}

impl MissedNotice {
    /// The message, to its chat or, where nothing reaches that one, another.
    pub(super) fn message(&self, to: Address, now: Now) -> Inbound {
        let mut text = String::new();
        if !self.missed.is_empty() {
            text.push_str("⏰ These jobs were missed by more than a day and are not made good:");
            text.push_str(&self.missed);
        }
        if !self.invalid.is_empty() {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str("⚠️ These jobs do not run, because their schedule is not understood:");
            text.push_str(&self.invalid);
        }
        if self.more > 0 {
            text.push_str(&format!("\n… and {} more; `picoclaw cron list` has all.", self.more));
        }
        let mut message = Inbound { from: to, date: now.wall, text, ..Inbound::default() };
        message.sender.platform = CRON.into();
        message.sender.id = id(&self.to);
        message.sender.name = super::turns::jobs::DELIVER.into();
        message
    }
}

/// Writes down that these jobs were told; gives when the missed ones are due next.
pub(super) fn record_told(
    path: &Path,
    notices: &Notices,
    now: Now,
) -> (Vec<(u64, Due)>, Result<(), JobsFileError>) {
    let mut zones = Zones::default();
    let mut due = Vec::new();
    let mut edit = |job: &mut Job| {
        let number = key(job.id());
        if let Some((_, why)) = notices.invalid.iter().find(|(k, _)| *k == number) {
            job.record_end(Some(why));
            return Edit::Write;
        }
        if !notices.missed.contains(&number) {
            return Edit::Keep;
        }
        let stays = job.skip_missed(now.wall, &mut |tz| zones.find(tz));
        if stays { Edit::Write } else { Edit::Delete }
    };
    // The next times are needed whether they can be written down or not.
    let scanned = jobs_file::scan(path, &mut |job| {
        let Ok(mut job) = job else { return };
        let number = key(job.id());
        if !matches!(edit(&mut job), Edit::Write) || !notices.missed.contains(&number) {
            return;
        }
        let next = match job.schedule() {
            Ok(Schedule::Every(seconds)) => Some(Due::Mono(now.mono + seconds.max(1))),
            _ => job.next().filter(|_| job.enabled()).map(Due::Wall),
        };
        due.extend(next.map(|next| (number, next)));
    });
    let written = scanned.and_then(|()| jobs_file::rewrite(path, &mut edit, None));
    (due, written)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sys::scratch::Scratch;

    const NOW: Now = Now { wall: 1_777_636_800, trusted: true, mono: 50 }; // 2026-05-01T12:00Z

    fn job(id: &str, chat: &str, schedule: Value, state: Value) -> Job {
        let payload = json!({"message": format!("message of {id}"), "channel": "telegram", "to": chat, "deliver": true});
        let job = json!({"id": id, "name": id, "enabled": true, "schedule": schedule, "payload": payload, "state": state, "deleteAfterRun": schedule["kind"] == "at"});
        Job::parse(&job.to_string()).expect("a job")
    }

    /// Hours before now, in milliseconds.
    fn ago(hours: i64) -> i64 {
        (NOW.wall - hours * 3600) * 1000
    }

    fn look(jobs: &[Job], known: &PriorState) -> Notices {
        let mut notices = Notices::default();
        let mut zones = Zones::default();
        for job in jobs {
            if !notices.check(job, NOW, known, &mut zones) {
                if let Err(why) = job.due(NOW, &mut |tz| zones.find(tz)) {
                    notices.invalid(job, &why);
                }
            }
        }
        notices
    }

    fn old_home() -> Vec<Job> {
        let daily = json!({"kind": "cron", "expr": "0 8 * * *", "tz": "UTC"});
        vec![
            job("tea", "5", json!({"kind": "at", "atMs": ago(25)}), json!({})),
            job("recent", "5", json!({"kind": "at", "atMs": ago(23)}), json!({})),
            job("daily", "5", daily.clone(), json!({"nextRunAtMs": ago(500)})),
            job(
                "ping",
                "6",
                json!({"kind": "every", "everyMs": 600_000}),
                json!({"nextRunAtMs": ago(30)}),
            ),
            job("odd", "6", json!({"kind": "cron", "expr": "0 0 L-3 * *"}), json!({})),
            job("off", "6", json!({"kind": "at", "atMs": ago(-2)}), json!({})),
        ]
    }

    #[test]
    fn one_message_a_chat_names_what_was_missed_and_what_cannot_run() {
        let notices = look(&old_home(), &PriorState::default());
        assert_eq!(notices.missed, ["tea", "daily", "ping"].map(key));
        assert_eq!(notices.chats.len(), 2);
        let texts: Vec<String> =
            notices.chats.iter().map(|n| n.message(Address::default(), NOW).text).collect();
        assert!(
            texts[0].contains("- tea (due ") && texts[0].contains("message of tea"),
            "{texts:?}"
        );
        assert!(texts[0].contains("- daily (due 2026-04-10 16:00 UTC)"), "{texts:?}");
        assert!(
            texts[1].contains("- ping") && texts[1].contains("- odd: day of month `L-3`"),
            "{texts:?}"
        );
    }

    #[test]
    fn recorded_notices_are_not_repeated() {
        let dir = Scratch::named("notices");
        let path = dir.join("jobs.json");
        let jobs: Vec<Value> = old_home().into_iter().map(|j| Value::Object(j.0)).collect();
        std::fs::write(&path, json!({"version": 1, "jobs": jobs}).to_string()).expect("written");
        let notices = look(&old_home(), &PriorState::default());
        let (due, written) = record_told(&path, &notices, NOW);
        written.expect("written");
        let morning = 1_777_708_800; // 2026-05-02T08:00Z
        assert_eq!(due, [(key("daily"), Due::Wall(morning)), (key("ping"), Due::Mono(650))]);
        let mut left = Vec::new();
        jobs_file::scan(&path, &mut |job| left.push(job.expect("a job"))).expect("readable");
        let names: Vec<&str> = left.iter().map(Job::id).collect();
        assert_eq!(names, ["recent", "daily", "ping", "odd", "off"]);
        assert_eq!(look(&left, &PriorState::default()), Notices::default());
    }

    #[test]
    fn earlier_or_resolved_notices_are_not_repeated() {
        let open = Address { channel: "telegram".into(), chat: "5".into(), ..Address::default() };
        let known = PriorState {
            running_intervals: vec![key("ping")],
            open_notices: vec![(id(&open), NOW.wall)],
        };
        let notices = look(&old_home(), &known);
        assert_eq!(notices.missed, ["tea", "daily"].map(key));
        assert_eq!(notices.chats.len(), 1, "{notices:?}");
        assert!(!notices.chats[0].message(Address::default(), NOW).text.contains("missed"));
    }

    #[test]
    fn a_long_list_is_counted() {
        let old = |n: usize| {
            job(&format!("j{n}"), "5", json!({"kind": "at", "atMs": ago(99)}), json!({}))
        };
        let jobs: Vec<Job> = (0..CRON_NOTICE_JOBS + 7).map(old).collect();
        let text =
            look(&jobs, &PriorState::default()).chats[0].message(Address::default(), NOW).text;
        assert!(text.ends_with("… and 7 more; `picoclaw cron list` has all."), "{text}");
    }
}
