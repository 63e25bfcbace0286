//! `descriptors`: the compiled API, for tools that cannot use server reflection.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use crate::printable;
use crate::proto::descriptors;

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

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    #[test]
    fn the_set_is_whole_and_has_what_errors_carry() {
        let pool = DescriptorPool::decode(&crate::proto::descriptors()[..]).unwrap();
        assert!(pool.get_message_by_name("google.rpc.BadRequest").is_some());
        assert!(pool.get_service_by_name("copydesk.v1.RetrievalService").is_some());
        assert!(pool.get_extension_by_name("google.api.http").is_some());
    }
}
