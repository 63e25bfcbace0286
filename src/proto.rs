//! The messages and clients that `build.rs` generates from `proto/`. The lowest room: everything may speak of a
//! message.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

tonic::include_proto!("copydesk.v1");

/// The compiled descriptors of every file under `proto/`, for reflection and for other languages' generators.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
