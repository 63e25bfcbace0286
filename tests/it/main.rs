//! Integration tests of Copydesk over a real port, on a real store.
#![allow(clippy::unwrap_used)] // a panic shows the failed line

mod access; // authentication, authorization, rate limits, audit log
mod aggregates; // counts over the wire
mod aip; // the descriptors, by the API Improvement Proposals
mod article_fields; // structure and metadata of articles
mod bad_input; // invalid input of every kind
mod cache_freshness; // local cache and repair of Redis on one feed
mod cli; // the commands
mod client_load_balancing; // the Rust client over several replicas
mod command_errors; // errors and help of the commands
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
mod documented_commands; // the commands of the quick start
mod documents; // pages, text dumps and feeds
mod edited_stories; // stories that editors change
mod editing_commands; // the editors' commands
mod editorial; // edits of articles by editors
mod embargo; // embargo and expiry
mod embargo_lifting; // embargo of articles that are ingested again
mod expensive_documents; // documents that are expensive to parse
mod export_and_reingest; // export from one engine into another
mod exports; // exports that are cut, and shards
mod file_permissions; // file permissions under any umask
mod filters; // filters over the wire
mod fuzz_corpus; // the corpus of the fuzz targets
mod grouped_stories; // articles that report one event
mod grpc_web; // gRPC-Web as browsers use it
mod hostile_clients; // attacks by HTTP/2 clients
mod http2_frames; // HTTP/2 frames, byte by byte
mod identity; // the article that a document belongs to
mod intake; // the journal of ingestion over the wire
mod interleavings; // random interleavings on three replicas, against a model
mod interrupted_copy; // copies that are killed
mod late_copies; // copies that arrive after their withdrawal, held for editors
mod lookups; // batches by name and by key, and reads by etag
mod merges; // merges of articles into one
mod monitoring; // metrics, alerts and their documentation
mod near_duplicates; // copies with edits over the wire
mod operators; // signals, metrics port, reflection, content types, compression
mod overload; // more reads and pages than the limits
mod pgbouncer; // pgbouncer between a store and its database
mod process_kill; // durability of acknowledged writes
mod protocol; // model check of the shared cache
mod purge; // purged articles over the wire
mod raw_http2_client; // hand-written HTTP/2 clients
mod read_api_model; // List, Watch and Export against a model
mod read_counts; // reads that callers report, and the most read articles
mod readme_picture; // the picture in the README
mod redis_cache; // Redis in front of a store, and its failures
mod redis_cluster; // Redis Cluster in front of a store
mod redis_nodes; // Redis Clusters for the tests
mod redis_resharding; // moving slots and failing nodes
mod redis_sentinel; // Redis Sentinel and failover
mod redis_tls; // Redis over TLS
mod reference; // docs/reference.md, generated from proto/
mod related; // related articles over the wire
mod replaced_data_folder; // a data folder that is moved, deleted or replaced
mod replicas; // several servers on one database
mod revisions; // revisions: lists, snapshots, comparisons
mod rooms; // imports between the modules of src/
mod search; // searches over the wire
mod search_folder; // the folder of the search index
mod service; // basic case of each method
mod session_resets; // PostgreSQL sessions that a pooler resets
mod sources; // received documents and the reports of their extraction
mod split_store; // a store composed of two, for the tests
mod standby_catch_up; // a store that waits for its standbys, for the tests
mod standbys; // standbys of PostgreSQL
mod stories; // several articles with one text
mod story_filters; // articles by story, and the story of an article
mod story_watches; // watches of stories, against GetStory
mod suggestions; // suggestions of values over the wire
#[path = "../support/mod.rs"]
mod support; // servers, databases and Redis as processes
mod terminal; // the commands on a terminal
mod terminal_escapes; // control characters in file names
mod test_server; // servers in this process, with clients
mod tls; // TLS for callers
mod traces; // traces as a collector receives them
mod views; // views and masks of every read
mod watches; // starts of watches, kinds, snapshots before changes
mod wire_kills; // canceled wire items, and pages that are no articles
