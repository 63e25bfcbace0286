//! Parser of `grpc-timeout`, the deadline of a call. The client crate has it, since retries need it too.

pub(crate) use copydesk_client::deadline::timeout;
