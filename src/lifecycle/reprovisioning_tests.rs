//! A kept assignment to a hub that is gone, on a virtual clock: days pass in milliseconds.

use std::string::{String, ToString};
use std::vec::Vec;

use super::tests::{HOUR, KEPT, answer_assigned, keep, kept, live_provisioned, world};
use super::*;
use crate::device::tests::sim::{Unreachable, World};
use crate::failure::{Code, ConnectError, TcpFailure, TlsFailure};
use crate::provisioning::GLOBAL_ENDPOINT;

const HUB: &str = "contoso.azure-devices.net";
const DNS: ConnectError = ConnectError::Dns(Code(-2));
const HOUR_MS: u64 = 3_600_000;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The default of [`provisioning::Config::reprovision_after`], in hours.
const LEAST: u64 = 4;
const FOREVER: u64 = u64::MAX;

/// A device with an assignment, and an outage that begins an hour after its start.
fn world_with_outage(host_name: &'static str, hours: u64, error: ConnectError) -> World {
    let mut world = world();
    keep(&mut world, KEPT);
    fail(
        &mut world,
        host_name,
        HOUR_MS,
        HOUR_MS.saturating_mul(hours.saturating_add(1)),
        error,
    );
    // The token of the first hour is renewed later than the outage begins, and a link that stands stands.
    world.hub.borrow_mut().drops_after = Some(HOUR);
    world
}

fn fail(world: &mut World, host_name: &'static str, from: u64, until: u64, error: ConnectError) {
    world.hub.borrow_mut().unreachable.push(Unreachable {
        host_name,
        from,
        until,
        error,
    });
}

fn live_for(world: &mut World, time: Duration) -> End {
    live_provisioned(world, time, provisioning::Config::default())
}

fn answer(world: &World, hub: &str) {
    let body = std::format!(
        r#"{{"status":"assigned","registrationState":{{"assignedHub":"{hub}","deviceId":"MyDevice01"}}}}"#
    );
    let answer = (200, String::new(), body.to_string());
    world.hub.borrow_mut().answers.push_back(answer);
}

/// The first attempt of each question to the service, in milliseconds.
fn questions(world: &World) -> Vec<u64> {
    let hub = world.hub.borrow();
    let mut before = "";
    let mut times = Vec::new();
    for (host, time) in hub.log.hosts.iter().zip(&hub.log.attempts) {
        if host == GLOBAL_ENDPOINT && before != host {
            times.push(*time);
        }
        before = host;
    }
    times
}

/// CONNECTs that the service saw.
fn registrations(world: &World) -> usize {
    let hub = world.hub.borrow();
    let users = hub.log.connects.iter();
    users
        .filter(|(user, _)| user.starts_with("0ne00ABCDEF/"))
        .count()
}

/// Number of attempts at a host in this time, in milliseconds.
fn tries(world: &World, host_name: &str, from: u64, until: u64) -> usize {
    let hub = world.hub.borrow();
    let tried = hub.log.hosts.iter().zip(&hub.log.attempts);
    tried
        .filter(|(host, time)| *host == host_name && (from..until).contains(time))
        .count()
}

#[test]
fn a_hub_that_is_gone_in_any_way_is_given_up_after_hours_and_the_service_names_another() {
    let tls = |failure| ConnectError::Tls(failure, Code(0));
    for error in [
        DNS,
        ConnectError::Tcp(TcpFailure::Refused, Code(111)),
        ConnectError::Tcp(TcpFailure::TimedOut, Code(110)),
        ConnectError::Tcp(TcpFailure::Unreachable, Code(113)),
        tls(TlsFailure::WrongHostName),
        tls(TlsFailure::UnknownAuthority),
        tls(TlsFailure::SelfSigned),
        tls(TlsFailure::Expired),
        tls(TlsFailure::Interrupted),
    ] {
        let mut world = world_with_outage(HUB, FOREVER, error);
        answer(&world, "fabrikam.azure-devices.net");
        live_for(&mut world, DAY);
        let asked = questions(&world);
        let least = (1 + LEAST) * HOUR_MS;
        assert!(
            asked.len() == 1 && (least..2 * least).contains(&asked[0]),
            "{error:?}: {asked:?}"
        );
        assert!(
            kept(&world).contains("\nfabrikam.azure-devices.net\n"),
            "{error:?}"
        );
        let last = world.hub.borrow().log.hosts.last().cloned();
        assert_eq!(last.as_deref(), Some("fabrikam.azure-devices.net"));
        assert!(!world.removed.contains(&"assignment".to_string()));
    }
}

#[test]
fn a_network_that_is_down_for_a_day_leads_to_a_few_questions_and_none_when_it_is_back() {
    let mut world = world_with_outage("", 24, DNS);
    live_for(&mut world, DAY * 2);
    let asked = questions(&world);
    assert!((1..=5).contains(&asked.len()), "{asked:?}");
    for pair in asked.windows(2) {
        assert!(pair[1] - pair[0] >= LEAST * HOUR_MS, "{asked:?}");
    }
    let day = 25 * HOUR_MS;
    let attempts = tries(&world, GLOBAL_ENDPOINT, 0, day);
    assert!(
        attempts <= asked.len() * 3,
        "{attempts} attempts in {} questions",
        asked.len()
    );
    assert_eq!(tries(&world, GLOBAL_ENDPOINT, day, FOREVER), 0);
    assert_eq!((registrations(&world), kept(&world)), (0, KEPT));
    assert!(tries(&world, HUB, day, day + HOUR_MS / 6) >= 1);
}

#[test]
fn a_service_that_cannot_be_reached_costs_no_assignment_and_little_time() {
    let mut world = world_with_outage(HUB, 24 * 7, DNS);
    fail(
        &mut world,
        GLOBAL_ENDPOINT,
        0,
        FOREVER,
        ConnectError::Tcp(TcpFailure::TimedOut, Code(110)),
    );
    live_for(&mut world, DAY * 9);
    let asked = questions(&world);
    assert!(
        (5..=20).contains(&asked.len()),
        "{} questions in a week",
        asked.len()
    );
    // The hub was tried all the time, and joined when it was back.
    for hour in 2..24 * 7 {
        let tried = tries(&world, HUB, hour * HOUR_MS, (hour + 1) * HOUR_MS);
        assert!(tried >= 2, "{tried} attempts at the hub in hour {hour}");
    }
    assert_eq!((registrations(&world), kept(&world)), (0, KEPT));
    assert!(
        world
            .hub
            .borrow()
            .log
            .stored
            .last()
            .is_some_and(|(count, _)| *count > 60)
    );
}

#[test]
fn a_service_that_assigns_the_same_hub_again_is_asked_more_and_more_rarely() {
    let mut world = world_with_outage(HUB, FOREVER, DNS);
    for _ in 0..100 {
        answer(&world, HUB);
    }
    live_for(&mut world, DAY * 30);
    let asked = questions(&world);
    assert!(
        (20..=60).contains(&asked.len()),
        "{} questions in 30 days",
        asked.len()
    );
    let last = &asked[asked.len() - 5..];
    for pair in last.windows(2) {
        let pause = pair[1] - pair[0];
        assert!((12 * HOUR_MS..25 * HOUR_MS).contains(&pause), "{pause} ms");
    }
    assert!(kept(&world).contains(HUB));
}

#[test]
fn a_device_that_is_refused_by_hub_and_service_asks_more_and_more_rarely() {
    let mut world = world();
    keep(&mut world, KEPT);
    world.hub.borrow_mut().connacks.extend([5; 100_000]);
    live_for(&mut world, DAY * 7);
    let asked = questions(&world);
    assert!(
        asked[0] < HOUR_MS,
        "the first after three refusals: {asked:?}"
    );
    assert!(
        (8..=25).contains(&asked.len()),
        "{} questions in a week",
        asked.len()
    );
    assert_eq!(kept(&world), KEPT);
}

#[test]
fn a_fleet_that_loses_its_hub_asks_spread_over_hours() {
    let mut first = Vec::new();
    for seed in 0..120 {
        let mut world = world_with_outage(HUB, FOREVER, DNS);
        world.random = seed;
        answer(&world, "fabrikam.azure-devices.net");
        live_for(&mut world, HOUR * 11);
        first.extend(questions(&world).first());
    }
    assert_eq!(first.len(), 120);
    first.sort_unstable();
    // Drawn over four hours, 15 of 120 are expected in each half hour.
    for begin in (0..24).map(|half| half * HOUR_MS / 2) {
        let asked = first
            .iter()
            .filter(|time| (begin..begin + HOUR_MS / 2).contains(*time))
            .count();
        assert!(
            asked <= 32,
            "{asked} of 120 devices ask within half an hour"
        );
    }
    assert!(first[119] - first[0] > 3 * HOUR_MS, "{first:?}");
}

#[test]
fn what_this_device_lacks_never_leads_to_a_question() {
    for error in [
        ConnectError::Resource(Code(12)),
        ConnectError::Tls(TlsFailure::ClientCredential, Code(0)),
        ConnectError::Tls(TlsFailure::MessageTooLong, Code(-0x7200)),
    ] {
        let mut world = world_with_outage(HUB, FOREVER, error);
        live_for(&mut world, DAY * 3);
        assert_eq!(questions(&world), [], "{error:?}");
    }
}

#[test]
fn a_hub_that_accepts_the_device_now_and_then_is_believed() {
    let mut world = world_with_outage(HUB, 0, DNS);
    // Up for an hour after each three of outage.
    for day in 0..12 {
        fail(
            &mut world,
            HUB,
            HOUR_MS * (1 + 4 * day),
            HOUR_MS * (4 + 4 * day),
            DNS,
        );
    }
    live_for(&mut world, DAY * 2);
    assert_eq!(questions(&world), []);
}

#[test]
fn the_time_without_a_hub_is_the_configured_one() {
    let mut world = world_with_outage(HUB, FOREVER, DNS);
    answer(&world, "fabrikam.azure-devices.net");
    let config = provisioning::Config {
        reprovision_after: HOUR * 24,
        ..provisioning::Config::default()
    };
    live_provisioned(&mut world, DAY * 3, config);
    let asked = questions(&world);
    assert!(
        asked.len() == 1 && (25 * HOUR_MS..50 * HOUR_MS).contains(&asked[0]),
        "{asked:?}"
    );
}

#[test]
fn a_stop_during_a_question_leaves_the_old_assignment() {
    let mut world = world_with_outage(HUB, FOREVER, DNS);
    // The service lets everybody wait.
    live_for(&mut world, DAY / 2);
    let asked = questions(&world)[0];
    let mut world = world_with_outage(HUB, FOREVER, DNS);
    live_for(&mut world, Duration::from_millis(asked + 1000));
    assert_eq!(world.now, asked + 1000, "stopped while it asks");
    assert_eq!(kept(&world), KEPT);
    // The next start needs no service.
    world.hub.borrow_mut().unreachable.clear();
    live_for(&mut world, HOUR);
    assert_eq!(registrations(&world), 1, "the question that was stopped");
    assert!(
        world
            .hub
            .borrow()
            .log
            .hosts
            .last()
            .is_some_and(|host| host == HUB)
    );
}

#[test]
fn a_new_assignment_that_cannot_be_stored_is_used_until_the_restart() {
    let mut world = world_with_outage(HUB, FOREVER, DNS);
    answer_assigned(&world);
    answer(&world, "fabrikam.azure-devices.net");
    world.storage_fails = true;
    live_for(&mut world, DAY);
    let last = world.hub.borrow().log.hosts.last().cloned();
    assert_eq!(last.as_deref(), Some("fabrikam.azure-devices.net"));
}

#[test]
fn a_payload_that_is_lost_is_asked_for_while_its_assignment_stays_in_use() {
    let mut world = world();
    keep(&mut world, KEPT);
    world.stored.remove(Kept::PAYLOAD_STORAGE_KEY);
    fail(&mut world, GLOBAL_ENDPOINT, 0, FOREVER, DNS);
    live_for(&mut world, HOUR);
    assert_eq!(questions(&world).len(), 1);
    assert_eq!(world.hub.borrow().log.stored.len(), 60);
}

#[test]
fn a_stop_that_is_asked_for_during_the_attempt_after_which_the_hub_is_given_up_is_a_stop() {
    let mut world = world_with_outage(HUB, FOREVER, DNS);
    world.connect_takes = Duration::from_secs(5);
    live_for(&mut world, DAY);
    let asked = questions(&world)[0];
    let hub = world.hub.borrow();
    let mut tries = hub.log.hosts.iter().zip(&hub.log.attempts);
    let last = tries.rfind(|(host, at)| *host == HUB && **at < asked);
    let last = *last.unwrap().1;
    drop(hub);

    let mut world = world_with_outage(HUB, FOREVER, DNS);
    world.connect_takes = Duration::from_secs(5);
    // The sim notes the end of an attempt.
    live_for(&mut world, Duration::from_millis(last - 1000));
    assert_eq!(questions(&world), [], "the stop comes first");
}
