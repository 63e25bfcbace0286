//! Request IDs, which make calls idempotent.

use data_encoding::HEXLOWER;
use prost::Message;

use super::Ingestion;
use crate::article::{Digest, Violations};
use crate::proto::Document;
use crate::store::{RequestKey, Write};

/// Request ID of an editor's call.
#[derive(Clone, Copy)]
pub struct RequestId<'a> {
    method: &'static str,
    id: &'a str,
    /// Digest of the request. None without an ID.
    digest: Option<Digest>,
}

impl<'a> RequestId<'a> {
    /// Returns the request ID of a call. Under one ID, all calls of a method must have equal requests.
    pub fn new(method: &'static str, id: &'a str, request: &impl Message) -> Self {
        let digest = (!id.is_empty()).then(|| Digest::of_bytes(&request.encode_to_vec()));
        Self { method, id, digest }
    }

    /// Returns the key under which the store keeps the response.
    pub(super) fn key(&self) -> Result<Option<RequestKey>, Violations> {
        let Some(digest) = self.digest else { return Ok(None) };
        check(self.id)?;
        // IDs contain no newline, so those of different methods differ.
        Ok(Some(RequestKey { id: format!("{}\n{}", self.method, self.id), item: 0, digest }))
    }
}

/// Returns the key of a request that takes a document.
pub(super) fn of_document(id: String, document: &Document) -> Result<Option<RequestKey>, Violations> {
    if id.is_empty() {
        return Ok(None);
    }
    check(&id)?;
    Ok(Some(RequestKey { id, item: 0, digest: Digest::of_bytes(&document.encode_to_vec()) }))
}

impl Ingestion {
    /// Returns a copy that scopes request IDs to one caller, so that equal IDs of two callers do not collide.
    pub fn with_caller(&self, caller: &str) -> Self {
        let digest = Digest::of_bytes(caller.as_bytes()).0;
        Self { caller: Some(HEXLOWER.encode(&digest[..8]).into()), ..self.clone() }
    }

    /// Prefixes the request ID of a write with the digest of the caller.
    pub(super) fn scope_request_id(&self, write: &mut Write) {
        if let Some(caller) = &self.caller
            && let Some(request) = write.request_mut()
        {
            request.id = format!("{caller}\n{}", request.id);
        }
    }
}

fn check(id: &str) -> Result<(), Violations> {
    if id.len() > 128 || !id.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(Violations::one("request_id", "must be at most 128 printable ASCII characters"));
    }
    Ok(())
}
