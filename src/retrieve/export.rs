//! Export of all readable articles, as a snapshot.
//!
//! An export does not hold a transaction open: it reads the history as of its position, page by page. So a slow reader
//! costs the store nothing between pages.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{Stream, stream};
use jiff::Timestamp;

use super::batch_size::Pace;
use super::{Retrieval, RetrieveError};
use crate::article::{ArticleId, EncodedArticle, Filter, Position, ReadMask, Record, Violations};
use crate::proto::ExportArticlesRequest;
use crate::store::{Consistency, Originals, StoreError, Visibility};

/// Maximum number of articles per read.
const BATCH: usize = 200;

/// Message of an export.
#[derive(Clone, Debug)]
pub enum Exported {
    /// Article with the fields of the read mask.
    Article(EncodedArticle),
    /// Last message.
    Summary {
        /// Number of exported articles.
        count: i64,
        /// Change token from which to watch.
        change_token: String,
    },
}

/// Export in progress.
pub struct Export {
    retrieval: Retrieval,
    filter: Filter,
    mask: ReadMask,
    at: Position,
    after: Option<ArticleId>,
    page: VecDeque<(Arc<Record>, Visibility)>,
    /// Originals of the duplicates in the page.
    originals: Originals,
    pace: Pace,
    exhausted: bool,
    count: i64,
}

impl Retrieval {
    /// Validates the request and starts an export as of now.
    pub async fn export(
        &self,
        request: &ExportArticlesRequest,
    ) -> Result<impl Stream<Item = Result<Exported, RetrieveError>> + Send + 'static, RetrieveError> {
        let mut violations = Violations::default();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let filter = Filter::parse_for_readers(request.filter.as_ref()).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref()).map_err(&mut note).ok();
        let (Some(filter), Some(mask)) = (filter, mask) else {
            return Err(violations.into());
        };
        let export = Export {
            retrieval: self.clone(),
            filter,
            mask,
            at: self.store.head().await?,
            after: None,
            page: VecDeque::new(),
            originals: Originals::default(),
            pace: Pace::default(),
            exhausted: false,
            count: 0,
        };
        Ok(stream::try_unfold(Some(export), |export| async {
            let Some(mut export) = export else { return Ok(None) };
            let item = export.next().await?;
            let rest = matches!(item, Exported::Article(_)).then_some(export);
            Ok(Some((item, rest)))
        }))
    }
}

impl Export {
    async fn next(&mut self) -> Result<Exported, RetrieveError> {
        loop {
            while let Some((record, standing)) = self.page.pop_front() {
                if let Some(article) = self.admit(&record, standing)? {
                    self.count += 1;
                    return Ok(Exported::Article(article));
                }
                tokio::task::yield_now().await;
            }
            if self.exhausted {
                let change_token = self.retrieval.token(self.at);
                return Ok(Exported::Summary { count: self.count, change_token });
            }
            let limit = self.pace.limit(BATCH);
            let page = self.retrieval.store.snapshot(self.at, self.after.as_ref(), limit).await?;
            self.exhausted = page.len() < limit;
            self.pace.read(page.iter().map(|(record, _)| record.weight()));
            if let Some((last, _)) = page.last() {
                self.after = Some(last.id.clone());
            }
            let records = page.iter().map(|(record, _)| &**record);
            self.originals = self.retrieval.originals(records, Consistency::AtLeast(self.at)).await?;
            self.page = page.into();
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
        let record = self.originals.redact(record, now);
        let Ok(article) = record.readable(now) else { return Ok(None) };
        let matches = self.filter.is_empty() || self.filter.matches(&record.decode().map_err(|_| StoreError::Damaged)?);
        Ok(matches.then(|| self.mask.apply(article)))
    }
}
