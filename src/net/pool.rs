//! Idle connections: few, and none for long.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::route::ServerRoute;
use super::stream::HttpStream;
use crate::limits::{POOL_CONNECTIONS, POOL_IDLE};

struct Idle {
    route: Rc<ServerRoute>,
    stream: HttpStream,
    until: Instant,
}

/// At most [`POOL_CONNECTIONS`] idle connections, the oldest first.
pub(super) struct Pool {
    idle: RefCell<Vec<Idle>>,
    /// Has an entry when the pool may have become non-empty.
    filled: (smol::channel::Sender<()>, smol::channel::Receiver<()>),
}

impl Pool {
    pub(super) fn new() -> Pool {
        Pool { idle: RefCell::default(), filled: smol::channel::bounded(1) }
    }

    /// A usable idle connection of this route.
    pub(super) fn take(&self, route: &ServerRoute) -> Option<HttpStream> {
        loop {
            let now = Instant::now();
            let mut found = {
                let mut idle = self.idle.borrow_mut();
                let at = idle.iter().rposition(|i| *i.route == *route && i.until > now)?;
                idle.remove(at).stream
            };
            if found.is_fresh() {
                return Some(found);
            }
        }
    }

    /// Keeps a connection whose last response has been read to its end.
    pub(super) fn put(&self, route: Rc<ServerRoute>, mut stream: HttpStream) {
        if !stream.is_fresh() {
            return;
        }
        self.put_with_deadline(route, stream, Instant::now() + POOL_IDLE);
    }

    fn put_with_deadline(&self, route: Rc<ServerRoute>, stream: HttpStream, until: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= POOL_CONNECTIONS {
            idle.remove(0);
        }
        idle.push(Idle { route, stream, until });
        // Full means that the sweep has been woken already.
        let _ = self.filled.0.try_send(());
    }

    /// Closes all idle connections, which returns their buffers to the kernel.
    pub(super) fn clear(&self) {
        *self.idle.borrow_mut() = Vec::new();
    }

    /// Closes connections when their time is over; never ends.
    pub(super) async fn sweep(&self) {
        loop {
            let next = {
                let mut idle = self.idle.borrow_mut();
                let now = Instant::now();
                idle.retain(|i| i.until > now);
                idle.first().map(|i| i.until)
            };
            match next {
                Some(until) => {
                    async_io::Timer::at(until).await;
                }
                // Cannot fail: the pool holds both ends.
                None => drop(self.filled.1.recv().await),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_sweep_closes_what_has_been_idle_for_long() {
        smol::block_on(async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("an address");
            let route =
                Rc::new(ServerRoute { host: "h".into(), port: 80, tls: false, proxy: None });
            let pool = Pool::new();
            let add = async || {
                let stream = async_net::TcpStream::connect(address).await.expect("a connection");
                let until = Instant::now() + Duration::from_millis(50);
                pool.put_with_deadline(Rc::clone(&route), HttpStream::Plain(stream), until);
            };
            let twice = async {
                for _ in 0..2 {
                    add().await;
                    assert_eq!(pool.idle.borrow().len(), 1);
                    while !pool.idle.borrow().is_empty() {
                        smol::future::yield_now().await;
                    }
                }
                add().await;
                assert!(pool.take(&route).is_some());
                assert!(pool.take(&route).is_none());
            };
            smol::future::or(twice, pool.sweep()).await;
        });
    }
}
