//! Long-running tasks: started again with a growing pause when they end, and listed in `status`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::control::TaskReport;
use crate::error::Result;

/// Pauses between restarts: doubled from the first to the last, from the first again after an hour's health.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
const HEALTHY: Duration = Duration::from_secs(3600);

/// The table of task states.
#[derive(Clone, Default)]
pub struct Tasks(Rc<RefCell<Vec<TaskReport>>>);

impl Tasks {
    /// A copy for `status`.
    pub fn report(&self) -> Vec<TaskReport> {
        self.0.borrow().clone()
    }

    /// Runs what `start` makes, again and again, for ever.
    pub async fn run<F: Future<Output = Result<()>>>(
        &self,
        name: &str,
        mut start: impl FnMut() -> F,
    ) {
        let index = {
            let mut table = self.0.borrow_mut();
            table.push(TaskReport { name: name.into(), ..TaskReport::default() });
            table.len() - 1
        };
        let mut pause = PAUSES.0;
        loop {
            let begun = Instant::now();
            let why = match start().await {
                Ok(()) => "it ended".to_string(),
                Err(e) => e.to_string(),
            };
            if begun.elapsed() > HEALTHY {
                pause = PAUSES.0;
            }
            crate::log::error!("{name}: {why}; it is started again in {} s", pause.as_secs());
            if let Some(task) = self.0.borrow_mut().get_mut(index) {
                task.restarts += 1;
                task.last_error = why;
            }
            async_io::Timer::after(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
