//! Limits of clients that connect to us: cameras, and those of the Pico protocol.

use std::time::Duration;

/// Connections of the health server and of the control socket at one time.
pub const LOCAL_CLIENTS: usize = 8;
/// Unread messages per client; a client with more gets no further ones until it is closed.
pub const CLIENT_QUEUE: usize = 8;
/// A client that does not read for so long is closed (behaviour.md 5A.4).
pub const CLIENT_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which the kernel sends TCP keepalive probes, and for how long.
pub const CLIENT_PROBE: Duration = Duration::from_secs(30);
/// The kernel's send buffer per client (it counts twice that).
pub const CLIENT_SEND_BYTES: usize = 16 * 1024;
/// Interval and number of retries of a reply to a client that is not connected: ten minutes. Until then it waits in the
/// journal, does not count as a delivery in flight (`DELIVERIES`), and is dropped first when the journal is full.
pub const ABSENT_PAUSE: Duration = Duration::from_secs(5);
/// Attempts to deliver to an absent client, [`ABSENT_PAUSE`] apart, before the reply is given up.
pub const ABSENT_TRIES: u32 = 120;

/// Connected cameras; each costs about 4 kB, and the kernel's buffers.
pub const CAMERAS: usize = 8;
/// Connections that have not sent the token yet.
pub const CAMERAS_UNAUTHENTICATED: usize = 4;
/// How long they have for it.
pub const CAMERA_AUTH: Duration = Duration::from_secs(10);
/// Bytes of one object from a camera; upstream's are about 300.
pub const CAMERA_OBJECT_BYTES: usize = 16 * 1024;
/// Time limit for receiving one object.
pub const CAMERA_OBJECT: Duration = Duration::from_secs(10);
/// Waiting camera events in total; further ones are counted, and the next one says how many.
pub const CAMERA_EVENTS: usize = 10;
/// Characters of a camera's class name for what it has seen.
pub const CAMERA_CLASS: usize = 64;

/// Clients of the Pico protocol at one time (upstream: 100); each costs about 4 kB, a message, and the kernel's buffers.
pub const PICO_CLIENTS: usize = 8;
/// Bytes of one message from a client of the Pico protocol, envelope and all.
pub const PICO_MESSAGE_BYTES: usize = 64 * 1024;
/// Characters of a session's name.
pub const PICO_SESSION: usize = 64;
/// How long input of a client that is being closed is read and discarded.
pub const PICO_CLOSE_WAIT: Duration = Duration::from_secs(1);
