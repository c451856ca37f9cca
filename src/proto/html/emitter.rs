//! The state of rendering a page, shared by the other files of this folder.

/// Maximum levels of lists and quotes; deeper ones look like the last.
pub(super) const NESTING: usize = 8;

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Headings, lists, links, pictures, tables, code, quotes.
    Markdown,
    /// Plain text.
    Plain,
}

/// An open list.
pub(super) struct List {
    /// Number of the next item, if they have numbers.
    pub(super) next: Option<u32>,
    /// Characters of the current item's mark.
    pub(super) width: usize,
    /// No item has begun.
    pub(super) fresh: bool,
}

/// Collects the text.
pub struct Emitter {
    pub(super) style: Style,
    pub(super) out: String,
    pub(super) limit: usize,
    pub(super) full: bool,
    /// Pending line breaks: 0, 1, or 2 for an empty line.
    pub(super) gap: u8,
    /// Whether a space is pending.
    pub(super) space: bool,
    /// Whether the current line has only a prefix.
    pub(super) at_line_start: bool,
    pub(super) quote: usize,
    pub(super) last_quote: usize,
    pub(super) lists: Vec<List>,
    /// Lists beyond [`NESTING`].
    pub(super) deeper_lists: u32,
    /// Whether the mark of a list item is pending.
    pub(super) item: bool,
    /// Level of the current heading, 0 for none.
    pub(super) heading: usize,
    pub(super) heading_owed: bool,
    pub(super) inline: Inline,
    /// In preformatted text.
    pub(super) pre: bool,
    /// Whether its fence has been written.
    pub(super) fence: bool,
    /// Pending line breaks in it.
    pub(super) pre_lines: u32,
    pub(super) tables: Vec<Table>,
    /// Tables beyond [`NESTING`].
    pub(super) deeper_tables: u32,
    /// Element whose content is skipped, and how many of its name are open.
    pub(super) skip: Option<(&'static str, u32)>,
}

/// What a mark means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Strong,
    Emphasis,
    Struck,
    Code,
    Link,
}

impl Mark {
    /// The mark of an element.
    pub(super) fn of_element(name: &str) -> Option<Mark> {
        Some(match name {
            "b" | "strong" => Mark::Strong,
            "i" | "em" => Mark::Emphasis,
            "s" | "del" | "strike" => Mark::Struck,
            "code" | "kbd" | "samp" | "tt" => Mark::Code,
            _ => return None,
        })
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Mark::Strong => "**",
            Mark::Emphasis => "*",
            Mark::Struck => "~~",
            Mark::Code => "`",
            Mark::Link => "[",
        }
    }
}

/// The state of a mark.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum MarkState {
    /// Not yet written.
    Owed,
    /// Written, to be closed.
    Open,
    /// Nested in another one of its kind, or used up: only waits for its end tag.
    Silent,
}

/// The marks that are open.
#[derive(Default)]
pub(super) struct Inline {
    pub(super) marks: Vec<(Mark, MarkState)>,
    /// Target of the open link.
    pub(super) target: String,
}

/// An open table.
#[derive(Default)]
pub(super) struct Table {
    /// Rows with text so far; two means two or more.
    pub(super) rows: u8,
    /// Cells of the current row, and how many of them have their bar.
    pub(super) cells: u16,
    pub(super) written: u16,
    pub(super) in_cell: bool,
    /// Whether it contains blocks, so it is not a pipe table.
    pub(super) layout: bool,
}

impl Table {
    pub(super) fn is_line(&self) -> bool {
        self.in_cell && !self.layout
    }
}

impl Emitter {
    /// An empty page; writing stops at `limit` bytes.
    pub fn new(style: Style, limit: usize) -> Emitter {
        Emitter {
            style,
            out: String::new(),
            limit,
            full: false,
            gap: 0,
            space: false,
            at_line_start: true,
            quote: 0,
            last_quote: 0,
            lists: Vec::new(),
            deeper_lists: 0,
            item: false,
            heading: 0,
            heading_owed: false,
            inline: Inline::default(),
            pre: false,
            fence: false,
            pre_lines: 0,
            tables: Vec::new(),
            deeper_tables: 0,
            skip: None,
        }
    }
}
