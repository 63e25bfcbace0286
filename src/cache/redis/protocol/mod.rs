//! Protocol of the cache with one Redis server: connections, scripts, entries, generations and identity.

pub(super) mod connection;
pub(super) mod entry;
pub(super) mod generation;
pub mod scripts;
pub(super) mod server_identity;
pub(super) mod slots;
