//! Integration tests of Copydesk over a real port, on a real store.
#![allow(clippy::unwrap_used)] // a panic shows the failed line

mod access; // authentication, authorization, rate limits, audit log
mod bad_input; // invalid input of every kind
mod cache_freshness; // local cache and repair of Redis on one feed
mod cli; // the commands
mod client_load_balancing; // the Rust client over several replicas
mod conformance; // the conformance suite of stores
mod connections; // opening, age, refusal and end of connections
mod consistency_check; // cached articles compared with the store
mod corpus; // golden pairs of extraction
mod cycles; // dependencies between the files of a folder
mod database_failover; // a database that has lost its last changes
mod database_outages; // database outages as clients see them
mod database_tls; // PostgreSQL over TLS
mod deadlines_and_health; // deadlines, limits, health, metrics, graceful stop
mod dns_rebinding; // DNS rebinding and pages of other origins
mod doctor; // `copydesk doctor`
mod documents; // pages, text dumps and feeds
mod embargo; // embargo and expiry
mod embargo_lifting; // embargo of articles that are ingested again
mod expensive_documents; // documents that are expensive to parse
mod export_and_reingest; // export from one engine into another
mod file_permissions; // file permissions under any umask
mod grpc_web; // gRPC-Web as browsers use it
mod hidden_originals; // duplicates of unreadable articles
mod hostile_clients; // attacks by HTTP/2 clients
mod http2_frames; // HTTP/2 frames, byte by byte
mod identity; // the article that a document belongs to
mod interrupted_copy; // copies that are killed
mod monitoring; // metrics, alerts and their documentation
mod overload; // more reads and pages than the limits
mod pgbouncer; // pgbouncer between a store and its database
mod process_kill; // durability of acknowledged writes
mod protocol; // model check of the shared cache
mod raw_http2_client; // hand-written HTTP/2 clients
mod read_api_model; // List, Watch and Export against a model
mod redis_cache; // Redis in front of a store, and its failures
mod redis_cluster; // Redis Cluster in front of a store
mod redis_nodes; // Redis Clusters for the tests
mod redis_resharding; // moving slots and failing nodes
mod redis_sentinel; // Redis Sentinel and failover
mod redis_tls; // Redis over TLS
mod reference; // docs/reference.md, generated from proto/
mod replaced_data_folder; // a data folder that is moved, deleted or replaced
mod replicas; // several servers on one database
mod rooms; // imports between the modules of src/
mod service; // basic case of each method
mod split_store; // a store composed of two, for the tests
mod standby_catch_up; // a store that waits for its standbys, for the tests
mod standbys; // standbys of PostgreSQL
#[path = "../support/mod.rs"]
mod support; // servers, databases and Redis as processes
mod terminal_escapes; // control characters in file names
mod test_server; // servers in this process, with clients
mod tls; // TLS for callers
mod traces; // traces as a collector receives them
