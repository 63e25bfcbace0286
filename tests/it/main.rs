//! Copydesk as its clients see it: over a real port, on a real store.
#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod abuse; // hostile clients
mod access; // who may call what
mod authority; // certificates of the tests' own
mod bad_input; // whatever comes in
mod balanced; // our own client over several replicas
mod bouncer; // pgbouncer, between a store and its database
mod caught_up; // a store whose standbys are waited for, for the tests
mod cli; // the commands
mod conformance; // what every store keeps
mod connections; // how connections open, age, are refused and end
mod consistency_check; // cached articles compared with the store
mod corpus; // golden pairs of extraction
#[allow(dead_code)] // what the fault test needs of it
mod cycles; // dependencies between the files of a folder
mod database; // PostgreSQL servers of the tests' own
mod database_tls; // PostgreSQL over TLS
mod displaced; // a data folder that is moved or deleted under its server
mod doctor; // what is wrong, by its word
mod documents; // pages, dumps and feeds, and what becomes of them
mod edge; // deadlines, limits, health, metrics, stopping
mod embargo; // what the clock opens and ends
mod failover; // a database that has lost its last changes
mod frames; // HTTP/2 by the byte, for them
mod freshness; // two caches on one feed, one behind the other
mod hostile; // documents made to be expensive
#[path = "../hostile/documents.rs"]
mod hostile_documents; // their generators
mod interrupted; // copies that are killed
mod kill; // an answer means durable
mod lifting; // documents that come in again, and what hides their articles
mod model; // lists, watches and exports over random histories
mod modes; // permissions of files, whatever the umask
mod moving; // exports from one engine into another
mod originals; // copies whose originals cannot be read
mod outages; // a database in trouble, as clients see it
mod overload; // more reads than the store takes on
mod parted; // a store put together from two, for the tests
#[allow(dead_code)] // what the fault test needs of it
mod process; // servers and commands as processes of their own
mod protocol; // the protocol of the shared cache, model-checked
mod rebinding; // web pages that call by names of their own
mod redis_cache; // Redis in front of a store, and its troubles
mod redis_cluster; // a Redis in several parts, and theirs
mod redis_nodes; // Redis Clusters of the tests' own
mod redis_resharding; // a Cluster whose slots move and whose nodes fail
mod redis_sentinel; // Sentinels say which Redis
#[allow(dead_code)] // what the fault test needs of it
mod redis_server; // Redis servers of the tests' own
mod redis_tls; // Redis behind TLS
mod reference; // docs/reference.md, written from the comments in proto/
mod replicas; // several servers on one database
mod rooms; // which room may import which
mod service; // each method's plain case
mod standbys; // standbys of PostgreSQL, and what they may answer
mod support; // servers and clients for the tests
mod terminal; // control characters in file names
mod tls; // TLS to callers
mod traces; // what a collector of traces receives
mod watching; // metrics, alerts, and what is said of them
mod web; // gRPC-Web, as browsers speak it
mod wire; // clients that say what no library would
#[allow(dead_code)] // what the clients' runner needs of it
#[path = "../clients/witness.rs"]
mod witness; // a proxy that refuses, and sees what a client's channel does by itself
