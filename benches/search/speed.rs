//! Cost of the index: building it from made articles, then queries, counts and facets.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::article::{Facet, FacetKind, FieldSet, Filter, Position, Query};
use copydesk::search::{
    Aggregate, CountQuery, CountedField, Period, Ranking, Recency, SearchIndex, Selection, SuggestQuery,
    SuggestedField, TimeKey, TopQuery, ValueField,
};
use copydesk::telemetry::SearchMetrics;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::sys::resource::{UsageWho, getrusage};

use crate::archive::Archive;
use crate::fts5::Fts5;
use crate::{Result, made, options};

/// Rounds in which calls are measured in turn with those of FTS5.
const PAIRS: usize = 7;

/// Calls that are measured.
pub struct Calls<'a> {
    /// Part of their names; all if empty.
    pub only: &'a str,
    /// Number of each kind, at least 1.
    pub count: usize,
}

/// Maximum time in which an index is built.
const BUILD: Duration = Duration::from_secs(4 * 3_600);

pub async fn all(articles: u64, dir: &Path, calls: &Calls<'_>) -> Result<()> {
    let archive = Arc::new(Archive::new(articles, Box::new(made::article)));
    let cpu = processor_time()?;
    let began = Instant::now();
    let index = SearchIndex::open(archive, options(dir), SearchMetrics::default()).await?;
    let is_new = !dir.join("index").join("meta.json").exists();
    if !index.reach(Position::START, BUILD).await {
        return Err("the index was not built in time".into());
    }
    let (took, cpu) = (began.elapsed(), processor_time()?.saturating_sub(cpu));
    println!("\n{articles} articles; index of {} MB", size(&dir.join("index"))? >> 20);
    if is_new {
        let each = cpu.as_secs_f64() * 1e6 / articles as f64;
        println!("built in {:.1} s; {each:.0} µs of CPU an article, with making it", took.as_secs_f64());
    } else {
        println!("opened in {:.1} ms", took.as_secs_f64() * 1e3);
    }
    println!("\n| | CPU, µs | median, µs | p99, µs | found |\n|---|---|---|---|---|");
    queries(&index, calls).await?;
    beside_fts5(&index, &Fts5::open(dir, articles)?, calls).await?;
    facets(&index, calls).await?;
    println!("\nanonymous memory (RssAnon): {} MB", anonymous_memory()? >> 20);
    Ok(())
}

async fn queries(index: &SearchIndex, calls: &Calls<'_>) -> Result<()> {
    let relevance = Ranking::Relevance(Recency::default());
    let plain = Ranking::Relevance(Recency { weight: 0.0, ..Recency::default() });
    let by_time = Ranking::Time { key: TimeKey::Publish, descending: true };
    let source = Facet { kind: FacetKind::Source, value: "source7.example".to_owned() };
    let filter = Filter { any_of: vec![vec![source]], ..Filter::default() };
    let phrase = format!("\"{} {}\"", made::word(0), made::word(1));
    for (name, text, filter, ranking) in [
        ("one word in 10.5 % (government)", "government", Filter::default(), relevance),
        ("… without recency", "government", Filter::default(), plain),
        ("… latest first", "government", Filter::default(), by_time),
        ("one word in 45 % (said)", "said", Filter::default(), relevance),
        ("… without recency", "said", Filter::default(), plain),
        ("two words", "harbour government", Filter::default(), relevance),
        ("two common words", "said government", Filter::default(), relevance),
        ("phrase of common words", &phrase, Filter::default(), relevance),
        ("one word and a source", "government", filter, relevance),
        ("OR of two words", "harbour OR government", Filter::default(), relevance),
        ("word*", "gov*", Filter::default(), relevance),
    ] {
        let top = first_page(text, filter, ranking)?;
        calls.measure(name, || async { Ok(index.top(top.clone()).await?.total) }).await?;
    }
    Ok(())
}

/// Measures queries in turn with the same ones of FTS5, and prints the ratios.
async fn beside_fts5(index: &SearchIndex, fts5: &Fts5, calls: &Calls<'_>) -> Result<()> {
    let recent = Ranking::Relevance(Recency::default());
    let plain = Ranking::Relevance(Recency { weight: 0.0, ..Recency::default() });
    let phrase = format!("\"{} {}\"", made::word(0), made::word(1));
    println!("\n| beside FTS5 | µs | FTS5, µs | ratio, median of {PAIRS} |\n|---|---|---|---|");
    for (name, text, ranking) in [
        ("one word in 10.5 %", "government", recent),
        ("one word in 10.5 %, without recency", "government", plain),
        ("one word in 45 %", "said", recent),
        ("two words", "harbour government", recent),
        ("two common words", "said government", recent),
        ("phrase of common words", phrase.as_str(), recent),
    ] {
        if !name.contains(calls.only) {
            continue;
        }
        let top = first_page(text, Filter::default(), ranking)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let began = processor_time()?;
            for _ in 0..calls.count.div_ceil(PAIRS) {
                index.top(top.clone()).await?;
            }
            let between = processor_time()?;
            for _ in 0..calls.count.div_ceil(PAIRS) {
                fts5.top(text)?;
            }
            let each = |time: Duration| time.as_secs_f64() * 1e6 / calls.count.div_ceil(PAIRS) as f64;
            ours.push(each(between.saturating_sub(began)));
            theirs.push(each(processor_time()?.saturating_sub(between)));
        }
        let mut ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!("| {name} | {:.0} | {:.0} | {:.3} |", median(&mut ours), median(&mut theirs), median(&mut ratios));
    }
    Ok(())
}

/// Returns the request for the first page of a query.
fn first_page(text: &str, filter: Filter, ranking: Ranking) -> Result<TopQuery> {
    let query = Query::parse_in(text, "query", Some("en"), FieldSet::default())?;
    let (selection, after, statistics) = (Selection::default(), None, None);
    let now = Timestamp::now();
    Ok(TopQuery { query: Some(query), filter, selection, ranking, after, statistics, limit: 21, now })
}

async fn facets(index: &SearchIndex, calls: &Calls<'_>) -> Result<()> {
    let values = |field| Aggregate::Values { field: CountedField::Value(field), limit: 10 };
    let days = Aggregate::Times { key: TimeKey::Publish, period: Period::Day, zone: TimeZone::UTC, limit: 100 };
    let said = Query::parse_in("said", "query", Some("en"), FieldSet::default())?;
    for (name, query, aggregates) in [
        ("count of one word (said)", Some(said.clone()), vec![]),
        ("sources of all articles", None, vec![values(ValueField::Source)]),
        ("authors of all articles (160,000)", None, vec![values(ValueField::Author)]),
        ("tags of all articles", None, vec![values(ValueField::Tag)]),
        ("days of all articles", None, vec![days.clone()]),
        (
            "sources, sections and days of said",
            Some(said),
            vec![values(ValueField::Source), values(ValueField::Section), days],
        ),
    ] {
        let (filter, selection) = (Filter::default(), Selection::default());
        let count = CountQuery { query, filter, selection, aggregates, now: Timestamp::now() };
        calls.measure(name, || async { Ok(index.count(count.clone()).await?.total) }).await?;
    }
    for (name, field, prefix) in [
        ("suggest authors by 3 letters", SuggestedField::Value(ValueField::Author), "bac"),
        ("suggest words by 3 letters", SuggestedField::HeadlineWord, "cor"),
    ] {
        let suggest = SuggestQuery {
            field,
            prefix: prefix.to_owned(),
            filter: Filter::default(),
            selection: Selection::default(),
            limit: 10,
            now: Timestamp::now(),
        };
        calls.measure(name, || async { Ok(index.suggest(suggest.clone()).await?.0.len() as u64) }).await?;
    }
    Ok(())
}

impl Calls<'_> {
    async fn measure<F: Future<Output = Result<u64>>>(&self, name: &str, call: impl Fn() -> F) -> Result<()> {
        if !name.contains(self.only) {
            return Ok(());
        }
        let count = self.count.max(1);
        let mut found = 0;
        for _ in 0..count / 10 {
            found = call().await?;
        }
        let cpu = processor_time()?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            call().await?;
            times.push(began.elapsed());
        }
        let cpu = processor_time()?.saturating_sub(cpu).as_secs_f64() * 1e6 / count as f64;
        times.sort_unstable();
        let micros = |at: usize| times[at].as_secs_f64() * 1e6;
        println!("| {name} | {cpu:.0} | {:.0} | {:.0} | {found} |", micros(count / 2), micros(count * 99 / 100));
        Ok(())
    }
}

/// Returns the processor time of this process.
fn processor_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let total = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec().unsigned_abs()) + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    Ok(total(usage.user_time()) + total(usage.system_time()))
}

fn anonymous_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
