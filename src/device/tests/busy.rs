//! Opening a connection takes seconds. What falls due meanwhile is measured where the platform can, and counted
//! where it cannot.

use core::time::Duration;
use std::vec::Vec;

use super::lines::{containing, logged};
use super::sim::World;
use super::{KEY, MINUTE, Memory, Recorder, buffers, identity};
use crate::application::{Application, Context, Event, Stream};
use crate::connection::run;
use crate::device::{Config, Device};
use crate::port::Requests;
use crate::report::{Cause, Report};

const SECOND: Duration = Duration::from_secs(1);

/// Numbers its messages by when they fell due.
#[derive(Debug, Default)]
struct Numbering {
    recorder: Recorder,
    missed: u32,
}

impl Application for Numbering {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", |this, message, _| {
        this.recorder.sample(message);
    })];

    fn handle(&mut self, event: Event<'_>, _: &mut Context<'_>) {
        if let Event::NotMeasured { messages, .. } = event {
            self.recorder.count += i64::from(messages);
            self.missed += messages;
        }
    }
}

/// A world in which the hub drops each connection after a minute, and a new one takes eight seconds.
fn world(connects_in_steps: bool) -> World {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(MINUTE);
    (world.connect_takes, world.connects_in_steps) = (8 * SECOND, connects_in_steps);
    world
}

fn live(world: &mut World, time: Duration) -> (Report, u32) {
    world.stop_after(time);
    let mut memory = Memory::default();
    let identity = identity(KEY);
    let config = Config {
        twin: false,
        telemetry_interval: Some(SECOND),
        ..Config::default()
    };
    let mut device = Device::new(
        &identity,
        config,
        buffers(&mut memory),
        Numbering::default(),
    )
    .unwrap();
    run(&mut device, world);
    (*device.report(), device.application().missed)
}

fn stored(world: &World) -> Vec<u64> {
    let hub = world.hub.borrow();
    hub.log.stored.iter().map(|(count, _)| *count).collect()
}

/// The `iothub-creation-time-utc` of all messages, as milliseconds of the day.
fn times(world: &World) -> Vec<u64> {
    let hub = world.hub.borrow();
    let time = |topic: &std::string::String| {
        let text = topic.split("utc=2026-06-01T").nth(1).unwrap();
        let number = |at: usize, digits: usize| text[at..at + digits].parse::<u64>().unwrap();
        // 00%3A00%3A00.000Z
        ((number(0, 2) * 60 + number(5, 2)) * 60 + number(10, 2)) * 1000 + number(13, 3)
    };
    hub.log.topics.iter().map(time).collect()
}

#[test]
fn what_falls_due_while_a_connection_is_opened_in_steps_is_measured_at_its_time() {
    let mut world = world(true);
    let (report, missed) = live(&mut world, 10 * MINUTE);
    assert!(report.connections > 6, "{report:?}");
    assert_eq!((missed, report.dropped.total()), (0, 0), "{report:?}");
    let counts = stored(&world);
    assert!(counts.iter().copied().eq(1..=counts.len() as u64));
    assert!(
        times(&world)
            .windows(2)
            .all(|pair| pair[1] - pair[0] == 1000)
    );
}

#[test]
fn what_falls_due_while_opening_blocks_is_counted_and_its_numbers_are_passed_over() {
    let mut world = world(false);
    let ((report, missed), lines) = logged(|| live(&mut world, 10 * MINUTE));
    let lost = report.dropped.of(Cause::NotSampled);
    assert!((report.connections - 1) * 6 < lost, "{report:?}");
    assert_eq!((missed, report.dropped.total()), (lost, lost.into()));
    let counts = stored(&world);
    let last = *counts.last().unwrap();
    assert_eq!(
        last - counts.len() as u64,
        lost.into(),
        "the gaps are those counted"
    );
    let known = report.telemetry_acknowledged + u64::from(report.queued) + report.dropped.total();
    assert_eq!(report.telemetry_due, known, "{report:?}");
    // In each gap the message after it has the number of its time.
    for (pair, time) in counts.windows(2).zip(times(&world).windows(2)) {
        let seconds = time[1] - time[0];
        let messages = (pair[1] - pair[0]) * 1000;
        assert!(
            messages.abs_diff(seconds) <= 1000,
            "{pair:?} in {seconds} ms"
        );
    }
    assert_eq!(
        containing(&lines, "messages are dropped (notSampled)").len(),
        containing(&lines, "no more messages are dropped").len(),
        "each episode begins and ends: {lines:?}"
    );
}

#[test]
fn a_stop_and_a_request_are_seen_while_a_connection_is_opened_in_steps() {
    let mut world = world(true);
    let send_now = Requests {
        send_now: true,
        ..Requests::default()
    };
    world.requests.push_back((2_000, send_now));
    live(&mut world, 3 * SECOND);
    assert_eq!(world.now, 3_000);
    assert_eq!(
        world.hub.borrow().log.attempts.len(),
        0,
        "it never got so far"
    );
}
