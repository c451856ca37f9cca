//! tar archives (POSIX pax and ustar, GNU long names), read piece by piece.
//!
//! Returns every entry as the archive names it; the caller decides what may be unpacked, and where.

/// Bytes of a block.
const BLOCK: usize = 512;
/// Bytes of a pax header or a GNU long name: paths end at 4096 on Linux.
const EXTENSION_BYTES: u64 = 16 * 1024;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TarKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic or hard link.
    Link,
    /// A device, a FIFO, a sparse file, or what no standard knows.
    Other,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarEntry {
    /// As written in the archive; bytes that are not UTF-8 are U+FFFD.
    pub path: String,
    /// Its kind.
    pub kind: TarKind,
    /// Bytes of content that follow.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// The next item.
#[derive(Debug, PartialEq, Eq)]
pub enum TarEvent<'a> {
    /// An entry begins; the one before is over.
    Entry(TarEntry),
    /// Content of the entry, never empty.
    Data(&'a [u8]),
}

/// What the bytes after a header are.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    /// The entry's content.
    Content,
    /// A pax header for the next entry, or for all of them.
    Pax { global: bool },
    /// The next entry's path (GNU).
    LongName,
    /// The next entry's link target (GNU), of no interest.
    LongLink,
}

/// An archive being read.
pub struct Tar {
    block: Vec<u8>,
    /// Bytes of content, then of padding, before the next header.
    left: u64,
    pad: u64,
    inside: Inside,
    /// An extension so far.
    extension: Vec<u8>,
    /// Overrides for the next entry.
    path: Option<String>,
    size: Option<u64>,
    comment: String,
    zeros: u8,
}

impl Default for Tar {
    fn default() -> Tar {
        Tar {
            block: Vec::with_capacity(BLOCK),
            left: 0,
            pad: 0,
            inside: Inside::Content,
            extension: Vec::new(),
            path: None,
            size: None,
            comment: String::new(),
            zeros: 0,
        }
    }
}

impl Tar {
    /// The comment of the archive as a whole: `git archive` and GitHub write the commit's hash there.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether the archive may end here: its closing blocks were seen.
    pub fn is_whole(&self) -> bool {
        self.zeros == 2
    }

    /// Consumes bytes from `input`; `None` if it needs more.
    ///
    /// # Errors
    /// Not tar, or corrupt.
    pub fn feed<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<TarEvent<'a>>, &'static str> {
        while !input.is_empty() {
            if self.is_whole() {
                *input = &[];
                break;
            }
            if self.left > 0 {
                let piece = take(input, self.left);
                self.left -= piece.len() as u64;
                if self.inside == Inside::Content {
                    return Ok(Some(TarEvent::Data(piece)));
                }
                self.extension.extend_from_slice(piece);
                if self.left == 0 {
                    self.extended()?;
                }
                continue;
            }
            if self.pad > 0 {
                self.pad -= take(input, self.pad).len() as u64;
                continue;
            }
            let piece = take(input, (BLOCK - self.block.len()) as u64);
            self.block.extend_from_slice(piece);
            if self.block.len() == BLOCK {
                let found = self.header();
                self.block.clear();
                if let Some(entry) = found? {
                    return Ok(Some(TarEvent::Entry(entry)));
                }
            }
        }
        Ok(None)
    }

    /// A block where a header must be.
    fn header(&mut self) -> Result<Option<TarEntry>, &'static str> {
        let block = &self.block[..];
        if block.iter().all(|b| *b == 0) {
            self.zeros += 1;
            return Ok(None);
        }
        self.zeros = 0;
        // The checksum's own field counts as spaces; old writers summed signed bytes, of which names have none.
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) })
            .sum();
        if number(&block[148..156]) != Some(sum) {
            return Err("this is no tar archive, or it is broken");
        }
        let size = number(&block[124..136]).ok_or("a size in the archive is wrong")?;
        let flag = block[156];
        let ustar = block[257..263] == *b"ustar\0";
        let name = field(&block[..100]);
        let prefix = if ustar { field(&block[345..500]) } else { String::new() };
        let mode = (number(&block[100..108]).unwrap_or(0) & 0o777) as u32;
        self.inside = match flag {
            b'x' => Inside::Pax { global: false },
            b'g' => Inside::Pax { global: true },
            b'L' => Inside::LongName,
            b'K' => Inside::LongLink,
            _ => Inside::Content,
        };
        if self.inside != Inside::Content {
            if size > EXTENSION_BYTES {
                return Err("a name in the archive is too long");
            }
            self.follow(size);
            return Ok(None);
        }
        let size = self.size.take().unwrap_or(size);
        let path = self.path.take().unwrap_or_else(|| match prefix.is_empty() {
            true => name,
            false => [&*prefix, "/", &*name].concat(),
        });
        let kind = match flag {
            b'0' | 0 if path.ends_with('/') => TarKind::Folder,
            b'0' | b'7' | 0 => TarKind::File,
            b'5' => TarKind::Folder,
            b'1' | b'2' => TarKind::Link,
            _ => TarKind::Other,
        };
        // A hard link of a pax archive may carry its content, other links and devices never do.
        let size = match (kind, flag) {
            (TarKind::File, _) | (TarKind::Link, b'1') => size,
            (TarKind::Other, f) if !matches!(f, b'3' | b'4' | b'6') => size,
            _ => 0,
        };
        self.follow(size);
        Ok(Some(TarEntry { path, kind, size, mode }))
    }

    fn follow(&mut self, size: u64) {
        self.left = size;
        self.pad = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    /// An extension is complete.
    fn extended(&mut self) -> Result<(), &'static str> {
        let bytes = std::mem::take(&mut self.extension);
        match self.inside {
            Inside::LongName => self.path = Some(field(&bytes)),
            Inside::LongLink | Inside::Content => {}
            Inside::Pax { global } => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (key, value, next) = record(rest).ok_or("a pax header is broken")?;
                    rest = next;
                    let text = || String::from_utf8_lossy(value).into_owned();
                    match key {
                        b"comment" if global => self.comment = text(),
                        b"path" if !global => self.path = Some(text()),
                        b"size" if !global => {
                            let size = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                            self.size = Some(size.ok_or("a size in the archive is wrong")?);
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

fn take<'a>(input: &mut &'a [u8], most: u64) -> &'a [u8] {
    let n = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
    let (piece, rest) = input.split_at(n);
    *input = rest;
    piece
}

/// Text up to the first NUL.
fn field(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Octal digits, or GNU's binary form for large numbers.
fn number(bytes: &[u8]) -> Option<u64> {
    if bytes[0] & 0x80 != 0 {
        let (high, low) = bytes.split_last_chunk()?;
        let fits = high.split_first().is_some_and(|(h, r)| *h == 0x80 && r.iter().all(|b| *b == 0));
        let value = u64::from_be_bytes(*low);
        return (fits && value >> 63 == 0).then_some(value);
    }
    let digits = bytes.iter().skip_while(|b| **b == b' ');
    let mut value = 0u64;
    for b in digits.take_while(|b| !matches!(b, b' ' | 0)) {
        if !(b'0'..=b'7').contains(b) {
            return None;
        }
        value = value << 3 | u64::from(b - b'0');
    }
    Some(value)
}

/// `LENGTH key=value\n`: key, value, rest.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().take(8).position(|b| *b == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
    let inside = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = inside.iter().position(|b| *b == b'=')?;
    Some((&inside[..equals], &inside[equals + 1..], &bytes[length..]))
}

#[cfg(test)]
#[path = "tar_tests.rs"]
mod tests;
