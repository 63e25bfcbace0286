//! Several Redis servers: Redis Cluster (discovery, slots, routing) and the primary behind Sentinels.

pub(super) mod discovery;
pub(super) mod router;
pub(super) mod sentinel;
pub(super) mod slots;
