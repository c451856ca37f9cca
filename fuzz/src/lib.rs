//! What the fuzz targets and the smoke test share.

pub mod archives;
pub mod feeds;
pub mod guests;
pub mod notes;
pub mod streams;
pub mod wires;

/// Feeds one input to the feed of this name.
///
/// # Panics
/// When the parser breaks a promise, which is what a fuzzer looks for.
pub fn feed(name: &str, data: &[u8]) {
    let (_, feed, _) = feeds::FEEDS.iter().find(|(n, ..)| *n == name).expect("a feed of that name");
    feed(data);
}
