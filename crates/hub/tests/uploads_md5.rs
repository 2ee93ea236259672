//! MD5 of uploaded files and their parts, which a client promises and the storage account checks.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::rest::*;
use common::uploads::*;
use common::*;
use local_hub::Hub;

/// MD5 by another implementation than the hub's: `printf TEXT | md5sum | xxd -r -p | base64`.
const OF_HELLO: &str = "XUFAKrxLKna5cZ2REBfFkg==";
const OF_WORLD: &str = "fXkwN6B2AYZXSwKC8vQ15w==";

fn put_with(hub: &Hub, place: &Place, headers: &[(&str, &str)], body: &str) -> String {
    let headers = [&[BLOCK_BLOB], headers].concat();
    store(hub, "PUT", &place.address, &headers, body)
}

fn block_with(hub: &Hub, place: &Place, id: &str, headers: &[(&str, &str)], body: &str) -> String {
    let id = STANDARD.encode(id).replace('=', "%3D");
    let address = format!("{}&comp=block&blockid={id}", place.address);
    store(hub, "PUT", &address, headers, body)
}

fn header<'r>(reply: &'r str, name: &str) -> Option<&'r str> {
    let (head, _) = reply.split_once("\r\n\r\n")?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| *found == name).map(|found| found.1)
}

fn is_created(reply: &str) -> bool {
    reply.starts_with("HTTP/1.1 201")
}

#[test]
fn a_blob_that_is_not_what_its_md5_promises_is_refused_and_leaves_the_old_one() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "f");
    assert!(is_created(&put_with(&hub, &place, &[], "hello")));
    let is_refused = |headers: &[(&str, &str)], expected: &str| {
        let reply = put_with(&hub, &place, headers, "world");
        assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
        assert_eq!(code(&reply), expected, "{headers:?}");
        assert_eq!(read(&hub, &place), "hello");
    };
    is_refused(&[("Content-MD5", OF_HELLO)], "Md5Mismatch");
    is_refused(&[("x-ms-blob-content-md5", OF_HELLO)], "Md5Mismatch");
    // The blob's own takes precedence.
    let both = [
        ("Content-MD5", OF_WORLD),
        ("x-ms-blob-content-md5", OF_HELLO),
    ];
    is_refused(&both, "Md5Mismatch");
    for malformed in [
        "",
        "nonsense!",
        "aGVsbG8=",
        "7d793037a0760186574b0282f2f435e7",
    ] {
        is_refused(&[("Content-MD5", malformed)], "InvalidMd5");
    }
    for headers in [
        vec![("Content-MD5", OF_WORLD)],
        vec![("x-ms-blob-content-md5", OF_WORLD)],
        vec![
            ("Content-MD5", OF_HELLO),
            ("x-ms-blob-content-md5", OF_WORLD),
        ],
    ] {
        let reply = put_with(&hub, &place, &headers, "world");
        assert!(is_created(&reply), "{reply}");
        assert_eq!(header(&reply, "content-md5"), Some(OF_WORLD));
    }
    assert_eq!(as_owner(&hub, "GET /files", None).body[0]["size"], 5);
}

#[test]
fn a_blob_in_one_piece_has_the_md5_that_the_hub_computed_and_keeps_it_over_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().to_owned();
    let open = || hub_with(|config| config.state = Some(path.clone()));
    let hub = open();
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "f");
    let reply = put_with(&hub, &place, &[], "hello");
    assert_eq!(header(&reply, "content-md5"), Some(OF_HELLO), "{reply}");
    drop(hub);
    let hub = open();
    for method in ["GET", "HEAD"] {
        let reply = store(&hub, method, &place.address, &[], "");
        assert_eq!(header(&reply, "content-md5"), Some(OF_HELLO), "{reply}");
    }
    let part = store(&hub, "GET", &place.address, &[("Range", "bytes=1-2")], "");
    assert!(part.ends_with("\r\n\r\nel"), "{part}");
    assert_eq!(header(&part, "content-md5"), None);
    assert_eq!(header(&part, "x-ms-blob-content-md5"), Some(OF_HELLO));
}

#[test]
fn a_block_or_a_list_that_is_not_what_its_md5_promises_is_refused() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "f");
    let reply = block_with(&hub, &place, "a", &[("Content-MD5", OF_HELLO)], "hello");
    assert!(is_created(&reply), "{reply}");
    assert_eq!(header(&reply, "content-md5"), Some(OF_HELLO));
    let reply = block_with(&hub, &place, "a", &[("Content-MD5", OF_HELLO)], "other");
    assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
    assert_eq!(code(&reply), "Md5Mismatch");
    let reply = block_with(&hub, &place, "a", &[("Content-MD5", "a")], "other");
    assert_eq!(code(&reply), "InvalidMd5");

    let address = format!("{}&comp=blocklist", place.address);
    let xml = format!(
        "<BlockList><Latest>{}</Latest></BlockList>",
        STANDARD.encode("a")
    );
    let list = |headers: &[(&str, &str)]| store(&hub, "PUT", &address, headers, &xml);
    assert_eq!(code(&list(&[("Content-MD5", OF_HELLO)])), "Md5Mismatch");
    assert_eq!(code(&list(&[("x-ms-blob-content-md5", "a")])), "InvalidMd5");
    assert!(is_created(&list(&[])));
    // The block that was refused has not replaced the one before.
    assert_eq!(read(&hub, &place), "hello");
    let blob = || store(&hub, "HEAD", &place.address, &[], "");
    assert_eq!(header(&blob(), "content-md5"), None);
    // Of the whole blob, the service keeps what it is told, and does not check it: the blocks were checked.
    assert!(is_created(&list(&[("x-ms-blob-content-md5", OF_WORLD)])));
    assert_eq!(header(&blob(), "content-md5"), Some(OF_WORLD));
}
