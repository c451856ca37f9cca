//! Writes lines: the prefix before the first character, and the limit.

use super::emitter::{Emitter, NESTING, Style};

/// Indentation per list level.
const INDENT: usize = 4;
/// Maximum consecutive line breaks in preformatted text.
const PRE_BREAKS: u32 = 3;

impl Emitter {
    /// Writes the pending line breaks and the prefix of the current line.
    pub(super) fn begin_line(&mut self) {
        let gap = std::mem::take(&mut self.gap);
        if self.out.is_empty() {
            self.prefix();
        } else if gap > 0 {
            if gap > 1 {
                self.push("\n");
                if self.style == Style::Markdown {
                    // The empty line belongs to the quotes that continue after it.
                    for i in 0..self.quote.min(self.last_quote).min(NESTING) {
                        self.push(if i == 0 { ">" } else { " >" });
                    }
                }
            }
            self.new_line();
        }
    }

    /// A line break and the prefix of the next line.
    pub(super) fn new_line(&mut self) {
        self.push("\n");
        self.prefix();
    }

    fn prefix(&mut self) {
        self.at_line_start = true;
        self.last_quote = self.quote;
        if self.style == Style::Markdown {
            for _ in 0..self.quote.min(NESTING) {
                self.push("> ");
            }
        }
        let depth = self.lists.len();
        for _ in 0..depth.saturating_sub(1) * INDENT {
            self.push(" ");
        }
        if !std::mem::take(&mut self.item) {
            let width = self.lists.last().map_or(0, |l| l.width);
            (0..width).for_each(|_| self.push(" "));
            return;
        }
        let number = self.lists.last_mut().and_then(|l| l.next.as_mut());
        let mark = match number {
            None => "- ".to_string(),
            Some(n) => {
                let mark = format!("{n}. ");
                *n = n.saturating_add(1);
                mark
            }
        };
        self.push(&mark);
        if let Some(list) = self.lists.last_mut() {
            list.width = mark.len();
        }
    }

    /// A character of preformatted text.
    pub(super) fn pre_text(&mut self, c: char) {
        match c {
            '\n' => self.pre_lines = self.pre_lines.saturating_add(1),
            '\r' => {}
            _ if !crate::proto::text::is_visible(c) => {}
            _ => {
                if !self.fence {
                    // Line breaks before the first character are not shown.
                    self.pre_lines = 0;
                    self.fence = true;
                    self.begin_line();
                    if self.style == Style::Markdown {
                        self.push("```");
                        self.new_line();
                    }
                }
                for _ in 0..std::mem::take(&mut self.pre_lines).min(PRE_BREAKS) {
                    self.new_line();
                }
                self.push_char(if c == '\u{a0}' { ' ' } else { c });
                self.at_line_start = false;
            }
        }
    }

    /// Appends unless the limit is reached.
    pub(super) fn push(&mut self, text: &str) {
        if self.full || self.out.len() + text.len() > self.limit {
            self.full = true;
        } else {
            self.out.push_str(text);
        }
    }

    /// Appends unless the limit is reached.
    pub(super) fn push_char(&mut self, c: char) {
        self.push(c.encode_utf8(&mut [0; 4]));
    }
}
