//! Compiles the protos in Rust (protox), so no `protoc` is needed. Generates every message and the stubs of clients.

use std::path::PathBuf;

/// Folder of the protos in the repository.
const PROTO: &str = "../../proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).include_source_info(true).open_files([
        "copydesk/v1/article.proto",
        "copydesk/v1/editorial_service.proto",
        "copydesk/v1/ingestion_service.proto",
        "copydesk/v1/retrieval_service.proto",
    ])?;
    // Includes the options that prost's own types drop: the HTTP bindings of methods.
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .build_server(false)
        // Sorted, so that equal messages have equal encodings.
        .btree_map(".copydesk.v1")
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
