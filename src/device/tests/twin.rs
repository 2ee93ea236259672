//! The twin in every size and state: larger than the receive buffer, cut, deleted, made again.

use core::time::Duration;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::lines::logged;
use super::operator::{TWIN, answer, live_for, patches, requests};
use super::sim::{World, publish};
use super::{HOUR, MINUTE, buffers, identity};
use crate::connection::run;
use crate::device::tests::application::App;
use crate::device::{Config, Device};

const DESIRED: &[u8] = b"$iothub/twin/PATCH/properties/desired/?$version=9";

/// Members of some 32 KB, the most that IoT Hub keeps in a section (Microsoft, "Understand and use device
/// twins in IoT Hub"): strings of 4 KB, which may be written as escapes, a nesting of ten levels, and many
/// short ones with white space between.
fn ballast() -> String {
    let long = "x".repeat(4096);
    let escaped = "\\u00e9".repeat(2048);
    let nested = format!("{}\"end\"{}", "{\"level\":".repeat(9), "}".repeat(9));
    let many: Vec<String> = (0..400)
        .map(|index| format!(" \"member{index}\" : [ {index}.5e1 , true ]"))
        .collect();
    format!(
        "\"long1\":\"{long}\",\"long2\":\"{long}\",\"escaped\":\"{escaped}\",\"nested\":{nested},{}",
        many.join(",\r\n")
    )
}

/// The largest twins, with their members in one order and in another.
fn largest() -> [String; 2] {
    let ballast = ballast();
    assert!(ballast.len() > 32_000, "{}", ballast.len());
    let ours = r#""telemetryInterval":10,"indicator":{"__t":"c","enabled":false}"#;
    [
        format!(
            r#"{{"desired":{{{ballast},{ours},"$version":4}},"reported":{{{ballast},"$version":9}}}}"#
        ),
        format!(
            r#"{{"reported":{{"$version":9,{ballast}}},"desired":{{"$version":4,{ours},{ballast}}}}}"#
        ),
    ]
}

#[test]
fn a_twin_of_the_largest_size_is_served_whatever_the_order_and_the_pieces() {
    for twin in largest() {
        for piece in [1, 100, usize::MAX] {
            let mut world = World::new();
            world.hub.borrow_mut().piece = piece;
            answer(&world, 200, "", &twin);
            answer(&world, 204, "", "");
            let (report, _) = live_for(&mut world, MINUTE);
            assert_eq!((report.connections, report.messages_ignored), (1, 0));
            assert_eq!(requests(&world, "$iothub/twin/GET/").len(), 1);
            let patches = patches(&world);
            assert_eq!(patches.len(), 1);
            for part in [
                r#""telemetryInterval":{"value":10,"ac":200,"av":4,"ad":null}"#,
                r#""enabled":{"value":false,"ac":200,"av":4,"ad":null}"#,
            ] {
                assert!(patches[0].contains(part), "{patches:?}");
            }
            assert_eq!(world.hub.borrow().log.stored.len(), 6, "every ten seconds");
        }
    }
}

#[test]
fn a_desired_update_that_is_larger_than_the_receive_buffer_is_applied() {
    let mut world = World::new();
    answer(&world, 200, "", TWIN);
    answer(&world, 204, "", "");
    answer(&world, 204, "", "");
    let body = format!(r#"{{{},"telemetryInterval":5,"$version":9}}"#, ballast());
    let packet = publish(DESIRED, None, body.as_bytes());
    world.raw.push_back((10_000, packet));
    let (report, _) = live_for(&mut world, MINUTE);
    assert_eq!((report.connections, report.messages_ignored), (1, 0));
    let patches = patches(&world);
    assert_eq!(
        patches[1],
        r#"{"telemetryInterval":{"value":5,"ac":200,"av":9,"ad":null}}"#
    );
}

#[test]
fn of_a_large_document_that_is_not_json_nothing_is_applied() {
    let twin = &largest()[1];
    for bad in [
        // A byte less, a byte more, and a wrong one far behind what would have been applied.
        twin[..twin.len() - 1].to_string(),
        format!("{twin}}}"),
        twin.replace("\"member399\" :", "\"member399\" ;"),
    ] {
        let mut world = World::new();
        answer(&world, 200, "", &bad);
        answer(&world, 200, "", TWIN);
        answer(&world, 204, "", "");
        let (report, _) = live_for(&mut world, MINUTE);
        assert_eq!((report.connections, report.messages_ignored), (1, 1));
        let patches = patches(&world);
        assert!(
            patches[0].contains(r#""telemetryInterval":{"value":60,"ac":203,"av":0,"ad":null}"#),
            "{patches:?}"
        );
    }
}

#[test]
fn a_large_twin_that_a_lost_connection_cuts_is_read_again_on_the_next_one() {
    let twin = &largest()[1];
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(Duration::from_secs(20));
    let whole = publish(b"$iothub/twin/res/200/?$rid=1", None, twin.as_bytes());
    // Behind both properties of ours.
    let cut = whole[..whole.len() - 1000].to_vec();
    world.raw.push_back((10_000, cut));
    // The wait after the first connection takes 8 s at most.
    world.stop_after(30 * MINUTE / 60);
    let mut memory = super::Memory::default();
    let identity = identity(super::KEY);
    let mut device = Device::new(
        &identity,
        Config::default(),
        buffers(&mut memory),
        App::default(),
    )
    .expect("good sizes");
    // The first GET is answered by the bytes above alone.
    run(&mut device, &mut world);
    assert_eq!(requests(&world, "$iothub/twin/GET/").len(), 2);
    assert_eq!(patches(&world), Vec::<String>::new(), "nothing was applied");
    assert_eq!(device.report().connections, 2);
    assert_eq!(
        world.hub.borrow().log.stored.len(),
        1,
        "as it was configured"
    );
}

#[test]
fn a_twin_that_comes_slowly_is_waited_for() {
    let twin = &largest()[0];
    let mut world = World::new();
    let whole = publish(b"$iothub/twin/res/200/?$rid=1", None, twin.as_bytes());
    // Ten seconds between the pieces: many times longer than an answer may take to begin.
    for (at, piece) in (10_000..).step_by(10_000).zip(whole.chunks(1000)) {
        world.raw.push_back((at, piece.to_vec()));
    }
    let time = Duration::from_secs(10 * (whole.len() as u64 / 1000 + 2));
    assert!(time > 10 * MINUTE);
    // Nothing that the hub would answer in the middle of it.
    let mut config = Config {
        telemetry_interval: None,
        ..Config::default()
    };
    config.mqtt.keepalive = HOUR / 4;
    world.stop_after(time);
    let mut memory = super::Memory::default();
    let identity = identity(super::KEY);
    let mut device =
        Device::new(&identity, config, buffers(&mut memory), App::default()).expect("good sizes");
    run(&mut device, &mut world);
    assert_eq!(requests(&world, "$iothub/twin/GET/").len(), 1);
    assert_eq!(device.report().messages_ignored, 0);
    assert!(patches(&world)[0].contains(r#""telemetryInterval":{"value":10,"ac":200,"av":4"#));
}

#[test]
fn a_twin_that_stops_coming_is_asked_for_again_and_what_comes_late_is_passed_over() {
    let twin = &largest()[0];
    let mut world = World::new();
    let whole = publish(b"$iothub/twin/res/200/?$rid=1", None, twin.as_bytes());
    let (start, rest) = whole.split_at(5000);
    world.raw.push_back((10_000, start.to_vec()));
    world.raw.push_back((60_000, rest.to_vec()));
    let (report, _) = live_for(&mut world, 80 * MINUTE / 60);
    assert_eq!(requests(&world, "$iothub/twin/GET/").len(), 2);
    assert_eq!(report.messages_ignored, 1);
    assert_eq!(patches(&world), Vec::<String>::new());
}

#[test]
fn a_value_that_is_too_long_is_refused_with_413_and_the_others_are_applied() {
    let mut world = World::new();
    let long = "9".repeat(300);
    let body = format!(
        r#"{{"desired":{{"telemetryInterval":{long},"indicator":{{"enabled":false}},"$version":3}}}}"#
    );
    answer(&world, 200, "", &body);
    for _ in 0..2 {
        answer(&world, 204, "", "");
    }
    let better = r#"{"telemetryInterval":7,"$version":4}"#;
    world
        .pushes
        .push_back((20_000, "$iothub/twin/PATCH/properties/desired/", better));
    live_for(&mut world, MINUTE);
    let patches = patches(&world);
    for part in [
        r#""telemetryInterval":{"value":60,"ac":413,"av":3,"ad":"longer than the space for desired values; raise CONFIG_AZURE_TWIN_SIZE"}"#,
        r#""enabled":{"value":false,"ac":200,"av":3,"ad":null}"#,
    ] {
        assert!(patches[0].contains(part), "{patches:?}");
    }
    assert_eq!(
        patches[1],
        r#"{"telemetryInterval":{"value":7,"ac":200,"av":4,"ad":null}}"#
    );
}

#[test]
fn a_call_whose_payload_does_not_fit_is_answered_at_once_with_413() {
    let body = format!(r#"{{"seconds":5,"ballast":"{}"}}"#, "x".repeat(128 * 1024));
    for (method, status, reason) in [
        ("setTelemetryInterval", 413, r#"{"error":"the call has 131"#),
        ("unheardOf", 404, r#"{"error":"unknown method"}"#),
    ] {
        let mut world = World::new();
        answer(&world, 200, "", TWIN);
        answer(&world, 204, "", "");
        let topic = format!("$iothub/methods/POST/{method}/?$rid=a1");
        let packet = publish(topic.as_bytes(), None, body.as_bytes());
        let (start, rest) = packet.split_at(3000);
        // The answer does not wait for the rest.
        world.raw.push_back((5_000, start.to_vec()));
        world.pushes.push_back((
            7_000,
            "$iothub/methods/POST/setTelemetryInterval/?$rid=a2",
            "20",
        ));
        world.raw.push_back((6_000, rest.to_vec()));
        live_for(&mut world, MINUTE / 6);
        let answers = requests(&world, "$iothub/methods/");
        assert_eq!(answers.len(), 2);
        assert_eq!(
            answers[0].0,
            format!("$iothub/methods/res/{status}/?$rid=a1")
        );
        assert!(answers[0].1.starts_with(reason), "{answers:?}");
        assert_eq!(answers[1].1, r#"{"seconds":20}"#, "the next one is served");
    }
}

/// Runs a device for some connections of ten minutes each, with these twins, and gives what it reported first
/// on each.
fn connections(twins: &[&str]) -> Vec<String> {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(10 * MINUTE);
    for twin in twins {
        answer(&world, 200, "", twin);
        answer(&world, 204, "", "");
    }
    let count = u32::try_from(twins.len()).expect("a few");
    live_for(&mut world, 10 * MINUTE * count - MINUTE);
    let patches = patches(&world);
    assert_eq!(patches.len(), twins.len(), "{patches:?}");
    patches
}

#[test]
fn what_was_deleted_while_the_device_was_away_is_undone_as_if_it_had_been_online() {
    let desired =
        r#"{"desired":{"telemetryInterval":10,"indicator":{"enabled":false},"$version":4}}"#;
    let patches = connections(&[desired, r#"{"desired":{"$version":6}}"#, desired]);
    assert!(patches[0].contains(r#""telemetryInterval":{"value":10,"ac":200,"av":4,"ad":null}"#));
    for part in [
        r#""telemetryInterval":{"value":60,"ac":203,"av":0,"ad":null}"#,
        r#""enabled":{"value":true,"ac":203,"av":0,"ad":null}"#,
    ] {
        assert!(patches[1].contains(part), "{patches:?}");
    }
    assert!(patches[2].contains(r#""enabled":{"value":false,"ac":200,"av":4,"ad":null}"#));
    // Online, the same comes of it.
    let mut world = World::new();
    answer(&world, 200, "", desired);
    for _ in 0..2 {
        answer(&world, 204, "", "");
    }
    world.pushes.push_back((
        20_000,
        "$iothub/twin/PATCH/properties/desired/",
        r#"{"telemetryInterval":null,"indicator":null,"$version":6}"#,
    ));
    live_for(&mut world, MINUTE);
    assert_eq!(
        super::operator::patches(&world)[1],
        r#"{"telemetryInterval":{"value":60,"ac":203,"av":0,"ad":null},"indicator":{"__t":"c","enabled":{"value":true,"ac":203,"av":0,"ad":null}}}"#
    );
}

#[test]
fn what_a_method_set_stays_when_the_twin_is_read_again_without_it() {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(10 * MINUTE);
    for body in [TWIN, TWIN] {
        answer(&world, 200, "", body);
        answer(&world, 204, "", "");
        if body == TWIN && world.hub.borrow().answers.len() == 2 {
            // The report of the change.
            answer(&world, 204, "", "");
        }
    }
    let topic = "$iothub/methods/POST/setTelemetryInterval/?$rid=1";
    world
        .pushes
        .push_back((MINUTE.as_millis() as u64, topic, "25"));
    live_for(&mut world, 15 * MINUTE);
    let patches = patches(&world);
    assert_eq!(patches.len(), 3);
    assert!(patches[2].contains(r#""telemetryInterval":{"value":25,"ac":203,"av":0,"ad":null}"#));
}

#[test]
fn a_device_that_was_registered_anew_reports_all_its_properties_to_the_new_twin() {
    // The versions of the new twin begin again, so that they may be lower than those of the old one, or equal.
    for version in [1, 12, 13] {
        let old = r#"{"desired":{"telemetryInterval":10,"$version":12},"reported":{"telemetryInterval":{"value":10,"ac":200,"av":12},"$version":30}}"#;
        let new = format!(r#"{{"desired":{{"$version":{version}}},"reported":{{"$version":1}}}}"#);
        let patches = connections(&[old, &new]);
        for part in [
            r#""firmwareVersion":"#,
            r#""telemetryInterval":{"value":60,"ac":203,"av":0,"ad":null}"#,
            r#""enabled":{"value":true,"ac":203,"av":0,"ad":null}"#,
        ] {
            assert!(patches[1].contains(part), "{patches:?}");
        }
    }
    // A change of the new twin is taken although its version is below the old ones.
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(10 * MINUTE);
    for version in [12, 1] {
        answer(
            &world,
            200,
            "",
            &format!(r#"{{"desired":{{"$version":{version}}}}}"#),
        );
        answer(&world, 204, "", "");
    }
    answer(&world, 204, "", "");
    let change = r#"{"telemetryInterval":20,"$version":2}"#;
    let at = (12 * MINUTE).as_millis() as u64;
    world
        .pushes
        .push_back((at, "$iothub/twin/PATCH/properties/desired/", change));
    live_for(&mut world, 15 * MINUTE);
    assert_eq!(
        patches(&world)[2],
        r#"{"telemetryInterval":{"value":20,"ac":200,"av":2,"ad":null}}"#
    );
}

#[test]
fn the_reason_of_a_refusal_is_taken_back_by_the_next_success_and_by_a_restart() {
    let mut world = World::new();
    answer(
        &world,
        200,
        "",
        r#"{"desired":{"telemetryInterval":"often","$version":2}}"#,
    );
    for _ in 0..2 {
        answer(&world, 204, "", "");
    }
    let better = r#"{"telemetryInterval":20,"$version":3}"#;
    world
        .pushes
        .push_back((20_000, "$iothub/twin/PATCH/properties/desired/", better));
    live_for(&mut world, MINUTE);
    let first = patches(&world);
    assert!(
        first[0].contains(r#""ac":400,"av":2,"ad":"must be"#),
        "{first:?}"
    );
    assert!(
        first[1].contains(r#""ac":200,"av":3,"ad":null}"#),
        "{first:?}"
    );
    // A device that starts does not know what it refused in an earlier life: the twin may still say it.
    for desired in [
        r#"{"$version":4}"#,
        r#"{"telemetryInterval":20,"$version":3}"#,
    ] {
        let reported = r#"{"telemetryInterval":{"value":60,"ac":400,"av":2,"ad":"must be"}}"#;
        answer(
            &world,
            200,
            "",
            &format!(r#"{{"desired":{desired},"reported":{reported}}}"#),
        );
        answer(&world, 204, "", "");
        live_for(&mut world, MINUTE);
        let patches = patches(&world);
        let last = patches.last().expect("one");
        let own = last.find("telemetryInterval").expect("it is reported");
        assert!(last[own..].contains(r#""ad":null}"#), "{last}");
    }
}

#[test]
fn an_unknown_desired_property_is_named_once() {
    let twin = r#"{"desired":{"telemetryintervall":5,"a\u001b[31m":1,"gone":null,"indicator":{"__t":"c","colour":"red"},"led":{"enabled":true},"$version":4},"reported":{"other":1}}"#;
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(10 * MINUTE);
    for _ in 0..6 {
        answer(&world, 200, "", twin);
        answer(&world, 204, "", "");
    }
    world.pushes.push_back((
        (15 * MINUTE).as_millis() as u64,
        "$iothub/twin/PATCH/properties/desired/",
        r#"{"telemetryintervall":6,"$version":5}"#,
    ));
    let (_, lines) = logged(|| live_for(&mut world, HOUR));
    let named: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("has no property"))
        .collect();
    let name =
        |name: &str| format!("twin: this device has no property \"{name}\", which is desired");
    assert_eq!(
        named,
        [
            &name("telemetryintervall"),
            &name("a\\u{1b}[31m"),
            &name("indicator*colour"),
            &name("led"),
        ]
    );
}

#[test]
fn of_many_unknown_properties_the_first_are_named_and_the_others_mentioned_once() {
    let members: Vec<String> = (0..100).map(|index| format!("\"p{index}\":1")).collect();
    let twin = format!(r#"{{"desired":{{{},"$version":4}}}}"#, members.join(","));
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(10 * MINUTE);
    for _ in 0..6 {
        answer(&world, 200, "", &twin);
        answer(&world, 204, "", "");
    }
    let (_, lines) = logged(|| live_for(&mut world, HOUR));
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("has no property"), 8);
    assert_eq!(count("more properties are desired"), 1);
}

#[test]
fn a_whole_number_is_taken_however_it_is_written_and_a_fraction_of_a_second_is_refused() {
    for (desired, value, status) in [
        ("2.0", "2", 200),
        ("30.0", "30", 200),
        ("3e1", "30", 200),
        ("1.5e1", "15", 200),
        ("8.64E4", "86400", 200),
        ("-0", "0", 200),
        ("0.0", "0", 200),
        ("0.5", "60", 400),
        ("1.5", "60", 400),
        ("5e-1", "60", 400),
        ("1e99999999999999999999", "60", 400),
        ("86400.5", "60", 400),
    ] {
        let mut world = World::new();
        answer(
            &world,
            200,
            "",
            &format!(r#"{{"desired":{{"telemetryInterval":{desired},"$version":2}}}}"#),
        );
        answer(&world, 204, "", "");
        live_for(&mut world, MINUTE / 4);
        let patches = patches(&world);
        let expected = format!(r#""telemetryInterval":{{"value":{value},"ac":{status},"av":2"#);
        assert!(patches[0].contains(&expected), "{desired}: {patches:?}");
    }
}

#[test]
fn an_interval_of_less_than_a_second_is_not_told_as_none() {
    let mut world = World::new();
    answer(&world, 200, "", TWIN);
    answer(&world, 204, "", "");
    world.stop_after(MINUTE / 6);
    let mut memory = super::Memory::default();
    let identity = identity(super::KEY);
    let config = Config {
        telemetry_interval: Some(Duration::from_millis(500)),
        ..Config::default()
    };
    let mut device =
        Device::new(&identity, config, buffers(&mut memory), App::default()).expect("good sizes");
    run(&mut device, &mut world);
    assert!(patches(&world)[0].contains(r#""telemetryInterval":{"value":0.5,"ac":203"#));
}
