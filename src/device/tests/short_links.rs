//! Connections that never last: those that are of use, and those that are not.

use super::*;

const SECOND: u64 = 1000;

/// Milliseconds from each attempt to the next.
fn gaps(world: &World) -> Vec<u64> {
    let hub = world.hub.borrow();
    let pairs = hub.log.attempts.windows(2);
    pairs.map(|pair| pair[1] - pair[0]).collect()
}

fn each(seconds: u64) -> Config<'static> {
    Config {
        telemetry_interval: Some(Duration::from_secs(seconds)),
        ..Config::default()
    }
}

#[test]
fn connections_of_five_seconds_that_deliver_are_never_more_than_half_a_minute_apart() {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(Duration::from_secs(5));
    let (report, _) = live_for(&mut world, 24 * HOUR, each(10));
    let longest = gaps(&world).into_iter().max().unwrap_or_default();
    assert!(
        longest <= 5 * SECOND + 32 * SECOND,
        "{longest} ms from one connection to the next"
    );
    assert!(
        (2300..5000).contains(&report.connections),
        "{} connections",
        report.connections
    );
    let messages = counts(&world);
    assert!(
        messages.iter().copied().eq(1..=messages.len() as u64),
        "none is lost"
    );
    assert!(messages.len() > 8600, "{} messages", messages.len());
}

#[test]
fn a_message_a_minute_over_connections_of_five_seconds_arrives_within_minutes() {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(Duration::from_secs(5));
    live_for(&mut world, 24 * HOUR, each(60));
    // Links on which nothing was due are of no use and let the waits grow, until a message is due again.
    let messages = counts(&world);
    assert!(
        messages.iter().copied().eq(1..=messages.len() as u64),
        "none is lost"
    );
    assert!(messages.len() > 1430, "{} messages", messages.len());
    let longest = gaps(&world).into_iter().max().unwrap_or_default();
    assert!(
        longest < 140 * SECOND,
        "{longest} ms from one connection to the next"
    );
}

#[test]
fn a_hub_that_takes_one_message_and_drops_the_device_is_not_stormed() {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after_message = true;
    // More is due than the hub takes.
    let (report, _) = live_for(&mut world, 24 * HOUR, each(1));
    let gaps = gaps(&world);
    assert!(gaps.iter().all(|gap| *gap >= 4 * SECOND), "{gaps:?}");
    assert!(
        (2700..5500).contains(&report.connections),
        "{} connections",
        report.connections
    );
    assert_eq!(counts(&world).len(), report.connections as usize);
}

#[test]
fn a_hub_that_only_accepts_is_tried_more_and_more_rarely() {
    for seconds in [1, 5, 30, 59] {
        let mut world = World::new();
        world.hub.borrow_mut().drops_after = Some(Duration::from_secs(seconds));
        world.hub.borrow_mut().acknowledges = false;
        let (report, _) = live_for(&mut world, 24 * HOUR, each(60));
        assert!(
            report.connections < 400,
            "{} connections of {seconds} s",
            report.connections
        );
    }
}

#[test]
fn an_operator_who_gets_through_makes_a_short_connection_one_of_use() {
    let method = "$iothub/methods/POST/getStatus/?$rid=1";
    let mut longest = [0, 0];
    for (index, called) in [false, true].into_iter().enumerate() {
        let mut world = World::new();
        world.hub.borrow_mut().drops_after = Some(Duration::from_secs(5));
        world.hub.borrow_mut().acknowledges = false;
        // The sim sends what is due as soon as there is a connection.
        let calls = (0..20_000)
            .filter(|_| called)
            .map(|second| (second * SECOND, method, ""));
        world.pushes.extend(calls);
        live_for(&mut world, HOUR * 5, each(600));
        longest[index] = gaps(&world).into_iter().max().unwrap_or_default();
    }
    assert!(
        longest[0] > 300 * SECOND && longest[1] < 40 * SECOND,
        "{longest:?} ms"
    );
}

#[test]
fn a_stable_connection_ends_the_growth_of_the_waits_between_short_ones() {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(Duration::from_secs(61));
    let (report, _) = live_for(&mut world, 24 * HOUR, each(10));
    let longest = gaps(&world).into_iter().max().unwrap_or_default();
    assert!(longest <= 62 * SECOND, "{longest} ms");
    assert!(
        report.connections > 1390,
        "{} connections",
        report.connections
    );
}
