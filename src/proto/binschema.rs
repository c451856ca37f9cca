//! Validates nanoserde's binary form before nanoserde decodes it: nanoserde trusts every length, so one from another
//! layout could request more memory than there is and abort.
//!
//! A schema lists the fields in order: `b` one byte (also a bool), `d` four, `q` eight, `s` a text (its length in eight bytes,
//! then the text), `[x]` a list (how many in eight bytes, then each), `?x` one byte and, where it is 1, what follows. A
//! capital letter is a schema of [`NAMED`].

use nanoserde::DeBin;

/// Schemas of types that are part of others.
const NAMED: [(u8, &str); 7] = [
    // bus::Address, Sender (app::control::ChannelReport too), Attachment, Inbound, Outbound, Origin.
    (b'A', "sss"),
    (b'S', "ssss"),
    (b'F', "sssq"),
    (b'I', "qqASs[F]qb"),
    (b'O', "Asq"),
    (b'P', "ssSdbb"),
    // app::control::TaskReport.
    (b'T', "sds"),
];

/// Decodes a value of this schema without trailing bytes; `None` for anything else.
pub fn decode<T: DeBin>(shape: &str, bytes: &[u8]) -> Option<T> {
    if !fits(shape, bytes) {
        return None;
    }
    // Only invalid UTF-8 remains to be refused.
    DeBin::deserialize_bin(bytes).ok()
}

/// Whether these are exactly the bytes of a value of this schema.
pub fn fits(shape: &str, bytes: &[u8]) -> bool {
    walk(shape.as_bytes(), bytes).is_some_and(<[u8]>::is_empty)
}

/// The bytes after a value of this schema. The recursion depth depends on the schema, not on the bytes.
fn walk<'a>(mut shape: &[u8], mut rest: &'a [u8]) -> Option<&'a [u8]> {
    while let Some((kind, after)) = shape.split_first() {
        shape = after;
        rest = match kind {
            b'b' => rest.get(1..)?,
            b'd' => rest.get(4..)?,
            b'q' => rest.get(8..)?,
            b's' => {
                let (length, text) = length(rest)?;
                text.get(length..)?
            }
            b'[' => {
                let end = shape.iter().position(|b| *b == b']')?;
                let (inner, after) = (&shape[..end], &shape[end + 1..]);
                shape = after;
                let (count, mut rest) = length(rest)?;
                // Each takes at least a byte, so this ends with the bytes.
                for _ in 0..count {
                    rest = walk(inner, rest)?;
                }
                rest
            }
            b'?' => {
                let (flag, value) = rest.split_first()?;
                let (inner, after) = shape.split_at_checked(1)?;
                shape = after;
                if *flag == 1 { walk(inner, value)? } else { value }
            }
            name => {
                let (_, named) = NAMED.iter().find(|(n, _)| n == name)?;
                walk(named.as_bytes(), rest)?
            }
        };
    }
    Some(rest)
}

/// A plausible length, and the bytes after it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*head)).ok()?;
    (length <= rest.len()).then_some((length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nanoserde::SerBin;

    #[track_caller]
    fn check(shape: &str, bytes: &[u8], want: bool) {
        assert_eq!(fits(shape, bytes), want, "{shape} {bytes:?}");
    }

    #[test]
    fn shapes() {
        check("", b"", true);
        check("", b"x", false);
        check("bdq", &[0; 13], true);
        check("bdq", &[0; 12], false);
        check("s", &"abc".to_owned().serialize_bin(), true);
        check("s", &[4, 0, 0, 0, 0, 0, 0, 0, b'a'], false);
        check("s", &[0xff; 40], false);
        check("[s]b", &(vec!["a".to_owned(), "bc".to_owned()], 1u8).serialize_bin(), true);
        check("[s]b", &vec!["a".to_owned(), "bc".to_owned()].serialize_bin(), false);
        check("[q]", &(1u64 << 40).to_le_bytes(), false);
        check("[b]", &vec![7u8; 300].serialize_bin(), true);
        check("?qb", &[0, 5], true);
        check("?qb", &[&[1][..], &[0; 9]].concat(), true);
        check("?qb", &[1, 5], false);
        check("A", &[0; 24], true);
        check("[F]", &[0; 8], true);
        check("Z", &[0; 8], false);
    }

    #[test]
    fn a_text_that_is_none_is_refused() {
        assert_eq!(decode::<String>("s", &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]), None);
        assert_eq!(decode("s", &"ü".to_owned().serialize_bin()), Some("ü".to_owned()));
    }
}
