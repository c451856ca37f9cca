//! Converts tags and text to Markdown, or to plain text with the same line structure.
//!
//! Line breaks, spaces and marks stay pending until the next visible character, so the text never ends in
//! white space and an element without text leaves no mark. Every nesting has a limit; deeper elements
//! are rendered as if they were at the limit.

use super::emitter::{Emitter, List, Mark, NESTING, Style};
use super::link;
use super::token::{Attribute, Tag};
use crate::proto::text;

/// Maximum characters of a picture's alternative text.
const ALT_CHARS: usize = 200;

/// Elements that are skipped with their content.
const SKIPPED: &[&str] =
    &["audio", "canvas", "datalist", "math", "object", "select", "svg", "template", "video"];

impl Emitter {
    /// Whether the limit is reached; more input changes nothing.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Closes open elements and returns the text.
    pub fn finish(mut self) -> String {
        self.end_pre();
        while !self.tables.is_empty() {
            self.end_table_tag();
        }
        self.close_marks();
        self.out
    }

    /// A character of text, its reference already replaced.
    pub fn text(&mut self, c: char) {
        if self.full || self.skip.is_some() {
            return;
        }
        if self.pre {
            self.pre_text(c);
        } else if c.is_whitespace() {
            self.space = true;
        } else if text::is_visible(c) {
            self.prepare();
            if c == '|' && self.style == Style::Markdown && self.in_cell() {
                self.push("\\");
            }
            self.push_char(c);
        }
    }

    /// Writes what is pending before a visible character: line breaks, marks, a space.
    fn prepare(&mut self) {
        if !self.begin_cell_text() {
            self.begin_line();
        }
        if self.space && !self.at_line_start {
            self.push(" ");
        }
        self.space = false;
        if self.heading_owed {
            self.heading_owed = false;
            if self.style == Style::Markdown {
                for _ in 0..self.heading {
                    self.push("#");
                }
                self.push(" ");
            }
        }
        self.open_owed_marks();
        self.at_line_start = false;
    }

    /// A tag.
    pub fn tag(&mut self, tag: &Tag) {
        if self.full {
            return;
        }
        let name = tag.name.as_str();
        if let Some((skipped, depth)) = &mut self.skip {
            if name == *skipped && !tag.empty {
                *depth = if tag.close { *depth - 1 } else { depth.saturating_add(1) };
                if *depth == 0 {
                    self.skip = None;
                }
            }
            return;
        }
        if let Some(i) = SKIPPED.iter().position(|s| *s == name) {
            if !tag.close && !tag.empty {
                self.skip = Some((SKIPPED[i], 1));
            }
            return;
        }
        match (name, tag.close) {
            ("br", _) => self.line_break(),
            ("p" | "figure" | "dl" | "details", _) => self.paragraph(),
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6", _) => self.heading(name, tag.close),
            ("ul" | "ol" | "menu", false) => self.begin_list(tag),
            ("ul" | "ol" | "menu", true) => self.end_list(),
            ("li", false) => self.begin_item(),
            ("blockquote", close) => {
                self.end_heading();
                self.block(2);
                self.quote = if close { self.quote.saturating_sub(1) } else { self.quote + 1 };
            }
            ("pre", false) => self.begin_pre(),
            ("pre", true) => self.end_pre(),
            ("hr", _) => self.rule(),
            ("img", false) => self.picture(tag),
            ("a", false) => self.begin_link(tag.attribute(Attribute::Href)),
            ("a", true) => self.close_mark(Mark::Link),
            ("table", false) => self.begin_table(),
            ("table", true) => self.end_table_tag(),
            ("tr", _) => self.row(),
            ("td" | "th", close) => self.cell(close),
            (
                "div" | "section" | "article" | "header" | "footer" | "main" | "nav" | "aside"
                | "address" | "form" | "fieldset" | "legend" | "figcaption" | "summary" | "dt"
                | "dd" | "li" | "center" | "body" | "html" | "head" | "caption" | "option"
                | "thead" | "tbody" | "tfoot",
                _,
            ) => self.block(1),
            _ => {
                if let Some(mark) = Mark::of_element(name) {
                    if tag.close { self.close_mark(mark) } else { self.open_mark(mark) }
                }
            }
        }
    }

    fn paragraph(&mut self) {
        self.end_heading();
        self.block(2);
    }

    fn line_break(&mut self) {
        if self.pre {
            self.pre_text('\n');
        } else if self.in_cell() || self.heading > 0 {
            self.space = true;
        } else {
            self.gap = (self.gap + 1).min(2);
            self.space = false;
            if self.gap == 2 {
                self.close_marks();
            }
        }
    }

    fn heading(&mut self, name: &str, close: bool) {
        self.end_heading();
        self.leave_cell_for_block();
        self.block(2);
        if !close && !self.pre && !self.in_cell() {
            self.heading = usize::from(name.as_bytes()[1] - b'0');
            self.heading_owed = true;
        }
    }

    fn rule(&mut self) {
        self.paragraph();
        if self.style == Style::Markdown && !self.in_cell() && !self.pre {
            self.prepare();
            self.push("---");
            self.block(2);
        }
    }

    fn begin_list(&mut self, tag: &Tag) {
        self.end_heading();
        self.leave_cell_for_block();
        if self.pre || self.in_cell() {
            return self.block(1);
        }
        self.item = false;
        self.block(2);
        if self.lists.len() == NESTING {
            self.deeper_lists += 1;
            return;
        }
        if !self.lists.is_empty() {
            self.gap = 1;
        }
        let start =
            tag.attribute(Attribute::Start).and_then(|s| s.trim().parse().ok()).unwrap_or(1);
        self.lists.push(List { next: (tag.name == "ol").then_some(start), width: 2, fresh: true });
    }

    fn end_list(&mut self) {
        self.end_heading();
        if self.pre || self.in_cell() {
            return self.block(1);
        }
        self.item = false;
        if self.deeper_lists > 0 {
            self.deeper_lists -= 1;
        } else {
            self.lists.pop();
        }
        self.block(if self.lists.is_empty() { 2 } else { 1 });
    }

    fn begin_item(&mut self) {
        self.end_heading();
        if self.pre || self.in_cell() {
            return self.block(1);
        }
        self.item = false;
        self.block(1);
        // There are no empty lines between items, whatever paragraphs they contain; only before the first.
        if let Some(list) = self.lists.last_mut() {
            if !list.fresh {
                self.gap = 1;
            }
            list.fresh = false;
        }
        self.item = true;
    }

    fn begin_pre(&mut self) {
        self.end_heading();
        self.leave_cell_for_block();
        if !self.in_cell() {
            self.block(2);
            self.pre_lines = 0;
            self.pre = true;
        }
    }

    pub(super) fn end_pre(&mut self) {
        if !self.pre {
            return;
        }
        self.pre = false;
        if self.fence {
            self.fence = false;
            if self.style == Style::Markdown {
                self.new_line();
                self.out.push_str("```");
            }
        }
        self.block(2);
    }

    fn picture(&mut self, tag: &Tag) {
        if self.pre {
            return;
        }
        let sources = [Attribute::DataSrc, Attribute::Src];
        let Some(src) = sources.iter().find_map(|&a| tag.attribute(a).and_then(link::picture))
        else {
            return;
        };
        let alt = text::one_line(tag.attribute(Attribute::Alt).unwrap_or(""), ALT_CHARS);
        if self.style == Style::Plain {
            return alt.chars().for_each(|c| self.text(c));
        }
        self.prepare();
        self.push("![");
        self.push(&alt.replace(['[', ']', '|'], " "));
        self.push("](");
        self.push(&src);
        self.push(")");
    }
}
