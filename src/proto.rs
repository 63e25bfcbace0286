//! Messages and client stubs of `copydesk.v1`, from the client crate, which generates them. The lowest room: all others
//! may name a message.

pub use copydesk_client::proto::*;
