//! Blocking work (files on a slow card, fsync) off the loop's thread.
//!
//! The thread pool's machinery (a task's frame, its table of functions, its waker) is compiled for one type of work only; with
//! `smol::unblock` it was compiled for every caller, 600 bytes each.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use smol::Task;

/// The result of work that runs or waits on the pool. Dropped, it takes work back that has not begun.
pub struct BlockingTask<T> {
    task: Task<()>,
    result: Arc<Mutex<Option<T>>>,
}

/// Starts blocking work at once.
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> BlockingTask<T> {
    let result = Arc::new(Mutex::new(None));
    let filled = result.clone();
    let work = move || *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(work());
    BlockingTask { task: start(Box::new(work)), result }
}

fn start(work: Box<dyn FnOnce() + Send>) -> Task<()> {
    smol::unblock(work)
}

impl<T> Future for BlockingTask<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        ready!(Pin::new(&mut self.task).poll(cx));
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic of the work comes out of the task above.
        Poll::Ready(result.expect("work that ended has a result, and it is taken once"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
}
