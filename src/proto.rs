//! Messages of the API, defined in `proto/copydesk/v1/*.proto`, and client stubs. The crate `copydesk-client` generates
//! them. The lowest module: all others may name a message.

use std::collections::HashSet;

pub use copydesk_client::proto::*;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// Returns the compiled API with the types of error details: an encoded `FileDescriptorSet`.
pub(crate) fn descriptors() -> Vec<u8> {
    let read = |set: &[u8]| FileDescriptorSet::decode(set).expect("the compiled descriptor set must be valid").file;
    let own = read(FILE_DESCRIPTOR_SET);
    let messages = |file: &FileDescriptorProto| {
        let package = file.package().to_owned();
        file.message_type.iter().map(move |message| format!("{package}.{}", message.name())).collect::<Vec<_>>()
    };
    let known: HashSet<String> = own.iter().flat_map(messages).collect();
    let mut file = read(tonic_types::pb::FILE_DESCRIPTOR_SET);
    // Ours already contains google.rpc.Status.
    file.retain(|file| !messages(file).iter().any(|message| known.contains(message)));
    for file in file.iter_mut().filter(|file| file.package() == "google.rpc") {
        // The path under which other code imports it.
        file.name = Some(format!("google/rpc/{}", file.name()));
    }
    // Two concatenated sets are one set with the files of both. Re-encoding ours would lose the HTTP rules.
    [FILE_DESCRIPTOR_SET, &FileDescriptorSet { file }.encode_to_vec()].concat()
}
