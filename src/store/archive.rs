//! Reads `.tar.gz` files sequentially, within limits.

use std::io::Read;

use crate::error::Context;
use crate::limits::SKILL_RATIO_FROM;
use crate::proto::gzip::Gunzip;
use crate::proto::tar::{Tar, TarEvent};
use crate::{Error, Result};

/// Bytes read at a time.
const STEP: usize = 16 * 1024;

/// Limits of an archive.
pub struct ArchiveLimits {
    /// Bytes it unpacks to.
    pub bytes: u64,
    /// Unpacked bytes per packed byte, checked after [`SKILL_RATIO_FROM`] bytes.
    pub ratio: u64,
    /// Number of files and folders in the archive.
    pub entries: u64,
}

/// Reads to the end and passes each entry and piece of content on; returns the archive's comment. The content is only valid
/// if this returns no error: the checksum comes last.
///
/// # Errors
/// Not an archive, broken or truncated, over `bounds`; those of `each`.
pub fn read(
    file: &mut dyn Read,
    bounds: &ArchiveLimits,
    each: &mut dyn FnMut(TarEvent<'_>) -> Result<()>,
) -> Result<String> {
    let (mut gunzip, mut tar) = (Gunzip::default(), Tar::default());
    let mut buffer = vec![0; STEP];
    let (mut taken, mut made, mut entries) = (0u64, 0u64, 0);
    loop {
        let n = file.read(&mut buffer).context("cannot read the archive")?;
        if n == 0 {
            break;
        }
        taken += n as u64;
        let mut input = &buffer[..n];
        loop {
            let mut piece = gunzip.feed(&mut input).map_err(Error::new)?;
            if piece.is_empty() {
                break;
            }
            made += piece.len() as u64;
            if made > bounds.bytes || (made > SKILL_RATIO_FROM && made / taken > bounds.ratio) {
                return Err(Error::new("the archive unpacks to far too much"));
            }
            while let Some(event) = tar.feed(&mut piece).map_err(Error::new)? {
                if matches!(event, TarEvent::Entry(_)) {
                    entries += 1;
                    if entries > bounds.entries {
                        return Err(Error::new(format!("more than {} entries", bounds.entries)));
                    }
                }
                each(event)?;
            }
        }
    }
    if !gunzip.is_whole() || !tar.is_whole() {
        return Err(Error::new("the archive is cut off"));
    }
    Ok(tar.comment().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tar_writer::{END, Gzip, header};

    /// Three empty files.
    fn three() -> Vec<u8> {
        let mut tar = Vec::new();
        for name in ["a", "b", "c"] {
            assert!(header(name, Some(0), 0o600, 0, &mut tar));
        }
        tar.extend(END);
        let mut gzip = Gzip::default();
        let (head, end) = (gzip.block(&tar), gzip.end());
        [&Gzip::HEAD[..], &head, &tar, &end].concat()
    }

    #[track_caller]
    fn check(archive: &[u8], bytes: u64, entries: u64, want: Result<usize, &str>) {
        let mut seen = 0;
        let bounds = ArchiveLimits { bytes, ratio: 10, entries };
        let done = read(&mut &archive[..], &bounds, &mut |_| {
            seen += 1;
            Ok(())
        });
        assert_eq!(done.map(|_| seen).map_err(|e| e.to_string()), want.map_err(str::to_owned));
    }

    #[test]
    fn bounds_hold_and_the_end_counts() {
        let whole = three();
        let bytes = 3 * 512 + 1024;
        check(&whole, bytes, 3, Ok(3));
        check(&whole, bytes, 2, Err("more than 2 entries"));
        check(&whole, bytes - 1, 3, Err("the archive unpacks to far too much"));
        for cut in 0..whole.len() {
            check(&whole[..cut], bytes, 3, Err("the archive is cut off"));
        }
        let mut bad = whole.clone();
        bad[20] ^= 1;
        check(&bad, bytes, 3, Err("this is no tar archive, or it is broken"));
        let mut bad = whole;
        let end = bad.len() - 8;
        bad[end] ^= 1;
        check(&bad, bytes, 3, Err("the checksum of the compressed data is wrong"));
    }
}
