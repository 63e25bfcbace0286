//! Results of the items of a document.

use std::collections::HashMap;

use super::Item;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Extraction, FeedEntry};
use crate::extract::error::ExtractError;
use crate::extract::wire_fields::PubStatus;

/// Returns the result of a document: its only item, or all of them.
pub(crate) fn collect(
    items: impl Iterator<Item = (String, Result<Item, ExtractError>)>,
    hints: &Hints<'_>,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    let mut entries = entries(items, hints, budget)?;
    if entries.len() > 1 {
        return Ok(Extraction::Feed(entries));
    }
    let only = entries.pop().ok_or(ExtractError::EmptyFeed)?;
    only.result.map(|extracted| Extraction::Article(Box::new(extracted)))
}

/// Returns the results of items. An item without an article does not affect the others.
pub(crate) fn entries(
    items: impl Iterator<Item = (String, Result<Item, ExtractError>)>,
    hints: &Hints<'_>,
    budget: &Budget<'_>,
) -> Result<Vec<FeedEntry>, ExtractError> {
    let mut entries = Vec::new();
    for (external_id, item) in items {
        let result = item.and_then(|item| item.finish(hints, budget));
        if let Err(error @ (ExtractError::TooComplex { .. } | ExtractError::Abandoned)) = result {
            return Err(error);
        }
        entries.push(FeedEntry { external_id: external_id.chars().take(500).collect(), result });
    }
    if entries.is_empty() { Err(ExtractError::EmptyFeed) } else { Ok(only_newest(entries)) }
}

/// Marks the items that another one of the document replaces. Of items with the same ID, a cancellation comes
/// first, then the highest version, then the first one.
fn only_newest(mut entries: Vec<FeedEntry>) -> Vec<FeedEntry> {
    let rank = |entry: &FeedEntry| match &entry.result {
        Err(ExtractError::Withdrawn(order)) => (order.status == PubStatus::Canceled, order.version.unwrap_or(-1)),
        Ok(extracted) => (false, extracted.draft.wire.version.unwrap_or(-1)),
        Err(_) => (false, -2),
    };
    let mut newest = HashMap::<String, usize>::new();
    for at in 0..entries.len() {
        let id = entries[at].external_id.clone();
        if id.is_empty() {
            continue;
        }
        let Some(known) = newest.insert(id.clone(), at) else { continue };
        let older = if rank(&entries[at]) > rank(&entries[known]) { known } else { at };
        newest.insert(id.clone(), known + at - older);
        entries[older].result = Err(ExtractError::RepeatedItem { id });
    }
    entries
}
