//! Truncates and sanitises untrusted text.
//!
//! Counts characters (Unicode scalar values), as upstream counts runes; never splits one.

/// Bytes that should be JSON, as text. All JSON is read from text: serde_json's reader of bytes would make a second copy
/// of every parser.
///
/// # Errors
/// The position of the first byte that is not UTF-8.
pub fn utf8(bytes: &[u8]) -> serde_json::Result<&str> {
    std::str::from_utf8(bytes).map_err(serde::de::Error::custom)
}

/// Parses a number as in JSON, with surrounding blanks. `str::parse` would add a second float parser with its table of
/// powers: 12 kB of code.
pub fn number(text: &str) -> Option<f64> {
    serde_json::from_str::<serde_json::Value>(text).ok()?.as_f64()
}

/// Formats a number as in JSON (`0.7`, `1.0`); `null` if JSON has no form for it. All floats are formatted by this or
/// [`plain`]: the standard library's formatting would add 8 kB of code.
pub fn decimal(number: f64) -> String {
    serde_json::Number::from_f64(number).map_or_else(|| "null".to_owned(), |n| n.to_string())
}

/// The same for people: a whole number has no fraction.
pub fn plain(number: f64) -> String {
    let text = decimal(number);
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Lower case, character by character. (`str::to_lowercase` writes a Greek sigma differently at a word's end, for which it needs
/// 2 kB of tables.)
pub fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether `word` is in a space-separated list. (A list of string slices takes 16 more bytes per word.)
pub fn listed(list: &str, word: &str) -> bool {
    !word.is_empty() && list.split(' ').any(|w| w == word)
}

/// Bytes as lower-case hexadecimal digits, two per byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| hex_digits(*b)).map(char::from).collect()
}

/// The two digits of a byte. Allocates nothing.
pub fn hex_digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)])
}

/// Decodes [`hex`], also in upper case; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// At most `max` characters; longer text ends in `...` if there is room for it (`max` above 3).
pub fn truncate(text: &str, max: usize) -> String {
    if at_char(text, max) == text.len() {
        return text.to_string();
    }
    if max <= 3 {
        return text[..at_char(text, max)].to_string();
    }
    let mut out = text[..at_char(text, max - 3)].to_string();
    out.push_str("...");
    out
}

/// Byte position of character number `n`, or the text's end.
pub fn at_char(text: &str, n: usize) -> usize {
    text.char_indices().nth(n).map_or(text.len(), |(i, _)| i)
}

/// The largest index not above `index` that is a character's start.
pub fn floor_char(text: &str, index: usize) -> usize {
    let mut i = index.min(text.len());
    while !text.is_char_boundary(i) {
        i -= 1;
    }
    i
}

/// The smallest index not below `index` that is a character's start.
pub fn ceil_char(text: &str, index: usize) -> usize {
    let mut i = index.min(text.len());
    while !text.is_char_boundary(i) {
        i += 1;
    }
    i
}

/// The longest prefix of at most `max` bytes that ends between characters.
pub fn head(text: &str, max: usize) -> &str {
    &text[..floor_char(text, max)]
}

/// The longest suffix of at most `max` bytes that starts between characters.
pub fn tail(text: &str, max: usize) -> &str {
    let mut start = text.len().saturating_sub(max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Without control characters (but line feed, carriage return, tab) and invisible format characters,
/// which can hide instructions to a model.
pub fn sanitize(text: &str) -> String {
    text.chars().filter(|&c| is_visible(c)).collect()
}

/// Like [`sanitize`], but keeps the joiners and direction marks that some scripts and emoji need.
pub fn readable(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\u{200c}'..='\u{200f}') || is_visible(c)).collect()
}

/// Text for one line of a prompt or a log: sanitised, line breaks and tabs as spaces, at most `max` characters.
pub fn one_line(text: &str, max: usize) -> String {
    let clean = text.chars().filter(|&c| is_visible(c));
    clean.map(|c| if c.is_whitespace() { ' ' } else { c }).take(max).collect()
}

/// For a terminal or a report: control characters that could command it, and what turns the direction of the text around,
/// as `\u001b` is written in JSON. Line feeds and tabs are kept, unless it is one `line`.
pub fn escape(text: &str, line: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // A text takes everything.
    let _ = write_escaped(text, line, &mut out);
    out
}

/// [`escape`], as it is written.
///
/// # Errors
/// Those of `out`.
pub fn write_escaped(
    mut text: &str,
    line: bool,
    out: &mut dyn std::fmt::Write,
) -> std::fmt::Result {
    while let Some((at, c)) = text.char_indices().find(|&(_, c)| !is_safe(c, line)) {
        let (safe, rest) = text.split_at(at);
        out.write_str(safe)?;
        text = &rest[c.len_utf8()..];
        if line || c != '\r' || !text.starts_with('\n') {
            write!(out, "\\u{:04x}", u32::from(c))?;
        }
    }
    out.write_str(text)
}

fn is_safe(c: char, line: bool) -> bool {
    match c {
        '\n' | '\t' => !line,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        _ => !c.is_control(),
    }
}

/// False for characters that [`sanitize`] removes.
pub fn is_visible(c: char) -> bool {
    match c {
        '\n' | '\r' | '\t' => true,
        _ => !c.is_control() && !is_format(c),
    }
}

/// Unicode's general category Cf.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

/// Bytes from `8388608`, `8MiB`, `8M` or `512k`, as GOMEMLIMIT writes them; `None` for anything else.
pub fn size(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: usize = text[..digits].parse().ok()?;
    let unit = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_commanded() {
        let bad = "a\x1b]52;c;eA==\x07\u{9b}2J\u{202e}\u{2066}\x7f\rb\r\n\tc";
        let good = "a\\u001b]52;c;eA==\\u0007\\u009b2J\\u202e\\u2066\\u007f\\u000db\n\tc";
        assert_eq!(escape(bad, false), good);
        assert_eq!(escape("é\n\t👩\u{200d}🚀", true), "é\\u000a\\u0009👩\u{200d}🚀");
        let json = serde_json::json!({ "a": bad }).to_string();
        let read: serde_json::Value = serde_json::from_str(&escape(&json, false)).expect("JSON");
        assert_eq!(read["a"], bad);
    }

    #[test]
    fn floats_are_printed_as_the_standard_library_does() {
        for number in [0.0, -0.0, 0.7, 1.0, 2.0, 10.0, 0.25, -3.5, 1e15, 123_456.789, 1.0 / 3.0] {
            assert_eq!(decimal(number), format!("{number:?}"));
            assert_eq!(plain(number), format!("{number}"));
        }
        assert_eq!((decimal(f64::NAN), plain(f64::INFINITY)), ("null".into(), "null".into()));
    }

    #[test]
    fn lower_case_knows_other_alphabets() {
        assert_eq!(lower("RM -RF ÄÖ ΟΔΟΣ İ"), "rm -rf äö οδοσ i\u{307}");
    }

    #[track_caller]
    fn check(text: &str, max: usize, want: &str) {
        assert_eq!(truncate(text, max), want);
    }

    #[test]
    fn long_text_ends_in_dots() {
        check("", 0, "");
        check("picoclaw", 0, "");
        check("picoclaw", 2, "pi");
        check("picoclaw", 3, "pic");
        check("picoclaw", 4, "p...");
        check("picoclaw", 7, "pico...");
        check("picoclaw", 8, "picoclaw");
        check("äöüßé", 4, "ä...");
        check("äöüßé", 5, "äöüßé");
    }

    #[test]
    fn pieces_end_between_characters() {
        assert_eq!(head("aé", 2), "a");
        assert_eq!(head("aé", 3), "aé");
        assert_eq!(head("é", 0), "");
        assert_eq!(tail("éa", 2), "a");
        assert_eq!(tail("éa", 9), "éa");
        assert_eq!(tail("é", 1), "");
    }

    #[test]
    fn hidden_characters_go() {
        assert_eq!(sanitize("a\u{200b}b\u{202e}c\u{e0041}d\0e\x1b[0m"), "abcde[0m");
        assert_eq!(sanitize("tab\tline\r\nend"), "tab\tline\r\nend");
        assert_eq!(sanitize("übergrößenträger 猫"), "übergrößenträger 猫");
        assert_eq!(one_line("a\nb\tc\u{2028}d", 5), "a b c");
    }

    #[test]
    fn joiners_stay_where_people_read() {
        assert_eq!(readable("👩\u{200d}🚀\u{202e}\u{e0041}\n\0"), "👩\u{200d}🚀\n");
    }

    #[test]
    fn numbers() {
        #[track_caller]
        fn check(text: &str, want: Option<f64>) {
            assert_eq!(number(text), want, "{text:?}");
        }
        check(" 0.25 ", Some(0.25));
        check("-3", Some(-3.0));
        check("1e3", Some(1000.0));
        for none in
            ["", "x", "\"1\"", "1 2", "inf", "NaN", "1e999", "Wed, 21 Oct 2015 07:28:00 GMT"]
        {
            check(none, None);
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("8388608", Some(8 << 20)),
            ("8MiB", Some(8 << 20)),
            ("512k", Some(512 << 10)),
            ("1 GB", None),
            ("", None),
            ("x", None),
            ("99999999999999999999", None),
            ("4b", Some(4)),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
