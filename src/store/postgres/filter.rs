//! Translation of filters to SQL, for lists and searches.

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use super::pool::Param;
use super::rows::facet_number;
use super::tsvector::query_text;
use crate::article::Filter;

/// Condition that an article of `articles a` is readable at the time in parameter `$1`.
pub(super) const READABLE: &str =
    "a.lifecycle = 0 AND (a.embargo IS NULL OR a.embargo <= $1) AND (a.expire IS NULL OR a.expire > $1)";

/// Parameter values of a statement under construction; the first is the time at which articles must be readable.
pub(super) struct Values(Vec<(Box<dyn ToSql + Sync + Send>, Type)>);

impl Values {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(vec![(Box::new(now.as_microsecond()), Type::INT8)])
    }

    /// Adds a value and returns its parameter.
    pub(super) fn add<T: ToSql + Sync + Send + 'static>(&mut self, value: T, of: Type) -> String {
        self.0.push((Box::new(value), of));
        format!("${}", self.0.len())
    }

    pub(super) fn number(&mut self, value: i64) -> String {
        self.add(value, Type::INT8)
    }

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        self.0.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect()
    }
}

/// Builds the conditions of a filter on `articles a`, except for the one whose lists are walked.
pub(super) fn conditions(values: &mut Values, filter: &Filter, scanned: Option<usize>) -> String {
    // Without `..`: a condition that is not translated would match every article. The statement has that of `states`.
    let Filter { any_of, publish_from, publish_until, query, exclude_duplicates, states: _ } = filter;
    let mut sql = String::new();
    for (_, any) in any_of.iter().enumerate().filter(|(at, _)| Some(*at) != scanned) {
        let numbers: Vec<i64> = any.iter().map(facet_number).collect();
        sql += &format!(" AND a.facets && {}", values.add(numbers, Type::INT8_ARRAY));
    }
    if let Some(from) = publish_from {
        sql += &format!(" AND a.sort_time >= {}", values.number(from.as_microsecond()));
    }
    if let Some(until) = publish_until {
        sql += &format!(" AND a.sort_time < {}", values.number(until.as_microsecond()));
    }
    if *exclude_duplicates {
        // Keeps a duplicate whose original is not readable.
        let readable = READABLE.replace("a.", "o.");
        sql +=
            &format!(" AND NOT EXISTS (SELECT FROM copydesk.articles o WHERE o.key = a.duplicate_of AND {readable})");
    }
    if let Some(query) = query {
        let words = values.add(query_text(query), Type::TEXT);
        sql += &format!(
            " AND EXISTS (SELECT FROM copydesk.search s WHERE s.article = a.key AND s.words @@ {words}::tsquery)"
        );
    }
    sql
}
