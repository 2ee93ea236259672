//! Delivery after outages and restarts, and its rate.

use std::collections::VecDeque;

use super::*;
use crate::device::tests::packets::publish;

#[test]
fn a_day_without_the_hub_is_delivered_whole_and_in_order_with_the_times_of_measuring() {
    for mode in [Mode::Spill, Mode::Always] {
        let mut life = Life::new(mode, 400);
        life.outage(2 * MINUTE, 24 * HOUR);
        let report = life.run_for(25 * HOUR);
        assert_eq!(report.dropped.total(), 0, "{mode:?}");
        let stored = life.stored();
        assert_whole(&stored);
        assert_eq!(stored.len() as u64, report.telemetry_due);
        let topics = life.topics();
        let times: BTreeSet<&str> = topics.iter().map(|topic| creation_time(topic)).collect();
        assert_eq!(times.len(), topics.len(), "each minute has its own");
        assert!(topics.is_sorted_by_key(|topic| creation_time(topic).to_string()));
    }
}

#[test]
fn a_restart_in_an_outage_loses_nothing_and_sends_nothing_twice() {
    for mode in [Mode::Spill, Mode::Always] {
        let mut life = Life::new(mode, 100);
        life.outage(2 * MINUTE, 5 * HOUR);
        for _ in 0..4 {
            let report = life.run_for(HOUR);
            assert_eq!(report.dropped.total(), 0, "{report:?}");
            assert_eq!(report.queued, report.queued_in_flash);
        }
        let report = life.run_for(3 * HOUR);
        assert_eq!((report.queued, report.dropped.total()), (0, 0));
        let stored = life.stored();
        let measured = *life.counter.borrow();
        assert_whole(&stored);
        assert_eq!(stored.len() as u64, measured);
    }
}

#[test]
fn a_device_that_starts_in_an_outage_measures_from_its_start_if_it_has_a_queue() {
    for (mode, measured) in [(Mode::Off, 0), (Mode::Spill, 60), (Mode::Always, 60)] {
        let mut life = Life::new(mode, 100);
        life.outage(Duration::ZERO, 5 * HOUR);
        let report = life.run_for(HOUR - MINUTE / 2);
        assert_eq!(*life.counter.borrow(), measured, "{mode:?}");
        assert_eq!(u64::from(report.queued_in_flash), measured, "{mode:?}");
        life.run_for(6 * HOUR);
        assert_whole(&life.stored());
    }
}

#[test]
fn nothing_is_written_while_the_hub_takes_what_is_sent() {
    let mut life = Life::new(Mode::Spill, 8);
    let report = life.run_for(48 * HOUR);
    assert_eq!(report.dropped.total(), 0);
    assert_eq!(life.written(), 0);
}

#[test]
fn each_message_of_always_is_written_and_removed_once_and_a_page_erased_for_each_that_is_filled() {
    let mut life = Life::new(Mode::Always, 64);
    let report = life.run_for(24 * HOUR);
    assert_eq!((report.dropped.total(), report.queued), (0, 0));
    let messages = life.stored().len() as u64;
    assert_eq!(messages, *life.counter.borrow());
    let figures = life.flash.0.borrow().figures;
    let bytes = figures.written / messages;
    // Properties of 76 bytes, a body of 80, and the headers: of the record 24, of its item 8, twice.
    assert!((180..220).contains(&bytes), "{bytes} bytes a message");
    let filled = figures.written / PAGE as u64;
    let more = figures.erased.saturating_sub(filled * 9 / 10);
    assert!(
        more < filled / 4,
        "{} erased, {filled} filled",
        figures.erased
    );
    std::println!(
        "{bytes} bytes a message, {} pages of {PAGE} bytes erased a day",
        figures.erased
    );
}

#[test]
fn a_backlog_goes_out_at_its_rate() {
    let mut life = Life::new(Mode::Spill, 200);
    life.config.queue.rate = 1;
    life.config.telemetry_interval = Some(MINUTE / 3);
    life.outage(2 * MINUTE, 10 * HOUR);
    life.run_for(10 * HOUR + 20 * MINUTE);
    let sent = life.stored().len();
    // The device waits up to five minutes before it connects.
    assert!(
        (15 * 60..20 * 60 + 16).contains(&sent),
        "{sent} in twenty minutes"
    );
}

#[test]
fn new_messages_go_first_if_they_are_to() {
    let mut life = Life::new(Mode::Always, 200);
    life.config.queue.rate = 1;
    life.config.queue.order = Order::LiveFirst;
    life.outage(2 * MINUTE, 10 * HOUR);
    life.run_for(10 * HOUR + 5 * MINUTE);
    let early = life.stored();
    let newest = *life.counter.borrow();
    assert!(early.contains(&newest), "{newest} in {early:?}");
    life.run_for(HOUR);
    let stored = life.stored();
    let all: BTreeSet<u64> = stored.iter().copied().collect();
    assert_eq!(all, (1..=*life.counter.borrow()).collect());
    assert_eq!(stored.len(), all.len(), "none twice");
}

#[test]
fn an_operator_is_served_while_a_backlog_is_sent() {
    let mut life = Life::new(Mode::Always, 400);
    life.config.twin = true;
    life.config.queue.rate = 1;
    life.world.hub.borrow_mut().serves_twin = true;
    life.outage(2 * MINUTE, 24 * HOUR);
    // A day's messages take 24 minutes at this rate.
    let at = (24 * HOUR + 15 * MINUTE).as_millis() as u64;
    life.world.pushes = VecDeque::from([
        (at, "$iothub/methods/POST/getStatus/?$rid=7", "{}"),
        (
            at + 2_000,
            "$iothub/twin/PATCH/properties/desired/?$version=2",
            r#"{"telemetryInterval":30,"$version":2}"#,
        ),
    ]);
    let message = publish(
        b"devices/MyDevice01/messages/devicebound/%24.to=x",
        Some(9),
        b"hello",
    );
    life.world.raw = VecDeque::from([(at + 1_000, message)]);
    let report = life.run_for(24 * HOUR + 16 * MINUTE);
    assert!(report.queued > 300, "still sending: {}", report.queued);
    let hub = life.world.hub.borrow();
    let answered = |start: &str| {
        let mut requests = hub.log.requests.iter();
        requests.any(|(topic, _)| topic.starts_with(start))
    };
    assert!(answered("$iothub/methods/res/200/?$rid=7"));
    assert!(answered("$iothub/twin/PATCH/properties/reported/"));
    assert_eq!(hub.log.pubacks, [9]);
    assert_eq!(report.dropped.total(), 0);
}
