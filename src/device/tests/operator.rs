//! Operations on a device: desired properties and direct methods.

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use super::sim::World;
use super::{MINUTE, buffers, identity};
use crate::application::{Application, Property, Reported};
use crate::connection::run;
use crate::device::tests::application::App;
use crate::device::{Config, Device};
use crate::report::Report;
use crate::report::Status;

pub(super) const TWIN: &str = r#"{"desired":{"$version":1},"reported":{"$version":1}}"#;
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/?$version=";

pub(super) fn answer(world: &World, status: u16, query: &str, body: &str) {
    world
        .hub
        .borrow_mut()
        .answers
        .push_back((status, query.into(), body.into()));
}

/// Runs the product's own application for `time`.
pub(super) fn live_for(world: &mut World, time: Duration) -> (Report, bool) {
    world.stop_after(Duration::from_millis(world.now) + time);
    let mut memory = super::Memory::default();
    let identity = identity(super::KEY);
    let mut device = Device::new(
        &identity,
        Config {
            twin: true,
            ..Config::default()
        },
        buffers(&mut memory),
        App::default(),
    )
    .expect("good sizes");
    run(&mut device, world);
    (*device.report(), device.work().wants_restart())
}

pub(super) fn requests(world: &World, start: &str) -> Vec<(String, String)> {
    let hub = world.hub.borrow();
    hub.log
        .requests
        .iter()
        .filter(|(topic, _)| topic.starts_with(start))
        .cloned()
        .collect()
}

pub(super) fn patches(world: &World) -> Vec<String> {
    requests(world, "$iothub/twin/PATCH/")
        .into_iter()
        .map(|(_, body)| body)
        .collect()
}

#[test]
fn the_twin_is_read_after_each_connect_applied_and_acknowledged() {
    let mut world = World::new();
    answer(
        &world,
        200,
        "",
        r#"{"desired":{"telemetryInterval":10,"other":{"a":1},"$version":4},"reported":{}}"#,
    );
    answer(&world, 204, "&$version=8", "");
    live_for(&mut world, MINUTE);
    assert_eq!(
        requests(&world, "$iothub/twin/")[0],
        ("$iothub/twin/GET/?$rid=1".into(), String::new())
    );
    let patches = patches(&world);
    assert_eq!(patches.len(), 1);
    assert!(
        patches[0].contains(r#""telemetryInterval":{"value":10,"ac":200,"av":4,"ad":null}"#),
        "{patches:?}"
    );
    let facts = r#""networkAddress":"192.0.2.7","heapPeak":12345,"connections":1,"#;
    for part in [r#""firmwareVersion":"#, facts] {
        assert!(patches[0].contains(part), "{patches:?}");
    }
    assert_eq!(world.hub.borrow().log.stored.len(), 6, "every ten seconds");
}

#[test]
fn a_desired_value_out_of_range_is_refused_with_its_reason() {
    let mut world = World::new();
    for desired in ["-1", "86401", "1.5", "\"10\"", "{}"] {
        let body = std::format!(r#"{{"desired":{{"telemetryInterval":{desired},"$version":2}}}}"#);
        answer(&world, 200, "", &body);
        answer(&world, 204, "", "");
        live_for(&mut world, MINUTE);
        let patches = patches(&world);
        let last = patches.last().expect("one");
        assert!(
            last.contains(r#"{"value":60,"ac":400,"av":2,"ad":"must be"#),
            "{last}"
        );
    }
}

#[test]
fn a_component_property_is_applied_and_acknowledged_in_its_component() {
    let mut world = World::new();
    for (desired, reported, enabled) in [
        (
            r#"{"indicator":{"__t":"c","enabled":false},"telemetryInterval":10,"$version":3}"#,
            r#""telemetryInterval":{"value":10,"ac":200,"av":3,"ad":null},"indicator":{"__t":"c","enabled":{"value":false,"ac":200,"av":3,"ad":null}}}"#,
            false,
        ),
        (
            r#"{"indicator":{"__t":"c","enabled":7},"$version":4}"#,
            r#""indicator":{"__t":"c","enabled":{"value":true,"ac":400,"av":4,"ad":"must be true or false"}}}"#,
            true,
        ),
        (
            r#"{"indicator":null,"$version":5}"#,
            r#""indicator":{"__t":"c","enabled":{"value":true,"ac":203,"av":0,"ad":null}}}"#,
            true,
        ),
    ] {
        answer(&world, 200, "", &std::format!(r#"{{"desired":{desired}}}"#));
        answer(&world, 204, "", "");
        world.shown.clear();
        live_for(&mut world, MINUTE);
        let patches = patches(&world);
        let last = patches.last().expect("one");
        assert!(last.ends_with(reported), "{last}");
        let bright = world.shown.last() != Some(&Status::Off);
        assert_eq!(bright, enabled, "{:?}", world.shown);
    }
}

#[test]
fn what_is_no_component_and_no_member_of_one_changes_nothing() {
    let mut world = World::new();
    for desired in [
        r#"{"indicator":7,"$version":3}"#,
        r#"{"indicator":{"__t":"c"},"$version":3}"#,
        r#"{"indicator":{"other":true},"enabled":false,"$version":3}"#,
        r#"{"indicator*enabled":false,"$version":3}"#,
    ] {
        answer(&world, 200, "", &std::format!(r#"{{"desired":{desired}}}"#));
        answer(&world, 204, "", "");
        live_for(&mut world, MINUTE);
        let patches = patches(&world);
        let last = patches.last().expect("one");
        let untouched =
            r#""indicator":{"__t":"c","enabled":{"value":true,"ac":203,"av":0,"ad":null}}}"#;
        assert!(last.ends_with(untouched), "{last}");
    }
}

#[test]
fn what_nobody_desires_is_reported_as_the_device_has_it() {
    let mut world = World::new();
    answer(&world, 200, "", TWIN);
    answer(&world, 204, "", "");
    live_for(&mut world, MINUTE);
    let patches = patches(&world);
    assert_eq!(patches.len(), 1, "with the device's own properties");
    assert!(
        patches[0].contains(r#""telemetryInterval":{"value":60,"ac":203,"av":0,"ad":null}"#),
        "{patches:?}"
    );
}

#[test]
fn what_a_method_changed_is_reported_whether_it_was_desired_or_not() {
    for (desired, acknowledged) in [
        (r#"{"$version":1}"#, r#""ac":203,"av":0,"ad":null}"#),
        (
            r#"{"telemetryInterval":10,"$version":4}"#,
            r#""ac":200,"av":4,"ad":null}"#,
        ),
    ] {
        let mut world = World::new();
        answer(&world, 200, "", &std::format!(r#"{{"desired":{desired}}}"#));
        for _ in 0..2 {
            answer(&world, 204, "", "");
        }
        for (at, method) in [(20_000, "getStatus"), (30_000, "setTelemetryInterval")] {
            let topic = std::format!("$iothub/methods/POST/{method}/?$rid=a1");
            world.pushes.push_back((at, topic.leak(), "25"));
        }
        live_for(&mut world, MINUTE);
        let patches = patches(&world);
        assert_eq!(patches.len(), 2, "one at the start, one after the change");
        let changed = std::format!(r#""telemetryInterval":{{"value":25,{acknowledged}"#);
        assert!(patches[1].contains(&changed), "{patches:?}");
        assert!(!patches[1].contains("firmwareVersion"), "{patches:?}");
    }
}

/// An application with as many properties as there may be.
struct Many;

const fn property(name: &'static str) -> Property<Many> {
    Property::new(
        name,
        |_, _, _| Ok(()),
        |_, _, value| value.string("a value that takes some room"),
    )
}

impl Application for Many {
    const PROPERTIES: &'static [Property<Self>] = &[
        property("one"),
        property("two"),
        property("three"),
        property("four"),
        property("five*six"),
        property("five*seven"),
        property("eight"),
        property("nine"),
        property("ten"),
        property("eleven"),
        property("twelve"),
        property("thirteen"),
        property("fourteen"),
        property("fifteen"),
        property("sixteen"),
    ];

    const REPORTED: &'static [Reported<Self>] = &[Reported::constant("own", "yes")];
}

#[test]
fn properties_that_do_not_fit_one_patch_are_reported_in_several() {
    let mut world = World::new();
    answer(&world, 200, "", TWIN);
    for _ in 0..16 {
        answer(&world, 204, "", "");
    }
    world.stop_after(2 * MINUTE);
    let mut memory = super::Memory::default();
    let identity = identity(super::KEY);
    let mut buffers = buffers(&mut memory);
    buffers.scratch = &mut buffers.scratch[..512];
    let config = Config {
        twin: true,
        ..Config::default()
    };
    let mut device = Device::new(&identity, config, buffers, Many).expect("good sizes");
    run(&mut device, &mut world);
    let patches = patches(&world);
    assert_eq!(patches[0], r#"{"own":"yes"}"#, "its own first");
    for property in Many::PROPERTIES {
        let name = property
            .name()
            .expect("a name")
            .rsplit('*')
            .next()
            .expect("one");
        let name = std::format!("\"{name}\":{{\"value\"");
        let told = patches.iter().filter(|patch| patch.contains(&name)).count();
        assert_eq!(told, 1, "{name} in {patches:?}");
    }
    assert!((4..8).contains(&patches.len()), "{patches:?}");
}

#[test]
fn stale_notifications_are_dropped_and_newer_ones_applied() {
    let mut world = World::new();
    answer(
        &world,
        200,
        "",
        r#"{"desired":{"telemetryInterval":10,"$version":7}}"#,
    );
    for _ in 0..3 {
        answer(&world, 204, "", "");
    }
    let stale = "$iothub/twin/PATCH/properties/desired/?$version=7";
    world
        .pushes
        .push_back((20_000, stale, r#"{"telemetryInterval":1,"$version":7}"#));
    world.pushes.push_back((
        30_000,
        "$iothub/twin/PATCH/properties/desired/?$version=8",
        r#"{"telemetryInterval":20,"$version":8}"#,
    ));
    live_for(&mut world, MINUTE);
    let patches = patches(&world);
    assert_eq!(patches.len(), 2);
    assert_eq!(
        patches[1],
        r#"{"telemetryInterval":{"value":20,"ac":200,"av":8,"ad":null}}"#
    );
    assert!(stale.starts_with(DESIRED));
}

#[test]
fn changes_during_a_patch_are_one_patch_after_it() {
    let mut world = World::new();
    answer(&world, 200, "", TWIN);
    // The first patch is not answered before its time-out; meanwhile three changes come.
    for (at, body) in [
        (1_000, r#"{"telemetryInterval":11,"$version":2}"#),
        (2_000, r#"{"telemetryInterval":12,"$version":3}"#),
        (3_000, r#"{"telemetryInterval":13,"$version":4}"#),
    ] {
        world
            .pushes
            .push_back((at, "$iothub/twin/PATCH/properties/desired/", body));
    }
    live_for(&mut world, MINUTE);
    let patches = patches(&world);
    assert_eq!(patches.len(), 2, "{patches:?}");
    assert!(
        patches[1].contains("firmwareVersion"),
        "what was not answered is repeated"
    );
    assert!(
        patches[1].contains(r#""telemetryInterval":{"value":13,"ac":200,"av":4,"ad":null}"#),
        "{patches:?}"
    );
}

#[test]
fn throttled_requests_are_repeated_with_growing_waits() {
    let mut world = World::new();
    for status in [429, 500, 503, 429] {
        answer(&world, status, "", "");
    }
    answer(&world, 200, "", TWIN);
    answer(&world, 204, "", "");
    live_for(&mut world, 2 * MINUTE);
    assert_eq!(requests(&world, "$iothub/twin/GET/").len(), 5);
    assert_eq!(patches(&world).len(), 1);
}

#[test]
fn a_refused_patch_is_not_repeated() {
    let mut world = World::new();
    answer(&world, 200, "", TWIN);
    answer(&world, 400, "", r#"{"errorCode":400004}"#);
    live_for(&mut world, 10 * MINUTE);
    assert_eq!(patches(&world).len(), 1);
}

#[test]
fn methods_are_answered_by_name_with_their_status() {
    for (call, payload, topic, result) in [
        (
            "getStatus",
            "",
            "res/200",
            r#"{"uptimeSeconds":5,"messages":1,"acknowledged":1,"queued":0,"queuedInFlash":0,"dropped":{"overflowOldest":0,"#,
        ),
        ("getStatus", "null", "res/200", r#"{"uptimeSeconds":5,"#),
        (
            "setTelemetryInterval",
            r#"{"seconds":5}"#,
            "res/200",
            r#"{"seconds":5}"#,
        ),
        ("setTelemetryInterval", "7", "res/200", r#"{"seconds":7}"#),
        (
            "setTelemetryInterval",
            "",
            "res/400",
            r#"{"error":"pass the seconds"#,
        ),
        (
            "setTelemetryInterval",
            "-1",
            "res/400",
            r#"{"error":"must be"#,
        ),
        (
            "setTelemetryInterval",
            "{",
            "res/400",
            r#"{"error":"the JSON text ends"#,
        ),
        ("unheardOf", "", "res/404", r#"{"error":"unknown method"}"#),
        (
            "blink",
            r#"{"times":0}"#,
            "res/400",
            r#"{"error":"pass how often"#,
        ),
    ] {
        let mut world = World::new();
        let request = std::format!("$iothub/methods/POST/{call}/?$rid=a1");
        world.pushes.push_back((5_000, request.leak(), payload));
        live_for(&mut world, MINUTE / 4);
        let answers = requests(&world, "$iothub/methods/");
        assert_eq!(answers.len(), 1, "{call}");
        assert_eq!(
            answers[0].0,
            std::format!("$iothub/methods/{topic}/?$rid=a1"),
            "{call} {payload}"
        );
        assert!(answers[0].1.starts_with(result), "{}", answers[0].1);
    }
}

#[test]
fn a_slow_method_answers_when_it_is_done_and_the_device_goes_on() {
    let mut world = World::new();
    world.pushes.push_back((
        5_000,
        "$iothub/methods/POST/blink/?$rid=1",
        r#"{"times":20}"#,
    ));
    world
        .pushes
        .push_back((6_000, "$iothub/methods/POST/getStatus/?$rid=2", ""));
    world
        .pushes
        .push_back((7_000, "$iothub/methods/POST/blink/?$rid=3", ""));
    live_for(&mut world, MINUTE);
    let topics: Vec<String> = requests(&world, "$iothub/methods/")
        .into_iter()
        .map(|(topic, _)| topic)
        .collect();
    assert_eq!(
        topics,
        [
            "$iothub/methods/res/200/?$rid=2",
            "$iothub/methods/res/400/?$rid=3",
            "$iothub/methods/res/200/?$rid=1"
        ]
    );
    let dark = world
        .shown
        .iter()
        .filter(|status| **status == crate::report::Status::Off)
        .count();
    assert_eq!(dark, 20, "it blinked as often as it was told");
}

#[test]
fn a_reboot_is_answered_then_said_goodbye_then_left_to_the_platform() {
    let mut world = World::new();
    world
        .pushes
        .push_back((5_000, "$iothub/methods/POST/reboot/?$rid=1", ""));
    let (_, restart) = live_for(&mut world, 10 * MINUTE);
    assert!(
        restart && world.now < 10_000,
        "it ended at {} ms",
        world.now
    );
    assert_eq!(
        requests(&world, "$iothub/methods/")[0].0,
        "$iothub/methods/res/200/?$rid=1"
    );
    assert_eq!(world.hub.borrow().log.disconnects, 1);
}
