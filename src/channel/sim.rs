//! The channel of `simulate`: counts replies, receives nothing.

use std::cell::Cell;
use std::rc::Rc;

use super::{Channel, Delivery, Intake, SendError};
use crate::bus::{Address, Attachment, Outbound, Verdict};

/// See the module.
pub struct Sim {
    delivered: Rc<Cell<u64>>,
}

impl Sim {
    /// Counts into `delivered`.
    pub fn new(delivered: Rc<Cell<u64>>) -> Sim {
        Sim { delivered }
    }
}

impl Channel for Sim {
    const NAME: &'static str = "sim";

    fn name(&self) -> &str {
        Self::NAME
    }

    fn split(&self, text: &str) -> Vec<String> {
        vec![text.to_string()]
    }

    fn state(&self) -> String {
        "running".into()
    }

    fn is_healthy(&self) -> bool {
        true
    }

    fn link(&self) -> String {
        String::new()
    }

    fn pairing_code(&self) -> String {
        String::new()
    }

    async fn run<I: Intake>(&self, _: &I) {
        std::future::pending().await
    }

    async fn send(&self, _: &Outbound, _: &mut Delivery) -> Result<(), SendError> {
        self.delivered.set(self.delivered.get() + 1);
        Ok(())
    }

    async fn placeholder(&self, _: &Address, _: i64) -> Result<i64, SendError> {
        Ok(0)
    }

    async fn fetch(&self, _: &Attachment, _: &mut dyn std::io::Write) -> Result<u64, SendError> {
        Err(SendError::Permanent("the simulation has no files".into()))
    }

    async fn ask(&self, _: &Address, _: &str, _: &str) -> Verdict {
        Verdict::Unreachable
    }

    async fn typing(&self, _: &Address) {
        std::future::pending().await
    }
}
