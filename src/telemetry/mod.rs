//! Logs, metrics and traces. Imports no other module of the crate, so that every module may use it.

mod connections;
mod logging;
mod metrics;
mod seldom;
mod snapshot;
mod subject;
pub mod trace;

pub use connections::{ConnectionMetrics, OpenConnection};
pub use logging::{LogFormat, LoggingError, init};
pub use metrics::{CallMetrics, Metrics};
pub use seldom::Seldom;
pub use snapshot::{AuditSnapshot, RedisSnapshot, Snapshot, StandbySnapshot};
pub use subject::{note_article, noted_article};
