//! Whom a read asks: the database itself, or a standby of it.

use tokio_postgres::Row;

use super::pool::{Param, Pool};
use crate::store::StoreError;

/// Answers single statements that read. What the reads in `rows`, `list`, `search` and `feed` have in common.
pub(super) trait Reader: Sync {
    /// One statement.
    fn query(&self, sql: &str, params: &[Param<'_>]) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// The one statement that is asked most by far: see [`Pool::query_planned`].
    fn query_planned(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send {
        self.query(sql, params)
    }
}

impl Reader for Pool {
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        Pool::query(self, sql, params).await
    }

    async fn query_planned(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        Pool::query_planned(self, sql, params).await
    }
}
