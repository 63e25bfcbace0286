//! Helpers of several test binaries and of the benchmark: servers, databases and Redis as processes, certificates,
//! tokens, a proxy, random numbers, and generated documents. Each binary uses only some of them. They panic on failure.
#![allow(dead_code, clippy::unwrap_used)]

pub mod certificates; // certificate authority of the tests
pub mod database; // PostgreSQL servers
pub mod hostile_documents; // generators of expensive documents
pub mod observing_proxy; // a gRPC proxy that observes and rejects a client's calls
pub mod process; // servers and commands as processes
pub mod random; // seeded random numbers
pub mod redis_server; // Redis servers
pub mod token_issuer; // issuer of tokens
