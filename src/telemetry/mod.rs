//! Logs, metrics and traces. Imports no other module of the crate, so that every module may use it.

mod call_article;
mod log_rate_limiter;
mod logging;
mod metrics;
pub mod trace;

pub use call_article::{set_call_article, take_call_article};
pub use log_rate_limiter::LogRateLimiter;
pub use logging::{LogFormat, LoggingError, check_level, init};
pub use metrics::{
    CacheMetrics, CallMetrics, ComputedGauge, ConnectionMetrics, ConsistencyCheckMetrics, IngestMetrics, MethodMetrics,
    Metrics, OpenConnection, ReadCountMetrics, ReadMetrics, RedisMetrics, RetrievalMetrics, SearchMetrics,
    StandbyMetrics, StoreMetrics, StoryMetrics,
};
