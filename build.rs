//! Compiles the protos in Rust (protox), so no `protoc` is needed.
//!
//! Generates `served/copydesk.v1.rs`: the servers, and again those response messages that contain an article, with the
//! article as encoded bytes: a cached article is then copied into the response once, instead of being decoded, cloned
//! and encoded for every call. All other messages are those of the client crate, see `clients/rust/build.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use prost_types::{DescriptorProto, FileDescriptorSet};

const PACKAGE: &str = ".copydesk.v1";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let services = [
        "copydesk/v1/editorial_service.proto",
        "copydesk/v1/ingestion_service.proto",
        "copydesk/v1/retrieval_service.proto",
    ];
    println!("cargo:rerun-if-changed=src/extract");
    println!(
        "cargo:rustc-env=EXTRACTOR_VERSION={}+{:08x}",
        std::env::var("CARGO_PKG_VERSION")?,
        digest("src/extract")?
    );
    let descriptors = protox::compile(services, ["proto"])?;

    let served = out.join("served");
    std::fs::create_dir_all(&served)?;
    let mut config = tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .extern_path(format!("{PACKAGE}.Article"), "crate::article::EncodedArticle");
    for name in shared_types(&descriptors) {
        config = config.extern_path(format!("{PACKAGE}.{name}"), format!("crate::proto::{name}"));
    }
    config.out_dir(&served).compile_fds(descriptors)?;
    Ok(())
}

/// Returns a digest (CRC-32) of the files below a folder: it changes with every change of the extractor.
fn digest(folder: &str) -> std::io::Result<u32> {
    let (mut pending, mut files) = (vec![PathBuf::from(folder)], BTreeSet::new());
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(path)? {
                pending.push(entry?.path());
            }
        } else {
            files.insert(path);
        }
    }
    let mut crc = u32::MAX;
    for file in files {
        for byte in std::fs::read(file)? {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            }
        }
    }
    Ok(!crc)
}

/// Returns the types that both generations share: all except `Article` and the responses that contain one.
fn shared_types(descriptors: &FileDescriptorSet) -> BTreeSet<String> {
    let files = || descriptors.file.iter().filter(|file| file.package() == "copydesk.v1");
    let messages: BTreeMap<&str, &DescriptorProto> =
        files().flat_map(|file| &file.message_type).map(|message| (message.name(), message)).collect();
    let mut own = BTreeSet::from(["Article".to_string()]);
    let mut pending: Vec<String> = files()
        .flat_map(|file| &file.service)
        .flat_map(|service| &service.method)
        .map(|method| local_name(method.output_type()).to_string())
        .collect();
    while let Some(name) = pending.pop() {
        let Some(message) = messages.get(name.as_str()) else {
            continue;
        };
        if holds_article(message, &messages) && own.insert(name) {
            pending.extend(message.field.iter().map(|field| local_name(field.type_name()).to_string()));
        }
    }
    let enums = files().flat_map(|file| &file.enum_type).map(|item| item.name().to_string());
    messages.keys().map(|name| (*name).to_string()).chain(enums).filter(|name| !own.contains(name)).collect()
}

fn holds_article(message: &DescriptorProto, messages: &BTreeMap<&str, &DescriptorProto>) -> bool {
    message.field.iter().any(|field| {
        let name = local_name(field.type_name());
        name == "Article" || messages.get(name).is_some_and(|inner| holds_article(inner, messages))
    })
}

fn local_name(full: &str) -> &str {
    full.rsplit('.').next().unwrap_or(full)
}
