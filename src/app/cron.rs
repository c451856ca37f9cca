//! Fires jobs: sleeps until the next one, hands it to the inbox, writes down that it has fired.
//!
//! # Once, whatever happens
//! A firing is a message in the journal (sender [`CRON`], the job's id, the second it fired). It is synced there first,
//! then jobs.json says that the job has fired, and only then the message begins. A crash in between leaves the message
//! open, and the next start finds it before it looks at the jobs: [`Scheduler::new`]. Afterwards it is a message like any
//! other: answered once, delivered once.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::channel::{Receiver, Sender};
use smol::future::or;

use super::cron_health::FileHealth;
use super::cron_jobs::{PriorState, find, record_end, record_fired, scan};
use super::cron_message;
use super::cron_notice::{self, Notices};
use super::inbox::internal::InternalInbox;
use super::notifier::Notifier;
use super::turns::jobs::JobEnd;
use crate::agent::Agent;
use crate::bus::{CRON, Inbound};
use crate::limits::{CLOCK_LOOK, CRON_MISSED, CRON_RETRY, CRON_UNRECORDED, JOB_ENDS};
use crate::sched::approval_mac::ApprovalMac;
use crate::sched::cron_store;
use crate::sched::job::{Due, Job, Now, key};
use crate::sched::jobs_file::{self, JobsFileError};
use crate::sched::timetable::Timetable;
use crate::sys::clock;
use crate::sys::wall_timer::WallTimer;
use crate::tool::cron_handle::CronRequest;

/// Waits for the next job, fires it and records that it has fired.
pub struct Scheduler {
    agent: Rc<Agent>,
    notifier: Rc<Notifier>,
    inbox: InternalInbox,
    ends: Receiver<JobEnd>,
    path: PathBuf,
    table: RefCell<Timetable>,
    started: Instant,
    /// Jobs that have fired although jobs.json does not say so: number, unix second.
    unrecorded: RefCell<Vec<(u64, i64)>>,
    health: FileHealth,
    /// Wall clock less monotonic clock, to see steps.
    skew: Cell<i64>,
    wake: (Sender<()>, Receiver<()>),
    /// Notices that the last run left open: id, unix second.
    open_notices: Vec<(String, i64)>,
    /// Chats are being told; one at a time.
    telling: Cell<bool>,
    /// One reads and rewrites jobs.json at a time: orders, firings and their ends come from different tasks, and the
    /// pool that works for them may have several threads.
    file: smol::lock::Mutex<()>,
}

/// Why the scheduler woke.
enum Event {
    /// A firing ended. It is handled outside of the wait, which drops what it did not choose.
    Ended(JobEnd),
    /// A time has come, the clock was set, or an order came.
    Woken,
}

impl Scheduler {
    /// Reads the journal only: what the last run left there has fired. Call it before turns run. `ends` says how
    /// firings ended.
    pub fn new(
        agent: Rc<Agent>,
        notifier: Rc<Notifier>,
        inbox: InternalInbox,
        ends: Receiver<JobEnd>,
    ) -> Scheduler {
        let open = inbox.open_jobs();
        let path = jobs_file::path(&agent.config.home);
        Scheduler {
            agent,
            notifier,
            inbox,
            ends,
            path,
            table: RefCell::default(),
            started: Instant::now(),
            unrecorded: RefCell::new(open.iter().map(|(id, at)| (key(id), *at)).collect()),
            health: FileHealth::default(),
            skew: Cell::new(0),
            wake: smol::channel::bounded(1),
            open_notices: open.into_iter().filter(|(id, _)| cron_notice::is_notice(id)).collect(),
            telling: Cell::new(false),
            file: smol::lock::Mutex::new(()),
        }
    }

    /// Jobs that wait, or what is wrong; for `status`.
    pub fn state(&self) -> String {
        self.health.status(self.table.borrow().len())
    }

    fn now(&self) -> Now {
        Now {
            wall: clock::unix_now(),
            trusted: crate::net::clock_is_set(),
            mono: self.started.elapsed().as_secs(),
        }
    }

    /// Carries an order of a person or model out.
    ///
    /// # Errors
    /// For whoever gave it.
    pub async fn request(&self, request: CronRequest) -> Result<String, String> {
        let (path, now) = (self.path.clone(), self.now());
        let mac = ApprovalMac::new(&self.agent.config.home);
        let done = {
            let _alone = self.file.lock().await;
            crate::sys::spawn_blocking(move || cron_store::apply(&path, &mac, &request, now)).await
        };
        let done = done.map_err(|e| e.to_string())?;
        if let Some(job) = done.changed {
            self.table.borrow_mut().remove(job);
            self.load().await;
        }
        if let Some(job) = done.run {
            self.fire(job, None).await?;
        }
        // Full means a wake-up is under way already.
        let _ = self.wake.0.try_send(());
        Ok(done.text)
    }

    /// Fires jobs for ever.
    pub async fn run(&self) {
        self.load().await;
        let mut timer = None;
        loop {
            while let Some((job, due)) = self.next_due() {
                match due {
                    // It slept through its time, and more: told, not fired.
                    Due::Wall(at) if self.now().wall - at > CRON_MISSED => {
                        self.table.borrow_mut().remove(job);
                        self.load().await;
                    }
                    // Why not is in the log and in the job's state.
                    _ => drop(self.fire(job, Some(due)).await),
                }
                // Many that are due at once end meanwhile.
                while self.ends.len() > JOB_ENDS / 2 {
                    let Ok(end) = self.ends.try_recv() else { break };
                    self.job_ended(end).await;
                }
            }
            let retry = self.health.take_retry();
            if let Event::Ended(ended) = self.sleep(&mut timer, retry).await {
                self.job_ended(ended).await;
            }
            let now = self.now();
            let skew = now.wall - now.mono as i64;
            // Also what an untrusted clock becomes trusted by.
            if retry || (skew - self.skew.get()).abs() > 2 {
                self.load().await;
            }
        }
    }

    /// A job that is due now; none while the file cannot be read.
    fn next_due(&self) -> Option<(u64, Due)> {
        if self.health.is_held() { None } else { self.table.borrow().due(self.now()) }
    }

    /// Until something is due, the clock is set, an order came, or a firing ended; with `retry` at most until the file is
    /// tried again.
    async fn sleep(&self, timer: &mut Option<WallTimer>, retry: bool) -> Event {
        let (wall, mut mono) = match self.health.is_held() {
            true => (None, None),
            false => self.table.borrow().next(),
        };
        if retry {
            let again = self.started.elapsed().as_secs() + CRON_RETRY.as_secs();
            mono = Some(mono.map_or(again, |at| at.min(again)));
        }
        let now = self.now();
        crate::log::debug!("cron: {}, nothing is due", self.state());
        if wall.is_some() && timer.is_none() {
            match WallTimer::new() {
                Ok(made) => *timer = Some(made),
                Err(e) => crate::log::error!("no timer: {e}"),
            }
        }
        let clock = async {
            match (wall, &timer) {
                (None, _) => std::future::pending().await,
                (Some(at), Some(timer)) => match timer.until(now.trusted.then_some(at)).await {
                    Ok(()) => return Event::Woken,
                    Err(e) => crate::log::error!("the timer failed: {e}"),
                },
                (Some(_), None) => {}
            }
            // Without the kernel's help the clock is looked at now and then.
            async_io::Timer::after(CLOCK_LOOK).await;
            Event::Woken
        };
        let interval = async {
            match mono {
                Some(at) => async_io::Timer::at(self.started + Duration::from_secs(at)).await,
                None => std::future::pending().await,
            };
            Event::Woken
        };
        // The senders live as long as we do.
        let ended = async { self.ends.recv().await.map_or(Event::Woken, Event::Ended) };
        let woken = async {
            let _ = self.wake.1.recv().await;
            Event::Woken
        };
        or(or(clock, interval), or(woken, ended)).await
    }

    /// Reads the file again. Intervals that are running keep their time.
    async fn load(&self) {
        let now = self.now();
        self.skew.set(now.wall - now.mono as i64);
        let (path, fired) = (self.path.clone(), self.unrecorded.borrow().clone());
        let known = PriorState {
            running_intervals: self.table.borrow().intervals().collect(),
            open_notices: self.open_notices.clone(),
        };
        let found = {
            let _alone = self.file.lock().await;
            crate::sys::spawn_blocking(move || scan(&path, now, &fired, &known)).await
        };
        match found {
            Ok(found) => {
                self.unrecorded.borrow_mut().retain(|_| !found.is_recorded);
                self.health.was_read(found.is_recorded);
                found.notes.iter().for_each(|note| crate::log::warn!("{note}"));
                self.plan(found.due);
                self.send_notices(found.notices, now).await;
            }
            Err(e) => self.health.unreadable(&e),
        }
    }

    /// Replaces the timetable by what a scan of the file found.
    fn plan(&self, found: Vec<(u64, Due)>) {
        let mut table = self.table.borrow_mut();
        table.retain(|key| found.iter().any(|(k, _)| *k == key));
        for (key, due) in found {
            let under_way = matches!((table.get(key), due), (Some(Due::Mono(_)), Due::Mono(_)));
            if !under_way && !table.set(key, due) {
                crate::log::warn!("there are too many jobs; the last ones in jobs.json do not run");
                break;
            }
        }
    }

    /// Tells chats of jobs that do not run: into the journal first, then into jobs.json, then on its way, as a firing.
    async fn send_notices(&self, notices: Notices, now: Now) {
        if notices.is_empty() || self.telling.replace(true) {
            return;
        }
        let mut kept = Vec::new();
        for notice in &notices.chats {
            match self.notifier.destination(notice.to.clone()) {
                Ok(to) => kept.push(self.inbox.admit(notice.message(to, now)).await),
                Err(why) => crate::log::warn!("nobody could be told of missed jobs: {why}"),
            }
        }
        let path = self.path.clone();
        let (due, written) = {
            let _alone = self.file.lock().await;
            crate::sys::spawn_blocking(move || cron_notice::record_told(&path, &notices, now)).await
        };
        if let Err(e) = written {
            crate::log::error!("{e}; after a restart the same jobs may be told once more");
        }
        for (key, due) in due {
            self.table.borrow_mut().set(key, due);
        }
        kept.into_iter().for_each(|id| self.inbox.start(id));
        self.telling.set(false);
    }

    /// Fires a job, or passes this time over when the one before still runs.
    ///
    /// # Errors
    /// Why it did not fire.
    async fn fire(&self, key: u64, due: Option<Due>) -> Result<(), String> {
        let (path, mac) = (self.path.clone(), ApprovalMac::new(&self.agent.config.home));
        let found = crate::sys::spawn_blocking(move || {
            let job = find(&path, key)?;
            let approved = job.as_ref().is_some_and(|j| !j.command().is_empty() && mac.verify(j));
            Ok((job, approved))
        });
        let (job, approved) = match found.await.map_err(|e: JobsFileError| e.to_string()) {
            Ok((Some(job), approved)) => (job, approved),
            Ok((None, _)) => {
                self.table.borrow_mut().remove(key);
                return Ok(());
            }
            Err(e) => {
                self.health.unreadable(&e);
                return Err(e);
            }
        };
        let now = self.now();
        let job_id = job.id().to_owned();
        let open = self.inbox.has_open(CRON, &job_id);
        let message = match self.message(&job, due, now, approved) {
            _ if open => Err("the last run has not ended; this one is skipped".to_owned()),
            made => made,
        };
        let admitted = match message {
            Ok(message) => Ok(self.inbox.admit(message).await),
            Err(why) => Err(why),
        };
        if due.is_some() {
            self.record(key, job, now).await;
        }
        match admitted {
            Ok(id) => self.inbox.start(id),
            Err(why) => {
                crate::log::warn!("job {job_id}: {why}");
                if !open {
                    self.job_ended((job_id, Some(why.clone()))).await;
                }
                return Err(why);
            }
        }
        Ok(())
    }

    /// Writes down that a job has fired, and when it does so next.
    async fn record(&self, key: u64, mut job: Job, now: Now) {
        let path = self.path.clone();
        let alone = self.file.lock().await;
        let (due, written) =
            crate::sys::spawn_blocking(move || record_fired(&path, key, &mut job, now)).await;
        drop(alone);
        if let Err(e) = written {
            self.health.unwritten(&e.to_string());
            let mut unrecorded = self.unrecorded.borrow_mut();
            unrecorded.retain(|(k, _)| *k != key);
            if unrecorded.len() < CRON_UNRECORDED {
                unrecorded.push((key, now.wall));
            }
        }
        let mut table = self.table.borrow_mut();
        match due {
            Some(due) => {
                table.set(key, due);
            }
            None => table.remove(key),
        }
    }

    /// The message of a firing.
    ///
    /// # Errors
    /// There is no chat to answer in.
    fn message(
        &self,
        job: &Job,
        due: Option<Due>,
        now: Now,
        approved: bool,
    ) -> Result<Inbound, String> {
        let from = self.notifier.destination(job.to())?;
        Ok(cron_message::message(&self.agent.config.tools, job, from, due, now, approved))
    }

    /// Keeps how a firing ended, and clears up behind jobs that are gone.
    async fn job_ended(&self, (id, error): JobEnd) {
        if cron_notice::is_notice(&id) {
            return;
        }
        let (path, sessions) = (self.path.clone(), self.agent.sessions.clone());
        let _alone = self.file.lock().await;
        let result =
            crate::sys::spawn_blocking(move || record_end(&path, &sessions, &id, error.as_deref()))
                .await;
        if let Err(e) = result {
            crate::log::warn!("{e}");
        }
    }
}
