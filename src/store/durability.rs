//! Whether what we write is safe: `durability: on`, or `off` and why.

use std::cell::RefCell;

/// Shared by everything that writes; read by `status`, the log and the chats.
#[derive(Default)]
pub struct Durability(RefCell<Option<String>>);

impl Durability {
    /// The reason when writing failed last, `None` while all is well.
    pub fn off(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Writing failed; true when it worked until now.
    pub fn lost(&self, why: &str) -> bool {
        self.0.borrow_mut().replace(why.to_string()).is_none()
    }

    /// Writing works; true when it had failed until now.
    pub fn back(&self) -> bool {
        self.0.borrow_mut().take().is_some()
    }
}
