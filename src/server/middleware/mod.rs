//! Middleware of calls, between a connection and the handlers of methods.

pub(super) mod auth;
mod call;
mod call_kind;
pub(super) mod early_reject;
pub(super) mod hosts;
pub(super) mod layer;
pub(super) mod limits;
mod response_body;
pub(super) mod router;
pub(super) mod rpc_span;
mod stream_limit;
