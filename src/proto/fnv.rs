//! FNV-1a (Fowler, Noll, Vo): a short hash for short names, which anybody can make collide.

/// Start of a sum.
pub const FNV: u64 = 0xcbf2_9ce4_8422_2325;

/// Adds bytes to a sum.
pub fn fnv(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// 64 bits to 32.
pub fn hash32(sum: u64) -> u32 {
    (sum ^ (sum >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_authors() {
        for (text, sum) in
            [("", FNV), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv(FNV, text.as_bytes()), sum, "{text}");
        }
        let halves = fnv(fnv(FNV, b"foo"), b"bar");
        assert_eq!((halves, hash32(halves)), (0x8594_4171_f739_67e8, 0x72ad_2699));
    }
}
