//! A stop sends what is queued while there is a connection and time, and says what stays behind.

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use super::lines::{containing, logged};
use super::sim::World;
use super::{HOUR, KEY, MINUTE, Memory, Recorder, buffers, counts, identity};
use crate::connection::run;
use crate::device::{Config, Device};
use crate::report::Report;

const SECOND: Duration = Duration::from_secs(1);

/// A hub that takes each message after half a second, so that a device that measures ten times a second and has
/// four in flight falls behind.
fn slow() -> World {
    let world = World::new();
    world.hub.borrow_mut().puback_delay = SECOND / 2;
    world
}

fn live(world: &mut World, interval: Duration, stop_timeout: Duration) -> (Report, Vec<String>) {
    let mut memory = Memory::default();
    let identity = identity(KEY);
    let config = Config {
        twin: false,
        telemetry_interval: Some(interval),
        stop_timeout,
        ..Config::default()
    };
    let mut device =
        Device::new(&identity, config, buffers(&mut memory), Recorder::default()).unwrap();
    let ((), lines) = logged(|| run(&mut device, world));
    (*device.report(), lines)
}

#[test]
fn a_stop_sends_all_that_is_queued_and_measures_nothing_more() {
    let mut world = slow();
    world.stop_after(4 * SECOND);
    let (report, lines) = live(&mut world, SECOND / 10, 30 * SECOND);
    assert!(world.now > 4_500, "it took its time: {} ms", world.now);
    assert_eq!(
        (report.queued, report.dropped.total()),
        (0, 0),
        "{report:?}"
    );
    assert_eq!(
        counts(&world),
        (1..=report.telemetry_due).collect::<Vec<_>>()
    );
    assert!(
        report.telemetry_due <= 41,
        "nothing new while it stops: {report:?}"
    );
    assert_eq!(world.hub.borrow().log.disconnects, 1);
    assert_eq!(
        containing(&lines, "stopping: sending ").len(),
        1,
        "{lines:?}"
    );
    assert!(containing(&lines, "stay behind").is_empty());
}

#[test]
fn a_stop_takes_no_longer_than_configured_and_says_what_stays_behind() {
    for (stop_timeout, at) in [(2 * SECOND, 6_000), (Duration::ZERO, 4_000)] {
        let mut world = slow();
        world.hub.borrow_mut().puback_delay = HOUR;
        world.stop_after(4 * SECOND);
        let (report, lines) = live(&mut world, SECOND / 10, stop_timeout);
        assert_eq!(world.now, at);
        assert!(report.queued >= 20, "{report:?}");
        let told = std::format!(
            "stopped: {} messages stay behind in the queue",
            report.queued
        );
        assert_eq!(containing(&lines, "stay behind"), [told]);
        assert_eq!(world.hub.borrow().log.disconnects, 1);
    }
}

#[test]
fn a_stop_without_a_connection_says_at_once_what_stays_behind() {
    let mut world = World::new();
    world.hub.borrow_mut().outages = std::vec![(60_000, 600_000)];
    world.stop_after(2 * MINUTE);
    let (report, lines) = live(&mut world, 10 * SECOND, HOUR);
    assert_eq!(world.now, 120_000);
    // Every ten seconds from the first minute to the second.
    assert!((5..=7).contains(&report.queued), "{report:?}");
    let told = std::format!(
        "stopped: {} messages stay behind in the queue",
        report.queued
    );
    assert_eq!(containing(&lines, "stay behind"), [told]);
}

#[test]
fn a_connection_that_ends_while_the_device_stops_ends_it_and_what_stays_behind_is_told() {
    let mut world = slow();
    world.hub.borrow_mut().puback_delay = HOUR;
    world.hub.borrow_mut().drops_after = Some(5 * SECOND);
    world.stop_after(4 * SECOND);
    let (report, lines) = live(&mut world, SECOND / 10, HOUR);
    assert_eq!(world.now, 5_000);
    assert!(report.queued >= 20 && report.failures == 0, "{report:?}");
    assert_eq!(containing(&lines, "stay behind").len(), 1);
}

#[test]
fn a_second_stop_gives_no_more_time() {
    let mut world = slow();
    world.hub.borrow_mut().puback_delay = HOUR;
    for second in 4..=7 {
        world.stop_after(second * SECOND);
    }
    live(&mut world, SECOND / 10, 4 * SECOND);
    assert_eq!(world.now, 8_000);
}

#[test]
fn a_stop_during_a_renewal_sends_what_that_held_back() {
    let mut held_back = 0;
    // The renewal comes at 70 to 85 % of the token's life, and waits for a hub that acknowledges after 8 s.
    for second in (420..512).step_by(4) {
        let mut world = World::new();
        world.hub.borrow_mut().puback_delay = 8 * SECOND;
        world.stop_after(second * SECOND);
        let mut memory = Memory::default();
        let identity = identity(KEY);
        let config = Config {
            twin: false,
            telemetry_interval: Some(SECOND),
            token_life: 10 * MINUTE,
            stop_timeout: 2 * MINUTE,
            ..Config::default()
        };
        let mut device =
            Device::new(&identity, config, buffers(&mut memory), Recorder::default()).unwrap();
        let ((), lines) = logged(|| run(&mut device, &mut world));
        assert_eq!(
            device.report().queued,
            0,
            "stopped at {second} s: {lines:?}"
        );
        let renewing = !containing(&lines, "SAS token: renewing it").is_empty();
        held_back += usize::from(renewing && world.hub.borrow().log.connects.len() == 1);
    }
    assert!(held_back > 0, "no stop came during a renewal");
}
