//! Percent-encoding (RFC 3986, section 2) for queries, forms and credentials.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `byte` as `%XX`.
pub fn push_byte(out: &mut String, byte: u8) {
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

/// Appends `text` with everything encoded but the unreserved characters: fit for one
/// path segment, one query value or one form value.
pub fn push(out: &mut String, text: &str) {
    for &b in text.as_bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(b));
            }
            _ => push_byte(out, b),
        }
    }
}

/// `name=value&name=value`, for a query or an `application/x-www-form-urlencoded` body.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push('&');
        }
        push(&mut out, name);
        out.push('=');
        push(&mut out, value);
    }
    out
}

/// Decodes `%XX`; a `%` without two hex digits stands for itself. The bytes may be any.
pub fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'%' && i + 2 < bytes.len() {
            if let (Some(high), Some(low)) = (hex(bytes[i + 1]), hex(bytes[i + 2])) {
                out.push(high << 4 | low);
                i += 3;
                continue;
            }
        }
        out.push(bytes[i]);
        i += 1;
    }
    out
}

/// The value of a hexadecimal digit.
pub fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, encoded: &str) {
        let mut out = String::new();
        push(&mut out, text);
        assert_eq!(out, encoded);
        assert_eq!(decode(encoded), text.as_bytes());
    }

    #[test]
    fn encoding_and_back() {
        check("", "");
        check("plain-._~9", "plain-._~9");
        check("a b&c=d", "a%20b%26c%3Dd");
        check("100%", "100%25");
        check("Zürich\n", "Z%C3%BCrich%0A");
    }

    #[test]
    fn a_lone_percent_stands_for_itself() {
        assert_eq!(decode("5%"), b"5%");
        assert_eq!(decode("%4"), b"%4");
        assert_eq!(decode("%zz%41"), b"%zzA");
    }

    #[test]
    fn pairs_are_joined() {
        assert_eq!(query(&[("q", "rust & c"), ("n", "5")]), "q=rust%20%26%20c&n=5");
        assert_eq!(query(&[]), "");
    }
}
