//! Properties that the rest of the project builds on: the codec reads what it writes, as no_std as with std.

use bytes::{Bytes, BytesMut};
use mqttbytes_nostd::v4::{self, Packet, Publish, Subscribe};
use mqttbytes_nostd::{Error, QoS, check};

#[test]
fn a_publish_survives_a_round_trip() {
    let mut publish = Publish::from_bytes("a/b", QoS::AtLeastOnce, Bytes::from_static(b"hello"));
    publish.pkid = 7;
    let mut wire = BytesMut::new();
    publish.write(&mut wire).expect("it fits");
    assert_eq!(&wire[..], b"\x32\x0c\x00\x03a/b\x00\x07hello");
    let read = v4::read(&mut wire, 1024).expect("what was written can be read");
    assert_eq!(read, Packet::Publish(publish));
}

#[test]
fn a_subscribe_carries_its_identifier_and_filter() {
    let mut subscribe = Subscribe::new("a/#", QoS::AtLeastOnce);
    subscribe.pkid = 1;
    let mut wire = BytesMut::new();
    subscribe.write(&mut wire).expect("it fits");
    assert_eq!(&wire[..], b"\x82\x08\x00\x01\x00\x03a/#\x01");
}

#[test]
fn the_limit_of_check_tells_the_remaining_length_before_the_packet_is_complete() {
    // The session relies on this to learn the size of a packet from its fixed header alone.
    let header = [0x30, 0x80, 0x01];
    assert_eq!(
        check(header.iter(), 0),
        Err(Error::PayloadSizeLimitExceeded(128))
    );
    assert_eq!(
        check(header[..2].iter(), 0),
        Err(Error::InsufficientBytes(1))
    );
    assert_eq!(
        check([0x30, 0xff, 0xff, 0xff, 0xff].iter(), 0),
        Err(Error::MalformedRemainingLength)
    );
}
