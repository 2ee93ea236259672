//! Whatever comes from the hub, sense or nonsense: a counter, a log line, and the device goes on.

use std::string::String;
use std::vec::Vec;

use super::lines::logged;
use super::operator::{TWIN, answer, live_for, patches, requests};
use super::sim::{World, publish};
use super::{HOUR, MINUTE};
use crate::failure::Failure;
use crate::mqtt::{self, PacketType, Violation};
use crate::report::Report;

const DESIRED: &[u8] = b"$iothub/twin/PATCH/properties/desired/?$version=9";

/// A world whose hub has answered the first read and the first report.
pub(super) fn world() -> World {
    let world = World::new();
    answer(&world, 200, "", TWIN);
    answer(&world, 204, "", "");
    world
}

/// An hour with these packets in it, one each ten seconds; asserts that nothing came of them but a count
/// and a line for each.
#[track_caller]
fn assert_passed_over(packets: Vec<Vec<u8>>) {
    let count = packets.len();
    let mut world = world();
    for (at, packet) in (10_000..).step_by(10_000).zip(packets) {
        world.raw.push_back((at, packet));
    }
    let ((report, restart), lines) = logged(|| live_for(&mut world, HOUR));
    assert!(world.raw.is_empty() && !restart);
    assert_eq!(report.messages_ignored, count as u64);
    assert_eq!((report.connections, report.failures), (1, 0));
    assert_eq!(report.messages_taken, 0);
    let passed = lines.iter().filter(|line| line.contains("passed over"));
    assert_eq!(passed.count(), count, "{lines:#?}");
    assert_eq!(patches(&world).len(), 1, "nothing was applied");
    assert_eq!(requests(&world, "$iothub/methods/res/"), []);
    assert_eq!(world.hub.borrow().log.stored.len(), 60, "one a minute");
}

/// JSON texts that cannot be, and such as cannot be read here.
fn broken_json() -> Vec<Vec<u8>> {
    let nested = |open: &str, close: &str, inner: &str| {
        [&open.repeat(1000), inner, &close.repeat(1000)]
            .concat()
            .into_bytes()
    };
    [
        &b""[..],
        b"{",
        b"}",
        b"nonsense",
        b"{\"telemetryInterval\":5,\"$version\":9",
        b"{\"telemetryInterval\":5,\"$version\":9}}",
        b"{\"telemetryInterval\":05,\"$version\":9}",
        b"{telemetryInterval:5}",
        // UTF-8 that is cut, overlong, or a half of a surrogate pair.
        b"{\"telemetryInterval\":5,\"a\":\"\xe2\x82",
        b"{\"telemetryInterval\":5,\"a\":\"\xe2\x82\"}",
        b"{\"telemetryInterval\":5,\"a\":\"\xc0\x80\"}",
        b"{\"telemetryInterval\":5,\"a\":\"\xed\xa0\x80\"}",
        b"{\"telemetryInterval\":5,\"a\":\"\0\"}",
    ]
    .map(<[u8]>::to_vec)
    .into_iter()
    .chain([
        b"[".repeat(1000),
        nested("[", "]", ""),
        nested("{\"a\":", "}", "1")[..2000].to_vec(),
    ])
    .collect()
}

#[test]
fn desired_properties_that_are_not_json_change_nothing() {
    let packets = broken_json().into_iter();
    assert_passed_over(packets.map(|body| publish(DESIRED, None, &body)).collect());
}

#[test]
fn desired_properties_with_a_wrong_version_change_nothing() {
    let versions: [&str; 8] = [
        "\"9\"",
        "9.5",
        "-1",
        "null",
        "true",
        "[9]",
        "{}",
        "99999999999999999999999",
    ];
    let packets = versions.map(|version| {
        let body = std::format!(r#"{{"telemetryInterval":5,"$version":{version}}}"#);
        publish(
            b"$iothub/twin/PATCH/properties/desired/",
            None,
            body.as_bytes(),
        )
    });
    let mut packets = Vec::from(packets);
    for topic in [
        "$iothub/twin/PATCH/properties/desired/?$version=x",
        "$iothub/twin/PATCH/properties/desired/?$version=-1",
        "$iothub/twin/PATCH/properties/desired/?$version=99999999999999999999999",
        "$iothub/twin/PATCH/properties/desired/?version=9",
    ] {
        packets.push(publish(
            topic.as_bytes(),
            None,
            br#"{"telemetryInterval":5}"#,
        ));
    }
    assert_passed_over(packets);
}

#[test]
fn replies_to_nothing_and_unknown_topics_change_nothing() {
    let twin = br#"{"desired":{"telemetryInterval":5,"$version":9}}"#;
    let topics = [
        "$iothub/twin/res/200/?$rid=1",
        "$iothub/twin/res/200/?$rid=77",
        "$iothub/twin/res/200/?$rid=",
        "$iothub/twin/res/200/?$rid=99999999999999999999",
        "$iothub/twin/res/200/",
        "$iothub/twin/res/abc/?$rid=3",
        "$iothub/twin/res/",
        "$iothub/twin/",
        "$iothub/methods/POST//?$rid=1",
        "$iothub/methods/POST/reboot/",
        "$iothub/methods/POST/reboot",
        "$iothub/methods/res/200/?$rid=1",
        "$dps/registrations/res/200/?$rid=1",
        "devices/other/messages/devicebound/",
        "devices/MyDevice01/messages/events/",
        "no/such/topic",
        "/",
        "$",
    ];
    assert_passed_over(
        topics
            .map(|topic| publish(topic.as_bytes(), None, twin))
            .to_vec(),
    );
}

#[test]
fn messages_of_300_kilobytes_are_passed_over_and_acknowledged() {
    let body = std::vec![b'x'; 300_000];
    // The longest topic that MQTT can carry, and more around it than any buffer here has.
    let topic = std::vec![b't'; 65_535];
    let mut world = world();
    for (at, packet) in [
        (
            10_000,
            publish(b"devices/MyDevice01/messages/devicebound/", Some(7), &body),
        ),
        (20_000, publish(&topic, Some(8), &body)),
        (30_000, publish(&topic, None, b"")),
        (40_000, publish(DESIRED, None, &body)),
        (
            50_000,
            publish(b"devices/MyDevice01/messages/devicebound/", Some(9), b"hi"),
        ),
    ] {
        world.raw.push_back((at, packet));
    }
    let ((report, _), lines) = logged(|| live_for(&mut world, HOUR));
    assert_eq!((report.messages_ignored, report.messages_taken), (4, 1));
    assert_eq!((report.connections, report.failures), (1, 0));
    assert_eq!(world.hub.borrow().log.pubacks, [7, 8, 9]);
    let passed = lines.iter().filter(|line| line.contains("passed over a "));
    assert_eq!(passed.count(), 4, "{lines:#?}");
    assert_eq!(world.hub.borrow().log.stored.len(), 60);
}

#[test]
fn a_twin_that_cannot_be_read_is_asked_for_again() {
    for body in broken_json() {
        let Ok(body) = String::from_utf8(body) else {
            continue;
        };
        let mut world = World::new();
        answer(&world, 200, "", &body);
        answer(
            &world,
            200,
            "",
            r#"{"desired":{"telemetryInterval":10,"$version":4},"reported":{}}"#,
        );
        answer(&world, 204, "", "");
        let (report, _) = live_for(&mut world, MINUTE);
        assert_eq!(
            (report.messages_ignored, report.connections),
            (1, 1),
            "{body:.40}"
        );
        assert_eq!(requests(&world, "$iothub/twin/GET/").len(), 2);
        assert!(patches(&world)[0].contains(r#"{"value":10,"ac":200,"av":4,"ad":null}"#));
    }
}

#[test]
fn a_twin_without_a_version_changes_nothing() {
    for body in [
        "{}",
        "[]",
        "7",
        r#"{"desired":7}"#,
        r#"{"desired":{"telemetryInterval":10}}"#,
        r#"{"desired":{"telemetryInterval":10,"$version":"4"}}"#,
        r#"{"desired":{"telemetryInterval":10,"$version":-4}}"#,
        r#"{"reported":{"telemetryInterval":10,"$version":4}}"#,
    ] {
        let mut world = World::new();
        answer(&world, 200, "", body);
        answer(&world, 204, "", "");
        let (report, _) = live_for(&mut world, HOUR);
        assert_eq!(
            (report.messages_ignored, report.connections),
            (1, 1),
            "{body}"
        );
        assert!(!patches(&world)[0].contains("telemetryInterval"), "{body}");
        assert_eq!(world.hub.borrow().log.stored.len(), 60, "one a minute");
    }
}

#[test]
fn a_method_with_a_broken_payload_is_refused_and_not_run() {
    // None at all is no payload, which reboot takes.
    for body in broken_json().into_iter().filter(|body| !body.is_empty()) {
        let mut world = world();
        let topic = b"$iothub/methods/POST/reboot/?$rid=1";
        world.raw.push_back((10_000, publish(topic, None, &body)));
        let (report, restart) = live_for(&mut world, HOUR);
        assert!(!restart);
        let answers = requests(&world, "$iothub/methods/");
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].0, "$iothub/methods/res/400/?$rid=1");
        assert!(
            answers[0].1.starts_with(r#"{"error":"the JSON text "#),
            "{answers:?}"
        );
        assert_eq!((report.connections, report.failures), (1, 0));
    }
}

/// A device that was sent `bytes` after ten seconds, for an hour.
fn hour_with(bytes: Vec<u8>) -> (Report, Vec<u64>) {
    let mut world = world();
    for _ in 0..20 {
        answer(&world, 200, "", TWIN);
        answer(&world, 204, "", "");
    }
    world.raw.push_back((10_000, bytes));
    let (report, restart) = live_for(&mut world, HOUR);
    assert!(!restart);
    let stored = &world.hub.borrow().log.stored;
    (report, stored.iter().map(|(count, _)| *count).collect())
}

#[test]
fn what_mqtt_forbids_costs_the_connection_and_no_message() {
    for (bytes, violation) in [
        // Topics that are cut in the middle of a character, or no topics at all.
        (
            publish(b"no/such/\xe2\x82", None, b""),
            Violation::TopicNotUtf8,
        ),
        (publish(b"no/such/\0", None, b""), Violation::TopicNul),
        (publish(b"no/such/#", None, b""), Violation::TopicWildcard),
        (publish(b"", None, b"x"), Violation::TopicEmpty),
        // Replies to nothing.
        (
            std::vec![0x90, 3, 0x12, 0x34, 1],
            Violation::Unasked(PacketType::Suback, 0x1234),
        ),
        (
            std::vec![0xb0, 2, 0x12, 0x34],
            Violation::Unasked(PacketType::Unsuback, 0x1234),
        ),
        (std::vec![0xd0, 0], Violation::UnaskedPingresp),
        (std::vec![0x20, 2, 0, 0], Violation::SecondConnack),
        (
            std::vec![0x30, 0xff, 0xff, 0xff, 0xff, 1],
            Violation::RemainingLength,
        ),
    ] {
        let (report, stored) = hour_with(bytes);
        let expected = Failure::Session(mqtt::Error::Protocol(violation));
        assert_eq!(report.last_failure, Some(expected));
        assert_eq!((report.connections, report.failures), (2, 1), "{violation}");
        assert!(stored.iter().copied().eq(1..=60), "{violation}: {stored:?}");
    }
}

#[test]
fn an_acknowledgement_of_nothing_costs_nothing() {
    let (report, stored) = hour_with(std::vec![0x40, 2, 0x12, 0x34]);
    assert_eq!((report.connections, report.failures), (1, 0));
    assert!(stored.iter().copied().eq(1..=60));
}

#[test]
fn random_bytes_cost_a_connection_at_most_and_no_message() {
    let mut state = 7_u64;
    for round in 0..300 {
        let bytes: Vec<u8> = (0..1 + round % 97)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let (report, stored) = hour_with(bytes);
        let count = *stored.iter().max().expect("some");
        assert!(
            (1..=count).all(|wanted| stored.contains(&wanted)),
            "round {round}"
        );
        assert!(report.connections <= 3, "round {round}: {report:?}");
        assert!(count >= 57, "round {round}: {count}");
    }
}
