//! Index of lists: one row per property and article, in the order of time.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use crate::article::Facet;
use crate::store::enum_codes::facet_number;

/// Facet that every article has.
pub(super) const EVERY: i64 = 0;
/// Maximum number of facets that the writer caches.
const MAX_CACHED: usize = 100_000;

/// The writer's cache of facet numbers.
#[derive(Default)]
pub(super) struct FacetNames(HashMap<Facet, i64>);

impl FacetNames {
    /// Clears the cache. After a rollback, it may contain numbers that were never committed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the number of a facet. Assigns one if it has none.
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
        if self.0.len() >= MAX_CACHED {
            self.0.clear();
        }
        self.0.insert(facet, number);
        Ok(number)
    }
}

/// Returns the number of a facet, if one is assigned.
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

/// Removes an article from the lists of its facets.
pub(super) fn remove(connection: &Connection, facets: &[i64], sort_time: i64, article: i64) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM facets WHERE facet = ?1 AND sort_time = ?2 AND article = ?3")?;
    for facet in std::iter::once(&EVERY).chain(facets) {
        statement.execute((facet, sort_time, article))?;
    }
    Ok(())
}
