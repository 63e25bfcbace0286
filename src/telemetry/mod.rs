//! What operators see: logs and metrics. Imports nothing of ours, so that every room may speak.

mod logging;
mod metrics;
mod subject;

pub use logging::{LogFormat, LoggingError, init};
pub use metrics::{AuditSnapshot, CallMetrics, Metrics, RedisSnapshot, Snapshot, StandbySnapshot};
pub use subject::{note_article, noted_article};
