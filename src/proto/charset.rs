//! Decodes a page's bytes to text, piece by piece: UTF-8 and Windows-1252, which the web calls Latin-1.
//!
//! Never fails: invalid bytes become U+FFFD. Other character sets are decoded as UTF-8 and reported to
//! the caller, which tells the reader.

/// The supported character sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8; ASCII is part of it.
    Utf8,
    /// Windows-1252 (WHATWG Encoding: labels latin1, iso-8859-1, us-ascii, windows-1252).
    Windows1252,
}

impl Charset {
    /// The character set of a label such as a Content-Type's `charset`; `None` if it is another one.
    pub fn from_label(label: &str) -> Option<Charset> {
        let label = label.trim().trim_matches(['"', '\'']);
        let is = |names: &[&str]| names.iter().any(|n| label.eq_ignore_ascii_case(n));
        if is(&["utf-8", "utf8", "unicode-1-1-utf-8"]) {
            return Some(Charset::Utf8);
        }
        let latin = [
            "iso-8859-1",
            "iso8859-1",
            "iso_8859-1",
            "latin1",
            "l1",
            "windows-1252",
            "cp1252",
            "us-ascii",
            "ascii",
        ];
        is(&latin).then_some(Charset::Windows1252)
    }
}

/// The `charset` parameter of a Content-Type field's value.
pub fn label_of(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}

/// The label in a page's `<meta charset=...>` or `<meta http-equiv ... content="...; charset=...">`,
/// looked for in the first 1024 bytes as browsers do.
pub fn label_in_html(start: &[u8]) -> Option<&str> {
    let start = &start[..start.len().min(1024)];
    let at = start.windows(8).position(|w| w.eq_ignore_ascii_case(b"charset="))? + 8;
    let rest = &start[at..];
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let len =
        rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    std::str::from_utf8(&rest[..len]).ok().filter(|label| !label.is_empty())
}

/// Decodes a stream whose pieces may end in the middle of a character.
pub struct Decoder {
    charset: Charset,
    /// The start of a character whose rest comes with the next piece.
    carry: [u8; 4],
    carried: usize,
    at_start: bool,
}

impl Decoder {
    /// At the beginning of the text.
    pub fn new(charset: Charset) -> Decoder {
        Decoder { charset, carry: [0; 4], carried: 0, at_start: true }
    }

    /// Passes the text of `bytes` to `sink`, without a leading byte order mark.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(&str)) {
        if self.charset == Charset::Windows1252 {
            return windows_1252(bytes, sink);
        }
        while self.carried > 0 && !bytes.is_empty() {
            self.carry[self.carried] = bytes[0];
            match std::str::from_utf8(&self.carry[..=self.carried]) {
                Ok(text) => {
                    if !(self.at_start && text == "\u{feff}") {
                        sink(text);
                    }
                    self.at_start = false;
                    self.carried = 0;
                    bytes = &bytes[1..];
                }
                // A longer prefix of a character: keep collecting. Four bytes are always decided.
                Err(e) if e.error_len().is_none() && self.carried < 3 => {
                    self.carried += 1;
                    bytes = &bytes[1..];
                }
                // The byte does not continue it and is decoded again by itself.
                Err(_) => {
                    self.end(sink);
                }
            }
        }
        while !bytes.is_empty() {
            let (good, bad, rest) = match std::str::from_utf8(bytes) {
                Ok(text) => (text, None, &bytes[bytes.len()..]),
                Err(e) => {
                    let (good, after) = bytes.split_at(e.valid_up_to());
                    let skip = e.error_len().unwrap_or(after.len());
                    let good = std::str::from_utf8(good).unwrap_or("");
                    (good, Some((e.error_len().is_some(), &after[..skip])), &after[skip..])
                }
            };
            let text =
                if self.at_start { good.strip_prefix('\u{feff}').unwrap_or(good) } else { good };
            self.at_start &= good.is_empty();
            if !text.is_empty() {
                sink(text);
            }
            match bad {
                Some((true, _)) => {
                    self.at_start = false;
                    sink("\u{fffd}");
                }
                Some((false, cut)) => {
                    self.carry[..cut.len()].copy_from_slice(cut);
                    self.carried = cut.len();
                }
                None => {}
            }
            bytes = rest;
        }
    }

    /// At the end of the text: an incomplete character becomes U+FFFD.
    pub fn end(&mut self, sink: &mut dyn FnMut(&str)) {
        if self.carried > 0 {
            self.carried = 0;
            self.at_start = false;
            sink("\u{fffd}");
        }
    }
}

/// What a byte of 0x80 to 0x9F means in Windows-1252; also what such a number means in `&#...;`.
pub fn windows_1252_high(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', //
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn windows_1252(bytes: &[u8], sink: &mut dyn FnMut(&str)) {
    for piece in bytes.chunks(256) {
        let text: String = piece.iter().map(|&b| windows_1252_high(b)).collect();
        sink(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(charset: Charset, pieces: &[&[u8]]) -> String {
        let mut out = String::new();
        let mut decoder = Decoder::new(charset);
        for piece in pieces {
            decoder.feed(piece, &mut |s| out.push_str(s));
        }
        decoder.end(&mut |s| out.push_str(s));
        out
    }

    /// Whole, at every split in two, and byte by byte.
    #[track_caller]
    fn check(bytes: &[u8], want: &str) {
        assert_eq!(decode(Charset::Utf8, &[bytes]), want);
        for i in 0..=bytes.len() {
            assert_eq!(decode(Charset::Utf8, &[&bytes[..i], &bytes[i..]]), want, "split at {i}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(Charset::Utf8, &single), want, "byte by byte");
    }

    #[test]
    fn pieces_may_end_inside_a_character() {
        check("aé€😀z".as_bytes(), "aé€😀z");
        check("\u{feff}é".as_bytes(), "é");
        check("a\u{feff}b".as_bytes(), "a\u{feff}b");
        check(b"", "");
    }

    #[test]
    fn invalid_utf8_is_replaced_like_std() {
        for bytes in [
            &b"a\xffb"[..],
            b"\xe2\x82",
            b"\xe2\x82a",
            b"\xf0\x9f\x98",
            b"\xf0\x9f\xe2\x82\xac",
            b"\xc3\xc3\xa9",
            b"\x80\x80",
            b"\xed\xa0\x80",
        ] {
            check(bytes, &String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn windows_1252_is_a_table() {
        assert_eq!(decode(Charset::Windows1252, &[b"caf\xe9 \x80\x93\x94"]), "café €“”");
    }

    #[test]
    fn labels_are_found() {
        assert_eq!(label_of("text/html; charset=\"UTF-8\""), Some("UTF-8"));
        assert_eq!(label_of("text/html;a=b; Charset = latin1"), Some("latin1"));
        assert_eq!(label_of("text/html"), None);
        assert_eq!(label_in_html(b"<html><meta charset='gbk'>"), Some("gbk"));
        assert_eq!(
            label_in_html(b"<meta content=\"text/html; charset=iso-8859-1\">"),
            Some("iso-8859-1")
        );
        assert_eq!(label_in_html(b"<p>"), None);
        assert_eq!(Charset::from_label("ISO-8859-1"), Some(Charset::Windows1252));
        assert_eq!(Charset::from_label(" utf8 "), Some(Charset::Utf8));
        assert_eq!(Charset::from_label("gbk"), None);
    }
}
