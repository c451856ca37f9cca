//! What reaches a turn while it runs: `/stop`.

use super::hub::Hub;
use crate::store::frame::Frame;

impl Hub {
    /// `/stop`: ends the session's turn and forgets what waits behind it. True when there was anything.
    pub(super) fn stop(&self, session: &str) -> bool {
        let mut any = self.cancel(session, None);
        for turn in self.running.borrow().iter().filter(|r| r.session == session) {
            any = true;
            // Full: it was told before.
            let _ = turn.stop.try_send(());
        }
        let mut waiting = self.waiting.borrow_mut();
        let belongs = |id: &u64| {
            self.journal
                .ledger(|l| l.get(*id).map(|e| self.session_of(e)))
                .is_some_and(|key| key == session)
        };
        let gone: Vec<u64> = waiting.iter().copied().filter(belongs).collect();
        waiting.retain(|id| !gone.contains(id));
        for id in gone {
            any = true;
            self.journal.record(&Frame::Finished { id });
        }
        any
    }

    /// Ends a turn by its number; false when it does not run.
    pub(super) fn stop_turn(&self, id: u64) -> bool {
        let running = self.running.borrow();
        let turn = running.iter().find(|r| r.id == id);
        // Full: it was told before.
        turn.map(|r| r.stop.try_send(())).is_some()
    }
}
