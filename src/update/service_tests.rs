use super::*;
use crate::json::Reader;
use crate::update::tests::service;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// Reads a value in pieces of this size.
fn read_into(service: &mut Service, text: &str, piece: usize) {
    let mut reader = Reader::new();
    for bytes in text.as_bytes().chunks(piece) {
        reader.feed(bytes, service).expect("JSON");
    }
    reader.finish(service).expect("whole");
}

fn read(text: &str) -> Service {
    let mut service = Service::new(4096);
    read_into(&mut service, text, 7);
    service
}

fn addresses(service: &Service, file: &str) -> Vec<String> {
    service.addresses(file).map(ToString::to_string).collect()
}

#[test]
fn a_deployment_is_read_in_pieces_of_any_size_with_its_texts_unescaped() {
    let manifest = "{\"a\":\"é😀\\\\\n\"}";
    let text = service("w1", manifest, "h.p.s", "http://a/f");
    for piece in 1..60 {
        let mut service = Service::new(4096);
        read_into(&mut service, &text, piece);
        assert!(service.is_complete() && service.is_present() && !service.is_too_long());
        assert_eq!(service.action(), Some(3));
        assert_eq!(service.workflow().id.as_str(), "w1");
        assert!(service.workflow().retry.is_empty());
        assert_eq!(service.manifest(), manifest.as_bytes());
        assert_eq!(addresses(&service, "f1"), ["http://a/f"]);
        assert_eq!(service.package(), "");
        let (judged, signature, space) = service.judged().expect("texts");
        assert_eq!((judged, &*signature), (manifest.as_bytes(), &b"h.p.s"[..]));
        assert!(space.len() > 3900);
    }
}

#[test]
fn the_order_of_members_does_not_matter_and_unknown_ones_are_passed_over() {
    let service = read(
        r#"{"x":{"action":9,"id":"no"},"updateManifestSignature":"s","fileUrls":{"f2":"u2","f1":"u1","f3":null,"f4":{"f5":"u5"}},
        "rootKeyPackageUrl":"http://k","y":["updateManifest"],"updateManifest":"m",
        "workflow":{"retryTimestamp":"t","id":"w","action":3,"z":{"id":"no"}}}"#,
    );
    assert!(service.is_complete());
    assert_eq!(service.workflow().id.as_str(), "w");
    assert_eq!(service.workflow().retry.as_str(), "t");
    assert_eq!(addresses(&service, "f1"), ["u1"]);
    assert_eq!(addresses(&service, "f5"), [""; 0]);
    assert_eq!(service.package(), "http://k");
    let mut service = service;
    let (manifest, signature, _) = service.judged().expect("texts");
    assert_eq!((manifest, &*signature), (&b"m"[..], &b"s"[..]));
}

#[test]
fn a_part_of_a_deployment_is_not_complete_and_a_deleted_one_is_mentioned() {
    assert!(!read(r#"{"workflow":{"action":3,"id":"w"}}"#).is_complete());
    assert!(!read(r#"{"workflow":{"action":"3","id":"w"},"updateManifest":"m","updateManifestSignature":"s","fileUrls":{"f":"u"}}"#).is_complete());
    let deleted = read("null");
    assert!(deleted.is_mentioned() && !deleted.is_present());
    let nothing = Service::new(100);
    assert!(!nothing.is_mentioned() && !nothing.is_present());
}

#[test]
fn texts_that_do_not_fit_are_marked_at_every_limit() {
    let text = service("w1", "manifest", "signature", "http://a/f");
    let needed = "f1".len() + "manifest".len() + "signature".len() + "http://a/f".len();
    for limit in 0..needed + 5 {
        let mut service = Service::new(limit);
        read_into(&mut service, &text, 64);
        assert_eq!(service.is_too_long(), limit < needed, "{limit}");
        assert!(service.judged().is_some());
    }
    let long = format!("{{\"workflow\":{{\"id\":\"{}\"}}}}", "x".repeat(65));
    assert!(read(&long).is_too_long());
}

#[test]
fn the_last_of_several_counts() {
    let mut service = read(&service("w1", "m", "s", "u"));
    read_into(&mut service, r#"{"workflow":{"action":255,"id":"w2"}}"#, 5);
    assert_eq!(service.action(), Some(ACTION_CANCEL));
    assert_eq!(service.workflow().id.as_str(), "w2");
    assert!(!service.is_complete());
}
