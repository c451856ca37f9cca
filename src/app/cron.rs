//! Fires jobs: sleeps until the next one, hands it to the hub, writes down that it has fired.
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

use super::hub::Hub;
use super::internal::{DELIVER, Ended};
use crate::bus::{Address, CRON, Inbound};
use crate::limits::{CRON_LATE, CRON_UNRECORDED};
use crate::proto::date;
use crate::sched::desk::{self, Zones};
use crate::sched::file::{self, Edit, Fault};
use crate::sched::job::{Due, Job, Now, Schedule, key};
use crate::sched::timetable::Timetable;
use crate::store::session::Sessions;
use crate::sys::clock;
use crate::sys::wall_timer::WallTimer;
use crate::tool::cron::Order;

/// See the module.
pub struct Scheduler {
    hub: Rc<Hub>,
    path: PathBuf,
    table: RefCell<Timetable>,
    started: Instant,
    /// Jobs that have fired although jobs.json does not say so: number, unix second.
    unrecorded: RefCell<Vec<(u64, i64)>>,
    /// The file could not be read: nothing fires until it can.
    fault: RefCell<String>,
    /// Wall clock less monotonic clock, to see steps.
    skew: Cell<i64>,
    wake: (Sender<()>, Receiver<()>),
}

/// What a look at the file found.
struct Found {
    due: Vec<(u64, Due)>,
    notes: Vec<String>,
}

impl Scheduler {
    /// Looks at the journal only: what the last run left there has fired. Call it before the hub runs.
    pub fn new(hub: Rc<Hub>) -> Scheduler {
        let open = hub.open_jobs();
        let path = file::path(&hub.agent.config.agent.workspace);
        Scheduler {
            hub,
            path,
            table: RefCell::default(),
            started: Instant::now(),
            unrecorded: RefCell::new(open.iter().map(|(id, at)| (key(id), *at)).collect()),
            fault: RefCell::default(),
            skew: Cell::new(0),
            wake: smol::channel::bounded(1),
        }
    }

    /// Jobs that wait, or what is wrong; for `status`.
    pub fn state(&self) -> String {
        let fault = self.fault.borrow();
        if fault.is_empty() {
            format!("{} waiting", self.table.borrow().len())
        } else {
            fault.clone()
        }
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
    pub async fn order(&self, order: Order) -> Result<String, String> {
        let (path, now, id) = (self.path.clone(), self.now(), order.id.clone());
        let done = smol::unblock(move || desk::carry_out(&path, &order, now)).await;
        let done = done.map_err(|e| e.to_string())?;
        if done.changed {
            self.table.borrow_mut().remove(key(&id));
            self.load().await;
        }
        if let Some(job) = done.run {
            self.fire(job, None).await;
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
            while let Some((job, due)) = { self.table.borrow().due(self.now()) } {
                self.fire(job, Some(due)).await;
            }
            self.sleep(&mut timer).await;
            let now = self.now();
            let skew = now.wall - now.mono as i64;
            // Also what an untrusted clock becomes trusted by.
            if (skew - self.skew.get()).abs() > 2 {
                self.load().await;
            }
        }
    }

    /// Until something is due, the clock is set, or an order came.
    async fn sleep(&self, timer: &mut Option<WallTimer>) {
        let (wall, mono) = self.table.borrow().next();
        let now = self.now();
        if wall.is_some() && timer.is_none() {
            match WallTimer::new() {
                Ok(made) => *timer = Some(made),
                Err(e) => tracing::error!("no timer: {e}"),
            }
        }
        let clock = async {
            match (wall, &timer) {
                (None, _) => std::future::pending().await,
                (Some(at), Some(timer)) => match timer.until(now.trusted.then_some(at)).await {
                    Ok(()) => return,
                    Err(e) => tracing::error!("the timer failed: {e}"),
                },
                (Some(_), None) => {}
            }
            // Without the kernel's help the clock is looked at every half minute.
            async_io::Timer::after(Duration::from_secs(30)).await;
        };
        let interval = async {
            match mono {
                Some(at) => async_io::Timer::at(self.started + Duration::from_secs(at)).await,
                None => std::future::pending().await,
            };
        };
        let ended = async {
            if let Ok(ended) = self.hub.ended.1.recv().await {
                self.ended(ended).await;
            }
        };
        let woken = async {
            // The sender is ours: it cannot be gone.
            let _ = self.wake.1.recv().await;
        };
        or(or(clock, interval), or(woken, ended)).await;
    }

    /// Reads the file anew. Intervals under way go on.
    async fn load(&self) {
        let now = self.now();
        self.skew.set(now.wall - now.mono as i64);
        let (path, fired) = (self.path.clone(), self.unrecorded.borrow().clone());
        let found = smol::unblock(move || look(&path, now, &fired)).await;
        match found {
            Ok(found) => {
                self.unrecorded.borrow_mut().clear();
                self.fault.borrow_mut().clear();
                found.notes.iter().for_each(|note| tracing::warn!("{note}"));
                let mut table = self.table.borrow_mut();
                table.retain(|key| found.due.iter().any(|(k, _)| *k == key));
                for (key, due) in found.due {
                    let under_way =
                        matches!((table.get(key), due), (Some(Due::Mono(_)), Due::Mono(_)));
                    if !under_way && !table.set(key, due) {
                        tracing::warn!(
                            "there are too many jobs; the last ones in jobs.json do not run"
                        );
                        break;
                    }
                }
            }
            Err(e) => {
                tracing::error!("{e}");
                self.fault.replace(e);
            }
        }
    }

    /// Fires a job, or passes this time over when the one before still runs.
    async fn fire(&self, key: u64, due: Option<Due>) {
        let path = self.path.clone();
        let job = smol::unblock(move || find(&path, key)).await;
        let Some(job) = job else {
            self.table.borrow_mut().remove(key);
            return;
        };
        let now = self.now();
        let id = if self.hub.has_open(CRON, job.id()) {
            tracing::warn!("job {}: the last run has not ended; this one is left out", job.id());
            None
        } else {
            match self.message(&job, due, now) {
                Some(message) => Some(self.hub.keep(message).await),
                None => {
                    tracing::warn!("job {}: there is no chat for its answer yet", job.id());
                    None
                }
            }
        };
        if due.is_some() {
            self.record(key, job, now).await;
        }
        if let Some(id) = id {
            self.hub.start(id);
        }
    }

    /// Writes down that a job has fired, and when it does so next.
    async fn record(&self, key: u64, mut job: Job, now: Now) {
        let path = self.path.clone();
        let (due, written) = smol::unblock(move || {
            let mut zones = Zones::default();
            let mut zone = |tz: &str| zones.find(tz);
            let written = recorded(&path, &[(key, now.wall)]);
            let stays = job.fired(now.wall, &mut zone);
            let due = match job.schedule() {
                Ok(Schedule::Every(seconds)) => Some(Due::Mono(now.mono + seconds.max(1))),
                _ => job.due(now, &mut zone).ok().flatten(),
            };
            (due.filter(|_| stays), written)
        })
        .await;
        if let Err(e) = written {
            tracing::error!("{e}; after a restart the job may fire once more");
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

    /// The message of a firing; `None` while there is no chat to answer in.
    fn message(&self, job: &Job, due: Option<Due>, now: Now) -> Option<Inbound> {
        let known =
            |to: &Address| !to.chat.is_empty() && self.hub.outbox.channel(&to.channel).is_some();
        let own = Some(job.to()).filter(known);
        let from = own.or_else(|| self.hub.last_chat().filter(known))?;
        let late = match due {
            Some(Due::Wall(at)) if now.wall - at > CRON_LATE => late(at),
            _ => String::new(),
        };
        let mut message = Inbound { from, date: now.wall, ..Inbound::default() };
        message.sender.platform = CRON.into();
        message.sender.id = job.id().into();
        if !job.command().is_empty() {
            message.sender.name = DELIVER.into();
            message.text = format!(
                "Scheduled command '{}' was not run: shell jobs need an approval.",
                crate::proto::text::one_line(job.command(), 200)
            );
        } else if job.deliver() {
            message.sender.name = DELIVER.into();
            message.text = format!("{}{late}", job.message());
        } else {
            message.text = format!(
                "The scheduled job '{}' has begun; nobody is writing. Do its task; your answer goes to the chat.{late}\n\n{}",
                crate::proto::text::one_line(job.name(), 60),
                job.message()
            );
        }
        Some(message)
    }

    /// Keeps how a firing ended, and clears up behind jobs that are gone.
    async fn ended(&self, (id, error): Ended) {
        let (path, sessions) = (self.path.clone(), self.hub.agent.sessions.clone());
        let result = smol::unblock(move || end(&path, &sessions, &id, error.as_deref())).await;
        if let Err(e) = result {
            tracing::warn!("{e}");
        }
    }
}

/// Tells that a time was missed.
fn late(at: i64) -> String {
    let c = date::civil(at + i64::from(clock::utc_offset(at)));
    format!(
        "\n\n(This was due on {:04}-{:02}-{:02} at {:02}:{:02}; the device was off or its clock was wrong.)",
        c.year, c.month, c.day, c.hour, c.minute
    )
}

/// When which job is due; a broken file is moved away.
fn look(path: &std::path::Path, now: Now, fired: &[(u64, i64)]) -> Result<Found, String> {
    let mut notes = Vec::new();
    if !fired.is_empty() {
        if let Err(e) = recorded(path, fired) {
            notes.push(e.to_string());
        }
    }
    let mut zones = Zones::default();
    let mut due = Vec::new();
    let scanned = file::scan(path, &mut |job| match job {
        Ok(job) => match job.due(now, &mut |tz| zones.find(tz)) {
            Ok(Some(at)) => due.push((key(job.id()), at)),
            Ok(None) => {}
            Err(why) => notes.push(format!("job {} is not run: {why}", job.id())),
        },
        Err(why) => notes.push(format!("a job in jobs.json is not run: {why}")),
    });
    match scanned {
        Ok(()) => {}
        Err(Fault::Broken(why)) => {
            due.clear();
            match file::set_aside(path, now.wall) {
                Ok(to) => {
                    notes.push(format!("jobs.json is broken ({why}); it is now {}", to.display()))
                }
                Err(e) => return Err(format!("jobs.json is broken ({why}) and stays: {e}")),
            }
        }
        Err(Fault::Disk(e)) => return Err(e.to_string()),
    }
    // The same job twice: the file's first one counts.
    notes.truncate(20);
    Ok(Found { due, notes })
}

/// Marks jobs as fired, each at its second; nothing is written when the file says so already.
fn recorded(path: &std::path::Path, fired: &[(u64, i64)]) -> Result<(), Fault> {
    let at = |job: &Job| {
        let found = fired.iter().find(|(k, _)| *k == key(job.id()))?;
        (job.last() != Some(found.1)).then_some(found.1)
    };
    let mut any = false;
    file::scan(path, &mut |job| any |= job.is_ok_and(|j| at(&j).is_some()))?;
    if !any {
        return Ok(());
    }
    let mut zones = Zones::default();
    let mut edit = |job: &mut Job| match at(job) {
        None => Edit::Keep,
        Some(second) if job.fired(second, &mut |tz| zones.find(tz)) => Edit::Write,
        Some(_) => Edit::Delete,
    };
    file::rewrite(path, &mut edit, None)
}

fn find(path: &std::path::Path, wanted: u64) -> Option<Job> {
    let mut found = None;
    let scanned = file::scan(path, &mut |job| {
        found = found.take().or(job.ok().filter(|j| key(j.id()) == wanted));
    });
    if let Err(e) = scanned {
        tracing::error!("{e}");
    }
    found
}

fn end(
    path: &std::path::Path,
    sessions: &Sessions,
    id: &str,
    error: Option<&str>,
) -> crate::Result<()> {
    let mut job = find(path, key(id));
    if job.is_none() {
        return sessions.remove(&super::session_key::cron(id));
    }
    if job.as_mut().is_some_and(|job| error.is_some() && job.ended(error)) {
        let mut edit = |job: &mut Job| match job.id() == id {
            true if job.ended(error) => Edit::Write,
            _ => Edit::Keep,
        };
        file::rewrite(path, &mut edit, None).map_err(|e| crate::Error::new(e.to_string()))?;
    }
    Ok(())
}
