//! Tables of data, in contrast to tables that lay out a page.

use dom_query::NodeRef;

use crate::extract::budget::Budget;
use crate::extract::draft::Row;
use crate::extract::error::ExtractError;
use crate::extract::node_text::node_text;

const MAX_ROWS: usize = 500;
const MAX_CELLS: usize = 32;
/// Maximum length of a cell of data, in characters.
const CELL_CHARS: usize = 200;

/// Returns the rows of a table of data: at least two rows, most of them with two cells or more, and short cells without
/// tables, images, lists or headings. None for any other table.
pub(super) fn rows(table: &NodeRef<'_>, budget: &Budget<'_>) -> Result<Option<Vec<Row>>, ExtractError> {
    let mut rows = Vec::new();
    for node in table.descendants_it() {
        budget.step()?;
        let Some(name) = node.node_name() else { continue };
        match &*name {
            "table" | "img" | "iframe" | "ul" | "ol" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "form" => {
                return Ok(None);
            }
            "tr" if rows.len() >= MAX_ROWS => return Ok(None),
            "tr" => {
                let Some(row) = row(&node, budget)? else { return Ok(None) };
                rows.push(row);
            }
            _ => {}
        }
    }
    rows.retain(|row| row.cells.iter().any(|cell| !cell.is_empty()));
    let wide = rows.iter().filter(|row| row.cells.len() > 1).count();
    Ok((rows.len() > 1 && wide * 3 >= rows.len() * 2).then_some(rows))
}

/// Returns a row, unless a cell has running text.
fn row(node: &NodeRef<'_>, budget: &Budget<'_>) -> Result<Option<Row>, ExtractError> {
    let mut row = Row { cells: Vec::new(), is_header: true };
    for cell in node.children_it(false) {
        let Some(name) = cell.node_name() else { continue };
        if !matches!(&*name, "td" | "th") {
            continue;
        }
        let text = node_text(&cell, budget)?;
        if text.chars().count() > CELL_CHARS || row.cells.len() >= MAX_CELLS {
            return Ok(None);
        }
        row.is_header &= &*name == "th";
        row.cells.push(text);
    }
    row.is_header &= !row.cells.is_empty();
    Ok(Some(row))
}
