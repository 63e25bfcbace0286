//! Withdrawal of the copies of an article.

use jiff::Timestamp;

use super::edit::reason;
use super::{IngestError, Ingestion};
use crate::article::{ArticleId, ChangeKind, Filter, Record, Violations};
use crate::proto::ArticleState;
use crate::store::{
    Consistency, ListCursor, ListQuery, Order, OrderField, Precondition, Transition, Write, WriteError,
};

/// Maximum number of copies that one call withdraws.
const MAX_COPIES: usize = 1_000;
/// Copies per read: their texts are in memory until the next.
const BATCH: usize = 50;
/// States of articles that can be withdrawn.
const STATES: [ArticleState; 4] =
    [ArticleState::Active, ArticleState::Embargoed, ArticleState::Expired, ArticleState::Deleted];

/// Withdrawn copies of an article.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    /// Articles that the call has withdrawn, in the order of their creation.
    pub withdrawn: Vec<ArticleId>,
    /// True if there are more.
    pub has_more: bool,
}

impl Ingestion {
    /// Withdraws the other articles with the headline and body of an article, up to a maximum.
    pub async fn withdraw_copies(
        &self,
        original: &Record,
        reason_text: &str,
        validate_only: bool,
    ) -> Result<Copies, IngestError> {
        if original.is_empty() {
            return Ok(Copies::default());
        }
        let mut violations = Violations::default();
        let reason = reason(reason_text, &mut violations);
        let reason = violations.or(reason)?;
        let mut copies = self.copies_of(original).await?;
        let has_more = copies.len() > MAX_COPIES;
        copies.truncate(MAX_COPIES);
        if validate_only {
            return Ok(Copies { withdrawn: copies, has_more });
        }
        let time = Timestamp::now();
        let writes = copies.into_iter().map(|id| {
            Write::Transition(Transition {
                id,
                key: None,
                missing: None,
                kind: ChangeKind::Withdrawn,
                precondition: Precondition::None,
                reason: reason.clone(),
                request: None,
                time,
            })
        });
        let mut withdrawn = Vec::new();
        for result in self.write_all(writes.collect()).await {
            match result {
                Ok(written) => withdrawn.push(written.record.id.clone()),
                Err(WriteError::Store(error)) => return Err(error.into()),
                // It has been changed meanwhile so that it cannot be withdrawn, nor read.
                Err(_) => {}
            }
        }
        Ok(Copies { withdrawn, has_more })
    }

    /// Returns the copies that can be withdrawn, and one more than one call withdraws.
    async fn copies_of(&self, original: &Record) -> Result<Vec<ArticleId>, IngestError> {
        let filter = Filter { digests: Some(vec![original.digest]), states: STATES.to_vec(), ..Filter::default() };
        let mut query = ListQuery {
            filter,
            order: Order { field: OrderField::CreateTime, descending: false },
            after: None,
            limit: BATCH,
            examine: BATCH,
            now: Timestamp::now(),
            consistency: Consistency::Full,
        };
        let mut copies = Vec::new();
        loop {
            let found = self.store.list(&query).await?.records;
            query.after = found.last().map(|last| ListCursor::of(last));
            let is_last = found.len() < BATCH;
            // In a dry run, the original is among them.
            copies.extend(found.iter().filter(|copy| copy.id != original.id).map(|copy| copy.id.clone()));
            if is_last || copies.len() > MAX_COPIES {
                return Ok(copies);
            }
        }
    }
}
