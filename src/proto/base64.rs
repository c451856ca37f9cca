//! Base64 (RFC 4648). The library would add 4 kB to the board's program, for four callers.

/// A variant of the encoding.
#[derive(Clone, Copy)]
pub struct Base64 {
    /// The digits of 62 and 63.
    last: [u8; 2],
    padded: bool,
}

/// Section 4, with padding.
pub const STANDARD: Base64 = Base64 { last: *b"+/", padded: true };
/// The same without padding.
pub const UNPADDED: Base64 = Base64 { last: *b"+/", padded: false };
/// Section 5, for URLs and file names, without padding.
pub const URL: Base64 = Base64 { last: *b"-_", padded: false };

const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Base64 {
    /// `bytes` as text.
    pub fn encode(self, bytes: impl AsRef<[u8]>) -> String {
        let mut out = String::new();
        self.push(bytes.as_ref(), &mut out);
        out
    }

    /// The same, appended to `out`.
    pub fn push(self, bytes: &[u8], out: &mut String) {
        out.reserve(bytes.len().div_ceil(3) * 4);
        for three in bytes.chunks(3) {
            let at = |i: usize| three.get(i).map_or(0, |b| u32::from(*b));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for digit in 0..4 {
                if digit <= three.len() {
                    out.push(self.digit(bits >> (18 - 6 * digit) & 63));
                } else if self.padded {
                    out.push('=');
                }
            }
        }
    }

    /// Decodes a text; `None` if it differs from what [`Base64::encode`] writes.
    pub fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        let mut digits = text;
        if self.padded {
            digits = digits.strip_suffix(b"=").unwrap_or(digits);
            digits = digits.strip_suffix(b"=").unwrap_or(digits);
        }
        if digits.len() % 4 == 1 || (self.padded && text.len() % 4 != 0) {
            return None;
        }
        let mut bytes = Vec::with_capacity(digits.len().div_ceil(4) * 3);
        let (mut bits, mut held) = (0u32, 0);
        for digit in digits {
            bits = bits << 6 | self.value(*digit)?;
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        // The unused bits of the last digit must be zero.
        (bits == 0).then_some(bytes)
    }

    fn digit(self, value: u32) -> char {
        let value = value as usize;
        char::from(DIGITS.get(value).copied().unwrap_or_else(|| self.last[value & 1]))
    }

    fn value(self, digit: u8) -> Option<u32> {
        Some(match digit {
            b'A'..=b'Z' => u32::from(digit - b'A'),
            b'a'..=b'z' => u32::from(digit - b'a') + 26,
            b'0'..=b'9' => u32::from(digit - b'0') + 52,
            _ if digit == self.last[0] => 62,
            _ if digit == self.last[1] => 63,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_standard() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, coded) in vectors {
            assert_eq!(STANDARD.encode(plain), coded);
            assert_eq!(STANDARD.decode(coded.as_bytes()).as_deref(), Some(plain.as_bytes()));
            assert_eq!(UNPADDED.encode(plain), coded.trim_end_matches('='));
        }
        assert_eq!(STANDARD.encode([0xfb, 0xff, 0xfe]), "+//+");
        assert_eq!(URL.encode([0xfb, 0xff, 0xfe]), "-__-");
        assert_eq!(URL.decode(b"-__-"), Some(vec![0xfb, 0xff, 0xfe]));
    }

    #[test]
    fn all_bytes_come_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        for code in [STANDARD, UNPADDED, URL] {
            for end in 0..bytes.len() {
                assert_eq!(
                    code.decode(code.encode(&bytes[..end]).as_bytes()).as_deref(),
                    Some(&bytes[..end])
                );
            }
        }
    }

    #[test]
    fn invalid_base64_is_refused() {
        for bad in
            ["Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9", "Zm8==", "=", "====", "Zm 8", "Zm8-", "ä==="]
        {
            assert_eq!(STANDARD.decode(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["Z", "Zg==", "Zh", "+//+", "Zm9vY"] {
            assert_eq!(URL.decode(bad.as_bytes()), None, "{bad}");
        }
    }
}
