//! `kill -9` at any moment loses nothing that was acknowledged.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::program::{Serve, local_hub, succeed};
use common::*;

fn events(state: &Path, count: usize) -> Vec<String> {
    let count = count.to_string();
    let printed = succeed(
        state,
        &["monitor-events", "--from-start", "--count", &count],
    );
    printed
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["event"]["payload"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// Sends telemetry until the connection breaks; gives the number that was acknowledged.
fn send_until_killed(mut client: Client, device: &Device) -> u16 {
    let mut acknowledged = 0;
    for id in 1..=u16::MAX {
        client.try_send(&publish(
            &device.events_topic(),
            Some(id),
            format!("event {id}").as_bytes(),
        ));
        let [high, low] = id.to_be_bytes();
        match client.try_receive(4) {
            Some(bytes) => assert_eq!(bytes, [0x40, 2, high, low]),
            None => break,
        }
        acknowledged = id;
    }
    acknowledged
}

#[test]
fn telemetry_that_was_acknowledged_is_there_after_a_kill_and_so_is_the_registry() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &[]);
    let ca = std::fs::read_to_string(state.join("ca.pem")).unwrap();
    let device = Device::from_connection_string(&succeed(
        state,
        &["device", "create", "d", "--auth", "sas"],
    ));
    let mut stored = 0;
    let mut serve = Some(serve);
    for round in 0_u64..4 {
        let running = serve.take().unwrap();
        let mut client = running.open(state);
        client.send(&device.connect(Options::default()));
        assert_eq!(client.receive(4)[3], 0);
        let acknowledged = std::thread::scope(|scope| {
            let sending = scope.spawn(|| send_until_killed(client, &device));
            std::thread::sleep(Duration::from_millis(40 + 37 * round));
            running.kill();
            usize::from(sending.join().unwrap())
        });
        assert!(acknowledged > 0);
        serve = Some(Serve::start(state, &[]));
        let all = events(state, stored + acknowledged);
        let expected: Vec<_> = (1..=acknowledged).map(|id| format!("event {id}")).collect();
        assert_eq!(all[stored..], expected);
        // One more may have been stored whose acknowledgement did not get out.
        let log = std::fs::read_to_string(state.join("events.journal")).unwrap();
        stored = log.lines().skip(1).count();
        assert!((stored - all.len()) <= 1);
    }
    assert_eq!(
        std::fs::read_to_string(state.join("ca.pem")).unwrap(),
        ca,
        "the CA stays"
    );
}

#[test]
fn devices_messages_and_sessions_survive_kills_while_they_are_being_written() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let mut serve = Serve::start(state, &[]);
    let device = Device::from_connection_string(&succeed(
        state,
        &["device", "create", "d", "--auth", "sas"],
    ));
    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    client.subscribe_c2d(&device, 1);
    client.send(&DISCONNECT);
    client.expect_close();

    const SENT_PER_ROUND: usize = 12;
    let (mut created, mut sent) = (vec!["d".to_owned()], Vec::new());
    for round in 0_u64..4 {
        std::thread::scope(|scope| {
            let killing = scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(150 + 53 * round));
                serve.kill();
            });
            for number in 0.. {
                let id = format!("r{round}-{number}");
                if !local_hub(state, &["device", "create", &id, "--auth", "sas"])
                    .status
                    .success()
                {
                    break;
                }
                created.push(id.clone());
                // A device's queue takes 50 messages: however fast this machine is, four rounds fit.
                if number >= SENT_PER_ROUND {
                    continue;
                }
                if !local_hub(state, &["send-c2d", "d", "--data", &id])
                    .status
                    .success()
                {
                    break;
                }
                sent.push(id);
            }
            killing.join().unwrap();
        });
        serve = Serve::start(state, &[]);
        let listed = succeed(state, &["device", "list"]);
        for id in &created {
            assert!(
                listed
                    .lines()
                    .any(|line| line.split_whitespace().next() == Some(id)),
                "{id}"
            );
        }
    }
    assert!(!sent.is_empty() && sent.len() < 50, "{}", sent.len());

    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_PRESENT);
    // Those whose sending was confirmed come, in order; others may come between them.
    let mut expected = sent.iter();
    let mut next = expected.next();
    while let Some(wanted) = next {
        let message = client.publish();
        if message.payload == wanted.as_bytes() {
            next = expected.next();
        }
        client.send(&puback(message.packet_id.unwrap()));
    }
}

#[test]
fn a_delivery_that_was_not_acknowledged_before_a_kill_comes_again_as_a_duplicate() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let serve = Serve::start(state, &[]);
    let device = Device::from_connection_string(&succeed(
        state,
        &["device", "create", "d", "--auth", "sas"],
    ));
    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    client.subscribe_c2d(&device, 1);
    for data in ["a", "b"] {
        succeed(state, &["send-c2d", "d", "--data", data]);
    }
    let first = client.publish();
    let second = client.publish();
    client.send(&puback(first.packet_id.unwrap()));
    client.ping();
    serve.kill();
    let serve = Serve::start(state, &[]);
    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_PRESENT);
    let again = client.publish();
    assert_eq!((again.first, again.payload.as_slice()), (0x3a, &b"b"[..]));
    assert_eq!(again.packet_id, second.packet_id);
}
