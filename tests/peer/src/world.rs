//! Everything the peer knows, behind one lock, and the waiting on it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::model::Settings;
use crate::telegram::Telegram;

/// Requests to a model that are kept for tests to look at.
const KEPT_REQUESTS: usize = 64;
/// The longest sleep before a condition is looked at again although nothing changed.
const RECHECK: Duration = Duration::from_millis(50);

/// What a path of the web gives.
#[derive(Clone)]
pub enum File {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The way to this address.
    Redirect(String),
}

/// The state.
pub struct World {
    pub telegram: Telegram,
    pub model: Settings,
    pub faults: Faults,
    pub ledger: Ledger,
    /// Calls by side and method, e.g. `tg.sendMessage`.
    pub calls: BTreeMap<String, u64>,
    /// Calls nobody answers.
    pub unknown: BTreeMap<String, u64>,
    /// The newest requests to a model, oldest first.
    pub requests: VecDeque<Value>,
    /// Bytes of all requests to a model, and of the largest.
    pub request_bytes: (u64, u64),
    /// Requests a real model server would have refused, with its words.
    pub refused: Vec<String>,
    /// The file that was sent last.
    pub last_upload: Vec<u8>,
    /// Paths that give a file, or lead to another address.
    pub files: BTreeMap<String, File>,
    /// Requests begun so far, but those that steer; of these, the ones that are not answered yet.
    pub begun: u64,
    /// See `begun`.
    pub working: u64,
    /// A drive is running.
    pub driving: bool,
    /// The peer is going away.
    pub stopping: bool,
}

impl World {
    pub fn new(telegram: Telegram, model: Settings, first_marker: u64) -> World {
        World {
            telegram,
            model,
            faults: Faults::default(),
            ledger: Ledger::new(first_marker),
            calls: BTreeMap::new(),
            unknown: BTreeMap::new(),
            requests: VecDeque::new(),
            request_bytes: (0, 0),
            refused: Vec::new(),
            last_upload: Vec::new(),
            files: BTreeMap::new(),
            begun: 0,
            working: 0,
            driving: false,
            stopping: false,
        }
    }

    pub fn count(&mut self, call: String) {
        *self.calls.entry(call).or_insert(0) += 1;
    }

    pub fn unknown(&mut self, call: String) {
        *self.unknown.entry(call).or_insert(0) += 1;
    }

    pub fn keep_request(&mut self, request: Value, bytes: usize) {
        self.request_bytes.0 += bytes as u64;
        self.request_bytes.1 = self.request_bytes.1.max(bytes as u64);
        if self.requests.len() == KEPT_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    /// Is every update taken and confirmed, and every request answered but long polls? Then the requests begun so far, by
    /// which one tells later whether another came since.
    pub fn rest(&self) -> Option<u64> {
        let still = self.telegram.updates.is_empty() && self.working == self.telegram.polling;
        still.then_some(self.begun)
    }

    /// Forgets what was counted; updates that were not fetched yet stay.
    pub fn reset(&mut self) {
        self.ledger.reset();
        self.calls.clear();
        self.unknown.clear();
        self.requests.clear();
        self.request_bytes = (0, 0);
        self.refused.clear();
        self.telegram.reset_counts();
    }

    /// Everything as numbers.
    pub fn stats(&self) -> Value {
        let mut all = self.ledger.report();
        all["calls"] = json!(self.calls);
        all["unknown"] = json!(self.unknown);
        all["faults"] = json!(self.faults.hits());
        all["model_request_bytes"] = json!(self.request_bytes.0);
        all["model_request_largest"] = json!(self.request_bytes.1);
        all["model_requests_refused"] = json!(self.refused);
        all["driving"] = json!(self.driving);
        self.telegram.report(&mut all);
        all
    }
}

/// The lock and the bell.
pub struct Shared {
    world: Mutex<World>,
    changed: Condvar,
}

impl Shared {
    pub fn new(world: World) -> Shared {
        Shared { world: Mutex::new(world), changed: Condvar::new() }
    }

    /// Looks, without waking anybody.
    pub fn look<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.lock())
    }

    /// Changes something others may wait for.
    pub fn change<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        let result = f(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until `ready` finds something, at most `limit`. Also ends when the peer stops or `alive` says no.
    pub fn wait<T>(
        &self,
        limit: Duration,
        alive: &dyn Fn() -> bool,
        mut ready: impl FnMut(&mut World) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + limit;
        let mut world = self.lock();
        loop {
            if let Some(found) = ready(&mut world) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || world.stopping || !alive() {
                return None;
            }
            let waited = self.changed.wait_timeout(world, left.min(RECHECK));
            world = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A test thread that failed while it looked leaves a state that others may still read.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
