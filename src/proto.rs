//! Messages of the API, defined in `proto/copydesk/v1/*.proto`, and client stubs. The crate `copydesk-client` generates
//! them. The lowest module: all others may name a message.

pub use copydesk_client::proto::*;
