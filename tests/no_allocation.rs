//! Proof that what a device does for every connection and every message takes nothing from the heap.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write;

use allocation_counter::measure;
use azure_device::identity::{ConnectionString, Credential, Identity, UserName};
use azure_device::json::{Reader, Value};
use azure_device::properties::{BagWriter, SystemProperty};
use azure_device::sas::{MAX_TOKEN_LEN, sign};
use azure_device::text::{Text, render};
use azure_device::time::UnixTime;
use azure_device::topic::{Inbound, Outbound};

const CONNECTION_STRING: &str = "HostName=contoso.azure-devices.net;DeviceId=MyDevice01;SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn identity() -> Identity {
    ConnectionString::parse(CONNECTION_STRING).unwrap()
}

fn assert_allocates_nothing(work: impl FnOnce()) {
    let taken = measure(work);
    assert_eq!((taken.count_total, taken.bytes_total), (0, 0));
}

#[test]
fn the_counter_counts() {
    let taken = measure(|| drop(std::hint::black_box(Box::new(7_u64))));
    assert_eq!((taken.count_total, taken.bytes_total), (1, 8));
}

#[test]
fn a_token_is_signed_without_the_heap() {
    let identity = identity();
    let Credential::SharedAccessKey(key) = identity.credential() else {
        panic!("not a key")
    };
    let mut buffer = [0; MAX_TOKEN_LEN];
    assert_allocates_nothing(|| {
        let expiry = UnixTime::from_secs(1_767_225_600);
        let token = sign(key, identity.resource(), expiry, None, &mut buffer).unwrap();
        assert!(token.ends_with("&se=1767225600"));
    });
}

#[test]
fn names_and_topics_are_written_without_the_heap() {
    let identity = identity();
    let mut buffer = [0; UserName::MAX_LEN];
    assert_allocates_nothing(|| {
        render(&mut buffer, identity.user_name().client_type("a/1 (b)")).unwrap();
        let mut topic = Text::new(&mut buffer);
        write!(topic, "{}", Outbound::Telemetry(&identity)).unwrap();
        BagWriter::new(&mut topic)
            .system(SystemProperty::ContentType, "application/json")
            .unwrap()
            .application("alert", Some("a b"))
            .unwrap();
        assert!(
            topic
                .as_str()
                .ends_with("%24.ct=application%2Fjson&alert=a%20b")
        );
    });
}

#[test]
fn topics_and_bags_are_read_without_the_heap() {
    let identity = identity();
    let mut buffer = [0; 16];
    assert_allocates_nothing(|| {
        let topic = "devices/MyDevice01/messages/devicebound/%24.mid=m1&k=a%20b&bad=%";
        let Inbound::CloudToDevice { bag } = Inbound::parse(topic, &identity) else {
            panic!("not a cloud-to-device message")
        };
        let value = bag.get("k").unwrap().value.unwrap();
        assert_eq!(value.decode(&mut buffer), Ok("a b"));
        assert!(bag.system(SystemProperty::MessageId).unwrap().is("m1"));
        assert!(bag.check().is_err());
    });
}

#[test]
fn json_is_read_in_pieces_without_the_heap() {
    let text = br#"{"desired":{"a\u0062":[1.5e3,"\ud83d\ude00",{"c":null}],"$version":4}}"#;
    assert_allocates_nothing(|| {
        let mut reader = Reader::new();
        for piece in text.chunks(3) {
            reader.feed(piece, &mut ()).unwrap();
        }
        reader.finish(&mut ()).unwrap();
        let version = Value::parse(b"4.0e0").unwrap().as_i64();
        assert_eq!(version, Some(4));
    });
}

#[test]
fn an_identity_takes_only_what_it_keeps() {
    let taken = measure(|| drop(identity()));
    let kept = ["contoso.azure-devices.net".len(), "MyDevice01".len(), 32];
    assert_eq!(taken.count_total, 3);
    assert_eq!(taken.bytes_total, kept.iter().sum::<usize>() as u64);
    assert_eq!(taken.count_current, 0);
}
