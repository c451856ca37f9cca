//! Skips the text of here-documents (XCU 2.7.4).

use super::Reader;

impl Reader<'_> {
    /// Called after a newline.
    pub(super) fn here_documents(&mut self) {
        for (delimiter, tabs, literal) in std::mem::take(&mut self.pending) {
            let simple = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
            self.script.unclear |= !delimiter.bytes().all(simple);
            while self.at < self.bytes.len() {
                let rest = &self.bytes[self.at..];
                let length = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                let line = &rest[..length];
                self.at = (self.at + length + 1).min(self.bytes.len());
                let start = line.iter().take_while(|&&b| tabs && b == b'\t').count();
                if &line[start..] == delimiter.as_bytes() {
                    break;
                }
                // A continued line may hide the delimiter.
                self.script.unclear |= !literal && line.ends_with(b"\\");
                self.script.substitution |= !literal
                    && (line.contains(&b'`') || line.windows(2).any(|w| w == b"$(" || w == b"${"));
            }
        }
    }
}
