//! Blocking work (files on a slow card, fsync) off the loop's thread.
//!
//! One thread does it, in order, and ends when there is none left for half a second: a thread costs about 100 kB. Work that
//! hangs (a disk that has died) must not hold up everybody else's, so what has waited behind it for [`BLOCKING_PATIENCE`]
//! gets a thread more; [`stuck`] tells the watchdog. The machinery (queue, waker) is compiled once and not for every caller.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::limits::{BLOCKING_IDLE, BLOCKING_PATIENCE, BLOCKING_THREADS};

/// What is known of work by both sides. Of no type: each caller's own copy of the code would cost 150 bytes.
struct Shared {
    result: Option<thread::Result<Outcome>>,
    waker: Option<Waker>,
    /// Nobody waits any more.
    dropped: bool,
}

type Outcome = Box<dyn Any + Send>;

/// The result of work that runs or waits. Dropped, it takes work back that has not begun.
pub struct BlockingTask<T>(Begun, PhantomData<fn() -> T>);

/// Starts blocking work as soon as a thread is free.
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> BlockingTask<T> {
    BlockingTask(begin(Box::new(move || Box::new(work()))), PhantomData)
}

fn begin(work: Box<dyn FnOnce() -> Outcome + Send>) -> Begun {
    let shared = Shared { result: None, waker: None, dropped: false };
    let begun = Begun(Arc::new(Mutex::new(shared)));
    let filled = begun.0.clone();
    start(
        place(&begun.0),
        Box::new(move || {
            if lock(&filled).dropped {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(work));
            let mut shared = lock(&filled);
            shared.result = Some(result);
            if let Some(waker) = shared.waker.take() {
                waker.wake();
            }
        }),
    );
    begun
}

/// Bytes of stack of a thread of its own; a page or two of them are touched.
const STACK: usize = 256 * 1024;

/// Does blocking work on a thread of its own, which ends with it: what must not wait behind the pool's one thread (a reply's
/// acceptance), or must not hold it up (names). `None` where the system has no thread left, or the work panicked. How many
/// there are at once is the caller's affair.
pub async fn spawn_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, result) = smol::channel::bounded(1);
    let work = move || {
        // Nobody waits any more when the caller was dropped.
        let _ = sender.try_send(work());
    };
    start_thread(name, Box::new(work)).ok()?;
    result.recv().await.ok()
}

/// Starts a thread of its own.
///
/// # Errors
/// The system has no thread left.
pub fn start_thread(name: &str, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.into()).stack_size(STACK).spawn(work).map(drop)
}

/// The caller's half.
struct Begun(Arc<Mutex<Shared>>);

impl Begun {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut shared = lock(&self.0);
        match shared.result.take() {
            Some(Ok(result)) => Poll::Ready(result),
            Some(Err(panic)) => resume_unwind(panic),
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T: 'static> Future for BlockingTask<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.0.poll(cx) {
            Poll::Ready(outcome) => match outcome.downcast() {
                Ok(result) => Poll::Ready(*result),
                Err(_) => unreachable!("work of another type"),
            },
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        lock(&self.0).dropped = true;
        // Else it was begun: the pool has its half no more.
        if Arc::strong_count(&self.0) > 1 {
            take_back(place(&self.0));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Work = Box<dyn FnOnce() + Send>;

/// Tells work in the queue apart: where what both sides know of it is. Nothing else is there while the work has its half.
fn place<T>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

struct Pool {
    /// Bounded by who waits: each piece belongs to a [`BlockingTask`] that is alive, and those to tasks with limits of their
    /// own (turns, deliveries, clients).
    queue: VecDeque<(usize, Work)>,
    /// For each thread that may be: there is none, it waits for work, or it has worked since then.
    threads: [Thread; BLOCKING_THREADS],
}

#[derive(Clone, Copy, PartialEq)]
enum Thread {
    None,
    Idle,
    Busy(Instant),
}

static POOL: Mutex<Pool> =
    Mutex::new(Pool { queue: VecDeque::new(), threads: [Thread::None; BLOCKING_THREADS] });
static WORK: Condvar = Condvar::new();

fn start(place: usize, work: Work) {
    let mut pool = lock(&POOL);
    pool.queue.push_back((place, work));
    pool.provide();
}

/// Forgets work that has not begun.
fn take_back(place: usize) {
    let mut pool = lock(&POOL);
    let at = pool.queue.iter().position(|(other, _)| *other == place);
    let work = at.and_then(|at| pool.queue.remove(at));
    drop(pool);
    // What it owns may use the pool.
    drop(work);
}

impl Pool {
    /// Sees to it that somebody takes what waits, unless a thread will soon be free.
    fn provide(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        if self.threads.contains(&Thread::Idle) {
            return WORK.notify_one();
        }
        let hangs =
            |t: &Thread| matches!(t, Thread::Busy(since) if since.elapsed() >= BLOCKING_PATIENCE);
        if !self.threads.iter().all(|t| *t == Thread::None || hangs(t)) {
            return;
        }
        let Some(slot) = self.threads.iter().position(|t| *t == Thread::None) else { return };
        let name = String::from("blocking");
        // Where there is none to be had, the next piece of work or look at the pool tries again.
        if thread::Builder::new().name(name).spawn(move || serve(slot)).is_ok() {
            // It is as good as at work: nobody else is started for the same piece.
            self.threads[slot] = Thread::Busy(Instant::now());
        }
    }
}

/// One thread's life.
fn serve(slot: usize) {
    let mut pool = lock(&POOL);
    loop {
        if let Some((_, work)) = pool.queue.pop_front() {
            pool.threads[slot] = Thread::Busy(Instant::now());
            drop(pool);
            work();
            pool = lock(&POOL);
            continue;
        }
        pool.threads[slot] = Thread::Idle;
        let waited = WORK.wait_timeout(pool, BLOCKING_IDLE);
        let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        pool = again;
        if timeout.timed_out() && pool.queue.is_empty() {
            pool.threads[slot] = Thread::None;
            return;
        }
    }
}

/// For how long the oldest work has run that has not ended, and whether every thread that may be is held up like that. Also
/// gives what waits behind it a thread; to be called again and again.
pub fn stuck() -> (Duration, bool) {
    let mut pool = lock(&POOL);
    pool.provide();
    let busy = pool.threads.iter().filter_map(|t| match t {
        Thread::Busy(since) => Some(since.elapsed()),
        _ => None,
    });
    let (longest, count) = busy.fold((Duration::ZERO, 0), |(longest, n), for_| {
        (longest.max(for_), n + usize::from(for_ >= BLOCKING_PATIENCE))
    });
    (longest, count == BLOCKING_THREADS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_at_once_and_its_result_comes_back() {
        let (tell, told) = std::sync::mpsc::channel();
        let work = spawn_blocking(move || {
            tell.send(()).expect("the test waits");
            String::from("done")
        });
        // Nobody has polled yet.
        told.recv_timeout(Duration::from_secs(20)).expect("it was started");
        assert_eq!(smol::block_on(work), "done");
    }

    #[test]
    fn a_panic_reaches_who_waits() {
        let work = spawn_blocking(|| -> u8 { panic!("on purpose") });
        let caught =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| smol::block_on(work)));
        assert!(caught.is_err());
    }

    /// What hangs is told of, and does not hold up what came after it; what was given up is not done.
    #[test]
    fn other_work_continues_while_one_hangs() {
        let (release, held_up) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let hanging = spawn_blocking(move || {
            tell.send(()).expect("the test waits");
            held_up.recv()
        });
        told.recv_timeout(Duration::from_secs(20)).expect("it was started");
        let begun = Instant::now();
        let owned = Arc::new(());
        let clone = owned.clone();
        drop(spawn_blocking(move || panic!("nobody wants it any more: {clone:?}")));
        assert_eq!(Arc::strong_count(&owned), 1, "it waits for the thread that hangs");
        let waiting = spawn_blocking(|| 7);
        let watched = std::thread::spawn(|| {
            // As the housekeeping does.
            let end = Instant::now() + Duration::from_secs(20);
            while stuck().0 < BLOCKING_PATIENCE && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(50));
            }
            stuck().0
        });
        assert_eq!(smol::block_on(waiting), 7);
        assert!(
            begun.elapsed() >= BLOCKING_PATIENCE / 2,
            "one thread does for as long as it works"
        );
        assert!(watched.join().expect("it ends") >= BLOCKING_PATIENCE);
        release.send(()).expect("it waits");
        smol::block_on(hanging).expect("released");
    }
}
