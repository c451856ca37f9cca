//! Renders tables as pipe tables; layout tables are rendered as blocks.

use super::emitter::{Emitter, NESTING, Style, Table};

/// Maximum columns; further ones are merged into the last.
const COLUMNS: u16 = 64;

impl Emitter {
    pub(super) fn begin_table(&mut self) {
        self.end_heading();
        self.leave_cell_for_block();
        self.block(2);
        if self.tables.len() == NESTING {
            self.deeper_tables += 1;
        } else {
            // Inside a cell that stays on its line, a table stays there too.
            let layout = self.in_cell();
            self.tables.push(Table { layout, ..Table::default() });
        }
    }

    pub(super) fn end_table_tag(&mut self) {
        if self.deeper_tables > 0 {
            self.deeper_tables -= 1;
            return;
        }
        self.end_row();
        self.tables.pop();
        self.block(2);
    }

    pub(super) fn row(&mut self) {
        self.end_row();
        self.block(1);
    }

    pub(super) fn cell(&mut self, close: bool) {
        self.close_marks();
        self.space = true;
        let plain = self.style == Style::Plain;
        let Some(table) = self.tables.last_mut() else { return };
        if table.layout {
            table.in_cell = !close;
            return self.block(1);
        }
        table.in_cell = !close;
        if !close {
            table.cells = (table.cells + 1).min(COLUMNS);
        }
        if !plain {
            self.space = false;
        }
    }

    /// Writes the bars before a cell's first text; false when this is no cell or it has text already.
    pub(super) fn begin_cell_text(&mut self) -> bool {
        if !self.in_cell() {
            return false;
        }
        let Some(table) = self.tables.iter_mut().find(|t| t.is_line()) else { return false };
        let (written, cells) = (table.written, table.cells);
        table.written = cells;
        if written == cells {
            return true;
        }
        if written == 0 {
            self.begin_line();
            self.push("|");
        }
        for i in written..cells {
            self.push(if i == 0 { " " } else { " | " });
        }
        self.space = false;
        true
    }

    fn end_row(&mut self) {
        self.close_marks();
        let Some(table) = self.tables.last_mut() else { return };
        let Table { rows, cells, written, .. } = *table;
        (table.cells, table.written, table.in_cell) = (0, 0, false);
        if written == 0 {
            return;
        }
        table.rows = rows.saturating_add(1);
        for _ in written..cells {
            self.push(" |");
        }
        self.push(" |");
        if rows == 0 {
            self.new_line();
            self.push("|");
            (0..cells).for_each(|_| self.push("---|"));
        }
        self.gap = 1;
        self.space = false;
    }
}
