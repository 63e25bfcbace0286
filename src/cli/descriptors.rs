//! `descriptors`: the compiled API, for tools that cannot use server reflection.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

use super::failure::Failure;
use crate::printable;
use crate::proto::FILE_DESCRIPTOR_SET;

#[derive(Args)]
pub(super) struct DescriptorsArgs {
    /// File to write; default: standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the compiled API: a `google.protobuf.FileDescriptorSet` with imports, comments, HTTP rules and error details.
pub(super) fn run(args: &DescriptorsArgs) -> Result<(), Failure> {
    let set = descriptors();
    match &args.output {
        Some(path) => {
            std::fs::write(path, set).map_err(|error| Failure::failed(format!("{}: {error}", printable::path(path))))
        }
        None => Ok(std::io::stdout().lock().write_all(&set)?),
    }
}

fn descriptors() -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    #[test]
    fn the_set_is_whole_and_has_what_errors_carry() {
        let pool = DescriptorPool::decode(&super::descriptors()[..]).unwrap();
        assert!(pool.get_message_by_name("google.rpc.BadRequest").is_some());
        assert!(pool.get_service_by_name("copydesk.v1.RetrievalService").is_some());
        assert!(pool.get_extension_by_name("google.api.http").is_some());
    }
}
