//! Limits of the audit log.

/// Bytes of the audit log before it replaces the older one: about 800 calls each.
pub const AUDIT_BYTES: u64 = 256 * 1024;
/// Bytes of one line: a card wears with each.
pub const AUDIT_LINE_BYTES: usize = 512;
/// Lines that wait for the blocking thread; more are counted.
pub const AUDIT_QUEUE: usize = 64;
