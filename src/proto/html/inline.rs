//! Marks inside a line: bold, italic, struck out, code, links.
//!
//! A mark is written with the first text inside it and closed right after the last, so spaces end up
//! outside; the end of a block closes the marks and the next block reopens them.

use super::emitter::{Emitter, Mark, MarkState, Style};
use super::link;

/// Marks open inside each other; further ones are ignored.
const MARKS: usize = 16;

impl Emitter {
    /// A mark's start tag.
    pub(super) fn open_mark(&mut self, mark: Mark) {
        if self.pre || self.style == Style::Plain || self.inline.marks.len() == MARKS {
            return;
        }
        let inside = self.inline.marks.iter().any(|m| m.0 == mark && m.1 != MarkState::Silent);
        self.inline.marks.push((mark, if inside { MarkState::Silent } else { MarkState::Owed }));
    }

    /// A mark's end tag. Marks opened since are closed with it and open again with the next text.
    pub(super) fn close_mark(&mut self, mark: Mark) {
        let Some(at) = self.inline.marks.iter().rposition(|m| m.0 == mark) else { return };
        if self.inline.marks[at].1 == MarkState::Open {
            self.close_from(at);
        }
        self.inline.marks.remove(at);
    }

    /// Closes all marks at the end of a block.
    pub(super) fn close_marks(&mut self) {
        self.close_from(0);
    }

    /// A link's start tag; without a target its text is plain.
    pub(super) fn begin_link(&mut self, href: Option<&str>) {
        self.close_mark(Mark::Link);
        let Some(target) = href.and_then(link::target) else { return };
        self.open_mark(Mark::Link);
        self.inline.target = target;
    }

    /// Writes the pending marks.
    pub(super) fn open_owed_marks(&mut self) {
        for i in 0..self.inline.marks.len() {
            let (mark, state) = self.inline.marks[i];
            if state == MarkState::Owed {
                self.inline.marks[i].1 = MarkState::Open;
                self.push(mark.text());
            }
        }
    }

    fn close_from(&mut self, at: usize) {
        for i in (at..self.inline.marks.len()).rev() {
            let (mark, state) = self.inline.marks[i];
            if state != MarkState::Open {
                continue;
            }
            // Even past the limit: a few bytes that keep the text well-formed.
            if mark == Mark::Link {
                self.out.push_str("](");
                self.out.push_str(&self.inline.target);
                self.out.push(')');
                self.inline.marks[i].1 = MarkState::Silent;
            } else {
                self.out.push_str(mark.text());
                self.inline.marks[i].1 = MarkState::Owed;
            }
        }
    }
}
