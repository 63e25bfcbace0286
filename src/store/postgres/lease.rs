//! Leases: tasks that one replica at a time does. The database's clock decides when a lease ends.

use std::time::Duration;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::pool::Param;
use super::reader::Reader;
use crate::store::StoreError;

/// Acquires or extends a lease. Returns false if another holder has it.
pub(super) async fn acquire(
    reader: &impl Reader,
    task: &str,
    holder: Uuid,
    lasts: Duration,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO copydesk.leases (task, holder, until)
         VALUES ($1, $2, clock_timestamp() + $3 * interval '1 microsecond')
         ON CONFLICT (task) DO UPDATE SET holder = excluded.holder, until = excluded.until
         WHERE leases.holder = excluded.holder OR leases.until <= clock_timestamp() RETURNING 1";
    let micros = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
    let params: [Param<'_>; 3] = [(&task, Type::TEXT), (&holder, Type::UUID), (&micros, Type::INT8)];
    reader.query(sql, &params).await.map(|rows| !rows.is_empty())
}
