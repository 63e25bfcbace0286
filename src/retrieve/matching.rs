//! The check of an article that the index has found, as the store has it now.

use jiff::Timestamp;

use crate::article::{Filter, Position, Query, Record};
use crate::store::StoreError;

/// Returns true if an article may be shown, and matches also if it is read in another revision than the indexed one.
pub(super) fn is_shown(
    record: &Record,
    filter: &Filter,
    query: Option<&Query>,
    indexed: Position,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let is_in_state = match filter.states.as_slice() {
        [] => record.readable(now).is_ok(),
        states => states.contains(&record.state(now)),
    };
    if !is_in_state || record.token.position == indexed {
        return Ok(is_in_state);
    }
    let article = record.decode().map_err(|_| StoreError::Damaged)?;
    Ok(filter.matches(&article) && query.is_none_or(|query| query.matches(&article)))
}
