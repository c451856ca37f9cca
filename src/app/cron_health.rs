//! Whether jobs.json can be read and written, and what follows from it.

use std::cell::{Cell, RefCell};

/// The state of jobs.json as the last attempts have found it.
#[derive(Default)]
pub struct FileHealth {
    /// Why it could not be read or written, for `status`.
    fault: RefCell<String>,
    /// It could not be read: nothing fires until it can, because what would fire is in it.
    held: Cell<bool>,
    /// It is tried again after [`CRON_RETRY`](crate::limits::CRON_RETRY).
    retry: Cell<bool>,
}

impl FileHealth {
    /// It could not be read.
    pub fn unreadable(&self, why: &str) {
        crate::log::error!("{why}");
        self.held.set(true);
        self.fail(why);
    }

    /// It could not be written. Jobs still fire; the caller remembers which.
    pub fn unwritten(&self, why: &str) {
        crate::log::error!("{why}; after a restart the job may fire once more");
        self.fail(why);
    }

    fn fail(&self, why: &str) {
        why.clone_into(&mut self.fault.borrow_mut());
        self.retry.set(true);
    }

    /// It was read; `is_recorded` says that it contains everything that has fired.
    pub fn was_read(&self, is_recorded: bool) {
        self.held.set(false);
        self.retry.set(!is_recorded);
        if is_recorded {
            self.fault.borrow_mut().clear();
        }
    }

    /// Whether nothing may fire.
    pub fn is_held(&self) -> bool {
        self.held.get()
    }

    /// Whether it is to be tried again; asked once.
    pub fn take_retry(&self) -> bool {
        self.retry.take()
    }

    /// The words of `status` for so many waiting jobs.
    pub fn status(&self, waiting: usize) -> String {
        match self.fault.borrow().as_str() {
            "" => format!("{waiting} waiting"),
            fault => format!("{waiting} waiting; {fault}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_cannot_be_read_holds_jobs() {
        let health = FileHealth::default();
        assert_eq!((health.is_held(), health.status(2).as_str()), (false, "2 waiting"));
        health.unwritten("cannot save");
        assert!(!health.is_held() && health.take_retry() && !health.take_retry());
        health.was_read(false);
        assert_eq!(health.status(2), "2 waiting; cannot save", "still");
        assert!(!health.is_held() && health.take_retry());
        health.was_read(true);
        assert_eq!((health.take_retry(), health.status(1).as_str()), (false, "1 waiting"));
        health.unreadable("cannot read");
        assert!(health.is_held() && health.take_retry());
        health.was_read(true);
        assert_eq!((health.is_held(), health.status(0).as_str()), (false, "0 waiting"));
    }
}
