//! Whether writes reach the disk: `durability: on`, or `off` and why.

use std::cell::RefCell;

/// Shared by all writers; shown in `status`, the log and chats.
#[derive(Default)]
pub struct Durability(RefCell<Option<String>>);

impl Durability {
    /// Why writing fails; `None` while it works.
    pub fn off(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Records a failed write; true if writing worked before.
    pub fn lost(&self, why: &str) -> bool {
        self.0.borrow_mut().replace(why.to_string()).is_none()
    }

    /// Records a successful write; true if writing failed before.
    pub fn back(&self) -> bool {
        self.0.borrow_mut().take().is_some()
    }
}
