//! Caches in front of the store. They decorate its trait, so callers do not depend on them.

mod consistency_check;
mod follower;
mod lease;
mod local;
pub mod redis;

pub use consistency_check::{ConsistencyCheckOptions, ConsistencyChecker};
pub use local::{LocalCache, LocalCacheOptions};
pub use redis::{RedisCache, RedisFacts, RedisOptions};
