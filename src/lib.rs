//! Copydesk: clean copy in, never stale out.
pub mod access;
pub mod article;
mod burst;
pub mod cache;
pub mod cli;
pub mod client;
pub mod config;
mod deadline;
pub mod extract;
pub mod grpc;
pub mod ingest;
mod priority;
pub mod proto;
pub mod retrieve;
pub mod server;
pub mod store;
pub mod telemetry;
mod tls;
