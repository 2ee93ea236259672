//! Whatever an operator has go wrong, the device comes through it, and loses no message.

use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use azure_device::backoff;
use azure_device::failure::Failure;
use azure_device::mqtt::{self, Awaited};
use azure_device::report::{Cause, Report};
use azure_device_app::App;
use azure_device_host::runner::{DeviceThread, Settings};
use local_hub::{Fault, Hub, Message};
use serde_json::json;

use crate::program::PATIENCE;
use crate::support::{
    Taken, access, assert_complete_and_in_order, count, desire, hub, reported, start, start_with,
    wait_for_reported,
};

/// A device called `device` that is soon back, sends ten messages a second, and has sent some.
struct Subject {
    hub: Hub,
    device: DeviceThread,
    taken: Receiver<Taken>,
}

impl Subject {
    fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let hub = hub();
        let connection_string = hub.create_sas_device("device").unwrap();
        let (device, taken) = start(&access(&hub, &connection_string), |settings| {
            // Waits for an operator are half of this at least.
            settings.backoff = backoff::Config {
                max: Duration::from_secs(1),
                ..backoff::Config::default()
            };
            change(settings);
        });
        let subject = Self { hub, device, taken };
        subject.wait_for_more(3);
        subject
    }

    fn inject(&self, fault: Fault) {
        self.hub.inject("device", fault).unwrap();
    }

    /// Waits until the hub has stored this many messages more.
    #[track_caller]
    fn wait_for_more(&self, messages: usize) {
        let wanted = self.hub.events().len() + messages;
        let enough = |events: &[_]| events.len() >= wanted;
        assert!(self.hub.wait_for_events(PATIENCE, enough).0);
    }

    /// Stops the device; there is no gap in what the hub has stored, and nothing is out of order but for
    /// what was sent again.
    #[track_caller]
    fn stop(self) -> Report {
        let report = self.device.stop();
        let not_sampled = report.dropped.of(Cause::NotSampled).into();
        assert_eq!(report.dropped.total(), not_sampled, "{report:?}");
        let counts: Vec<_> = self.hub.events().iter().map(count).collect();
        assert_complete_and_in_order(&counts, report.connections as usize, not_sampled);
        report
    }
}

#[test]
fn a_dropped_connection_is_replaced() {
    let subject = Subject::start(|_| {});
    subject.inject(Fault::DropConnection);
    subject.wait_for_more(10);
    let report = subject.stop();
    assert_eq!((report.connections, report.failures), (2, 1));
    assert_eq!(report.last_failure, Some(Failure::Closed));
}

#[test]
fn refused_connects_are_tried_again() {
    for code in [3, 5] {
        let subject = Subject::start(|_| {});
        subject.inject(Fault::RefuseConnect { code, times: 2 });
        subject.inject(Fault::DropConnection);
        subject.wait_for_more(10);
        let report = subject.stop();
        assert_eq!((report.connections, report.failures), (2, 3));
        let text = report.last_failure.unwrap().to_string();
        assert!(text.starts_with(&format!("CONNACK {code}: ")), "{text}");
    }
}

#[test]
fn without_pubacks_the_device_connects_anew_and_sends_again() {
    let subject = Subject::start(|settings| settings.mqtt.puback_timeout = Duration::from_secs(2));
    subject.inject(Fault::SuppressPuback);
    let lost = |reason: &str| reason.contains("without DISCONNECT");
    let close = subject
        .hub
        .wait_for_close(PATIENCE, |close| lost(&close.reason));
    assert!(close.is_some(), "{:?}", subject.hub.closes());
    subject.hub.clear_faults("device");
    subject.wait_for_more(10);
    let report = subject.stop();
    let expected = Failure::Session(mqtt::Error::Timeout(Awaited::Puback));
    assert_eq!(report.last_failure, Some(expected));
    assert!(report.connections >= 2);
}

#[test]
fn late_pubacks_slow_the_device_down_and_no_more() {
    let subject = Subject::start(|_| {});
    subject.inject(Fault::DelayPuback { milliseconds: 700 });
    thread::sleep(Duration::from_secs(2));
    subject.hub.clear_faults("device");
    subject.wait_for_more(20);
    let report = subject.stop();
    assert_eq!((report.connections, report.failures), (1, 0));
}

#[test]
fn a_twin_that_fails_is_asked_again() {
    for status in [429, 500, 503] {
        let hub = hub();
        let connection_string = hub.create_sas_device("device").unwrap();
        desire(&hub, "device", json!({ "telemetryInterval": 3600 }));
        // The first read fails, and then the first report.
        let fault = |times| Fault::FailTwin { status, times };
        hub.inject("device", fault(1)).unwrap();
        let change = |settings: &mut Settings| settings.telemetry_interval = None;
        let device = start_with(&access(&hub, &connection_string), change, App::default());
        let start = Instant::now();
        wait_for_reported(&hub, "device", |reported| {
            reported["telemetryInterval"]["value"] == 3600
        });
        assert!(start.elapsed() > Duration::from_secs(1), "not at once");
        hub.inject("device", fault(1)).unwrap();
        desire(&hub, "device", json!({ "telemetryInterval": 1800 }));
        wait_for_reported(&hub, "device", |reported| {
            reported["telemetryInterval"]["value"] == 1800
        });
        assert_eq!(reported(&hub, "device")["telemetryInterval"]["ac"], 200);
        let report = device.stop();
        assert_eq!((report.connections, report.failures), (1, 0));
    }
}

#[test]
fn a_message_that_comes_twice_is_taken_twice_and_marked() {
    let subject = Subject::start(|_| {});
    subject.inject(Fault::DuplicateC2d { times: 1 });
    for body in ["twice", "once"] {
        subject.hub.send_c2d("device", Message::new(body)).unwrap();
    }
    let taken = [(); 3].map(|()| subject.taken.recv_timeout(PATIENCE).unwrap());
    let seen = taken
        .each_ref()
        .map(|taken| (taken.body.as_slice(), taken.redelivered));
    assert_eq!(
        seen,
        [(&b"twice"[..], false), (b"twice", true), (b"once", false)]
    );
    let start = Instant::now();
    while subject.hub.pending_c2d("device") > 0 {
        assert!(start.elapsed() < PATIENCE, "a message was not acknowledged");
        thread::sleep(Duration::from_millis(20));
    }
    let report = subject.stop();
    assert_eq!((report.connections, report.failures), (1, 0));
    assert_eq!(report.messages_taken, 3);
}

#[test]
fn a_takeover_is_survived_when_the_other_one_leaves() {
    let subject = Subject::start(|_| {});
    let connection_string = subject.hub.device("device").unwrap();
    let connection_string = connection_string.connection_string("localhost");
    // Quiet, so that every message is the first one's.
    let quiet = |settings: &mut Settings| {
        settings.telemetry_interval = None;
        settings.twin = false;
    };
    let access = access(&subject.hub, &connection_string);
    let other = start_with(&access, quiet, App::default());
    let taken_over = |reason: &str| reason.contains("connected again");
    let close = subject
        .hub
        .wait_for_close(PATIENCE, |close| taken_over(&close.reason));
    assert!(close.is_some(), "{:?}", subject.hub.closes());
    other.stop();
    subject.wait_for_more(10);
    let report = subject.stop();
    assert_eq!(report.last_failure, Some(Failure::Closed));
    assert!((2..10).contains(&report.connections), "{report:?}");
}

#[test]
fn a_takeover_that_leaves_nobody_is_a_lost_connection() {
    let subject = Subject::start(|_| {});
    subject.inject(Fault::TakeOver);
    subject.wait_for_more(10);
    let report = subject.stop();
    assert_eq!((report.connections, report.failures), (2, 1));
    assert_eq!(report.last_failure, Some(Failure::Closed));
}

#[test]
fn an_expired_token_is_replaced_by_a_new_one() {
    let subject = Subject::start(|_| {});
    // The next token expires later than this one: times in tokens are whole seconds.
    thread::sleep(Duration::from_millis(1100));
    subject.inject(Fault::ExpireToken);
    subject.wait_for_more(10);
    let report = subject.stop();
    assert_eq!((report.connections, report.failures), (2, 1));
}

#[test]
fn a_hub_that_falls_silent_is_noticed_by_the_keep_alive() {
    let subject = Subject::start(|settings| {
        settings.telemetry_interval = Some(Duration::from_millis(500));
        settings.mqtt.keepalive = Duration::from_secs(1);
        settings.mqtt.ping_timeout = Duration::from_secs(1);
    });
    subject.inject(Fault::HalfOpen);
    let start = Instant::now();
    subject.wait_for_more(5);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    let report = subject.stop();
    assert_eq!(report.connections, 2);
    assert!(
        matches!(
            report.last_failure,
            Some(Failure::Session(mqtt::Error::Timeout(_)))
        ),
        "{report:?}"
    );
}
