//! Bounds of clients that connect to us: cameras, and those of the Pico protocol.

use std::time::Duration;

/// Connections of the health server and of the control socket at one time.
pub const LOCAL_CLIENTS: usize = 8;
/// Messages that wait for one client to read; one that leaves more unread gets no further ones until it is closed.
pub const CLIENT_QUEUE: usize = 8;
/// A client that does not read what it is sent for so long is closed (behaviour.md 5A.4).
pub const CLIENT_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence of the network after which the kernel asks whether the client is still there, and how long it asks.
pub const CLIENT_PROBE: Duration = Duration::from_secs(30);
/// Bytes that the kernel keeps of what a client has not read yet (twice that, by its count).
pub const CLIENT_SEND_BYTES: usize = 16 * 1024;
/// So often, and so many times, a reply to somebody who is not connected is tried again: ten minutes. Until then it waits in the
/// journal, takes no place of those to others (`DELIVERIES`), and gives way when the journal is full.
pub const ABSENT_PAUSE: Duration = Duration::from_secs(5);
/// See [`ABSENT_PAUSE`].
pub const ABSENT_TRIES: u32 = 120;

/// Cameras that are let in at one time; each is about 4 kB, and the kernel's buffers.
pub const CAMERAS: usize = 8;
/// Connections that have not shown the token yet.
pub const CAMERAS_UNAUTHENTICATED: usize = 4;
/// So long they have for it.
pub const CAMERA_AUTH: Duration = Duration::from_secs(10);
/// Bytes of one object from a camera; upstream's are about 300.
pub const CAMERA_OBJECT_BYTES: usize = 16 * 1024;
/// An object that was begun is there after so long.
pub const CAMERA_OBJECT: Duration = Duration::from_secs(10);
/// Events of cameras that wait for their turn, all together; further ones are counted, and the next one tells how many.
pub const CAMERA_EVENTS: usize = 10;
/// Characters of what a camera says it has seen.
pub const CAMERA_CLASS: usize = 64;

/// Clients of the Pico protocol at one time (upstream: 100); each is about 4 kB, a message, and the kernel's buffers.
pub const PICO_CLIENTS: usize = 8;
/// Bytes of one message from a client of the Pico protocol, envelope and all.
pub const PICO_MESSAGE_BYTES: usize = 64 * 1024;
/// Characters of a session's name.
pub const PICO_SESSION: usize = 64;
/// So long a client that is being closed is listened to, without understanding.
pub const PICO_CLOSE_WAIT: Duration = Duration::from_secs(1);
