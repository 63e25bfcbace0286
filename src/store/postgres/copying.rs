//! Mark of a database that is the target of an unfinished copy: set before the first article is written, removed after
//! the last one is durable. It is a column of `feed`, so that no role needs another privilege.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::error::OpenError;
use super::migrate::Checked;
use super::pool::Pool;
use crate::store::StoreError;

/// Rejects a database that lacks articles, because a copy into it was not finished.
pub(super) fn refuse_unfinished(checked: &Checked, address: &str) -> Result<(), OpenError> {
    match checked.copying {
        None => Ok(()),
        Some(_) => Err(OpenError::Unfinished { address: address.to_owned() }),
    }
}

/// Rejects a database with an unfinished copy of another store than `from`.
pub(super) fn refuse_other(checked: &Checked, address: &str, from: Uuid) -> Result<(), OpenError> {
    match checked.copying {
        Some(found) if found != from => Err(OpenError::UnfinishedOther { address: address.to_owned(), found }),
        _ => Ok(()),
    }
}

/// Sets the mark, durably. Returns false if another store is being copied here.
pub(super) async fn begin(pool: &Pool, from: Uuid) -> Result<bool, StoreError> {
    let sql = "UPDATE copydesk.feed SET copying = $1 WHERE copying IS NULL OR copying = $1";
    Ok(pool.execute(sql, &[(&from, Type::UUID)]).await? > 0)
}

/// Removes the mark, durably.
pub(super) async fn finish(pool: &Pool) -> Result<(), StoreError> {
    pool.execute("UPDATE copydesk.feed SET copying = NULL", &[]).await.map(drop)
}
