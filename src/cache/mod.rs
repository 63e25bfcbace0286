//! Caches in front of the store. They decorate its trait, so callers do not depend on them.

mod consistency_check;
mod follower;
mod lease;
mod local;
pub mod redis;

pub use consistency_check::{ConsistencyCheckOptions, ConsistencyCheckStats, ConsistencyChecker};
pub use local::{LocalCache, LocalCacheOptions, LocalCacheStats};
pub use redis::{RedisCache, RedisCacheStats, RedisFacts, RedisOptions};
