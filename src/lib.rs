//! Copydesk: clean copy in, never stale out.
pub mod access;
pub mod article;
pub mod cache;
pub mod cli;
pub mod config;
pub mod extract;
mod files;
pub mod grpc;
pub mod ingest;
mod overload;
mod printable;
pub mod proto;
mod random;
pub mod retrieve;
pub mod server;
pub mod store;
pub mod telemetry;
mod tls;
