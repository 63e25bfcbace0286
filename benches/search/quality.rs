//! Ranking of the judged set: nDCG@10 of the index, of SQLite's FTS5 and of PostgreSQL.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use copydesk::article::{FieldSet, Filter, Query};
use copydesk::search::{Ranking, Recency, SearchIndex, Selection, TopQuery};
use copydesk::telemetry::SearchMetrics;
use jiff::Timestamp;

use crate::archive::Archive;
use crate::judged::{JudgedQuery, JudgedSet, ndcg};
use crate::{Result, options, others};

/// The time from which the ages of the judged articles count.
const NOW: &str = "2026-11-26T12:00:00Z";

/// Results of every query, in the order of the set.
type Ranked = Vec<Vec<String>>;

pub async fn all(folder: &Path) -> Result<()> {
    let set = Arc::new(JudgedSet::read(folder)?);
    let mut columns: Vec<(&str, Ranked)> = Vec::new();
    columns.push(("Copydesk", copydesk(&set, Recency::default(), true).await?));
    columns.push(("without recency", copydesk(&set, Recency { weight: 0.0, ..Recency::default() }, true).await?));
    columns.push(("language not given", copydesk(&set, Recency::default(), false).await?));
    columns.push(("FTS5, bm25", others::fts5(&set)?));
    columns.push(("PostgreSQL, ts_rank, stems", others::postgres(&set, true).await?));
    columns.push(("PostgreSQL, ts_rank, simple", others::postgres(&set, false).await?));
    println!("\nnDCG@10 of {} queries over {} articles\n", set.queries.len(), set.articles.len());
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    println!("| | queries | {} |\n|---|---|{}", names.join(" | "), "---|".repeat(names.len()));
    row("all", &set, &columns, |_| true);
    let mut groups: BTreeMap<&str, fn(&JudgedQuery) -> &str> = BTreeMap::new();
    for query in &set.queries {
        groups.insert(&query.language, |query| &query.language);
        groups.insert(&query.kind, |query| &query.kind);
    }
    for (group, key) in groups {
        row(group, &set, &columns, |query| key(query) == group);
    }
    if std::env::var_os("VERBOSE").is_some() {
        for (query, found) in set.queries.iter().zip(&columns[0].1) {
            let score = ndcg(found, &query.judgments);
            if score < 0.8 {
                println!("{} {score:.2} {:?} found {found:?} judged {:?}", query.id, query.query, query.judgments);
            }
        }
    }
    Ok(())
}

fn row(name: &str, set: &JudgedSet, columns: &[(&str, Ranked)], is_in: impl Fn(&JudgedQuery) -> bool) {
    let chosen: Vec<usize> = (0..set.queries.len()).filter(|at| is_in(&set.queries[*at])).collect();
    let means = columns.iter().map(|(_, ranked)| {
        let sum: f64 = chosen.iter().map(|at| ndcg(&ranked[*at], &set.queries[*at].judgments)).sum();
        format!("{:.3}", sum / chosen.len().max(1) as f64)
    });
    println!("| {name} | {} | {} |", chosen.len(), means.collect::<Vec<_>>().join(" | "));
}

async fn copydesk(set: &Arc<JudgedSet>, recency: Recency, with_language: bool) -> Result<Ranked> {
    let dir = tempfile::tempdir()?;
    let articles = Arc::clone(set);
    let make = move |number: u64| {
        let article = &articles.articles[number as usize];
        (article.article(), article.time())
    };
    let archive = Arc::new(Archive::new(set.articles.len() as u64, Box::new(make)));
    let index = SearchIndex::open(archive, options(dir.path()), SearchMetrics::default()).await?;
    if !index.reach(copydesk::article::Position::START, Duration::from_secs(60)).await {
        return Err("the index was not built in time".into());
    }
    let now: Timestamp = NOW.parse()?;
    let mut ranked = Vec::new();
    for query in &set.queries {
        let language = with_language.then_some(query.language.as_str());
        let parsed = Query::parse_in(&query.query, "query", language, FieldSet::default())?;
        let top = TopQuery {
            query: Some(parsed),
            filter: Filter::default(),
            selection: Selection::default(),
            ranking: Ranking::Relevance(recency),
            after: None,
            statistics: None,
            limit: 10,
            now,
        };
        let found = index.top(top).await?.candidates;
        let numbers = found.iter().filter_map(|candidate| candidate.id.as_str()[1..].parse::<usize>().ok());
        ranked.push(numbers.map(|number| set.articles[number].id.clone()).collect());
    }
    Ok(ranked)
}
