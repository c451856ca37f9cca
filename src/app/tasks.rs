//! Long-running tasks: started again with a growing pause when they end, and listed in `status`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::control::TaskReport;
use crate::error::Result;
use crate::limits::{TASK_HEALTHY, TASK_PAUSES};

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
        let mut pause = TASK_PAUSES.0;
        loop {
            let begun = Instant::now();
            let why = match start().await {
                Ok(()) => "it ended".to_string(),
                Err(e) => e.to_string(),
            };
            if begun.elapsed() > TASK_HEALTHY {
                pause = TASK_PAUSES.0;
            }
            crate::log::error!("{name}: {why}; it is started again in {} s", pause.as_secs());
            if let Some(task) = self.0.borrow_mut().get_mut(index) {
                task.restarts += 1;
                task.last_error = why;
            }
            async_io::Timer::after(pause).await;
            pause = (pause * 2).min(TASK_PAUSES.1);
        }
    }
}
