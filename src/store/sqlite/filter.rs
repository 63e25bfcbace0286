//! Translation of filters to SQL, shared by lists and searches.

use jiff::Timestamp;
use rusqlite::types::Value;

use super::facets::number_of;
use super::readers::Reader;
use crate::article::{Digest, Filter, Query, TimeRange};
use crate::store::enum_codes::{head, in_states};

/// SQL condition that `articles a` can be read at the time in parameter `?1`.
pub(super) const READABLE: &str =
    "a.lifecycle = 0 AND (a.embargo IS NULL OR a.embargo <= ?1) AND (a.expire IS NULL OR a.expire > ?1)";
/// Time of the newest change of `articles a`.
const UPDATED: &str = "(SELECT u.time FROM changes u WHERE u.position = a.position)";
/// Digest of its text.
const DIGEST: &str = "(SELECT d.digest FROM changes d WHERE d.position = a.position)";

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

    /// Binds digests. Returns a list of their parameters.
    fn digests(&mut self, digests: &[Digest]) -> String {
        let digests: Vec<String> = digests.iter().map(|digest| self.value(digest.0.to_vec())).collect();
        digests.join(", ")
    }

    /// Returns the conditions that a time is in a range.
    pub(super) fn range(&mut self, time: &str, range: &TimeRange) -> Vec<String> {
        let ends = [(range.start, ">="), (range.end, "<")].into_iter();
        let ends = ends.filter_map(|(end, sign)| Some((end?, sign)));
        ends.map(|(end, sign)| format!("{time} {sign} {}", self.value(end.as_microsecond()))).collect()
    }
}

/// Conditions of a filter as facet numbers.
pub(super) struct Conditions {
    /// Facets of which an article must have one, in the order of the filter's conditions.
    pub(super) any_of: Vec<Vec<i64>>,
    /// Facets of which it must have none.
    none_of: Vec<i64>,
}

impl Conditions {
    /// Resolves the conditions of a filter. Returns none if nothing can match.
    pub(super) fn of(reader: &Reader, filter: &Filter) -> rusqlite::Result<Option<Self>> {
        if filter.digests.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let mut any_of = Vec::with_capacity(filter.any_of.len());
        for any in &filter.any_of {
            let mut numbers = Vec::new();
            for facet in any {
                numbers.extend(number_of(&reader.connection, facet)?);
            }
            if numbers.is_empty() {
                return Ok(None);
            }
            any_of.push(numbers);
        }
        let mut none_of = Vec::new();
        for facet in &filter.none_of {
            none_of.extend(number_of(&reader.connection, facet)?);
        }
        Ok(Some(Self { any_of, none_of }))
    }

    /// Returns the conditions of a filter on `articles a`, except for those of [`selected`] and the one that is walked.
    /// `searched` is the condition of a search, which holds for all articles of a story that are compared.
    pub(super) fn sql(
        &self,
        sql: &mut Sql,
        filter: &Filter,
        walked: Option<usize>,
        searched: Option<String>,
    ) -> Vec<String> {
        let mut conditions = self.of_article(sql, filter, walked);
        if filter.one_per_story {
            let mut of_other = vec![in_states(&filter.states, "?1")];
            of_other.extend(selected(sql, filter));
            of_other.extend(searched);
            of_other.extend(self.of_article(sql, filter, None));
            let of_other = of_other.join(" AND ").replace("a.", "o.");
            // Last, since it costs most.
            conditions.push(format!(
                "NOT EXISTS (SELECT 1 FROM articles o JOIN changes t ON t.position = o.position
                 WHERE o.digest_head = a.digest_head AND t.digest = {DIGEST}
                 AND (o.sort_time, o.id) < (a.sort_time, a.id) AND {of_other})"
            ));
        }
        conditions
    }

    fn of_article(&self, sql: &mut Sql, filter: &Filter, walked: Option<usize>) -> Vec<String> {
        // Without `..`: a condition that is not translated would match every article. `self` has those of `any_of` and
        // `none_of`.
        let Filter {
            any_of: _,
            none_of: _,
            published,
            created,
            updated,
            query: _,
            states: _,
            digests: _,
            not_digests,
            one_per_story: _,
        } = filter;
        let others = self.any_of.iter().enumerate().filter(|(at, _)| Some(*at) != walked);
        let mut conditions: Vec<String> = others.map(|(_, numbers)| has_one_of(numbers)).collect();
        if !self.none_of.is_empty() {
            conditions.push(format!("NOT {}", has_one_of(&self.none_of)));
        }
        conditions.extend(sql.range("a.sort_time", published));
        conditions.extend(sql.range("a.created", created));
        conditions.extend(sql.range(UPDATED, updated));
        if !not_digests.is_empty() {
            conditions.push(format!("{DIGEST} NOT IN ({})", sql.digests(not_digests)));
        }
        conditions
    }
}

fn has_one_of(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!(
        "EXISTS (SELECT 1 FROM facets x WHERE x.facet IN ({}) AND x.sort_time = a.sort_time AND x.article = a.key)",
        numbers.join(", ")
    )
}

/// Returns the conditions of a filter on `articles a` that an index serves: those on its text and its digest.
pub(super) fn selected(sql: &mut Sql, filter: &Filter) -> Vec<String> {
    let mut conditions = Vec::new();
    if let Some(digests) = &filter.digests {
        let heads: Vec<String> = digests.iter().map(|digest| head(digest).to_string()).collect();
        conditions.push(format!("a.digest_head IN ({})", heads.join(", ")));
        conditions.push(format!("{DIGEST} IN ({})", sql.digests(digests)));
    }
    if let Some(query) = &filter.query {
        let words = sql.value(match_text(query));
        conditions.push(format!("a.key IN (SELECT rowid FROM search.fts WHERE fts MATCH {words})"));
    }
    conditions
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
