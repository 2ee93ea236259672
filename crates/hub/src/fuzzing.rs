//! Entrances for the fuzz targets in `fuzz/`: each takes bytes, and panics if what it promises does not hold.
//!
//! They are here because what they try is not public. The hub's own tests run every seed through them, and changes of
//! each.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::BytesMut;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use crate::config::Config;
use crate::core::Core;
use crate::credentials::sas::{self, Token};
use crate::credentials::{percent, x509};
use crate::dps::{Attestation, Enrollment, Proof};
use crate::error::StartError;
use crate::events::{EVENTS, Event};
use crate::json;
use crate::kinds;
use crate::mqtt::codec::{self, Malformed, Packet, encode};
use crate::mqtt::{bag, filter, provisioning, topic, user_name};
use crate::query::Query;
use crate::registry::{Identity, SymmetricKeys};
use crate::start::open_core;
use crate::store::records::{self, Damage, Format, Tail};
use crate::store::{self, JOURNAL, Store};
use crate::tls::DeviceAuthority;
use crate::twin::{Twin, rules};

/// A directory of this process.
fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// The first byte, which says what is tried, and the rest.
fn split(data: &[u8]) -> Option<(u8, &[u8])> {
    data.split_first().map(|(first, rest)| (*first, rest))
}

/// The hub's MQTT codec: packets do not depend on how their bytes arrive, and what the hub sends is read as what
/// was meant.
pub fn codec(data: &[u8]) {
    let Some((step, stream)) = split(data) else {
        return;
    };
    let (packets, end) = packets(stream, stream.len().max(1));
    let pieces = self::packets(stream, usize::from(step % 16) + 1);
    assert_eq!((&packets, &end), (&pieces.0, &pieces.1));
    if let Err(malformed) = end {
        assert!(malformed.to_string().len() < 300);
    }
    for packet in packets {
        if let Packet::Connect(connect) = &packet {
            let (id, name) = (&connect.client_id, &connect.user_name);
            let shown = format!(
                "Connect {{ client_id: {id:?}, user_name: {name:?}, password: \"[redacted]\", .. }}"
            );
            assert_eq!(format!("{connect:?}"), shown);
        }
        let Packet::Publish(publish) = packet else {
            continue;
        };
        let dup = publish.dup && publish.packet_id.is_some();
        let sent = encode::publish(&publish.topic, &publish.payload, publish.packet_id, dup);
        let Ok(bytes) = sent else {
            // A wildcard, which only the topic's own check refuses.
            continue;
        };
        let mut buffer = BytesMut::from(bytes.as_slice());
        let again = codec::decode(&mut buffer);
        let mut wanted = publish;
        wanted.retain = false;
        assert_eq!(again, Ok(Some(Packet::Publish(wanted))));
        assert!(buffer.is_empty());
    }
}

/// All packets of a stream that arrives in pieces of `step` bytes, and how it ends.
fn packets(stream: &[u8], step: usize) -> (Vec<Packet>, Result<usize, Malformed>) {
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    for piece in stream.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            match codec::decode(&mut buffer) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(malformed) => return (packets, Err(malformed)),
            }
        }
    }
    (packets, Ok(buffer.len()))
}

/// Files of the state: what is taken is written again as it was, what is refused is not touched.
pub fn store(data: &[u8]) {
    let Some((how, rest)) = split(data) else {
        return;
    };
    match how % 8 {
        0 => file(rest, &JOURNAL),
        1 => file(rest, &EVENTS),
        2 => file(
            &[records::header(&JOURNAL).as_slice(), rest].concat(),
            &JOURNAL,
        ),
        3 => file(
            &[records::header(&EVENTS).as_slice(), rest].concat(),
            &EVENTS,
        ),
        4 => journal_on_disk(rest),
        // Lines that have the right checksum, whatever is in them.
        5 => journal_on_disk(&lines(rest, &JOURNAL)),
        6 => file(&lines(rest, &JOURNAL), &JOURNAL),
        _ => file(&lines(rest, &EVENTS), &EVENTS),
    }
}

fn lines(data: &[u8], format: &Format) -> Vec<u8> {
    let mut bytes = records::header(format);
    for line in data.split(|byte| *byte == b'\n') {
        bytes.extend(records::encode(line));
    }
    bytes
}

fn file(bytes: &[u8], format: &Format) {
    let header = records::header(format);
    match records::scan(bytes, format) {
        Err(Damage::Foreign(_)) => assert!(!bytes.starts_with(&header)),
        Err(Damage::Line(place, _)) => assert!(place.bytes.end <= bytes.len() && place.line > 1),
        Ok((found, tail)) => {
            let mut again = header;
            for record in &found {
                again.extend(records::encode(record.json));
            }
            let whole = match &tail {
                Tail::Whole => again.len(),
                Tail::Unterminated => again.len() - 1,
                Tail::Partial(place) => place.bytes.start,
            };
            assert_eq!(again.get(..whole), bytes.get(..whole));
            assert!(matches!(tail, Tail::Partial(_)) || whole == bytes.len());
            for record in found {
                changes(record.json);
                event(record.json);
            }
        }
    }
}

/// Records that are read of the journal are written and read as the same.
fn changes(json: &[u8]) {
    let Ok(changes) = store::decode(json, kinds::check) else {
        return;
    };
    let again = serde_json::to_vec(&changes).expect("what was read can be written");
    assert_eq!(store::decode(&again, kinds::check), Ok(changes));
}

fn event(json: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Event>(json) else {
        return;
    };
    let again = serde_json::to_vec(&event).expect("what was read can be written");
    let again: Event = serde_json::from_slice(&again).expect("what was written can be read");
    assert_eq!(again, event);
    // What operators get of it can be read too.
    let shown = event.to_json().to_string();
    assert!(json::depth(shown.as_bytes()) <= json::READABLE);
}

fn journal_on_disk(bytes: &[u8]) {
    static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(temporary);
    let path = DIRECTORY.path().join("hub.journal");
    std::fs::write(&path, bytes).expect("a file can be written");
    let opened = Store::open(DIRECTORY.path(), kinds::check);
    let left = std::fs::read(&path).expect("the file is there");
    match opened {
        Err(StartError::CorruptState { .. } | StartError::ForeignState { .. }) => {
            assert_eq!(left, bytes);
        }
        Err(other) => panic!("{other}"),
        Ok(store) => {
            let values: BTreeMap<String, Value> = store.scan("").into_iter().collect();
            drop(store);
            let again =
                Store::open(DIRECTORY.path(), kinds::check).expect("what was taken is taken");
            assert_eq!(
                again
                    .scan::<Value>("")
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
                values
            );
            assert_eq!(std::fs::read(&path).expect("the file is there"), left);
        }
    }
}

/// Patches of a twin by its device and by operators, separated by zeros: all or nothing, within the documented
/// limits, and kept as they are.
pub fn twin(data: &[u8]) {
    let mut twin = Twin::new("1");
    for part in data.split(|byte| *byte == 0) {
        let Some((how, text)) = split(part) else {
            continue;
        };
        let before = twin.clone();
        let changed = match how % 4 {
            0 | 1 => twin.report(text, "2026-01-01T00:00:00Z").map(|version| {
                assert_eq!(version, before.reported.version + 1);
            }),
            replace => match serde_json::from_slice(text) {
                Ok(change) => twin
                    .change(&change, replace == 3, "2026-01-01T00:00:00Z")
                    .map(|told| assert!(told.is_none_or(|told| told["$version"].is_u64()))),
                Err(_) => continue,
            },
        };
        match changed {
            Err(_) => assert_eq!(twin, before),
            Ok(()) => assert_eq!(twin.version, before.version + 1),
        }
        check_twin(&twin);
    }
}

fn check_twin(twin: &Twin) {
    for (section, limit) in [
        (&twin.desired.properties, rules::MAX_PROPERTIES),
        (&twin.reported.properties, rules::MAX_PROPERTIES),
        (&twin.tags, rules::MAX_TAGS),
    ] {
        assert_eq!(rules::check_size(section, limit), Ok(()));
        assert_eq!(rules::check_depth(&Value::Object(section.clone())), Ok(()));
    }
    let kept = serde_json::to_vec(twin).expect("a twin can be written");
    assert!(json::depth(&kept) + 2 <= json::READABLE);
    let again: Value = serde_json::from_slice(&kept).expect("a twin can be read");
    assert_eq!(kinds::check("twin/d", &again), Ok(()));
    let again: Twin = serde_json::from_value(again).expect("a twin can be read");
    assert_eq!(again, *twin);
}

/// Input of the provisioning service: bodies and tokens of registrations, user names, enrolments.
pub fn dps(data: &[u8]) {
    static SERVICE: LazyLock<(Core, Proof, tempfile::TempDir)> = LazyLock::new(service);
    let (core, good, _) = &*SERVICE;
    let Some((how, rest)) = split(data) else {
        return;
    };
    match how % 4 {
        0 => {
            let answer = core.register("e", good, rest);
            assert!([202, 400].contains(&answer.status), "{answer:?}");
            let operation = answer.body["operationId"].as_str().map(str::to_owned);
            assert_eq!(operation.is_some(), answer.status == 202);
            // Each assignment is kept on the medium, so that few of them are tried to the end.
            if let Some(operation) = operation.filter(|_| rest.len() % 64 == 63) {
                assert_eq!(core.operation_status("e", &operation).status, 200);
            }
        }
        1 => {
            let proof = Proof {
                password: rest.to_vec(),
                certificates: Vec::new(),
            };
            let body = br#"{"registrationId":"e"}"#;
            assert_eq!(core.register("e", &proof, body).status, 401);
        }
        2 => {
            let Ok(text) = std::str::from_utf8(rest) else {
                return;
            };
            let _ = provisioning::registration(text);
            assert!(core.operation_status(text, text).status >= 400);
        }
        _ => enrollment(rest),
    }
}

fn service() -> (Core, Proof, tempfile::TempDir) {
    let directory = temporary();
    let core = open_core(&Config::temporary(), directory.path()).expect("a state can be made");
    let keys = Attestation::SymmetricKey(SymmetricKeys::generated());
    let enrolled = core.provisioning.enroll("e", false, Enrollment::new(keys));
    let Ok(Enrollment {
        attestation: Attestation::SymmetricKey(keys),
        ..
    }) = enrolled
    else {
        panic!("{enrolled:?}");
    };
    let resource = format!("{}/registrations/e", core.provisioning.id_scope());
    let policy = Some("registration");
    let token = sas::sign(&resource, &keys.primary_key, u64::MAX / 2, policy);
    let proof = Proof {
        password: token.expect("the key is base64").into_bytes(),
        certificates: Vec::new(),
    };
    (core, proof, directory)
}

/// An enrolment that is accepted is kept as it is.
fn enrollment(body: &[u8]) {
    for group in [false, true] {
        let Ok(enrollment) = serde_json::from_slice::<Enrollment>(body) else {
            return;
        };
        let Ok(accepted) = enrollment.checked(group) else {
            continue;
        };
        let kept = serde_json::to_value(&accepted).expect("an enrolment can be written");
        assert_eq!(kinds::check("dps-group/g", &kept), Ok(()));
        assert!(json::depth(kept.to_string().as_bytes()) + 2 <= json::READABLE);
        let again: Enrollment = serde_json::from_value(kept).expect("an enrolment can be read");
        assert!(again == accepted || accepted.payload == Some(Value::Null));
    }
}

/// A query is refused with a sentence, or its text with all parentheses is read as the same query.
fn query(text: &str) {
    match Query::parse(text) {
        Ok(query) => match Query::parse(&query.to_string()) {
            Ok(again) => assert_eq!(again, query),
            // With parentheses that could be left out, it may be too long or too deep.
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains(" bytes") || error.contains("in each other"),
                    "{error}"
                );
            }
        },
        Err(error) => assert!(error.to_string().len() < 300 + text.len()),
    }
}

/// Texts: bags, user names, topics, filters, tokens, ids, and the depth of JSON.
pub fn texts(text: &str) {
    assert_eq!(
        percent::decode(&percent::encode(text)).as_deref(),
        Some(text)
    );
    let _ = percent::decode(text);
    query(text);
    if let Some(pairs) = bag::parse(text) {
        let named = pairs
            .iter()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_deref()?)));
        let built = bag::build(named.clone());
        let again = bag::parse(&built).expect("what was built is well-formed");
        assert!(
            again
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_deref().unwrap_or("\0")))
                .eq(named)
        );
    }
    let _ = user_name::parse(text);
    for client in [Identity::device("d"), Identity::module("d", "m")] {
        let _ = topic::parse(text, &client);
        if filter::check(text, &client).is_ok() {
            assert!(filter::check_form(text).is_ok());
            let own = text.replace("/#", "/x").replace('+', "y");
            assert!(filter::matches(text, &own));
        }
    }
    if let Ok(token) = Token::parse(text) {
        // Nobody knows a key of 32 zeros, and nothing that is signed with it is found here.
        let key = "A".repeat(43) + "=";
        assert!(
            token
                .check([key.as_str()], "h/devices/d", token.expiry, 0)
                .is_err()
        );
    }
    if let Some(token) = sas::sign(text, "AAAA", 7, None) {
        let token = Token::parse(&token).expect("what was signed can be read");
        assert_eq!(token.check(["AAAA"], text, 7, 0), Ok(()));
    }
    let identity = Identity::device(text);
    if identity.check().is_ok() {
        assert_eq!(identity.to_string(), text);
    }
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        // Of two members of one name only the last is kept, and the other may be deeper.
        assert!(json::depth(text.as_bytes()) >= depth(&value));
        assert_eq!(json::depth(value.to_string().as_bytes()), depth(&value));
        assert_eq!(
            rules::check_depth(&value).is_ok(),
            depth(&value) <= rules::MAX_DEPTH + 1
        );
    }
}

/// Levels of a value that was read, which is less than 128.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Certificates, DER and PEM: nothing but a certificate under the CA proves a name.
pub fn certificates(data: &[u8]) {
    static AUTHORITY: LazyLock<(CertificateDer<'static>, tempfile::TempDir)> =
        LazyLock::new(|| {
            let directory = temporary();
            let made = DeviceAuthority::open(directory.path()).expect("a CA can be made");
            let der = CertificateDer::from_pem_slice(made.certificate_pem().as_bytes());
            (der.expect("it is a certificate"), directory)
        });
    let all: Vec<CertificateDer<'_>> = match data.starts_with(b"-----") {
        true => CertificateDer::pem_slice_iter(data).flatten().collect(),
        false => vec![CertificateDer::from(data)],
    };
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = DeviceAuthority::from_pem(text);
    }
    for der in &all {
        let name = x509::common_name_of(der).unwrap_or_default();
        let _ = x509::check_is_authority(der);
        let thumbprint = x509::sha256_thumbprint(der);
        let known = x509::check_thumbprint(der, [thumbprint.as_str()], 1_800_000_000);
        assert!(!matches!(known, Err(x509::CertificateError::Thumbprint(_))));
        let other = "0".repeat(64);
        assert!(x509::check_thumbprint(der, [other.as_str()], 1_800_000_000).is_err());
        let ca = std::slice::from_ref(&AUTHORITY.0);
        assert!(x509::check_authority(&all, ca, &name, 1_800_000_000).is_err());
        // Whoever uploads a CA may have written it, too.
        let _ = x509::check_authority(&all, &all, &name, 1_800_000_000);
    }
}

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;
