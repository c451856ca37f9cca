//! One word of a command line: its text without quotes, and how much of it is known without expansion.

/// One word.
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Word {
    /// Without quotes and escapes; expansions and patterns as written.
    pub text: String,
    /// Something in it was quoted or escaped.
    pub quoted: bool,
    /// Bytes of `text` before the first expansion or pattern: all of them if it has none.
    pub known: usize,
    /// Bytes of `text` before the first quote, expansion or pattern.
    pub plain: usize,
    /// It contains an expansion: it may become anything.
    pub expands: bool,
    /// It contains an expansion outside quotes: it may become several words, or none.
    pub splits: bool,
}

impl Word {
    /// Whether the shell passes on `text` as it is.
    pub fn literal(&self) -> bool {
        self.known == self.text.len()
    }

    /// The word from byte `at` on.
    pub(super) fn after(&self, at: usize) -> Word {
        let left = |n: usize| n.saturating_sub(at);
        let text = self.text[at..].to_owned();
        Word { text, known: left(self.known), plain: left(self.plain), ..self.clone() }
    }
}
