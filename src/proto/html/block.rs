//! Where blocks begin and end: what that closes, and which line breaks it makes pending.

use super::emitter::{Emitter, Style, Table};

impl Emitter {
    /// Makes at least `lines` line breaks pending: another block follows.
    pub(super) fn block(&mut self, lines: u8) {
        if self.pre {
            self.pre_lines = self.pre_lines.max(1);
        } else if self.in_cell() || (self.heading > 0 && !self.heading_owed) {
            self.space = true;
        } else {
            self.close_marks();
            self.space = false;
            // Blocks at the start of an item continue its first line.
            if !self.item {
                self.gap = self.gap.max(lines);
            }
        }
    }

    /// Ends the heading, if one is open.
    pub(super) fn end_heading(&mut self) {
        if self.heading > 0 {
            self.heading = 0;
            self.heading_owed = false;
            self.block(2);
        }
    }

    /// In a cell of a pipe table, where everything must be on one line.
    pub(super) fn in_cell(&self) -> bool {
        self.style == Style::Markdown && self.tables.iter().any(Table::is_line)
    }

    /// A heading, list, table or the like begins: a cell it begins in cannot be part of a pipe table.
    pub(super) fn leave_cell_for_block(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            if table.in_cell && table.written == 0 {
                table.layout = true;
            }
        }
    }
}
