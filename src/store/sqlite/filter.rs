//! Translation of filters to SQL, shared by lists and searches.

use jiff::Timestamp;
use rusqlite::types::Value;

use super::facets::number_of;
use super::readers::Reader;
use crate::article::{Facet, FacetKind, Filter, Query};

/// SQL condition that `articles a` can be read at the time in parameter `?1`.
pub(super) const READABLE: &str =
    "a.lifecycle = 0 AND (a.embargo IS NULL OR a.embargo <= ?1) AND (a.expire IS NULL OR a.expire > ?1)";

/// Builder of a statement.
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>, now: Timestamp) -> Self {
        Self { text: text.into(), values: vec![Value::Integer(now.as_microsecond())] }
    }

    /// Binds a value. Returns its parameter.
    pub(super) fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }
}

/// Condition of a filter: its facet kind, and the facets of which an article must have one.
pub(super) type Condition = (FacetKind, Vec<i64>);

/// Resolves the conditions of a filter to facet numbers. Returns none if nothing can match.
pub(super) fn conditions(reader: &Reader, filter: &Filter) -> rusqlite::Result<Option<Vec<Condition>>> {
    let mut conditions = Vec::new();
    for any in &filter.any_of {
        let mut numbers = Vec::new();
        for facet in any {
            numbers.extend(number_of(&reader.connection, facet)?);
        }
        let kind = any.first().map_or(FacetKind::Source, |facet: &Facet| facet.kind);
        if numbers.is_empty() {
            return Ok(None);
        }
        conditions.push((kind, numbers));
    }
    Ok(Some(conditions))
}

/// Adds the conditions of a filter on `articles a`.
pub(super) fn add_filter(sql: &mut Sql, filter: &Filter, conditions: &[Condition]) {
    // Without `..`: a condition that is not translated would match every article. `conditions` has those of `any_of`;
    // the statement has that of `states`.
    let Filter { any_of: _, publish_from, publish_until, query, exclude_duplicates, states: _ } = filter;
    for (_, numbers) in conditions {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        sql.text += &format!(
            " AND EXISTS (SELECT 1 FROM facets x WHERE x.facet IN ({}) \
             AND x.sort_time = a.sort_time AND x.article = a.key)",
            numbers.join(", ")
        );
    }
    if let Some(from) = publish_from {
        let from = sql.value(from.as_microsecond());
        sql.text += &format!(" AND a.sort_time >= {from}");
    }
    if let Some(until) = publish_until {
        let until = sql.value(until.as_microsecond());
        sql.text += &format!(" AND a.sort_time < {until}");
    }
    if *exclude_duplicates {
        // A duplicate of an unreadable original is not excluded: it is the only readable copy.
        let readable = READABLE.replace("a.", "o.");
        sql.text += &format!(" AND NOT EXISTS (SELECT 1 FROM articles o WHERE o.key = a.duplicate_of AND {readable})");
    }
    if let Some(query) = query {
        let words = sql.value(match_text(query));
        sql.text += &format!(" AND a.key IN (SELECT rowid FROM search.fts WHERE fts MATCH {words})");
    }
}

/// Returns a query in FTS5 syntax. Its words are letters and digits only, and quoted, so a caller cannot inject syntax.
pub(super) fn match_text(query: &Query) -> String {
    let phrase = |words: &Vec<String>| format!("\"{}\"", words.join(" "));
    let groups = query.groups().iter().map(|group| {
        let phrases: Vec<String> = group.iter().map(phrase).collect();
        format!("({})", phrases.join(" OR "))
    });
    let mut text = groups.collect::<Vec<_>>().join(" AND ");
    if !query.excluded().is_empty() {
        let excluded: Vec<String> = query.excluded().iter().map(phrase).collect();
        text = format!("({text}) NOT ({})", excluded.join(" OR "));
    }
    text
}
