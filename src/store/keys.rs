//! Where API keys are kept: beside the articles, so that every replica has the same.
//!
//! Not part of [`Store`](super::Store): keys have no feed and no cache, and `copydesk keys` must reach them while a server has
//! the store.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::StoreError;

/// A key as it is kept. What its scopes and its rate mean is not for the store to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The part of the key that may be shown.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the part that may not.
    pub digest: [u8; 32],
    /// What it is good for: `articles.read articles.write`.
    pub scopes: String,
    /// How much of that: `100/s`; empty for the server's default.
    pub rate: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

/// All keys of one moment.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Another after each change.
    pub version: Uuid,
    /// In the order in which they were made.
    pub all: Vec<StoredKey>,
}

/// Where keys are kept. `Ok` of a change means durable.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// All keys, unless they are still those of the version that is known.
    async fn keys(&self, known: Uuid) -> Result<Option<Keys>, StoreError>;

    /// Adds a key.
    async fn add_key(&self, key: StoredKey) -> Result<(), StoreError>;

    /// Takes a key back. Whether there was one to take back.
    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, StoreError>;
}
