//! What lists walk: for each property of each article, a row in the order of time.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use crate::article::Facet;
use crate::store::codes::facet_number;

/// The facet that every article has.
pub(super) const EVERY: i64 = 0;
/// How many names the writer remembers.
const REMEMBERED: usize = 100_000;

/// The numbers of facets' names, as the writer has seen them.
#[derive(Default)]
pub(super) struct FacetNames(HashMap<Facet, i64>);

impl FacetNames {
    /// What was remembered within a transaction that was rolled back may be wrong.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// The number of a name, given now if it had none.
    pub(super) fn intern(&mut self, connection: &Connection, facet: Facet) -> rusqlite::Result<i64> {
        if let Some(number) = self.0.get(&facet) {
            return Ok(*number);
        }
        let number = match number_of(connection, &facet)? {
            Some(number) => number,
            None => {
                connection
                    .prepare_cached("INSERT INTO facet_names (kind, value) VALUES (?1, ?2)")?
                    .execute((facet_number(facet.kind), &facet.value))?;
                connection.last_insert_rowid()
            }
        };
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(facet, number);
        Ok(number)
    }
}

/// The number of a name, if any article has it.
pub(super) fn number_of(connection: &Connection, facet: &Facet) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT facet FROM facet_names WHERE kind = ?1 AND value = ?2")?
        .query_row((facet_number(facet.kind), &facet.value), |row| row.get(0))
        .optional()
}

/// Adds an article to the lists of its facets.
pub(super) fn insert(connection: &Connection, facets: &[i64], sort_time: i64, article: i64) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR IGNORE INTO facets (facet, sort_time, article) VALUES (?1, ?2, ?3)")?;
    for facet in std::iter::once(&EVERY).chain(facets) {
        statement.execute((facet, sort_time, article))?;
    }
    Ok(())
}

/// Takes an article out of the lists of its facets.
pub(super) fn remove(connection: &Connection, facets: &[i64], sort_time: i64, article: i64) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM facets WHERE facet = ?1 AND sort_time = ?2 AND article = ?3")?;
    for facet in std::iter::once(&EVERY).chain(facets) {
        statement.execute((facet, sort_time, article))?;
    }
    Ok(())
}
