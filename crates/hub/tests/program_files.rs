//! Files that devices upload, by the commands of the program.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::program::{Serve, fail, succeed};
use serde_json::Value;

#[test]
fn files_are_uploaded_listed_copied_and_deleted_by_commands() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("hub");
    let _hub = Serve::start(&state, &[]);
    succeed(&state, &["device", "create", "pump", "--auth", "sas"]);
    let file = directory.path().join("log.txt");
    let file = file.to_str().unwrap();
    std::fs::write(file, "all is well").unwrap();
    let upload = [
        "upload-file",
        "-d",
        "pump",
        "--fp",
        file,
        "--ct",
        "text/plain",
    ];
    succeed(&state, &upload);

    let listed: Value = serde_json::from_str(&succeed(&state, &["files", "list"])).unwrap();
    assert_eq!(listed[0]["blobName"], "pump/log.txt");
    assert_eq!(listed[0]["uploads"][0]["state"], "succeeded");
    let other = succeed(&state, &["files", "list", "-d", "valve"]);
    assert_eq!(other.trim(), "[]");
    let shown = [
        "files",
        "show",
        "pump/log.txt",
        "--query",
        "contentType",
        "-o",
        "tsv",
    ];
    assert_eq!(succeed(&state, &shown).trim(), "text/plain");
    let copy = directory.path().join("copy.txt");
    let copied = [
        "files",
        "show",
        "pump/log.txt",
        "--out",
        copy.to_str().unwrap(),
    ];
    succeed(&state, &copied);
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "all is well");

    let told = succeed(&state, &["files", "monitor", "--timeout", "1"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["blobSizeInBytes"], 11);
    assert_eq!(succeed(&state, &["files", "monitor", "--timeout", "1"]), "");

    succeed(&state, &["files", "delete", "pump/log.txt"]);
    for wrong in [
        &["files", "delete", "pump/log.txt"][..],
        &["files", "show", "log.txt"],
        &["files", "show", "pump/log.txt", "--out", "x"],
    ] {
        let why = fail(&state, wrong);
        assert!(
            why.contains("pump/log.txt") || why.contains("log.txt"),
            "{why}"
        );
    }
    let mut missing = upload;
    missing[4] = "/no/such/file";
    assert!(fail(&state, &missing).contains("cannot read /no/such/file"));
    missing = upload;
    missing[2] = "valve";
    assert!(fail(&state, &missing).contains("no device \"valve\""));
}
