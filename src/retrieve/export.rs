//! Export of all readable articles, as a snapshot.
//!
//! An export does not hold a transaction open: it reads the history as of its position, page by page. So a slow reader
//! costs the store nothing between pages, and an export that was cut goes on at any replica.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use futures::{Stream, stream};
use jiff::Timestamp;
use tokio::time::Instant;

use super::batch_size::Pace;
use super::export_token::ExportPosition;
use super::page_token::RequestDigest;
use super::{Retrieval, RetrieveError};
use crate::article::{ArticleId, Digest, EncodedArticle, Filter, Position, ReadMask, Record, Violations};
use crate::proto::{ArticleFilter, ArticleView, ExportArticlesRequest};
use crate::store::{
    Consistency, ListCursor, ListPage, ListQuery, Order, OrderField, Shard, SnapshotQuery, StoreError, Visibility,
};

/// Maximum number of articles per read.
const BATCH: usize = 200;
/// Maximum number of copies of a page's articles that a read examines.
const EXAMINE: usize = 2_000;
/// Maximum number of shards.
const MAX_SHARDS: i32 = 256;

/// Message of an export.
#[derive(Clone, Debug)]
pub enum Exported {
    /// Article with the fields of the read mask.
    Article(EncodedArticle),
    /// Progress up to here.
    Progress(ExportProgress),
    /// Last message.
    Summary {
        /// Number of exported articles.
        count: i64,
        /// Change token from which to watch.
        change_token: String,
    },
}

/// Progress of an export.
#[derive(Clone, Debug)]
pub struct ExportProgress {
    /// Token with which the export goes on from here.
    pub export_token: String,
    /// Number of exported articles.
    pub count: i64,
}

/// Export in progress.
pub struct Export {
    retrieval: Retrieval,
    filter: Filter,
    mask: ReadMask,
    shard: Shard,
    request: RequestDigest,
    /// Progress that is sent to the client. Its article is readable, so that no token names a hidden one.
    position: ExportPosition,
    /// Last article that was read.
    after: Option<ArticleId>,
    page: VecDeque<(Arc<Record>, Visibility)>,
    /// The article shown of those with each text of the page, if only one is.
    shown: HashMap<Digest, ArticleId>,
    pace: Pace,
    exhausted: bool,
    /// Number of articles since the last progress message; none before the first.
    since_progress: Option<usize>,
    progress_at: Instant,
}

impl Retrieval {
    /// Validates the request and starts an export as of now, or goes on with one.
    pub async fn export(
        &self,
        request: &ExportArticlesRequest,
    ) -> Result<impl Stream<Item = Result<Exported, RetrieveError>> + Send + 'static, RetrieveError> {
        let mut violations = Violations::default();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let filter = Filter::parse_for_stream(request.filter.as_ref()).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Full)
            .map_err(&mut note)
            .ok();
        let shard = shard(request).map_err(&mut note).ok();
        let digest = shard.map(|shard| self.export_digest(request.filter.as_ref(), shard));
        let position = digest.as_ref().and_then(|digest| match request.export_token.as_str() {
            "" => Some(None),
            token => ExportPosition::decode(token, self.store.feed_id(), digest).map_err(&mut note).ok().map(Some),
        });
        let (Some(filter), Some(mask), Some(shard), Some(digest), Some(position)) =
            (filter, mask, shard, digest, position)
        else {
            return Err(violations.into());
        };
        let export = self.export_from(filter, mask, shard, digest, position).await?;
        Ok(stream::try_unfold(Some(export), |export| async {
            let Some(mut export) = export else { return Ok(None) };
            let item = export.next().await?;
            let rest = (!matches!(item, Exported::Summary { .. })).then_some(export);
            Ok(Some((item, rest)))
        }))
    }

    /// Returns the digest of the fields to which an export token belongs.
    pub(super) fn export_digest(&self, filter: Option<&ArticleFilter>, shard: Shard) -> RequestDigest {
        let bound = ExportArticlesRequest {
            filter: filter.cloned(),
            shard_index: shard.index.try_into().unwrap_or(i32::MAX),
            shard_count: shard.count.try_into().unwrap_or(i32::MAX),
            ..ExportArticlesRequest::default()
        };
        RequestDigest::of("ExportArticles", self.store.feed_id(), &bound)
    }

    /// Starts an export as of now, or goes on from a position.
    pub(super) async fn export_from(
        &self,
        filter: Filter,
        mask: ReadMask,
        shard: Shard,
        request: RequestDigest,
        position: Option<ExportPosition>,
    ) -> Result<Export, RetrieveError> {
        let position = match position {
            None => ExportPosition::start(self.store.head().await?),
            Some(position) => {
                self.reach(Consistency::AtLeast(position.at)).await?;
                // Rejects an expired snapshot now, not on the first message.
                self.store.changes(position.at, 1).await?;
                position
            }
        };
        Ok(Export {
            retrieval: self.clone(),
            filter,
            mask,
            shard,
            request,
            after: position.after.clone(),
            position,
            page: VecDeque::new(),
            shown: HashMap::new(),
            pace: Pace::default(),
            exhausted: false,
            since_progress: None,
            progress_at: Instant::now(),
        })
    }
}

/// Validates the shard of a request.
fn shard(request: &ExportArticlesRequest) -> Result<Shard, Violations> {
    let count = if request.shard_count == 0 { 1 } else { request.shard_count };
    if !(1..=MAX_SHARDS).contains(&count) {
        return Err(Violations::one("shard_count", format!("must be 1 to {MAX_SHARDS}; 0 means 1")));
    }
    if !(0..count).contains(&request.shard_index) {
        let expected = format!("must be 0 to {} with this shard_count", count - 1);
        return Err(Violations::one("shard_index", expected));
    }
    Ok(Shard { index: request.shard_index.unsigned_abs(), count: count.unsigned_abs() })
}

impl Export {
    /// Position of the snapshot in the change feed.
    pub(super) fn at(&self) -> Position {
        self.position.at
    }

    /// Returns the next message.
    pub(super) async fn next(&mut self) -> Result<Exported, RetrieveError> {
        loop {
            while !self.progress_is_due()
                && let Some((record, standing)) = self.page.pop_front()
            {
                let article = self.admit(&record, standing)?;
                if standing.readable(Timestamp::now()) {
                    self.position.after = Some(record.id.clone());
                }
                if let Some(article) = article {
                    self.position.count += 1;
                    self.since_progress = self.since_progress.map(|count| count + 1);
                    return Ok(Exported::Article(article));
                }
                tokio::task::yield_now().await;
            }
            if self.progress_is_due() {
                return Ok(Exported::Progress(self.progress()));
            }
            if self.exhausted {
                let change_token = self.retrieval.token(self.position.at);
                return Ok(Exported::Summary { count: self.position.count, change_token });
            }
            self.read_page().await?;
        }
    }

    fn progress_is_due(&self) -> bool {
        let limits = &self.retrieval.limits;
        self.since_progress.is_none_or(|count| count >= limits.progress_articles) || Instant::now() >= self.progress_at
    }

    fn progress(&mut self) -> ExportProgress {
        self.since_progress = Some(0);
        self.progress_at = Instant::now() + self.retrieval.limits.checkpoint_interval;
        let export_token = self.position.encode(self.retrieval.store.feed_id(), &self.request);
        ExportProgress { export_token, count: self.position.count }
    }

    async fn read_page(&mut self) -> Result<(), StoreError> {
        let limit = self.pace.limit(BATCH);
        let query = SnapshotQuery { at: self.position.at, after: self.after.clone(), limit, shard: self.shard };
        let page = self.retrieval.store.snapshot(&query).await?;
        self.exhausted = page.len() < limit;
        self.pace.read(page.iter().map(|(record, _)| record.weight()));
        if let Some((last, _)) = page.last() {
            self.after = Some(last.id.clone());
        }
        if self.filter.one_per_text {
            self.shown = self.shown_of(&page).await?;
        }
        self.page = page.into();
        Ok(())
    }

    /// Returns the article that is shown of those with each text of a page, as of now.
    async fn shown_of(&self, page: &[(Arc<Record>, Visibility)]) -> Result<HashMap<Digest, ArticleId>, StoreError> {
        let digests: BTreeSet<Digest> = page.iter().map(|(record, _)| record.digest).collect();
        let required = self.filter.digests.as_ref();
        let digests = digests.into_iter().filter(|digest| required.is_none_or(|digests| digests.contains(digest)));
        let digests: Vec<Digest> = digests.collect();
        let (limit, digests) = (digests.len().max(1), Some(digests));
        let mut query = ListQuery {
            filter: Filter { digests, ..self.filter.clone() },
            order: Order { field: OrderField::CreateTime, descending: false },
            after: None,
            limit,
            examine: EXAMINE,
            now: Timestamp::now(),
            consistency: Consistency::AtLeast(self.position.at),
        };
        let mut shown = HashMap::with_capacity(limit);
        loop {
            let ListPage { records, examined } = self.retrieval.store.list(&query).await?;
            query.after = examined.as_ref().map(|last| ListCursor::of(last));
            shown.extend(records.iter().map(|record| (record.digest, record.id.clone())));
            if query.after.is_none() {
                return Ok(shown);
            }
        }
    }

    /// Returns the article if it was readable and matched as of the snapshot, and is still readable. An article
    /// withdrawn since is not sent; a watch from the export's token reports its withdrawal.
    fn admit(&self, record: &Arc<Record>, standing: Visibility) -> Result<Option<EncodedArticle>, RetrieveError> {
        let now = Timestamp::now();
        // The watch reports an embargo that has ended since the snapshot.
        if record.was_embargoed() || !standing.readable(now) {
            return Ok(None);
        }
        // Without one, the text has changed since the snapshot.
        if self.filter.one_per_text && self.shown.get(&record.digest).is_some_and(|shown| *shown != record.id) {
            return Ok(None);
        }
        let Ok(article) = record.readable(now) else { return Ok(None) };
        let matches = self.filter.is_empty() || self.filter.matches(&record.decode().map_err(|_| StoreError::Damaged)?);
        Ok(matches.then(|| self.mask.apply(article)))
    }
}
