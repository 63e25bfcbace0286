//! Comparison of two revisions of an article.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch_size::Pace;
use super::revisions::content;
use super::{Audience, Retrieval, RetrieveError};
use crate::article::{Record, RevisionName, Violations, field_diffs, paragraph_diffs};
use crate::proto::{Article, DiffArticleRevisionsRequest, DiffArticleRevisionsResponse};
use crate::store::{Consistency, StoreError};

/// Maximum time of the search for a short difference; beyond it, the rest is shown as removed and added. Texts of news
/// take far less: this bounds the work for texts that are made to be expensive.
const MAX_TIME: Duration = Duration::from_secs(1);
/// Maximum number of revisions that are searched for the one to compare with.
const MAX_SEARCHED: usize = 50;

impl Retrieval {
    /// Compares a revision with an older one.
    pub async fn diff_revisions(
        &self,
        request: &DiffArticleRevisionsRequest,
        audience: Audience,
    ) -> Result<DiffArticleRevisionsResponse, RetrieveError> {
        let (name, base, consistency) = self.parse_diff(request)?;
        self.reach(consistency).await?;
        let newest = self.newest(&name.article, consistency, audience, &request.name).await?;
        // A replica that has the newest revision has all of them.
        let consistency = consistency.and(newest.token.position);
        let not_found = |name: &RevisionName| RetrieveError::NotFound(name.to_string());
        let readable = |record: &Arc<Record>| audience.may_read(record);
        let after = self.revision(&name, consistency).await?.filter(|found| readable(&found.record));
        let after = after.ok_or_else(|| not_found(&name))?;
        let before = match base {
            Some(base) => {
                let found = self.revision(&base, consistency).await?.map(|found| found.record);
                Some(found.filter(readable).ok_or_else(|| not_found(&base))?)
            }
            None => match after.before {
                Some(before) if !readable(&before) => self.older(&before, audience, consistency).await?,
                before => before,
            },
        };
        let base_revision = before.as_ref().map(|before| name_of(before).to_string()).unwrap_or_default();
        let before = before.as_deref().map_or_else(|| Ok(Article::default()), content)?;
        let after = content(&after.record)?;
        let permit = Arc::clone(&self.diffs).acquire_owned().await.map_err(|_closed| StoreError::Internal)?;
        let compared = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            (field_diffs(&before, &after), paragraph_diffs(&before, &after, Instant::now() + MAX_TIME))
        });
        let (fields, paragraphs) = compared.await.map_err(|error| {
            tracing::error!(%error, "comparison of revisions did not finish");
            StoreError::Internal
        })?;
        Ok(DiffArticleRevisionsResponse { name: name.to_string(), base_revision, fields, paragraphs })
    }

    fn parse_diff(
        &self,
        request: &DiffArticleRevisionsRequest,
    ) -> Result<(RevisionName, Option<RevisionName>, Consistency), Violations> {
        let mut violations = Violations::default();
        let mut parse = |field: &str, text: &str| -> Option<RevisionName> {
            text.parse().map_err(|expected: &str| violations.add(field, expected)).ok()
        };
        let name = parse("name", &request.name);
        let base = match request.base_revision.as_str() {
            "" => None,
            base => parse("base_revision", base),
        };
        if let (Some(name), Some(base)) = (&name, &base)
            && (base.article != name.article || base.revision >= name.revision)
        {
            violations.add("base_revision", "must be an older revision of the article of name, or empty");
        }
        let consistency = self.consistency(request.consistency.as_ref());
        match (name, consistency) {
            (Some(name), Ok(consistency)) if violations.0.is_empty() => Ok((name, base, consistency)),
            (_, consistency) => {
                violations.0.extend(consistency.err().into_iter().flat_map(|inner| inner.0));
                Err(violations)
            }
        }
    }

    /// Returns the newest readable revision before one that is not.
    async fn older(
        &self,
        hidden: &Record,
        audience: Audience,
        consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError> {
        let limit = Pace::of(hidden.weight() * 2).limit(MAX_SEARCHED);
        let history = self.store.revisions(&hidden.id, Some(hidden.revision), limit, consistency).await?;
        Ok(history.into_iter().map(|revision| revision.record).find(|record| audience.may_read(record)))
    }
}

fn name_of(record: &Record) -> RevisionName {
    RevisionName { article: record.id.clone(), revision: record.revision }
}
