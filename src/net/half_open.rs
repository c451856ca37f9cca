//! Limits connections that have not authenticated yet, so that no client can block the others.
//!
//! When all slots are taken, the oldest connection of the address with the most slots is evicted. So a client that opens
//! silent connections evicts its own, and a client that authenticates at once is served at any load.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use smol::channel::{Receiver, Sender, bounded};

/// A waiting connection; dropping it evicts the connection.
struct Waiting {
    address: Option<IpAddr>,
    number: u64,
    _alive: Sender<()>,
}

#[derive(Default)]
struct List {
    waiting: Vec<Waiting>,
    last: u64,
}

/// The slots of one listener.
#[derive(Clone)]
pub struct HalfOpen {
    list: Rc<RefCell<List>>,
    most: usize,
}

/// A connection's slot; freed when dropped.
pub struct Slot {
    list: Rc<RefCell<List>>,
    number: u64,
    alive: Receiver<()>,
}

impl HalfOpen {
    /// At most `most` at a time, at least one.
    pub fn new(most: usize) -> HalfOpen {
        HalfOpen { list: Rc::default(), most: most.max(1) }
    }

    /// Takes a slot for a connection from `address`, `None` for Unix sockets. Never waits.
    pub fn enter(&self, address: Option<IpAddr>) -> Slot {
        let (sender, alive) = bounded(1);
        let mut list = self.list.borrow_mut();
        if list.waiting.len() >= self.most {
            let of = |a: Option<IpAddr>| list.waiting.iter().filter(|w| w.address == a).count();
            let most = list.waiting.iter().map(|w| of(w.address)).max();
            // In order of arrival, so the first is the oldest.
            let victim = list.waiting.iter().position(|w| Some(of(w.address)) == most);
            if let Some(at) = victim {
                list.waiting.remove(at);
            }
        }
        list.last += 1;
        let number = list.last;
        list.waiting.push(Waiting { address, number, _alive: sender });
        Slot { list: Rc::clone(&self.list), number, alive }
    }
}

impl Slot {
    /// Ready when another connection has taken the slot.
    pub async fn evicted(&self) {
        // Nothing is ever sent: the other end is dropped.
        while self.alive.recv().await.is_ok() {}
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.list.borrow_mut().waiting.retain(|w| w.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn evicted(place: &Slot) -> bool {
        pin!(place.evicted()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn at_the_limit_and_above_it() {
        let half_open = HalfOpen::new(3);
        let ip = |n: u8| Some(IpAddr::from([127, 0, 0, n]));
        let own = half_open.enter(ip(1));
        let flood: Vec<Slot> = (0..2).map(|_| half_open.enter(ip(2))).collect();
        assert!(![&own, &flood[0], &flood[1]].into_iter().any(evicted));
        // The oldest of whoever has the most.
        let more = half_open.enter(ip(2));
        assert!(evicted(&flood[0]) && !evicted(&own) && !evicted(&flood[1]) && !evicted(&more));
        drop(flood);
        let again = half_open.enter(ip(3));
        assert!(!evicted(&own) && !evicted(&more) && !evicted(&again));
        let last = half_open.enter(None);
        assert!(evicted(&own), "all have one: the oldest");
        assert!(!evicted(&last));
    }
}
