//! Writes what [`super::tar`] and [`super::gzip`] read: tar headers, and gzip with stored blocks.
//!
//! Nothing is compressed: that would cost 300 kB of memory, and users can pipe the output through gzip.

use super::crc32;

/// Bytes of a stored block (RFC 1951, section 3.2.4), kept well below the 65,535 there may be.
pub const BLOCK: usize = 32 * 1024;
/// The two empty blocks that end a tar archive.
pub const END: [u8; 1024] = [0; 1024];
/// Bytes of a tar block.
const TAR: usize = 512;
/// The largest size that eleven octal digits hold.
const SIZE: u64 = 0o777_7777_7777;

/// A gzip file being written: its checksum so far.
#[derive(Default)]
pub struct Gzip {
    crc: u32,
    length: u32,
}

impl Gzip {
    /// The file header (RFC 1952): no name, no time, unknown system.
    pub const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

    /// The header of a block with `data` of at most [`BLOCK`] bytes.
    pub fn block(&mut self, data: &[u8]) -> [u8; 5] {
        self.crc = crc32::more(self.crc, data);
        self.length = self.length.wrapping_add(data.len() as u32);
        let [low, high] = (data.len() as u16).to_le_bytes();
        [0, low, high, !low, !high]
    }

    /// The file trailer.
    pub fn end(&self) -> [u8; 13] {
        let ([a, b, c, d], [e, f, g, h]) = (self.crc.to_le_bytes(), self.length.to_le_bytes());
        [1, 0, 0, 0xff, 0xff, a, b, c, d, e, f, g, h]
    }
}

/// Appends the header of an entry: a folder if `size` is `None`. `false` for a file that is too large for the format.
pub fn header(path: &str, size: Option<u64>, mode: u32, mtime: i64, out: &mut Vec<u8>) -> bool {
    if path.len() > 100 {
        // GNU's way: an entry whose content is the name.
        block("././@LongLink", path.len() as u64 + 1, 0, 0, b'L', out);
        out.extend_from_slice(path.as_bytes());
        out.resize(out.len() + 1 + padding(path.len() as u64 + 1), 0);
    }
    let flag = if size.is_some() { b'0' } else { b'5' };
    block(path, size.unwrap_or(0), mode, mtime, flag, out);
    size.is_none_or(|s| s <= SIZE)
}

fn block(path: &str, size: u64, mode: u32, mtime: i64, flag: u8, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + TAR, 0);
    let head = &mut out[start..];
    let name = &path.as_bytes()[..path.len().min(100)];
    head[..name.len()].copy_from_slice(name);
    octal(&mut head[100..107], u64::from(mode));
    octal(&mut head[108..115], 0);
    octal(&mut head[116..123], 0);
    octal(&mut head[124..135], size);
    octal(&mut head[136..147], mtime.max(0) as u64);
    head[148..156].fill(b' ');
    head[156] = flag;
    head[257..265].copy_from_slice(b"ustar  \0");
    let sum = head.iter().map(|b| u64::from(*b)).sum();
    octal(&mut head[148..154], sum);
    head[154] = 0;
}

fn octal(field: &mut [u8], mut value: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
}

/// The padding after a content of `size` bytes.
pub fn padding(size: u64) -> usize {
    (size.wrapping_neg() % TAR as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::super::gzip::Gunzip;
    use super::super::tar::{Tar, TarEvent, TarKind};
    use super::*;

    #[test]
    fn archives_round_trip() {
        let long = format!("{}/x", "d".repeat(140));
        let mut plain = Vec::new();
        assert!(header("home", None, 0o750, 5, &mut plain));
        for (path, content) in [("home/a", &[7u8; 513][..]), (&long, b""), ("home/b", b"text")] {
            assert!(header(path, Some(content.len() as u64), 0o640, 1 << 31, &mut plain));
            plain.extend_from_slice(content);
            plain.resize(plain.len() + padding(content.len() as u64), 0);
        }
        plain.extend(END);
        assert!(!header("large", Some(SIZE + 1), 0, 0, &mut Vec::new()));

        let mut gzip = Gzip::default();
        let mut packed = Gzip::HEAD.to_vec();
        for piece in plain.chunks(1000) {
            packed.extend(gzip.block(piece));
            packed.extend(piece);
        }
        packed.extend(gzip.end());

        let (mut gunzip, mut tar, mut seen) = (Gunzip::default(), Tar::default(), Vec::new());
        let mut input = &packed[..];
        loop {
            let mut piece = gunzip.feed(&mut input).expect("gzip");
            if piece.is_empty() {
                break;
            }
            while let Some(event) = tar.feed(&mut piece).expect("tar") {
                if let TarEvent::Entry(e) = event {
                    seen.push((e.path, e.kind == TarKind::Folder, e.size, e.mode));
                }
            }
        }
        assert!(gunzip.is_whole() && tar.is_whole());
        let want = [
            ("home".to_owned(), true, 0, 0o750),
            ("home/a".to_owned(), false, 513, 0o640),
            (long, false, 0, 0o640),
            ("home/b".to_owned(), false, 4, 0o640),
        ];
        assert_eq!(seen, want);
    }
}
