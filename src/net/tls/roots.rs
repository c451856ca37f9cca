//! Mozilla's roots, packed by `build.rs`: of each the checksum of its name and what differs in its key, 40 kB instead of 62.
//! A root is looked up by the issuer name of a certificate, and unpacked for one handshake.
//!
//! The checksum only finds candidates: whether a root's key has signed is checked as ever, and that is what counts.

use rustls_pki_types::{Der, TrustAnchor};

use crate::proto::crc32::crc32;

include!("key_forms.rs");

const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/roots.bin"));

/// The built-in roots of that name, usually one.
pub(super) fn named(name: &[u8]) -> Vec<TrustAnchor<'static>> {
    let checksum = crc32(&[name]).to_le_bytes();
    let (mut rest, mut found) = (PACKED, Vec::new());
    while !rest.is_empty() {
        let wanted = take(&mut rest, checksum.len()) == checksum;
        let form = take(&mut rest, 1)[0];
        let (parts, constraints) = match KEY_FORMS.get(usize::from(form)) {
            Some((before, len, after)) => ([*before, take(&mut rest, *len), *after], &[][..]),
            None => ([counted(&mut rest), b"", b""], counted(&mut rest)),
        };
        if wanted {
            found.push(TrustAnchor {
                subject: Der::from(name.to_vec()),
                subject_public_key_info: Der::from(parts.concat()),
                name_constraints: (!constraints.is_empty()).then(|| Der::from_slice(constraints)),
            });
        }
    }
    found
}

/// The next `len` bytes. build.rs packs whole roots, so that they are there.
fn take(rest: &mut &'static [u8], len: usize) -> &'static [u8] {
    let (taken, left) = rest.split_at(len);
    *rest = left;
    taken
}

/// Bytes behind their number.
fn counted(rest: &mut &'static [u8]) -> &'static [u8] {
    let len = take(rest, 2);
    take(rest, usize::from(u16::from_le_bytes([len[0], len[1]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_root_comes_back_as_it_was() {
        for root in webpki_roots::TLS_SERVER_ROOTS {
            assert!(named(&root.subject).contains(root), "{root:?}");
        }
        let mut built_in = webpki_roots::TLS_SERVER_ROOTS.iter();
        assert!(built_in.any(|r| r.name_constraints.is_some()), "nothing stands in full");
    }

    #[test]
    fn another_name_has_none() {
        assert_eq!(named(b""), []);
        assert_eq!(named(b"1\x0b0\t\x06\x03U\x04\x06\x13\x02TR"), []);
    }

    #[test]
    fn keys_are_packed() {
        assert!(PACKED.len() < 42_000, "{} bytes", PACKED.len());
    }
}
