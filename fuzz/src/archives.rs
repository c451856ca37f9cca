//! Feeds of what archives and homes of others are made of; see `feeds.rs`.

use picoclaw::proto::{crc32, gzip, json5, tar, tar_writer};

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
                    Ok(Some(tar::TarEvent::Entry(entry))) => entries.push(entry),
                    Ok(Some(tar::TarEvent::Data(data))) => bytes += data.len(),
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

/// What is written is read again: the first line is a name, the rest content.
pub fn feed_tar_writer(data: &[u8]) {
    let text = String::from_utf8_lossy(data).replace('\0', "x");
    let (name, content) = text.split_once('\n').unwrap_or((&text, ""));
    if name.is_empty() || name.ends_with('/') {
        return;
    }
    let mut plain = Vec::new();
    assert!(tar_writer::header(name, Some(content.len() as u64), 0o640, 7, &mut plain));
    plain.extend_from_slice(content.as_bytes());
    plain.resize(plain.len() + tar_writer::padding(content.len() as u64), 0);
    plain.extend(tar_writer::END);
    let mut writer = tar_writer::Gzip::default();
    let mut packed = tar_writer::Gzip::HEAD.to_vec();
    packed.extend(writer.block(&plain));
    packed.extend(&plain);
    packed.extend(writer.end());
    let (mut gunzip, mut tar, mut read) =
        (gzip::Gunzip::default(), tar::Tar::default(), Vec::new());
    let mut input = &packed[..];
    loop {
        let mut piece = gunzip.feed(&mut input).expect("gzip");
        if piece.is_empty() {
            break;
        }
        while let Some(event) = tar.feed(&mut piece).expect("tar") {
            match event {
                tar::TarEvent::Entry(entry) => assert_eq!(entry.path, name),
                tar::TarEvent::Data(data) => read.extend_from_slice(data),
            }
        }
    }
    assert!(gunzip.is_whole() && tar.is_whole() && read == content.as_bytes());
}

/// JSON stays what it is.
pub fn feed_json5(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let made = json5::to_json(&text);
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
        assert_eq!(serde_json::from_str::<serde_json::Value>(&made).ok(), Some(value));
    }
}
