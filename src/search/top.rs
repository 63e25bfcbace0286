//! The best results of a query.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::query::{EnableScoring, Query as IndexQuery};
use tantivy::schema::Schema;
use tantivy::{DocId, DocSet, TERMINATED};

use super::compile::Statistics;
use super::ranking::Ranking;
use super::schema::{id_numbers, lifecycle_number};
use super::selection::TextHash;
use super::view::{Readable, Segment, View};
use crate::article::{ArticleId, Filter, Lifecycle, Position, TimeRange};
use crate::proto::ArticleState;

/// Number of documents between checks for cancellation.
const CHECK: u32 = 4_096;

/// Position of a result in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultCursor {
    /// Rank; higher is better.
    pub rank: u64,
    /// ID of the article.
    pub id: ArticleId,
}

/// Candidate for a result. The article is read from the store.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// ID of the article.
    pub id: ArticleId,
    /// Score; 0 if results are not ordered by relevance.
    pub score: f32,
    /// Rank; higher is better.
    pub rank: u64,
    /// Position of the indexed revision in the feed.
    pub position: Position,
    /// Text of the article.
    pub text: TextHash,
}

impl Candidate {
    /// Returns true if this result comes after another one.
    pub fn is_after(&self, other: &ResultCursor) -> bool {
        (self.rank, Reverse(id_numbers(&self.id))) < (other.rank, Reverse(id_numbers(&other.id)))
    }

    /// Returns the position of this result.
    pub fn cursor(&self) -> ResultCursor {
        ResultCursor { rank: self.rank, id: self.id.clone() }
    }
}

/// Results of a query on one state of the index.
#[derive(Clone, Debug)]
pub struct Top {
    /// Best results after the cursor, in order.
    pub candidates: Vec<Candidate>,
    /// Number of all matching articles.
    pub total: u64,
    /// Statistics of the scores.
    pub statistics: Statistics,
    /// Position in the feed up to which changes are in the index.
    pub position: Position,
}

/// Signal that a caller no longer waits.
pub(super) struct Cancelled;

/// Result that competes for a place: by rank, then by ID. `Ord` is the order of results, the best last.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    rank: u64,
    /// Numbers of the ID; the lower is better.
    id: Reverse<(u64, u64)>,
    score: f32,
    segment: usize,
    doc: DocId,
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.rank, self.id).cmp(&(other.rank, other.id))
    }
}

/// Conditions on columns that a document must meet.
pub(super) struct ColumnFilter<'f> {
    filter: &'f Filter,
    now: i64,
    has_times: bool,
}

impl<'f> ColumnFilter<'f> {
    pub(super) fn new(filter: &'f Filter, now: i64) -> Self {
        let ranges = [filter.published, filter.created, filter.updated];
        Self { filter, now, has_times: ranges.iter().any(|range| !range.is_empty()) }
    }

    pub(super) fn matches(&self, segment: &Segment, readable: &Readable<'_>, doc: DocId) -> bool {
        let is_in_state = match self.filter.states.as_slice() {
            [] => readable.has(doc),
            states => state(segment, doc, self.now).is_some_and(|state| states.contains(&state)),
        };
        is_in_state && (!self.has_times || self.times_match(segment, doc))
    }

    fn times_match(&self, segment: &Segment, doc: DocId) -> bool {
        let columns = &segment.columns;
        contains(self.filter.published, columns.sort_time.first(doc))
            && contains(self.filter.created, columns.create_time.first(doc))
            && contains(self.filter.updated, columns.update_time.first(doc))
    }
}

fn contains(range: TimeRange, micros: Option<i64>) -> bool {
    range.is_empty()
        || micros.is_some_and(|micros| jiff::Timestamp::from_microsecond(micros).is_ok_and(|time| range.contains(time)))
}

/// Returns the state of an article at a time.
pub(super) fn state(segment: &Segment, doc: DocId, now: i64) -> Option<ArticleState> {
    let columns = &segment.columns;
    let lifecycle = columns.lifecycle.first(doc)?;
    let states = [
        (Lifecycle::Withdrawn, ArticleState::Withdrawn),
        (Lifecycle::Deleted, ArticleState::Deleted),
        (Lifecycle::Expected, ArticleState::Expected),
        (Lifecycle::Merged, ArticleState::Merged),
        (Lifecycle::Purged, ArticleState::Purged),
    ];
    if let Some((_, state)) = states.into_iter().find(|(known, _)| lifecycle_number(*known) == lifecycle) {
        return Some(state);
    }
    Some(match () {
        () if now < columns.embargo_time.first(doc)? => ArticleState::Embargoed,
        () if now >= columns.expire_time.first(doc)? => ArticleState::Expired,
        () => ArticleState::Active,
    })
}

/// Calls `each` with every matching document of a segment and its score.
pub(super) fn for_each_match(
    segment: &Segment,
    weight: &dyn tantivy::query::Weight,
    is_scored: bool,
    conditions: &ColumnFilter<'_>,
    cancelled: &AtomicBool,
    mut each: impl FnMut(DocId, f32),
) -> tantivy::Result<Result<(), Cancelled>> {
    let readable = segment.readable_at(conditions.now);
    let alive = segment.reader.alive_bitset();
    let mut scorer = weight.scorer(&segment.reader, 1.0)?;
    let mut doc = scorer.doc();
    let mut count = 0_u32;
    while doc != TERMINATED {
        count += 1;
        if count.is_multiple_of(CHECK) && cancelled.load(Ordering::Relaxed) {
            return Ok(Err(Cancelled));
        }
        if alive.is_none_or(|alive| alive.is_alive(doc)) && conditions.matches(segment, &readable, doc) {
            each(doc, if is_scored { scorer.score() } else { 0.0 });
        }
        doc = scorer.advance();
    }
    Ok(Ok(()))
}

/// Articles of which each is the one that is shown of those with its text: the earliest that matches.
pub(super) struct Texts(HashMap<u64, (i64, (u64, u64), usize, DocId)>, HashSet<(usize, DocId)>);

impl Texts {
    /// Returns an empty set, if the filter asks for one article of each text.
    pub(super) fn new(filter: &Filter) -> Option<Self> {
        filter.one_per_text.then(|| Self(HashMap::new(), HashSet::new()))
    }

    /// Chooses one of the matching articles with each text.
    pub(super) fn choose(
        &mut self,
        view: &View,
        weight: &dyn tantivy::query::Weight,
        conditions: &ColumnFilter<'_>,
        cancelled: &AtomicBool,
    ) -> tantivy::Result<Result<(), Cancelled>> {
        for (at, segment) in view.segments.iter().enumerate() {
            let columns = &segment.columns;
            let each = |doc, _| {
                let id = columns.id_numbers(doc);
                let found = (columns.sort_time.first(doc).unwrap_or(0), id, at, doc);
                let earliest = self.0.entry(columns.digest.first(doc).unwrap_or(0)).or_insert(found);
                if (found.0, found.1) < (earliest.0, earliest.1) {
                    *earliest = found;
                }
            };
            if let Err(cancelled) = for_each_match(segment, weight, false, conditions, cancelled, each)? {
                return Ok(Err(cancelled));
            }
        }
        self.1 = self.0.drain().map(|(_, (_, _, at, doc))| (at, doc)).collect();
        Ok(Ok(()))
    }

    pub(super) fn has(&self, segment: usize, doc: DocId) -> bool {
        self.1.contains(&(segment, doc))
    }
}

/// Returns the weight of a query.
pub(super) fn weight(
    query: &dyn IndexQuery,
    schema: &Schema,
    searcher: Option<&tantivy::Searcher>,
    is_scored: bool,
) -> tantivy::Result<Box<dyn tantivy::query::Weight>> {
    match searcher.filter(|_| is_scored) {
        // The statistics are in the words of the query already.
        Some(searcher) => query.weight(EnableScoring::enabled_from_searcher(searcher)),
        None => query.weight(EnableScoring::Disabled { schema, searcher_opt: searcher }),
    }
}

/// Request for the best results.
pub(super) struct TopRequest<'r> {
    pub(super) weight: &'r dyn tantivy::query::Weight,
    pub(super) filter: &'r Filter,
    pub(super) ranking: Ranking,
    pub(super) after: Option<&'r ResultCursor>,
    pub(super) limit: usize,
    /// Time in microseconds since 1970.
    pub(super) now: i64,
    pub(super) cancelled: &'r AtomicBool,
}

/// The best results so far.
struct Places {
    heap: BinaryHeap<Reverse<Entry>>,
    limit: usize,
    /// End of the previous page.
    after: Option<(u64, Reverse<(u64, u64)>)>,
}

impl Places {
    /// Returns true if no result with this rank or a lower one can get a place.
    fn is_out_of_reach(&self, rank: u64) -> bool {
        self.heap.len() == self.limit && self.heap.peek().is_none_or(|worst| rank < worst.0.rank)
    }

    fn add(&mut self, entry: Entry) {
        if self.after.is_some_and(|after| (entry.rank, entry.id) >= after) {
            return;
        }
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(entry));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && worst.0 < entry
        {
            worst.0 = entry;
        }
    }
}

/// Returns the best results after the cursor, and the number of all results.
pub(super) fn best(view: &View, request: &TopRequest<'_>) -> tantivy::Result<Result<(Vec<Candidate>, u64), Cancelled>> {
    let conditions = ColumnFilter::new(request.filter, request.now);
    let after = request.after.map(|after| (after.rank, Reverse(id_numbers(&after.id))));
    let mut places = Places { heap: BinaryHeap::with_capacity(request.limit + 1), limit: request.limit, after };
    let mut total = 0;
    let mut texts = Texts::new(request.filter);
    if let Some(texts) = &mut texts
        && let Err(cancelled) = texts.choose(view, request.weight, &conditions, request.cancelled)?
    {
        return Ok(Err(cancelled));
    }
    let is_scored = request.ranking.is_scored();
    for (at, segment) in view.segments.iter().enumerate() {
        let columns = &segment.columns;
        let each = |doc: DocId, score: f32| {
            if texts.as_ref().is_some_and(|texts| !texts.has(at, doc)) {
                return;
            }
            total += 1;
            // Most results have no chance of a place, whatever their age.
            if places.is_out_of_reach(request.ranking.max_rank(score)) {
                return;
            }
            let (rank, score) = request.ranking.rank(segment, doc, score, request.now);
            if !places.is_out_of_reach(rank) {
                let id = columns.id_numbers(doc);
                places.add(Entry { rank, id: Reverse(id), score, segment: at, doc });
            }
        };
        if let Err(cancelled) =
            for_each_match(segment, request.weight, is_scored, &conditions, request.cancelled, each)?
        {
            return Ok(Err(cancelled));
        }
    }
    let mut entries: Vec<Entry> = places.heap.into_iter().map(|Reverse(entry)| entry).collect();
    entries.sort_unstable_by(|one, other| other.cmp(one));
    let candidate = |Entry { rank, score, segment, doc, .. }: Entry| {
        let segment = &view.segments[segment];
        let position = Position::of(segment.columns.sequence.first(doc).unwrap_or(0));
        let text = TextHash(segment.columns.digest.first(doc).unwrap_or(0));
        Ok(Candidate { id: segment.id(doc)?, score, rank, position, text })
    };
    let candidates: tantivy::Result<Vec<Candidate>> = entries.into_iter().map(candidate).collect();
    Ok(Ok((candidates?, total)))
}
