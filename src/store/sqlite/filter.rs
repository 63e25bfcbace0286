//! What a filter asks, in SQL: what lists and searches share.

use jiff::Timestamp;
use rusqlite::types::Value;

use super::facets::number_of;
use super::readers::Reader;
use crate::article::{Facet, FacetKind, Filter, Query};

/// What every reader of `articles a` asks: that it can be read at the time that is parameter `?1`.
pub(super) const READABLE: &str =
    "a.lifecycle = 0 AND (a.embargo IS NULL OR a.embargo <= ?1) AND (a.expire IS NULL OR a.expire > ?1)";

/// A statement that grows.
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>, now: Timestamp) -> Self {
        Self { text: text.into(), values: vec![Value::Integer(now.as_microsecond())] }
    }

    /// Adds a value, and gives the parameter that stands for it.
    pub(super) fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }
}

/// One condition of a filter: of which kind, and the numbers of the facets of which an article must have one.
pub(super) type Condition = (FacetKind, Vec<i64>);

/// What each condition of a filter asks, as the numbers of which an article must have one. `None`: nothing can match.
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

/// Adds what a filter asks of `articles a`.
pub(super) fn add_filter(sql: &mut Sql, filter: &Filter, conditions: &[Condition]) {
    for (_, numbers) in conditions {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        sql.text += &format!(
            " AND EXISTS (SELECT 1 FROM facets x WHERE x.facet IN ({}) AND x.sort_time = a.sort_time AND x.article = a.key)",
            numbers.join(", ")
        );
    }
    if let Some(from) = filter.publish_from {
        let from = sql.value(from.as_microsecond());
        sql.text += &format!(" AND a.sort_time >= {from}");
    }
    if let Some(until) = filter.publish_until {
        let until = sql.value(until.as_microsecond());
        sql.text += &format!(" AND a.sort_time < {until}");
    }
    if filter.exclude_duplicates {
        // Of an original that cannot be read, the copy is what there is to read.
        let readable = READABLE.replace("a.", "o.");
        sql.text += &format!(" AND NOT EXISTS (SELECT 1 FROM articles o WHERE o.key = a.duplicate_of AND {readable})");
    }
    if let Some(query) = &filter.query {
        let words = sql.value(match_text(query));
        sql.text += &format!(" AND a.key IN (SELECT rowid FROM search.fts WHERE fts MATCH {words})");
    }
}

/// A query in FTS5's language. Its words are letters and digits only, and quoted: nothing of a caller's syntax gets through.
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
