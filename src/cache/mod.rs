//! Caches in front of the store. They decorate its trait, so callers do not depend on them.

mod audit;
mod follower;
mod lease;
mod local;
pub mod redis;

pub use audit::{AuditOptions, AuditStats, Auditor};
pub use local::{LocalCache, LocalCacheOptions, LocalCacheStats};
pub use redis::{RedisCache, RedisCacheStats, RedisFacts, RedisOptions};
