//! Feeds of what archives are made of; see `feeds.rs`.

use picoclaw::proto::{crc32, gzip, tar};

/// The same content however it is cut.
pub fn feed_gzip(data: &[u8]) {
    let whole = |step: usize| {
        let (mut gunzip, mut crc, mut length) = (gzip::Gunzip::default(), 0, 0u32);
        for mut piece in data.chunks(step) {
            loop {
                match gunzip.feed(&mut piece) {
                    Ok([]) => break,
                    Ok(made) => {
                        crc = crc32::more(crc, made);
                        length += made.len() as u32;
                    }
                    Err(e) => return (crc, length, Some(e)),
                }
            }
        }
        (crc, length, None)
    };
    let (all, cut) = (whole(data.len().max(1)), whole(3));
    assert_eq!(all.2, cut.2);
    if all.2.is_none() {
        assert_eq!(all, cut);
    }
}

/// Never more content than input, and the same entries however it is cut.
pub fn feed_tar(data: &[u8]) {
    let whole = |step: usize| {
        let (mut tar, mut entries, mut bytes) = (tar::Tar::default(), Vec::new(), 0);
        for mut piece in data.chunks(step) {
            loop {
                match tar.feed(&mut piece) {
                    Ok(None) => break,
                    Ok(Some(tar::Event::Entry(entry))) => entries.push(entry),
                    Ok(Some(tar::Event::Data(data))) => bytes += data.len(),
                    Err(e) => return (entries, bytes, Some(e)),
                }
            }
        }
        (entries, bytes, None)
    };
    let (all, cut) = (whole(data.len().max(1)), whole(100));
    assert!(all.1 <= data.len());
    assert_eq!(all, cut);
}
