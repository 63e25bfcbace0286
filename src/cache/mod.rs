//! Caches in front of the store: decorators of its trait, so that nobody above knows whether there is one.

mod audit;
mod follower;
mod lease;
mod local;
pub mod redis;

pub use audit::{AuditOptions, AuditStats, Auditor};
pub use local::{LocalCache, LocalCacheOptions, LocalCacheStats};
pub use redis::{RedisCache, RedisCacheStats, RedisFacts, RedisOptions};
