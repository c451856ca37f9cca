// The encodings of the roots' keys: the bytes before the variable part, its length, and the bytes after it. Shared by
// build.rs, which packs, and roots.rs, which unpacks.

type KeyForm = (&'static [u8], usize, &'static [u8]);

/// A packed key starts with the index in this list; any other number starts an unpacked root.
const KEY_FORMS: [KeyForm; 4] = [
    // RSA, 2048 and 4096 bits, exponent 65537.
    (
        b"0\r\x06\t*\x86H\x86\xf7\r\x01\x01\x01\x05\0\x03\x82\x01\x0f\x000\x82\x01\n\x02\x82\x01\x01\0",
        256,
        b"\x02\x03\x01\0\x01",
    ),
    (
        b"0\r\x06\t*\x86H\x86\xf7\r\x01\x01\x01\x05\0\x03\x82\x02\x0f\x000\x82\x02\n\x02\x82\x02\x01\0",
        512,
        b"\x02\x03\x01\0\x01",
    ),
    // P-256 and P-384.
    (b"0\x13\x06\x07*\x86H\xce=\x02\x01\x06\x08*\x86H\xce=\x03\x01\x07\x03B\0\x04", 64, b""),
    (b"0\x10\x06\x07*\x86H\xce=\x02\x01\x06\x05+\x81\x04\0\"\x03b\0\x04", 96, b""),
];
