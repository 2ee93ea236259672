//! A device's life on a virtual clock: hours pass in milliseconds.

pub(crate) mod application;
mod busy;
mod dropped;
pub(crate) mod lines;
mod malformed;
mod module;
mod operator;
pub(crate) mod packets;
mod short_links;
mod shown;
pub(crate) mod sim;
mod stopping;
mod twin;
#[cfg(feature = "update")]
mod updates;

use core::time::Duration;
use std::string::{String, ToString};
use std::vec::Vec;

use self::sim::World;
use super::{Config, Device};
use crate::application::{Application, CloudMessage, Context, Message, Receipt, Stream};
use crate::connection::{Buffers, run};
use crate::failure::{ClockError, Code, ConnectError, TcpFailure, TlsFailure};
use crate::failure::{CredentialKind, Failure};
use crate::identity::{ConnectionString, Identity};
use crate::mqtt::{self, ConnectReturnCode};
use crate::port::Requests;
use crate::report::{Report, Status};

const KEY: &str = "HostName=contoso.azure-devices.net;DeviceId=MyDevice01;\
                   SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const X509: &str = "HostName=contoso.azure-devices.net;DeviceId=MyDevice01;x509=true";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Counts its messages and keeps what it is given.
#[derive(Debug, Default)]
struct Recorder {
    count: i64,
    taken: Vec<(String, bool)>,
}

impl Recorder {
    fn sample(&mut self, message: &mut Message<'_>) {
        self.count += 1;
        let readings = message.readings();
        assert_eq!(readings.error(), None);
        message.object(|object| {
            object.integer("count", self.count);
            for reading in readings.iter() {
                object.thousandths(reading.name, reading.thousandths);
            }
        });
    }
}

impl Application for Recorder {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", |recorder, message, _| {
        recorder.sample(message)
    })];

    fn receive(&mut self, message: &CloudMessage<'_>, _: &mut Context<'_>) -> Receipt {
        self.taken.push((
            String::from_utf8_lossy(message.body).into_owned(),
            message.redelivered,
        ));
        Receipt::Accepted
    }
}

fn identity(connection_string: &str) -> Identity {
    ConnectionString::parse(connection_string).expect("a good connection string")
}

/// A device's memory, with room for some thirty messages.
pub(crate) struct Memory {
    receive: [u8; 2048],
    transmit: [u8; 1024],
    outbox: [u8; 8192],
    scratch: [u8; 2048],
    twin: [u8; 256],
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            receive: [0; 2048],
            transmit: [0; 1024],
            outbox: [0; 8192],
            scratch: [0; 2048],
            twin: [0; 256],
        }
    }
}

pub(crate) fn buffers(memory: &mut Memory) -> Buffers<'_> {
    let Memory {
        receive,
        transmit,
        outbox,
        scratch,
        twin,
    } = memory;
    Buffers {
        mqtt: mqtt::Buffers {
            receive,
            transmit,
            outbox,
        },
        scratch,
        twin,
    }
}

/// A device that measures every minute, without twin and methods.
fn live(world: &mut World, identity: &Identity, config: Config<'_>) -> (Report, Recorder) {
    let mut memory = Memory::default();
    let config = Config {
        twin: false,
        ..config
    };
    let mut device = Device::new(identity, config, buffers(&mut memory), Recorder::default())
        .expect("good sizes");
    run(&mut device, world);
    (*device.report(), core::mem::take(device.application()))
}

/// Runs a device with a key for `time`.
fn live_for(world: &mut World, time: Duration, config: Config<'_>) -> (Report, Recorder) {
    world.stop_after(time);
    live(world, &identity(KEY), config)
}

fn counts(world: &World) -> Vec<u64> {
    world
        .hub
        .borrow()
        .log
        .stored
        .iter()
        .map(|(count, _)| *count)
        .collect()
}

#[test]
fn a_day_without_trouble_is_one_connection_and_a_clean_goodbye() {
    let mut world = World::new();
    let config = Config {
        token_life: 30 * HOUR,
        ..Config::default()
    };
    let (report, _) = live_for(&mut world, 20 * HOUR, config);
    assert_eq!(report.connections, 1);
    assert_eq!(report.failures, 0);
    assert_eq!(counts(&world), (1..=1200).collect::<Vec<_>>());
    let hub = world.hub.borrow();
    assert_eq!((hub.log.disconnects, hub.log.broken), (1, 0));
    assert!(
        hub.log.connects[0]
            .0
            .starts_with("contoso.azure-devices.net/MyDevice01/?api-version=2021-04-12")
    );
}

#[test]
fn telemetry_names_its_content_its_id_and_its_time() {
    let mut world = World::new();
    live_for(&mut world, MINUTE / 2, Config::default());
    let hub = world.hub.borrow();
    let topic = &hub.log.topics[0];
    assert!(
        topic.starts_with("devices/MyDevice01/messages/events/%24.mid="),
        "{topic}"
    );
    for part in [
        "&%24.ct=application%2Fjson&%24.ce=utf-8",
        "&iothub-creation-time-utc=2026-06-01T00%3A00%3A00.000Z",
    ] {
        assert!(topic.contains(part), "{topic}");
    }
}

#[test]
fn message_ids_are_unique_within_and_between_starts() {
    let ids = |random: u64| {
        let mut ids = super::MessageIds::default();
        [
            ids.next(random).to_string(),
            ids.next(random + 1).to_string(),
        ]
    };
    let (first, second) = (ids(1), ids(2));
    assert_eq!(first[0].len(), 18);
    assert!(first[0] != first[1] && first[0] != second[0] && first[1] != second[1]);
}

#[test]
fn the_token_is_renewed_between_70_and_85_percent_of_its_life_and_nothing_is_lost() {
    let mut world = World::new();
    let config = Config {
        token_life: HOUR,
        telemetry_interval: Some(MINUTE / 6),
        ..Config::default()
    };
    let (report, _) = live_for(&mut world, 24 * HOUR, config);
    assert_eq!(report.failures, 0);
    assert!(
        (28..=34).contains(&report.renewals),
        "{} renewals",
        report.renewals
    );
    let messages = counts(&world);
    assert!(messages.len() >= 8639 && messages.iter().copied().eq(1..=messages.len() as u64));
    let hub = world.hub.borrow();
    for pair in hub.log.attempts.windows(2) {
        let life = pair[1] - pair[0];
        assert!(
            (42 * 60_000..=51 * 60_000 + 1000).contains(&life),
            "renewed after {life} ms"
        );
    }
    assert_eq!(hub.log.broken, 0);
}

#[test]
fn without_acknowledgements_a_planned_renewal_keeps_the_messages_and_sends_them_again() {
    let mut world = World::new();
    world.hub.borrow_mut().acknowledges = false;
    let mqtt = mqtt::Config {
        puback_timeout: 10 * HOUR,
        ..mqtt::Config::default()
    };
    let config = Config {
        token_life: 10 * MINUTE,
        telemetry_interval: Some(5 * MINUTE),
        mqtt,
        ..Config::default()
    };
    live_for(&mut world, 12 * MINUTE, config);
    assert!(world.hub.borrow().log.connects.len() >= 2);
    assert!(counts(&world).is_empty());
}

#[test]
fn an_outage_is_met_with_growing_waits_and_no_message_is_lost() {
    let mut world = World::new();
    let refused = ConnectError::Tcp(TcpFailure::Refused, Code(111));
    world.hub.borrow_mut().connect_errors.extend([refused; 12]);
    let (report, _) = live_for(&mut world, 3 * HOUR, Config::default());
    assert_eq!(report.failures, 12);
    assert_eq!(report.last_failure, Some(Failure::Connect(refused)));
    let messages = counts(&world);
    assert!(
        messages.len() > 100 && messages.iter().copied().eq(1..=messages.len() as u64),
        "{messages:?}"
    );
    let hub = world.hub.borrow();
    for (index, pair) in hub.log.attempts.windows(2).take(12).enumerate() {
        let ceiling = (1000_u64 << index).min(600_000);
        assert!(
            pair[1] - pair[0] < ceiling,
            "wait {index}: {} ms",
            pair[1] - pair[0]
        );
    }
}

#[test]
fn connections_that_break_lose_no_message_and_keep_the_order() {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(10 * MINUTE);
    let (report, _) = live_for(&mut world, 2 * HOUR, Config::default());
    assert!(report.connections >= 11, "{report:?}");
    let messages = counts(&world);
    assert!(
        messages.iter().copied().eq(1..=messages.len() as u64),
        "{messages:?}"
    );
    assert!(messages.len() >= 119);
}

#[test]
fn a_hub_that_drops_every_connection_at_once_is_not_stormed() {
    let mut world = World::new();
    world.hub.borrow_mut().drops_after = Some(Duration::from_secs(2));
    world.hub.borrow_mut().acknowledges = false;
    let (report, _) = live_for(&mut world, 24 * HOUR, Config::default());
    assert!(
        report.connections < 400,
        "{} connections in a day",
        report.connections
    );
    assert_eq!(report.last_failure, Some(Failure::Closed));
}

#[test]
fn bad_credentials_are_tried_slowly_and_named() {
    let mut world = World::new();
    world.hub.borrow_mut().connacks.extend([5; 1000]);
    let (report, _) = live_for(&mut world, 24 * HOUR, Config::default());
    assert_eq!(
        report.last_failure,
        Some(Failure::Refused(
            ConnectReturnCode::NotAuthorized,
            CredentialKind::SharedAccessKey
        ))
    );
    assert!(
        (140..300).contains(&report.failures),
        "{} attempts in a day",
        report.failures
    );
    let text = report.last_failure.expect("there is one").to_string();
    assert!(
        text.starts_with("CONNACK 5: ") && text.contains("key"),
        "{text}"
    );
}

#[test]
fn a_busy_hub_is_tried_again_soon() {
    let mut world = World::new();
    world.hub.borrow_mut().connacks.extend([3, 3]);
    let (report, _) = live_for(&mut world, MINUTE, Config::default());
    assert_eq!((report.failures, report.connections), (2, 1));
}

#[test]
fn no_connection_is_opened_before_the_clock_is_set() {
    let mut world = World::new();
    world.sntp.extend([
        Err(ClockError::NoAnswer),
        Err(ClockError::Unresolved),
        Ok(-(sim::BEGIN as i64) * 1000),
    ]);
    world.stop_after(MINUTE);
    let (report, _) = live(&mut world, &identity(X509), Config::default());
    assert_eq!(
        world.synchronizations, 4,
        "two failures, 1970, and the truth"
    );
    assert_eq!((report.failures, report.connections), (3, 1));
    assert_eq!(
        report.last_failure,
        Some(Failure::Clock(ClockError::Implausible))
    );
}

#[test]
fn a_refused_token_of_a_slow_clock_is_mended_by_setting_the_clock() {
    let mut world = World::new();
    // Right enough to pass for set, three hours behind: every token of an hour's life is dead on arrival.
    world.sntp.push_back(Ok(-3 * HOUR.as_millis() as i64));
    let config = Config {
        token_life: HOUR,
        ..Config::default()
    };
    let (report, _) = live_for(&mut world, 10 * MINUTE, config);
    assert_eq!((report.failures, report.connections), (1, 1));
    assert_eq!(world.synchronizations, 2);
    assert!(
        world.hub.borrow().log.attempts[1] < 5000,
        "it does not wait for an operator"
    );
}

#[test]
fn a_certificate_outside_its_dates_makes_the_clock_suspect() {
    for failure in [TlsFailure::Expired, TlsFailure::NotYetValid] {
        let mut world = World::new();
        world
            .hub
            .borrow_mut()
            .connect_errors
            .push_back(ConnectError::Tls(failure, Code(0)));
        let (report, _) = live_for(&mut world, MINUTE, Config::default());
        assert_eq!((world.synchronizations, report.connections), (2, 1));
    }
}

#[test]
fn the_clock_is_set_once_a_day() {
    let mut world = World::new();
    world.stop_after(72 * HOUR + MINUTE);
    let (report, _) = live(&mut world, &identity(X509), Config::default());
    assert_eq!((world.synchronizations, report.connections), (4, 1));
}

#[test]
fn an_expired_ready_made_token_waits_for_an_operator_without_connecting() {
    let mut world = World::new();
    let token = "HostName=contoso.azure-devices.net;DeviceId=MyDevice01;SharedAccessSignature=\
                 SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2FMyDevice01\
                 &sig=Rn1z3LTQKSd8ipKdETk%2BoxrgqnzgySMJaAkZZmk3LoQ%3D&se=1767225600";
    world.stop_after(24 * HOUR);
    let (report, _) = live(&mut world, &identity(token), Config::default());
    assert_eq!(report.last_failure, Some(Failure::TokenExpired));
    assert!(world.hub.borrow().log.attempts.is_empty());
    assert!(report.failures < 300);
}

#[test]
fn a_queued_message_that_follows_connack_is_taken_and_acknowledged() {
    let mut world = World::new();
    let topic = b"devices/MyDevice01/messages/devicebound/%24.mid=m1&k=a%2Bb";
    let mut packet = std::vec![0x32, (2 + topic.len() + 2 + 2) as u8, 0, topic.len() as u8];
    packet.extend_from_slice(topic);
    packet.extend_from_slice(&[0, 7]);
    packet.extend_from_slice(b"hi");
    world.hub.borrow_mut().after_connack.push_back(packet);
    let (report, application) = live_for(&mut world, MINUTE, Config::default());
    assert_eq!(application.taken, [("hi".to_string(), false)]);
    assert_eq!(world.hub.borrow().log.pubacks, [7]);
    assert_eq!(report.messages_taken, 1);
}

#[test]
fn a_request_sends_at_once_and_shows_it() {
    let mut world = World::new();
    let send_now = Requests {
        send_now: true,
        ..Requests::default()
    };
    world.requests.push_back((10_000, send_now));
    world.requests.push_back((20_000, send_now));
    let config = Config {
        telemetry_interval: None,
        ..Config::default()
    };
    live_for(&mut world, MINUTE, config);
    assert_eq!(counts(&world), [1, 2]);
    assert!(
        world.shown.ends_with(&[Status::Sending, Status::Connected]),
        "{:?}",
        world.shown
    );
}

#[test]
fn a_new_certificate_is_shown_by_a_planned_reconnect_in_every_phase_and_loses_nothing() {
    for time in [0, 1, 40, 90_000, 90_001] {
        let mut world = World::new();
        let reconnect = Requests {
            reconnect: true,
            ..Requests::default()
        };
        world.requests.push_back((time, reconnect));
        let (report, _) = live_for(&mut world, HOUR, Config::default());
        assert_eq!((report.failures, report.dropped.total()), (0, 0));
        assert!(counts(&world).into_iter().eq(1..=60), "at {time} ms");
        assert!(world.hub.borrow().log.attempts.len() <= 2, "at {time} ms");
        if time > 1000 {
            assert_eq!((report.connections, report.renewals), (2, 1));
        }
    }
}

#[test]
fn a_stop_ends_the_device_in_every_phase_of_its_life() {
    for (time, refused) in [(0, 0), (0, 1000), (90_000, 0), (90_000, 1000)] {
        let mut world = World::new();
        let unreachable = ConnectError::Tcp(TcpFailure::Unreachable, Code(113));
        world
            .hub
            .borrow_mut()
            .connect_errors
            .extend(core::iter::repeat_n(unreachable, refused));
        live_for(&mut world, Duration::from_millis(time), Config::default());
        assert!(world.now <= time, "stopped at {} ms", world.now);
    }
}

#[test]
fn a_connection_that_breaks_while_the_device_says_goodbye_does_not_keep_it() {
    let mut world = World::new();
    world.hub.borrow_mut().acknowledges = false;
    world.hub.borrow_mut().drops_after = Some(Duration::from_secs(61));
    // No message is acknowledged, so the device waits for that when the hub cuts it off.
    let mqtt = mqtt::Config {
        puback_timeout: HOUR,
        ..mqtt::Config::default()
    };
    let config = Config {
        mqtt,
        ..Config::default()
    };
    let (report, _) = live_for(&mut world, MINUTE, config);
    assert_eq!((world.now, report.failures), (61_000, 0));
}
