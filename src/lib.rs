//! Copydesk: clean copy in, never stale out.
pub mod proto;
