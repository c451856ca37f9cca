//! HTML to Markdown for the model, in one pass and with bounded memory.
//!
//! Never builds a tree, never recurses, never reads ahead: the page comes in pieces, and besides the
//! text only one tag and a few small stacks are held. Time is linear in the page.

mod block;
mod emitter;
mod entity;
mod inline;
mod lines;
mod link;
mod markdown;
mod table;
#[cfg(test)]
mod tests;
mod token;

pub use emitter::Style;
pub use entity::decode;

use emitter::Emitter;
use token::Tokenizer;

/// Converts a page piece by piece.
pub struct Converter {
    tokens: Tokenizer,
    out: Emitter,
}

/// A converted page.
pub struct HtmlText {
    /// Trimmed; the limit may be exceeded by the few bytes that close open elements.
    pub text: String,
    /// Content of the title element, one line.
    pub title: String,
    /// The limit was reached.
    pub cut: bool,
}

impl Converter {
    /// Writes at most about `limit` bytes.
    pub fn new(style: Style, limit: usize) -> Converter {
        Converter { tokens: Tokenizer::new(), out: Emitter::new(style, limit) }
    }

    /// The next piece of the page.
    pub fn feed(&mut self, piece: &str) {
        for c in piece.chars() {
            self.tokens.feed(c, &mut self.out);
        }
    }

    /// The limit is reached: further pieces change nothing.
    pub fn is_full(&self) -> bool {
        self.out.is_full()
    }

    /// The end of the page.
    pub fn finish(mut self) -> HtmlText {
        self.tokens.end(&mut self.out);
        let cut = self.out.is_full();
        let title = self.tokens.title().split_whitespace().collect::<Vec<_>>().join(" ");
        let title = crate::proto::text::sanitize(&title);
        let mut text = self.out.finish();
        text.truncate(text.trim_end().len());
        HtmlText { text, title, cut }
    }
}

/// The plain text of a fragment on one line, for titles and snippets of search results.
pub fn to_line(html: &str) -> String {
    let mut converter = Converter::new(Style::Plain, usize::MAX);
    converter.feed(html);
    converter.finish().text.split_whitespace().collect::<Vec<_>>().join(" ")
}
