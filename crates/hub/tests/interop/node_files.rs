//! File upload, by the device's package and by the storage package under it.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::json;

use crate::peers::{NODE, trials};
use crate::sdk::Sdk;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(
        "azure-storage-blob",
        NODE,
        a_device_uploads_a_file_in_blocks,
        the_storage_package_writes_and_reads_a_blob,
    )
}

/// The hub's file of this name.
fn uploaded(hub: &local_hub::Hub, name: &str) -> Vec<u8> {
    let file = hub.uploaded_file(name).unwrap();
    std::fs::read(file).unwrap()
}

fn a_device_uploads_a_file_in_blocks(node: &Path) {
    let mut sdk = Sdk::start(node);
    sdk.open("d", "mqtt");
    // More than two blocks of the package's 4 MB.
    let size = 9_000_001;
    sdk.run("upload", json!({ "name": "big.bin", "size": size }));
    let contents = uploaded(&sdk.hub, "d/big.bin");
    assert_eq!(contents.len(), size);
    assert!(contents.iter().all(|byte| *byte == b'x'));
}

fn the_storage_package_writes_and_reads_a_blob(node: &Path) {
    let mut sdk = Sdk::start(node);
    sdk.open("d", "mqtt");
    let stored = sdk.run("store", json!({ "name": "folder/a.txt", "text": "hello" }));
    assert_eq!(
        stored,
        json!({ "whole": "hello", "part": "ell", "contentLength": 5, "contentType": "text/plain" })
    );
    assert_eq!(uploaded(&sdk.hub, "d/folder/a.txt"), b"hello");
}
