use core::time::Duration;
use std::cell::RefCell;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::application::{CloudMessage, Context, Event, Receipt, Stream};
use crate::device::Config;
use crate::device::tests::application::App;
use crate::device::tests::sim::World;
use crate::device::tests::{Memory, buffers};
use crate::failure::{Code, ConnectError, TcpFailure};
use crate::identity::{DeviceId, HostName, SharedAccessKey};
use crate::port::Requests;
use crate::provisioning::{Attestation, GLOBAL_ENDPOINT, IdScope, RegistrationId};
use crate::report::{Cause, Report};
use crate::storage;

pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// Part that is kept of an assignment beside its payload, which it names by its CRC-32.
pub(super) const KEPT: &str =
    "0ne00ABCDEF\nmydevice01\ncontoso.azure-devices.net\nMyDevice01\n21c03ed5";
pub(super) const PAYLOAD: &str = r#"{"site":7}"#;

fn enrollment() -> Enrollment {
    let key = SharedAccessKey::from_base64("MDEyMzQ1Njc4OWFiY2RlZg==").unwrap();
    let registration_id = RegistrationId::parse("MyDevice01").unwrap();
    Enrollment::new(
        IdScope::parse("0ne00ABCDEF").unwrap(),
        registration_id,
        Attestation::SymmetricKey(key),
    )
}

/// The product's application; what it is given with its hub goes to the test as well.
#[derive(Clone, Default)]
struct Site {
    app: App,
    given: Rc<RefCell<Vec<String>>>,
}

impl Application for Site {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", |site, message, _| {
        site.app.sample(message)
    })];

    fn receive(&mut self, message: &CloudMessage<'_>, device: &mut Context<'_>) -> Receipt {
        self.app.receive(message, device)
    }

    fn handle(&mut self, event: Event<'_>, device: &mut Context<'_>) {
        self.app.handle(event, device);
    }

    fn assigned(&mut self, payload: Value<'_>) {
        self.given.borrow_mut().push(payload.text().into());
    }
}

pub(super) fn answer_assigned(world: &World) {
    let body = r#"{"operationId":"1","status":"assigned","registrationState":
        {"assignedHub":"contoso.azure-devices.net","deviceId":"MyDevice01","status":"assigned",
        "payload":{"site":7}}}"#;
    world
        .hub
        .borrow_mut()
        .answers
        .push_back((200, String::new(), body.to_string()));
}

fn live_for(world: &mut World, time: Duration) -> End {
    world.stop_after(Duration::from_millis(world.now) + time);
    live_as(world, &enrollment(), Site::default())
}

/// Without a twin, so that the answers of the sim are the service's.
pub(super) fn live_provisioned(
    world: &mut World,
    time: Duration,
    config: provisioning::Config<'_>,
) -> End {
    world.stop_after(Duration::from_millis(world.now) + time);
    let enrollment = enrollment();
    let access = Access::Provisioning(&enrollment, config);
    let config = Config {
        twin: false,
        ..Config::default()
    };
    live_through(world, &access, &config, Site::default())
}

fn live_as(world: &mut World, enrollment: &Enrollment, application: Site) -> End {
    let access = Access::Provisioning(enrollment, provisioning::Config::default());
    live_through(world, &access, &Config::default(), application)
}

fn live_through(
    world: &mut World,
    access: &Access<'_>,
    config: &Config<'_>,
    application: Site,
) -> End {
    let mut memory = Memory::default();
    run(
        access,
        config,
        &mut buffers(&mut memory),
        application,
        world,
        &mut Carryover::default(),
    )
    .unwrap()
}

/// Puts this under the assignment's key, and its payload, with right checksums.
pub(super) fn keep(world: &mut World, text: &str) {
    let payload = PAYLOAD.as_bytes();
    storage::store(world, Kept::PAYLOAD_STORAGE_KEY, payload).unwrap();
    storage::store(world, Kept::STORAGE_KEY, text.as_bytes()).unwrap();
}

/// The assignment as it is stored, without its checksum.
pub(super) fn kept(world: &World) -> &str {
    let (text, _) = world.stored[Kept::STORAGE_KEY]
        .split_last_chunk::<{ storage::CHECKSUM_LEN }>()
        .unwrap();
    core::str::from_utf8(text).unwrap()
}

pub(super) fn world() -> World {
    let mut world = World::new();
    world.other_host_name = Some((GLOBAL_ENDPOINT, "mydevice01"));
    world
}

#[test]
fn a_new_device_is_provisioned_joins_its_hub_and_keeps_the_assignment() {
    let mut world = world();
    answer_assigned(&world);
    assert_eq!(live_for(&mut world, HOUR), End::Stopped);
    assert_eq!(world.hub.borrow().log.connects.len(), 2);
    assert_eq!(world.hub.borrow().log.stored.len(), 60);
    assert_eq!(kept(&world), KEPT);

    // The next start asks nobody.
    live_for(&mut world, HOUR);
    assert_eq!(world.hub.borrow().log.connects.len(), 3);
}

#[test]
fn a_device_that_its_hub_refuses_again_and_again_is_provisioned_anew() {
    let mut world = world();
    keep(&mut world, KEPT);
    world.hub.borrow_mut().connacks.extend([5, 5, 5]);
    answer_assigned(&world);
    live_for(&mut world, 2 * HOUR);
    let hub = world.hub.borrow();
    let dps: Vec<bool> = hub
        .log
        .connects
        .iter()
        .map(|(user, _)| user.starts_with("0ne00ABCDEF/"))
        .collect();
    assert_eq!(
        dps,
        [false, false, false, true, false],
        "three refusals, then the service, then the hub"
    );
}

#[test]
fn a_damaged_assignment_is_replaced() {
    for damaged in [
        &b"nonsense"[..],
        b"",
        b"\xff",
        // Without its checksum, as no version of this software that was released wrote it.
        KEPT.as_bytes(),
        &[b'a'; 4096],
    ] {
        let mut world = world();
        world.stored.insert("assignment".into(), damaged.to_vec());
        answer_assigned(&world);
        live_for(&mut world, HOUR);
        assert_eq!(kept(&world), KEPT);
    }
}

#[test]
fn an_assignment_with_any_one_bit_flipped_is_asked_for_anew_and_the_device_joins() {
    let mut sealed = world();
    keep(&mut sealed, KEPT);
    let sealed = sealed.stored.remove("assignment").unwrap();
    for bit in 0..8 * sealed.len() {
        let mut world = world();
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        world.stored.insert("assignment".into(), flipped);
        answer_assigned(&world);
        live_for(&mut world, HOUR / 60);
        assert_eq!(world.hub.borrow().log.connects.len(), 2, "bit {bit}");
        assert_eq!(world.stored["assignment"], sealed, "bit {bit}");
    }
}

#[test]
fn an_assignment_of_another_enrolment_is_not_used() {
    for other in ["0ne00ABCDEF\nmydevice02", "0ne00ABCDE0\nmydevice01"] {
        let mut world = world();
        keep(
            &mut world,
            &std::format!("{other}\nelsewhere.azure-devices.net\nMyDevice02\n"),
        );
        answer_assigned(&world);
        live_for(&mut world, HOUR);
        assert_eq!(kept(&world), KEPT);
    }
}

#[test]
fn the_application_is_given_the_allocations_payload_at_each_start() {
    let mut world = world();
    answer_assigned(&world);
    for _ in 0..2 {
        world.stop_after(Duration::from_millis(world.now) + HOUR);
        let site = Site::default();
        live_as(&mut world, &enrollment(), site.clone());
        assert_eq!(*site.given.borrow(), [PAYLOAD]);
    }
    assert_eq!(world.hub.borrow().log.connects.len(), 3, "asked once");
}

#[test]
fn a_payload_goes_with_its_assignment() {
    let mut world = world();
    answer_assigned(&world);
    live_for(&mut world, HOUR);
    // One that is damaged is asked for with its assignment.
    world
        .stored
        .insert("assignment-payload".into(), b"{\"site\":8}1234".to_vec());
    answer_assigned(&world);
    let site = Site::default();
    world.stop_after(Duration::from_millis(world.now) + HOUR);
    live_as(&mut world, &enrollment(), site.clone());
    assert_eq!(*site.given.borrow(), [PAYLOAD]);
    assert_eq!(world.hub.borrow().log.connects.len(), 4, "asked twice");
    // The next assignment has none.
    world.stored.remove("assignment");
    let body = r#"{"status":"assigned","registrationState":
        {"assignedHub":"contoso.azure-devices.net","deviceId":"MyDevice01"}}"#;
    let answer = (200, String::new(), body.to_string());
    world.hub.borrow_mut().answers.push_back(answer);
    live_for(&mut world, HOUR);
    assert_eq!(world.stored.len(), 1, "{:?}", world.stored);
}

#[test]
fn a_medium_that_keeps_nothing_costs_a_question_at_each_start() {
    let mut world = world();
    world.storage_fails = true;
    for start in 1..=2 {
        answer_assigned(&world);
        live_for(&mut world, HOUR);
        assert_eq!(world.hub.borrow().log.connects.len(), 2 * start);
    }
}

/// An outage, then refusals until the service is asked, which assigns `host_name` and `device_id`; gives what was
/// dropped in the end.
fn reprovisioned(world: &mut World, host_name: &'static str, device_id: &'static str) -> Report {
    keep(world, KEPT);
    {
        let mut hub = world.hub.borrow_mut();
        // What is sent before is not acknowledged, and so in flight.
        hub.acknowledges = false;
        hub.drops_after = Some(Duration::from_secs(150));
        hub.connacks.extend([0, 5, 5, 5]);
    }
    world.assigned = Some((host_name, device_id));
    let body = std::format!(
        r#"{{"status":"assigned","registrationState":{{"assignedHub":"{host_name}","deviceId":"{device_id}"}}}}"#
    );
    let answer = (200, String::new(), body);
    world.hub.borrow_mut().answers.push_back(answer);
    world.stop_after(2 * HOUR);
    let mut memory = Memory::default();
    let enrollment = enrollment();
    let access = Access::Provisioning(&enrollment, provisioning::Config::default());
    let config = Config {
        twin: false,
        telemetry_interval: Some(Duration::from_secs(60)),
        ..Config::default()
    };
    let mut carryover = Carryover::default();
    let (mut buffers, app) = (buffers(&mut memory), Site::default());
    let end = run(&access, &config, &mut buffers, app, world, &mut carryover);
    assert_eq!(end.unwrap(), End::Stopped);
    *carryover.report()
}

#[test]
fn queued_messages_go_to_the_hub_that_the_device_is_assigned_next() {
    for (host_name, device_id) in [
        // Another hub, and another id there: shorter, and longer.
        ("fabrikam.azure-devices.net", "MyDevice01"),
        ("fabrikam.azure-devices.net", "d"),
        (
            "fabrikam.azure-devices.net",
            "a-device-with-a-much-longer-name-than-before",
        ),
    ] {
        let mut world = world();
        let report = reprovisioned(&mut world, host_name, device_id);
        let hub = world.hub.borrow();
        let counts: Vec<u64> = hub.log.stored.iter().map(|(count, _)| *count).collect();
        assert_eq!(report.dropped.of(Cause::Reprovisioned), 0, "{report:?}");
        let missing = counts.last().unwrap() - counts.len() as u64;
        assert_eq!(missing, report.dropped.total(), "{report:?} {counts:?}");
        assert_eq!(
            counts.first(),
            Some(&1),
            "what was in flight to the old hub too"
        );
        assert!(
            hub.log.stored.iter().all(|(_, dup)| !dup),
            "nothing is a duplicate to the new hub"
        );
        let start = std::format!("devices/{device_id}/messages/events/");
        assert!(
            hub.log.topics.iter().all(|topic| topic.starts_with(&start)),
            "{:?}",
            hub.log.topics
        );
        let known =
            report.telemetry_acknowledged + u64::from(report.queued) + report.dropped.total();
        assert_eq!(report.telemetry_due, known, "{report:?}");
    }
}

#[test]
fn to_the_same_hub_and_id_what_was_in_flight_goes_again_marked() {
    let mut world = world();
    reprovisioned(&mut world, "contoso.azure-devices.net", "MyDevice01");
    let hub = world.hub.borrow();
    assert_eq!(hub.log.stored[0], (1, true));
    assert!(hub.log.stored.last().is_some_and(|(_, dup)| !dup));
}

#[test]
fn what_a_restart_leaves_behind_is_told_by_the_next_start() {
    let mut world = World::new();
    let identity = adopt(
        &Assignment {
            host_name: HostName::parse("contoso.azure-devices.net").unwrap(),
            device_id: DeviceId::parse("MyDevice01").unwrap(),
            payload: None,
        },
        &enrollment(),
    )
    .unwrap();
    let access = Access::Hub(&identity);
    let start = |world: &mut World| {
        let mut memory = Memory::default();
        let mut carryover = Carryover::default();
        let app = Site::default();
        let config = Config::default();
        run(
            &access,
            &config,
            &mut buffers(&mut memory),
            app,
            world,
            &mut carryover,
        )
        .unwrap();
        let told = *carryover.report();
        leave_behind(&mut carryover, world);
        (told, *carryover.report())
    };
    world.hub.borrow_mut().outages = std::vec![(90_000, 2 * 3_600_000)];
    world.stop_after(HOUR);
    let (told, ended) = start(&mut world);
    assert!(told.queued > 20, "{told:?}");
    assert_eq!(
        (ended.queued, ended.dropped.of(Cause::LeftBehind)),
        (0, told.queued)
    );

    for left in [told.queued, 0] {
        world.stop_after(Duration::from_millis(world.now) + 4 * HOUR);
        let (told, _) = start(&mut world);
        assert_eq!(told.dropped.of(Cause::LeftBehind), left, "once");
        let known = told.telemetry_acknowledged + u64::from(told.queued) + told.dropped.total();
        assert_eq!(told.telemetry_due, known);
        world.hub.borrow_mut().outages.clear();
    }
}

#[test]
fn a_message_wanted_while_the_device_is_provisioned_is_measured_by_the_device() {
    let mut world = world();
    answer_assigned(&world);
    let error = ConnectError::Tcp(TcpFailure::Refused, Code(111));
    world.hub.borrow_mut().connect_errors.push_back(error);
    let wanted = Requests {
        send_now: true,
        ..Requests::default()
    };
    world.requests.push_back((0, wanted));
    world.stop_after(HOUR);
    let enrollment = enrollment();
    let access = Access::Provisioning(&enrollment, provisioning::Config::default());
    // It measures only when it is asked to.
    let config = Config {
        telemetry_interval: None,
        twin: false,
        ..Config::default()
    };
    assert_eq!(
        live_through(&mut world, &access, &config, Site::default()),
        End::Stopped
    );
    assert_eq!(world.hub.borrow().log.stored.len(), 1);
}

/// An application that counts its starts, and keeps the number.
#[derive(Default)]
struct Starts(u8);

impl Application for Starts {
    const KEPT: &'static [crate::application::Kept<Self>] = &[crate::application::Kept::new(
        "starts",
        |starts, space| {
            space[..2].copy_from_slice(&[7, starts.0]);
            2
        },
        |starts, value| starts.0 = value[1],
    )];

    fn handle(&mut self, event: Event<'_>, device: &mut Context<'_>) {
        if let Event::Connected = event {
            self.0 += 1;
            device.keep("starts");
            device.keep("nothing");
        }
    }
}

#[test]
fn what_an_application_keeps_is_there_after_a_restart_and_a_damaged_value_is_not() {
    let mut world = World::new();
    let start = |world: &mut World| {
        world.stop_after(Duration::from_millis(world.now) + Duration::from_secs(5));
        let identity: Identity = crate::identity::ConnectionString::parse(
            "HostName=contoso.azure-devices.net;DeviceId=MyDevice01;x509=true",
        )
        .unwrap();
        let mut memory = Memory::default();
        let config = Config {
            twin: false,
            ..Config::default()
        };
        let end = run(
            &Access::Hub(&identity),
            &config,
            &mut buffers(&mut memory),
            Starts::default(),
            world,
            &mut Carryover::default(),
        );
        assert_eq!(end, Ok(End::Stopped));
        world.stored["app-starts"][1]
    };
    assert_eq!(
        [start(&mut world), start(&mut world), start(&mut world)],
        [1, 2, 3]
    );
    world.stored.get_mut("app-starts").unwrap()[1] ^= 1;
    assert_eq!(start(&mut world), 1, "the damaged value counts as absent");
}

#[test]
fn starts_with_a_queue_are_counted_and_runs_of_one_start_are_one() {
    let mut world = world();
    let enrollment = enrollment();
    keep(&mut world, KEPT);
    let mut config = Config::default();
    let live = |world: &mut World, config: &Config<'_>, carryover: &mut Carryover| {
        world.stop_after(Duration::from_millis(world.now) + Duration::from_secs(60));
        let access = Access::Provisioning(&enrollment, provisioning::Config::default());
        let mut memory = Memory::default();
        let space = &mut buffers(&mut memory);
        run(&access, config, space, Site::default(), world, carryover).unwrap();
    };
    live(&mut world, &config, &mut Carryover::default());
    assert!(!world.stored.contains_key(STARTS_KEY), "no queue");
    config.queue.mode = Mode::Spill;
    for start in 1..4_u32 {
        let mut carryover = Carryover::default();
        live(&mut world, &config, &mut carryover);
        live(&mut world, &config, &mut carryover);
        assert_eq!(world.stored[STARTS_KEY][..4], start.to_le_bytes());
    }
}
