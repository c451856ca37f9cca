//! Lengths and offsets in UTF-16 code units, which is how the Bot API counts text.
//!
//! Must never cut a character: every offset this module returns is a character boundary.

/// UTF-16 code units of `text`.
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Length in bytes of the longest prefix of `text` with at most `limit` units.
pub fn floor(text: &str, limit: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.len_utf16();
        if used > limit {
            return at;
        }
    }
    text.len()
}

/// The part of `text` from unit `offset`, `length` units long (Bot API, MessageEntity); offsets past the end or
/// inside a pair are moved back to the boundary before.
pub fn slice(text: &str, offset: usize, length: usize) -> &str {
    let start = floor(text, offset);
    let rest = text.get(start..).unwrap_or("");
    rest.get(..floor(rest, length)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, offset: usize, length: usize, want: &str) {
        assert_eq!(slice(text, offset, length), want);
    }

    #[test]
    fn entities_are_cut_out_by_units() {
        check("hello @bot x", 6, 4, "@bot");
        check("😀 @bot", 3, 4, "@bot");
        check("é@b", 1, 2, "@b");
        check("abc", 2, 9, "c");
        check("abc", 9, 9, "");
        check("😀😀", 1, 2, "😀");
        check("abc", usize::MAX, usize::MAX, "");
    }

    #[test]
    fn a_pair_is_never_cut() {
        assert_eq!(units("a😀"), 3);
        assert_eq!(floor("a😀", 2), 1);
        assert_eq!(floor("a😀", 3), 5);
        assert_eq!(floor("", 0), 0);
    }
}
