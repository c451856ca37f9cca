//! `PICOCLAW_MEM_LIMIT`: near it caches are dropped, and new turns wait for running ones.

/// Near `PICOCLAW_MEM_LIMIT` it drops caches, and no turn starts beside a running one.
pub struct MemoryLimit {
    /// Bytes of heap; `None` for no limit.
    bytes: Option<usize>,
    /// Bytes in use.
    in_use: fn() -> usize,
    /// Gives back what can be read or opened again.
    drop_caches: Box<dyn Fn()>,
}

impl MemoryLimit {
    /// A limit of so many bytes of heap.
    pub fn new(
        bytes: Option<usize>,
        in_use: fn() -> usize,
        drop_caches: Box<dyn Fn()>,
    ) -> MemoryLimit {
        MemoryLimit { bytes, in_use, drop_caches }
    }

    /// More than eight tenths of it are in use.
    pub(super) fn is_short(&self) -> bool {
        let short = self.bytes.is_some_and(|limit| (self.in_use)() > limit / 10 * 8);
        if short {
            (self.drop_caches)();
        }
        short
    }
}
