//! Runs hardware calls one at a time, on a separate thread.
//!
//! A driver can block a thread indefinitely, and nothing can stop it. So there is at most one such thread, the rest of the
//! program does not wait for it, and while it hangs further calls are refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use async_io::Timer;
use smol::channel::bounded;
use smol::future::or;
use smol::lock::Mutex;

use crate::limits::HARDWARE_TIME;
use crate::sys::hardware::on_own_thread;

/// Opens the device, executes the call, returns the result.
pub type Work = Box<dyn FnOnce() -> Result<String, String> + Send>;

/// Held by the thread itself.
static TURN: Mutex<()> = Mutex::new(());
/// The call that holds it was abandoned; meaningless once it is free.
static STUCK: AtomicBool = AtomicBool::new(false);
/// Which device that was.
static DEVICE: SyncMutex<String> = SyncMutex::new(String::new());

/// Runs the work. With an empty `device` it cannot hang.
pub async fn run(device: String, work: Work) -> Result<String, String> {
    within(HARDWARE_TIME, device, work).await
}

async fn within(limit: Duration, device: String, work: Work) -> Result<String, String> {
    let busy = || {
        let device = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{device} hangs in the kernel since an earlier call, so nothing was done; it may come back by itself, or when its wiring is put right or the board is restarted"
        )
    };
    if STUCK.load(Ordering::Relaxed) {
        match TURN.try_lock() {
            None => return Err(busy()),
            Some(_) => STUCK.store(false, Ordering::Relaxed),
        }
    }
    let turn = or(async { Some(TURN.lock().await) }, async {
        Timer::after(limit).await;
        None
    });
    let Some(turn) = turn.await else { return Err(busy()) };
    DEVICE.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&device);
    let (sender, answer) = bounded(1);
    let thread = move || {
        let result = work();
        drop(turn);
        // Nobody waits if the turn was stopped.
        let _ = sender.try_send(result);
    };
    if let Err(e) = on_own_thread(Box::new(thread)) {
        return Err(format!("{device}: no thread can be started: {e}"));
    }
    let done = or(async { answer.recv().await.ok() }, async {
        Timer::after(limit).await;
        None
    });
    match done.await {
        Some(result) => result,
        None => {
            STUCK.store(true, Ordering::Relaxed);
            Err(format!(
                "{device} did not answer within {} s and was given up; look at its wiring. What was sent may have arrived",
                limit.as_secs()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(limit: u64, work: Work) -> Result<String, String> {
        async_io::block_on(within(Duration::from_millis(limit), "/dev/i2c-9".into(), work))
    }

    #[test]
    fn a_device_that_hangs_holds_nothing_up_and_comes_back() {
        assert_eq!(wait(5000, Box::new(|| Ok("a".into()))), Ok("a".into()));
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let work = Box::new(move || hang.recv().map(|()| "late".into()).map_err(|e| e.to_string()));
        let e = wait(50, work).expect_err("it hangs");
        assert!(e.contains("/dev/i2c-9 did not answer within"), "{e}");
        // Refused at once, and the one thread for the journal is free.
        let begin = std::time::Instant::now();
        let e = wait(60_000, Box::new(|| Ok("b".into()))).expect_err("refused");
        assert!(e.contains("/dev/i2c-9 hangs in the kernel"), "{e}");
        assert_eq!(async_io::block_on(crate::sys::spawn_blocking(Box::new(|| 7))), 7);
        assert!(begin.elapsed() < Duration::from_secs(10));
        release.send(()).expect("the thread waits");
        for _ in 0..500 {
            if let Ok(text) = wait(1000, Box::new(|| Ok("c".into()))) {
                assert_eq!(text, "c");
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it never came back");
    }
}
