//! When the peer is at rest: the other half of proving that something does not happen.

use std::time::Duration;

use crate::peer::Peer;

impl Peer {
    /// Waits until every update was taken and confirmed and every request answered but long polls; `None` when that takes
    /// longer than `limit`. The number is that of the requests so far: the same later means that none came in between.
    pub fn wait_rest(&self, limit: Duration) -> Option<u64> {
        self.inner.shared.wait(limit, &|| true, |w| w.rest())
    }
}
