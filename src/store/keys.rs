//! Storage of API keys, beside the articles, so that all replicas share them.
//!
//! Separate from [`Store`](super::Store): keys have no feed and no cache, and `copydesk keys` must access them while a
//! server has the store open.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::StoreError;

/// Stored form of an API key. The store does not interpret scopes and rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Public part of the key.
    pub id: String,
    /// Name given by its owner.
    pub name: String,
    /// SHA-256 of the secret part.
    pub digest: [u8; 32],
    /// Scopes, as in `articles.read articles.write`.
    pub scopes: String,
    /// Rate limit, as in `100/s`; empty for the server's default.
    pub rate: String,
    /// Creation time.
    pub created: Timestamp,
    /// Expiry time.
    pub expires: Option<Timestamp>,
    /// Revocation time.
    pub revoked: Option<Timestamp>,
}

/// Consistent snapshot of all keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Version; a new random one after each change.
    pub version: Uuid,
    /// Keys in order of creation.
    pub all: Vec<StoredKey>,
}

/// Storage of API keys. `Ok` of a change means durable.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Returns all keys, or none if their version is still `known`.
    async fn keys(&self, known: Uuid) -> Result<Option<Keys>, StoreError>;

    /// Adds a key.
    async fn add_key(&self, key: StoredKey) -> Result<(), StoreError>;

    /// Revokes a key. Returns false if no valid key has this ID.
    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError>;
}
