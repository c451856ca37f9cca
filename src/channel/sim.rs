//! The channel of `simulate`: reports replies, receives nothing.

use super::{Channel, Delivery, Intake, SendError};
use crate::bus::{Address, Outbound, Question, Verdict};

/// Channel without a network: `simulate` reads the replies it was given.
pub struct Sim {
    told: Box<dyn Fn(&str)>,
}

impl Sim {
    /// `told` is called with each reply's text.
    pub fn new(told: Box<dyn Fn(&str)>) -> Sim {
        Sim { told }
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

    async fn run<I: Intake>(&self, _: &I) {
        std::future::pending().await
    }

    async fn send(&self, reply: &Outbound, _: &mut Delivery) -> Result<(), SendError> {
        (self.told)(&reply.text);
        Ok(())
    }

    async fn ask(&self, _: &Address, _: &str, _: &Question) -> Verdict {
        Verdict::Unreachable
    }

    async fn typing(&self, _: &Address) {
        std::future::pending().await
    }
}
