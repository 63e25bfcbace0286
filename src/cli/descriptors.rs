//! Prints what the API is, for tools that cannot or may not ask a server.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use crate::proto::FILE_DESCRIPTOR_SET;

#[derive(Args)]
pub(super) struct DescriptorsArgs {
    /// The file to write; standard output if not given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the compiled API: a `google.protobuf.FileDescriptorSet` with its imports, its comments, and its HTTP rules.
pub(super) fn run(args: &DescriptorsArgs) -> Result<(), Failure> {
    match &args.output {
        Some(path) => std::fs::write(path, FILE_DESCRIPTOR_SET)
            .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?,
        None => std::io::stdout().lock().write_all(FILE_DESCRIPTOR_SET)?,
    }
    Ok(())
}
