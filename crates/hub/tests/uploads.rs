//! File upload: the hub's part, the storage account's, and the notifications of operators.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::rest::*;
use common::uploads::*;
use common::*;
use local_hub::{Config, Hub};
use serde_json::{Value, json};

fn end(hub: &Hub, device: &Device, place: &Place, is_success: bool) -> Reply {
    let line = format!("POST /devices/{}/files/notifications", device.id);
    let body = json!({
        "correlationId": place.correlation, "isSuccess": is_success, "statusCode": 201,
        "statusDescription": "Created",
    });
    ask(hub, device, &line, &body)
}

fn files(hub: &Hub) -> Value {
    as_owner(hub, "GET /files", None).body
}

#[test]
fn a_file_is_uploaded_in_one_piece_and_operators_are_notified() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "logs/a file.txt");
    let reply = put(&hub, &place, "hello");
    assert!(reply.starts_with("HTTP/1.1 201"), "{reply}");
    for header in ["etag: \"0x", "last-modified: ", "x-ms-request-id: "] {
        assert!(
            reply.to_ascii_lowercase().contains(header),
            "{header} {reply}"
        );
    }
    assert_eq!(read(&hub, &place), "hello");
    let listed = &files(&hub)[0];
    assert_eq!(listed["blobName"], "d/logs/a file.txt");
    assert_eq!(listed["deviceId"], "d");
    assert_eq!(listed["size"], 5);
    assert_eq!(listed["contentType"], "text/plain");
    assert_eq!(listed["uploads"][0]["state"], "active");

    assert_eq!(end(&hub, &device, &place, true).status, 204);
    let ended = &files(&hub)[0]["uploads"][0];
    assert_eq!(ended["state"], "succeeded");
    assert_eq!(ended["statusCode"], 201);
    assert_eq!(end(&hub, &device, &place, true).status, 400, "it has ended");

    let path = "/messages/serviceBound/filenotifications";
    let notification = as_owner(&hub, &format!("GET {path}"), None);
    assert_eq!(notification.status, 200, "{notification:?}");
    assert_eq!(notification.body["deviceId"], "d");
    assert_eq!(notification.body["blobName"], "d/logs/a file.txt");
    assert_eq!(notification.body["blobSizeInBytes"], 5);
    let port = hub.operator_endpoint().port();
    let uri = format!("https://localhost:{port}/device-files/d/logs/a%20file.txt");
    assert_eq!(notification.body["blobUri"], uri);
    let token = notification.etag();
    let token = token.trim_matches('"');
    let abandoned = as_owner(&hub, &format!("POST {path}/{token}/abandon"), None);
    assert_eq!(abandoned.status, 204);
    assert_eq!(as_owner(&hub, &format!("GET {path}"), None).status, 200);
    let line = format!("DELETE {path}/{token}");
    assert_eq!(as_owner(&hub, &line, None).status, 204);
    assert_eq!(as_owner(&hub, &line, None).status, 412);
    assert_eq!(as_owner(&hub, &format!("GET {path}"), None).status, 204);

    assert_eq!(
        as_owner(&hub, "DELETE /files?blob=d/logs/a%20file.txt", None).status,
        204
    );
    assert!(store(&hub, "GET", &place.address, &[], "").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_file_is_uploaded_in_blocks_and_a_list_may_be_sent_again() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "b");
    for (id, body) in [
        ("000002", "wor"),
        ("000001", "hello "),
        ("000003", "ld"),
        ("000004", "no"),
    ] {
        let reply = put_block(&hub, &place, id, body);
        assert!(reply.starts_with("HTTP/1.1 201"), "{reply}");
    }
    // A block may be sent again; the last one counts.
    put_block(&hub, &place, "000002", "WOR");
    let ids = ["000001", "000002", "000003"];
    // The answer to the first list may be lost on its way.
    for _ in 0..2 {
        let reply = put_list(&hub, &place, &ids);
        assert!(reply.starts_with("HTTP/1.1 201"), "{reply}");
        assert_eq!(read(&hub, &place), "hello WORld");
    }
    assert_eq!(files(&hub)[0]["contentType"], "text/csv");
    // What the list does not name is gone.
    let reply = put_list(&hub, &place, &["000001", "000004"]);
    assert_eq!(code(&reply), "InvalidBlockList");
    assert_eq!(read(&hub, &place), "hello WORld");
    // A new block beside an old one.
    put_block(&hub, &place, "000009", "again");
    put_list(&hub, &place, &["000001", "000009", "000001"]);
    assert_eq!(read(&hub, &place), "hello againhello ");
    assert!(put_list(&hub, &place, &[]).starts_with("HTTP/1.1 201"));
    assert_eq!(read(&hub, &place), "");
    assert_eq!(end(&hub, &device, &place, true).status, 204);
}

#[test]
fn a_part_of_a_file_is_read_by_its_range_and_its_properties_without_contents() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "b");
    put(&hub, &place, "0123456789");
    let get = |header: (&str, &str)| store(&hub, "GET", &place.address, &[header], "");
    let part = get(("x-ms-range", "bytes=2-4"));
    assert!(
        part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\n234"),
        "{part}"
    );
    assert!(
        part.to_ascii_lowercase()
            .contains("content-range: bytes 2-4/10"),
        "{part}"
    );
    assert!(get(("Range", "bytes=8-")).ends_with("\r\n\r\n89"));
    assert!(get(("Range", "bytes=8-100")).ends_with("\r\n\r\n89"));
    assert!(get(("Range", "bytes=10-")).starts_with("HTTP/1.1 416"));
    let head = store(&hub, "HEAD", &place.address, &[], "");
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert!(
        head.to_ascii_lowercase().contains("content-length: 10"),
        "{head}"
    );
}

#[test]
fn an_address_is_for_one_blob_for_an_hour_and_for_what_it_permits() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "b");
    let send = |address: &str| store(&hub, "PUT", address, &[BLOCK_BLOB], "x");
    let (path, query) = place.address.split_once('?').unwrap();
    for (address, expected) in [
        (format!("/device-files/d/c?{query}"), "AuthenticationFailed"),
        (format!("/device-files/e/b?{query}"), "AuthenticationFailed"),
        (
            place.address.replace("sp=rw", "sp=rwd"),
            "AuthenticationFailed",
        ),
        (path.to_owned(), "NoAuthenticationInformation"),
        (format!("{path}?%"), "InvalidUri"),
        ("/device-files".to_owned(), "InvalidUri"),
        ("/device-files/?a".to_owned(), "InvalidUri"),
    ] {
        assert_eq!(code(&send(&address)), expected, "{address}");
    }
    let delete = store(&hub, "DELETE", &place.address, &[], "");
    assert_eq!(code(&delete), "AuthorizationPermissionMismatch");
    // Another word for the same path is the same blob.
    assert!(send(&format!("/device-files/d%2Fb?{query}")).starts_with("HTTP/1.1 201"));
    hub.shift_clock(3500);
    assert!(send(&place.address).starts_with("HTTP/1.1 201"));
    hub.shift_clock(101);
    let expired = send(&place.address);
    assert_eq!(code(&expired), "AuthenticationFailed");
    assert!(expired.contains("has expired"), "{expired}");
    // So is the upload: nobody said how it went.
    assert_eq!(end(&hub, &device, &place, true).status, 400);
    assert_eq!(files(&hub)[0]["uploads"][0]["state"], "expired");
    let path = "GET /messages/servicebound/filenotifications";
    assert_eq!(as_owner(&hub, path, None).status, 204);
}

#[test]
fn what_the_storage_account_does_not_serve_is_refused_and_named() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "b");
    let at = |more: &str| format!("{}{more}", place.address);
    let block = "&comp=block&blockid=";
    for (method, more, headers, expected) in [
        ("PUT", "", &[][..], "MissingRequiredHeader"),
        (
            "PUT",
            "",
            &[("x-ms-blob-type", "PageBlob")],
            "InvalidHeaderValue",
        ),
        (
            "PUT",
            "",
            &[BLOCK_BLOB, ("If-None-Match", "\"a\"")],
            "InvalidHeaderValue",
        ),
        (
            "PUT",
            "",
            &[BLOCK_BLOB, ("If-Match", "\"0x0\"")],
            "ConditionNotMet",
        ),
        ("PUT", "&comp=metadata", &[], "UnsupportedQueryParameter"),
        (
            "PUT",
            &format!("{block}%25"),
            &[],
            "InvalidQueryParameterValue",
        ),
        (
            "PUT",
            &format!("{block}{}", STANDARD.encode([b'a'; 65])),
            &[],
            "InvalidQueryParameterValue",
        ),
        ("PUT", "&comp=block", &[], "InvalidQueryParameterValue"),
        ("PUT", "&comp=blocklist", &[], "InvalidXmlDocument"),
        ("GET", "", &[], "BlobNotFound"),
        ("GET", "&comp=blocklist", &[], "UnsupportedQueryParameter"),
        ("POST", "", &[], "AuthorizationPermissionMismatch"),
    ] {
        let reply = store(&hub, method, &at(more), headers, "");
        assert_eq!(code(&reply), expected, "{method} {more} {headers:?}");
    }
    put_block(&hub, &place, "1", "a");
    assert_eq!(
        code(&put_block(&hub, &place, "22", "b")),
        "InvalidBlobOrBlock"
    );
    let new = [BLOCK_BLOB, ("If-None-Match", "*")];
    assert!(store(&hub, "PUT", &place.address, &new, "x").starts_with("HTTP/1.1 201"));
    let again = store(&hub, "PUT", &place.address, &new, "x");
    assert_eq!(code(&again), "BlobAlreadyExists");
    let chunked = format!(
        "PUT {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-ms-blob-type: BlockBlob\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        place.address
    );
    let reply = raw_text(&hub, chunked.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 411"), "{reply}");
}

#[test]
fn uploads_that_cannot_begin_or_end_are_refused_with_the_reason() {
    let hub = hub();
    let device = Device::create(&hub, "d");
    let other = Device::create(&hub, "e");
    let line = "POST /devices/d/files";
    let long = "x".repeat(1023);
    for (body, status) in [
        (json!({ "blobName": "" }), 400),
        (json!({ "blobName": "a\nb" }), 400),
        (json!({ "blobName": long }), 400),
        (json!({}), 400),
        (json!({ "blobName": &long[1..] }), 200),
    ] {
        assert_eq!(ask(&hub, &device, line, &body).status, status, "{body}");
    }
    assert_eq!(
        ask(&hub, &other, line, &json!({ "blobName": "b" })).status,
        401
    );
    for _ in 1..10 {
        begin(&hub, &device, "b");
    }
    let refused = ask(&hub, &device, line, &json!({ "blobName": "b" }));
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.header("iothub-errorcode"),
        Some("DeviceMaximumActiveFileUploadLimitExceeded")
    );
    let place = begin(&hub, &other, "b");
    // Nothing was put there, and it is not the other device's.
    assert_eq!(end(&hub, &other, &place, true).status, 400);
    assert_eq!(end(&hub, &device, &place, false).status, 400);
    // The form of Microsoft's Node.js client: the upload in the path.
    let line = format!("POST /devices/e/files/notifications/{}", place.correlation);
    let body = json!({ "isSuccess": false, "statusCode": -1, "statusDescription": "no disk" });
    assert_eq!(ask(&hub, &other, &line, &body).status, 204);
    let listed = files(&hub);
    let failed = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|file| file["deviceId"] == "e");
    assert_eq!(failed.unwrap()["uploads"][0]["state"], "failed");
    assert_eq!(
        failed.unwrap()["uploads"][0]["statusDescription"],
        "no disk"
    );
    hub.delete_device("d").unwrap();
    let active = files(&hub).to_string().matches("\"active\"").count();
    assert_eq!(active, 0);
}

/// Every file below the folder of uploads.
fn kept(hub: &Hub) -> Vec<PathBuf> {
    let mut folders = vec![hub.state_directory().join("uploads")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn files_have_limits_and_leave_nothing_behind_when_they_are_replaced_or_refused() {
    let hub = hub_with(|config: &mut Config| {
        config.limits.upload_bytes = 10;
        config.limits.uploads_bytes = 15;
    });
    let device = Device::create(&hub, "d");
    let place = begin(&hub, &device, "b");
    let refused = |reply: String, told: &str| {
        assert_eq!(code(&reply), "RequestBodyTooLarge");
        assert!(reply.contains(told), "{reply}");
    };
    refused(put(&hub, &place, "12345678901"), "at most 10 bytes");
    for _ in 0..3 {
        assert!(put(&hub, &place, "1234567").starts_with("HTTP/1.1 201"));
    }
    assert_eq!(kept(&hub).len(), 1);
    let second = begin(&hub, &device, "c");
    refused(put(&hub, &second, "123456789"), "at most 15 bytes");
    // Blocks count, and what is made of them besides them until they go.
    assert!(put_block(&hub, &second, "1", "1234").starts_with("HTTP/1.1 201"));
    refused(put_block(&hub, &second, "2", "12345"), "files delete");
    assert!(put_list(&hub, &second, &["1"]).starts_with("HTTP/1.1 201"));
    assert_eq!(kept(&hub).len(), 2);
    assert_eq!(as_owner(&hub, "DELETE /files?blob=d/b", None).status, 204);
    assert_eq!(as_owner(&hub, "DELETE /files?blob=d/b", None).status, 400);
    assert!(put(&hub, &place, "1234567").starts_with("HTTP/1.1 201"));
    #[cfg(unix)]
    for path in kept(&hub) {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn uploads_blobs_and_blocks_are_there_after_a_restart_and_leftovers_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let mut config = Config::temporary();
        config.state = Some(directory.path().to_owned());
        config.certificate.chain = local_hub::Chain::Ecc;
        Hub::start(config).unwrap()
    };
    let hub = start();
    let device = Device::create(&hub, "d");
    let (first, second) = (begin(&hub, &device, "a"), begin(&hub, &device, "b"));
    put(&hub, &first, "contents");
    assert_eq!(end(&hub, &device, &first, true).status, 204);
    put_block(&hub, &second, "1", "half ");
    hub.shutdown();
    let leftover = directory.path().join("uploads/blobs").join("0".repeat(32));
    std::fs::write(&leftover, "of an interrupted request").unwrap();

    let hub = start();
    assert!(!leftover.exists());
    assert_eq!(read(&hub, &first), "contents");
    put_block(&hub, &second, "2", "done");
    assert!(put_list(&hub, &second, &["1", "2"]).starts_with("HTTP/1.1 201"));
    assert_eq!(read(&hub, &second), "half done");
    assert_eq!(end(&hub, &device, &second, true).status, 204);
    for name in ["d/a", "d/b"] {
        let path = "/messages/serviceBound/filenotifications";
        let notification = as_owner(&hub, &format!("GET {path}"), None);
        assert_eq!(notification.body["blobName"], name);
        let token = notification.etag();
        let line = format!("DELETE {path}/{}", token.trim_matches('"'));
        assert_eq!(as_owner(&hub, &line, None).status, 204);
    }
}
