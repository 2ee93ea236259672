//! Messages that are not delivered: counted by cause, and told once when it begins and once when it ends.

use core::time::Duration;

use super::lines::{containing, logged};
use super::operator::{patches, requests};
use super::sim::World;
use super::{HOUR, KEY, MINUTE, Memory, buffers, counts, identity};
use crate::connection::run;
use crate::device::tests::application::App;
use crate::device::{Config, Device};
use crate::mqtt::OverflowPolicy;
use crate::report::{Cause, Report};

const BEGIN: &str = "telemetry: messages are dropped (";
const END: &str = "telemetry: no more messages are dropped; dropped were ";

/// Runs the product's application with its twin, which answers every request.
fn live_for(world: &mut World, time: Duration, config: Config<'_>) -> Report {
    world.hub.borrow_mut().serves_twin = true;
    world.stop_after(time);
    let mut memory = Memory::default();
    let identity = identity(KEY);
    let mut device = Device::new(&identity, config, buffers(&mut memory), App::default()).unwrap();
    run(&mut device, world);
    *device.report()
}

#[track_caller]
fn assert_all_accounted_for(report: &Report) {
    let known = report.telemetry_acknowledged + u64::from(report.queued) + report.dropped.total();
    assert_eq!(report.telemetry_due, known, "{report:?}");
}

fn every(interval: Duration) -> Config<'static> {
    Config {
        telemetry_interval: Some(interval),
        ..Config::default()
    }
}

/// A world whose hub is away from the second minute to the fortieth.
fn outage() -> World {
    let world = World::new();
    world.hub.borrow_mut().outages = std::vec![(120_000, 2_400_000)];
    world
}

#[test]
fn an_overflow_is_counted_exactly_and_told_when_it_begins_and_when_it_ends() {
    for (overflow, cause) in [
        (OverflowPolicy::DropOldest, Cause::OverflowOldest),
        (OverflowPolicy::RefuseNewest, Cause::OverflowNewest),
    ] {
        let mut world = outage();
        let mut config = every(MINUTE / 12);
        config.mqtt.overflow = overflow;
        let (report, lines) = logged(|| live_for(&mut world, 2 * HOUR, config));
        assert_all_accounted_for(&report);
        let lost = report.dropped.of(cause);
        assert!(lost > 300, "{report:?}");
        assert_eq!(report.dropped.total(), lost.into());
        let stored = counts(&world);
        assert_eq!(stored.len() as u64, report.telemetry_acknowledged);
        let produced = *stored.last().unwrap();
        assert_eq!(
            produced - stored.len() as u64,
            lost.into(),
            "what is missing was counted"
        );
        let begin = std::format!("{BEGIN}{})", cause.name());
        assert_eq!(
            (
                containing(&lines, BEGIN).len(),
                containing(&lines, &begin).len()
            ),
            (1, 1)
        );
        assert_eq!(
            containing(&lines, END),
            [std::format!("{END}{lost}: {} {lost}", cause.name())]
        );
    }
}

#[test]
fn the_twin_is_told_what_was_dropped_after_the_connect_and_after_the_end_and_no_oftener() {
    let mut world = outage();
    let report = live_for(&mut world, 2 * HOUR, every(MINUTE / 12));
    let lost = std::format!(
        "\"dropped\":{{\"overflowOldest\":{}",
        report.dropped.of(Cause::OverflowOldest)
    );
    let patches = patches(&world);
    assert_eq!(patches.len(), 3, "{patches:?}");
    assert!(
        patches[0].contains("\"dropped\":{\"overflowOldest\":0,"),
        "{patches:?}"
    );
    assert!(
        patches[1].contains("firmwareVersion") && patches[1].contains(&lost),
        "{patches:?}"
    );
    assert!(
        patches[2].starts_with("{\"queued\":0,") && patches[2].contains(&lost),
        "{patches:?}"
    );
}

#[test]
fn dropping_that_does_not_end_is_one_episode_and_a_report_every_ten_minutes() {
    let mut world = World::new();
    // The first four messages stay in flight for ever, and what follows waits for them.
    world.hub.borrow_mut().acknowledges = false;
    let mut config = every(MINUTE / 6);
    config.mqtt.puback_timeout = 100 * HOUR;
    let (report, lines) = logged(|| live_for(&mut world, 10 * HOUR, config));
    assert_all_accounted_for(&report);
    assert!(
        report.dropped.of(Cause::OverflowOldest) > 3_000,
        "{report:?}"
    );
    assert_eq!(containing(&lines, BEGIN).len(), 1);
    let patches = patches(&world).len();
    assert!(
        (55..=62).contains(&patches),
        "{patches} patches in ten hours"
    );
}

#[test]
fn messages_that_fit_no_buffer_are_counted_and_told_once_with_the_remedy() {
    for (outbox, scratch, remedy) in [
        (8192, 460, "does not fit the scratch buffer; raise its size"),
        (100, 2048, "make it larger"),
    ] {
        let mut world = World::new();
        world.stop_after(HOUR);
        let mut memory = Memory::default();
        let identity = identity(KEY);
        let mut buffers = buffers(&mut memory);
        buffers.scratch = &mut buffers.scratch[..scratch];
        buffers.mqtt.outbox = &mut buffers.mqtt.outbox[..outbox];
        let config = Config {
            twin: false,
            ..Config::default()
        };
        let mut device = Device::new(&identity, config, buffers, App::default()).unwrap();
        let ((), lines) = logged(|| run(&mut device, &mut world));
        let report = device.report();
        assert_all_accounted_for(report);
        assert!(report.telemetry_due >= 60);
        assert_eq!(
            report.telemetry_due,
            report.dropped.of(Cause::TooLarge).into()
        );
        let lines = containing(&lines, BEGIN);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].contains("(tooLarge)") && lines[0].contains(remedy),
            "{lines:?}"
        );
    }
}

#[test]
fn a_status_tells_what_was_dropped() {
    let mut world = outage();
    world
        .pushes
        .push_back((3_601_000, "$iothub/methods/POST/getStatus/?$rid=1", ""));
    let report = live_for(&mut world, HOUR + MINUTE / 30, every(MINUTE / 12));
    let answers = requests(&world, "$iothub/methods/");
    let lost = report.dropped.of(Cause::OverflowOldest);
    let dropped = std::format!(
        "\"queued\":0,\"queuedInFlash\":0,\"dropped\":{{\"overflowOldest\":{lost},\"overflowNewest\":0,"
    );
    assert!(answers[0].1.contains(&dropped), "{answers:?}");
}

#[test]
fn a_sensor_that_fails_is_told_once_and_when_it_is_back() {
    let mut world = World::new();
    world.sensor_fails = std::vec![(60_000, 1_800_000)];
    let (report, lines) = logged(|| live_for(&mut world, HOUR, every(MINUTE)));
    assert_eq!(
        report.dropped.total(),
        0,
        "messages go out without readings"
    );
    assert_eq!(
        (
            containing(&lines, "sensor: no reading (error 5)").len(),
            containing(&lines, "sensor: it answers again").len()
        ),
        (1, 1)
    );
}
