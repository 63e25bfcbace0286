//! Source of reads: the primary or a standby.

use tokio_postgres::Row;

use super::pool::{Param, Pool};
use crate::store::StoreError;

/// Runs single read statements, for the reads in `rows`, `list` and `feed`.
pub(super) trait Reader: Sync {
    /// Runs one statement.
    fn query(&self, sql: &str, params: &[Param<'_>]) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Runs the most frequent statement: see [`Pool::query_planned`].
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
