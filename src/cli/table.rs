//! Tables: aligned with a head on a terminal, tab-separated for scripts.

use std::io::IsTerminal;

use super::article_text::dim;
use super::failure::{Failure, print, print_note};

/// Rows of cells.
pub(super) struct Table<const COLUMNS: usize> {
    head: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Creates a table with this head.
    pub(super) fn new(head: [&'static str; COLUMNS]) -> Self {
        Self { head, rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| cell.replace(['\t', '\n'], " ")));
    }

    /// Prints the rows. If there are none, says so on standard error.
    pub(super) fn print(self, none: &str) -> Result<(), Failure> {
        if self.rows.is_empty() {
            print_note(none);
            return Ok(());
        }
        if !std::io::stdout().is_terminal() {
            return self.rows.iter().try_for_each(|row| print(&row.join("\t")));
        }
        let width = |at: usize| {
            let cells = self.rows.iter().map(|row| row[at].chars().count());
            cells.chain([self.head[at].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        print(&dim(&line(self.head.to_vec())))?;
        self.rows.iter().try_for_each(|row| print(&line(row.iter().map(String::as_str).collect())))
    }
}
