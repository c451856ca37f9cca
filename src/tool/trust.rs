//! How far a turn is trusted.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;

use super::addresses::Addresses;
use super::allowed::AllowedTools;
use crate::bus::Verdict;

/// Asks the person who started the turn.
pub type Asker = Rc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Verdict>>>>;

/// How far a turn is trusted: its user, and what it has read.
#[derive(Clone, Default)]
pub struct Trust {
    /// How to ask its user; `None` if nobody can be asked.
    pub ask: Option<Asker>,
    /// No message started it (heartbeat, cron, consolidation).
    pub unattended: bool,
    /// The tools that AGENT.md leaves it; `None` where that does not say.
    pub allowed: Option<Rc<AllowedTools>>,
    /// It has read untrusted text.
    pub untrusted: Rc<Cell<bool>>,
    /// The addresses that were in what it has read.
    pub addresses: Rc<RefCell<Addresses>>,
}

impl Trust {
    /// Why a call that affects others asks; `None` while the turn has read no untrusted text.
    pub fn untrusted(&self) -> Option<&'static str> {
        self.untrusted.get().then_some("what the assistant has read from others may be behind it")
    }

    /// Why a change of what later prompts hold asks; `None` while the turn has read no untrusted text.
    pub fn for_later(&self) -> Option<&'static str> {
        const LATER: &str = "the assistant will go by it in every conversation, and what it has read from others may be behind it";
        self.untrusted().and(Some(LATER))
    }
}
