//! SQLite's FTS5 over the same made articles, to compare the cost of queries on one machine in one run.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::{Result, made};

/// Contentless FTS5 table of made articles, as the store had it before the search index.
pub struct Fts5(Connection);

impl Fts5 {
    /// Opens the table in a folder, or fills it.
    pub fn open(dir: &Path, articles: u64) -> Result<Self> {
        let path = dir.join(format!("fts5-{articles}.db"));
        let is_new = !path.exists();
        let database = Connection::open(path)?;
        if is_new {
            database.execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE VIRTUAL TABLE fts USING fts5 (headline, body, names, content = '', \
                     tokenize = \"unicode61 remove_diacritics 2\");
                 BEGIN",
            )?;
            let mut insert =
                database.prepare("INSERT INTO fts (rowid, headline, body, names) VALUES (?1, ?2, ?3, ?4)")?;
            for number in 0..articles {
                let (article, _) = made::article(number);
                insert.execute(params![number as i64 + 1, article.headline, article.body, article.tags.join("\n")])?;
            }
            drop(insert);
            database.execute_batch("INSERT INTO fts (fts) VALUES ('optimize'); COMMIT")?;
        }
        Ok(Self(database))
    }

    /// Returns the number of results of a query, at most 21, best first.
    pub fn top(&self, query: &str) -> Result<u64> {
        let select = "SELECT rowid FROM fts WHERE fts MATCH ?1 ORDER BY bm25(fts, 6.0, 1.0, 2.0) LIMIT 21";
        let mut statement = self.0.prepare_cached(select)?;
        let found = statement.query_map([query], |row| row.get::<_, i64>(0))?;
        Ok(found.collect::<rusqlite::Result<Vec<i64>>>()?.len() as u64)
    }
}
