//! A whole device that is updated, on a virtual clock: with its hub, its telemetry, its boot loader, and power cuts.

use core::time::Duration;
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString};
use std::vec::Vec;

use super::application::App;
use super::operator::patches;
use super::sim::World;
use super::{KEY, MINUTE, Memory, buffers, identity};
use crate::application::{
    Application, Context, Method, Permission, Reported, Stream, UpdateStep, standard,
};
use crate::connection::run;
use crate::device::{Config, Device};
use crate::json::Value;
use crate::report::{Facts, Status};
use crate::time::Instant;
use crate::update::Settings;
use crate::update::tests::world::{Board, PowerCut, image};
use crate::update::tests::{Chain, manifest, roots, service, verify_rs256};

const ADDRESS: &str = "http://files.example:8080/image";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/?$version=";

/// The tests' application, which may hold an update up until a time.
#[derive(Clone, Default)]
struct Pump {
    app: App,
    runs_until: Instant,
}

impl Application for Pump {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", |pump, message, _| {
        pump.app.sample(message)
    })];
    const REPORTED: &'static [Reported<Self>] =
        &[standard::firmware_version(), standard::update_status()];
    const METHODS: &'static [Method<Self>] = &[
        standard::reboot(),
        standard::get_status(),
        standard::rollback(),
    ];

    fn permit_update(&mut self, _: UpdateStep<'_>, device: &mut Context<'_>) -> Permission {
        match device.now() < self.runs_until {
            true => Permission::Later,
            false => Permission::Granted,
        }
    }
}

/// A device of version 1.0.0 whose downloads take five seconds or more.
fn world() -> World {
    let mut world = World::new();
    world.hub.borrow_mut().serves_twin = true;
    world.board = Some(Board {
        primary: image("1.0.0", 3000),
        pace: 500,
        ..Board::default()
    });
    world
}

fn board(world: &mut World) -> &mut Board {
    world.board.as_mut().unwrap()
}

/// The desired property that deploys a version of so many bytes.
fn deployment(world: &mut World, id: &str, version: &str, length: usize) -> String {
    let image = image(version, length);
    let manifest = manifest(version, &image);
    board(world).net.files.insert("/image".into(), image);
    let value = service(id, &manifest, &Chain::of(&manifest).text(), ADDRESS);
    format!("\"deviceUpdate\":{{\"__t\":\"c\",\"service\":{value}}}")
}

/// Puts a deployment into the twin, from where a device reads it when it joins.
fn desire(world: &mut World, id: &str, version: &str) {
    let desired = deployment(world, id, version, 5000);
    world.hub.borrow_mut().desired = desired;
}

/// Deploys at a time, to a device that is connected then.
fn deploy_at(world: &mut World, at: u64, id: &str, version: &str) {
    let desired = deployment(world, id, version, 5000);
    push(world, at, &desired);
}

fn push(world: &mut World, at: u64, desired: &str) {
    let version = world.hub.borrow().version + 1 + world.pushes.len() as u64;
    let topic = format!("{DESIRED}{version}").leak();
    let body = format!("{{{desired},\"$version\":{version}}}").leak();
    world.pushes.push_back((at, topic, body));
}

/// The history of a device.
#[derive(Debug, Default)]
struct Life {
    /// Versions of the images that ran, in order.
    images: Vec<String>,
    cuts: usize,
}

/// Has the device live for this time, over its restarts. A power cut is one more restart.
fn live(world: &mut World, time: Duration) -> Life {
    live_as(world, time, &Pump::default())
}

fn live_as(world: &mut World, time: Duration, pump: &Pump) -> Life {
    let until = Duration::from_millis(world.now) + time;
    world.stop_after(until);
    let mut life = Life::default();
    let identity = identity(KEY);
    let roots = roots();
    let has_outages = !world.hub.borrow().outages.is_empty();
    loop {
        let version: &'static str = board(world).version().leak();
        life.images.push(version.into());
        let config = Config {
            twin: true,
            telemetry_interval: Some(Duration::from_secs(1)),
            facts: Facts {
                firmware_version: version,
                ..Facts::default()
            },
            update: Some(Settings {
                patience: 3,
                ..Settings::new("Contoso", "Toaster", &roots, verify_rs256)
            }),
            ..Config::default()
        };
        let stored = world.hub.borrow().log.stored.len();
        let mut memory = Memory::default();
        let mut device =
            Device::new(&identity, config, buffers(&mut memory), pump.clone()).unwrap();
        let run = catch_unwind(AssertUnwindSafe(|| run(&mut device, world)));
        let restarts = device.work().wants_restart();
        let report = *device.report();
        drop(device);
        match run {
            Ok(()) => {
                let lost = report.dropped.total() + u64::from(report.queued);
                assert_eq!(
                    report.telemetry_due,
                    report.telemetry_acknowledged + lost,
                    "{report:?}"
                );
                assert!(lost == 0 || has_outages, "{report:?}");
            }
            Err(cut) => {
                assert!(cut.is::<PowerCut>(), "a panic");
                life.cuts += 1;
            }
        }
        // Each run counts from 1: none is missing between.
        let counts: Vec<u64> = world.hub.borrow().log.stored[stored..]
            .iter()
            .map(|(count, _)| *count)
            .collect();
        assert!(has_outages || counts.iter().copied().eq(1..=counts.len() as u64));
        if world.now >= until.as_millis() as u64 && !restarts {
            return life;
        }
        board(world).restart();
    }
}

/// The service's view: state, result code, details, and the version that is installed.
fn agent(world: &World) -> (i64, Option<i64>, String, String) {
    let patches = patches(world);
    let last = patches
        .iter()
        .rev()
        .find(|patch| patch.contains("\"agent\""));
    let agent = Value::parse(last.expect("a report").as_bytes()).unwrap();
    let agent = agent
        .get("deviceUpdate")
        .and_then(|it| it.get("agent"))
        .unwrap();
    let result = agent.get("lastInstallResult").unwrap();
    let text = |value: Option<Value<'_>>| {
        let text = value.and_then(Value::as_text);
        text.map(|text| text.to_string()).unwrap_or_default()
    };
    let installed = text(agent.get("installedUpdateId"));
    let installed = Value::parse(installed.as_bytes()).unwrap();
    (
        agent.get("state").and_then(Value::as_i64).unwrap(),
        result.get("resultCode").and_then(Value::as_i64),
        text(result.get("resultDetails")),
        text(installed.get("version")),
    )
}

/// States that `updateStatus` told, each once in a row.
fn states(world: &World) -> Vec<String> {
    let mut states = Vec::new();
    for patch in patches(world) {
        let patch = Value::parse(patch.as_bytes()).unwrap();
        if let Some(status) = patch.get("updateStatus") {
            states.push(status.get("state").unwrap().as_text().unwrap().to_string());
        }
    }
    states.dedup();
    states
}

fn is_updated(world: &mut World, version: &str) {
    assert_eq!(
        (board(world).version().as_str(), board(world).on_trial),
        (version, false)
    );
    let (state, code, _, installed) = agent(world);
    assert_eq!((state, code, installed.as_str()), (0, Some(700), version));
}

#[test]
fn a_device_is_updated_while_it_goes_on_sending_and_says_so() {
    let mut world = world();
    deploy_at(&mut world, 10_000, "w1", "1.1.0");
    let life = live(&mut world, 5 * MINUTE);
    assert_eq!(life.images, ["1.0.0", "1.1.0"]);
    is_updated(&mut world, "1.1.0");
    assert_eq!(
        states(&world),
        ["idle", "downloading", "restarting", "onTrial", "idle"]
    );
    let shown = &world.shown;
    assert!(shown.contains(&Status::Updating));
    assert_eq!(shown.last(), Some(&Status::Connected));
    let sent = world.hub.borrow().log.stored.len();
    assert!((295..=301).contains(&sent), "{sent} messages in 300 s");
}

#[test]
fn an_application_holds_an_update_up_and_nothing_else() {
    let mut world = world();
    deploy_at(&mut world, 10_000, "w1", "1.1.0");
    let pump = Pump {
        runs_until: Instant::from_millis(70_000),
        ..Pump::default()
    };
    let life = live_as(&mut world, MINUTE, &pump);
    assert_eq!((life.images.len(), agent(&world).0), (1, 6));
    assert_eq!(states(&world), ["idle", "waiting"]);
    live_as(&mut world, 2 * MINUTE, &pump);
    is_updated(&mut world, "1.1.0");
}

#[test]
fn an_image_that_never_joins_gives_way_and_the_device_goes_on_sending() {
    let mut world = world();
    desire(&mut world, "w1", "1.1.0");
    world.hub.borrow_mut().outages = std::vec![(4000, 30 * 60_000)];
    let life = live(&mut world, 60 * MINUTE);
    assert_eq!(life.images, ["1.0.0", "1.1.0", "1.0.0"]);
    let (state, code, details, installed) = agent(&world);
    assert_eq!((state, code, installed.as_str()), (255, Some(0), "1.0.0"));
    let start = "the new image did not join its hub in time: ";
    assert!(details.starts_with(start), "{details}");
    assert!(states(&world).ends_with(&["failed".into()]));
}

#[test]
fn a_device_that_is_switched_off_in_good_order_during_a_trial_goes_on_with_it() {
    let mut world = world();
    desire(&mut world, "w1", "1.1.0");
    world.hub.borrow_mut().outages = std::vec![(4000, 3 * 60_000)];
    for at in [60, 90] {
        world.stop_after(Duration::from_secs(at));
    }
    let life = live(&mut world, 10 * MINUTE);
    // The boot loader goes back each time, and the image before starts the trial again.
    let images = ["1.0.0", "1.1.0", "1.0.0", "1.1.0", "1.0.0", "1.1.0"];
    assert_eq!(life.images, images);
    is_updated(&mut world, "1.1.0");
}

#[test]
fn a_workflow_is_cancelled_and_another_one_replaces_a_third() {
    let mut world = world();
    deploy_at(&mut world, 10_000, "w1", "1.1.0");
    let cancel = r#""deviceUpdate":{"__t":"c","service":{"workflow":{"action":255,"id":"w1"}}}"#;
    push(&mut world, 12_000, cancel);
    live(&mut world, MINUTE);
    let (state, code, details, installed) = agent(&world);
    let cancelled = (0, Some(-1), "cancelled", "1.0.0");
    assert_eq!(
        (state, code, details.as_str(), installed.as_str()),
        cancelled
    );

    deploy_at(&mut world, 70_000, "w2", "1.1.0");
    let life = live(&mut world, Duration::from_secs(12));
    assert!(matches!(
        states(&world).last().unwrap().as_str(),
        "downloading"
    ));
    assert_eq!(life.images, ["1.0.0"]);
    let now = world.now;
    deploy_at(&mut world, now + 2000, "w3", "1.2.0");
    live(&mut world, MINUTE);
    is_updated(&mut world, "1.2.0");
}

#[test]
fn an_operator_rolls_an_update_back_and_has_the_answer_before_the_restart() {
    let mut world = world();
    desire(&mut world, "w1", "1.1.0");
    for (at, topic) in [
        (2000, "$iothub/methods/POST/rollback/?$rid=1"),
        (60_000, "$iothub/methods/POST/rollback/?$rid=2"),
        (120_000, "$iothub/methods/POST/getStatus/?$rid=3"),
    ] {
        world.pushes.push_back((at, topic, ""));
    }
    let life = live(&mut world, 5 * MINUTE);
    assert_eq!(life.images, ["1.0.0", "1.1.0", "1.0.0"]);
    is_updated(&mut world, "1.0.0");
    let answers = super::operator::requests(&world, "$iothub/methods/res/");
    let answers: Vec<_> = answers
        .iter()
        .map(|(topic, body)| (topic.as_str(), body))
        .collect();
    let [(refused, _), (done, version), (_, status)] = answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(refused, "$iothub/methods/res/409/?$rid=1");
    assert_eq!(done, "$iothub/methods/res/200/?$rid=2");
    assert_eq!(version, r#"{"version":"1.0.0"}"#);
    let expected = r#""update":{"state":"idle","percent":null,"version":null,"reason":null,"previous":"1.1.0"}"#;
    assert!(status.contains(expected), "{status}");
}

/// Has the power cut before, or after, each step of a life that survives a restart. The device ends with one of the two
/// images, proven and reported, and takes the next update.
fn cut_everywhere(begin: impl Fn() -> World, (from, to): (&str, &str)) -> usize {
    let mut count = 0;
    for step in 0.. {
        let mut is_over = true;
        for is_done in [false, true] {
            let mut world = begin();
            board(&mut world).cut = Some((step, is_done));
            let life = live(&mut world, 2 * MINUTE);
            is_over &= life.cuts == 0;
            count += life.cuts;
            let version = board(&mut world).version();
            let (state, code, details, installed) = agent(&world);
            let place = format!("step {step}, {is_done}: {life:?}, {details}");
            assert!([from, to].contains(&version.as_str()), "{place}");
            assert_eq!(
                (&installed, board(&mut world).on_trial),
                (&version, false),
                "{place}"
            );
            match (state, code) {
                (0, Some(700)) => {}
                (255, Some(0)) => assert!(version == from && !details.is_empty(), "{place}"),
                other => panic!("{other:?} at {place}"),
            }
            let now = world.now;
            deploy_at(&mut world, now + 5000, "next", "1.2.0");
            live(&mut world, 2 * MINUTE);
            is_updated(&mut world, "1.2.0");
        }
        if is_over {
            break;
        }
    }
    count
}

#[test]
fn a_power_cut_at_any_step_of_an_update_leaves_one_image_that_says_what_became_of_it() {
    let begin = || {
        let mut world = world();
        desire(&mut world, "w1", "1.1.0");
        world
    };
    let cuts = cut_everywhere(begin, ("1.0.0", "1.1.0"));
    assert!(cuts >= 16, "{cuts} cuts");
}

#[test]
fn a_power_cut_at_any_step_of_a_rollback_leaves_one_of_the_two_images() {
    let begin = || {
        let mut world = world();
        desire(&mut world, "w1", "1.1.0");
        live(&mut world, MINUTE);
        is_updated(&mut world, "1.1.0");
        let topic = "$iothub/methods/POST/rollback/?$rid=1";
        world.pushes.push_back((70_000, topic, ""));
        world
    };
    let cuts = cut_everywhere(begin, ("1.1.0", "1.0.0"));
    assert!(cuts >= 12, "{cuts} cuts");
}

#[test]
fn a_download_that_a_power_cut_ends_goes_on_there_with_telemetry_on_both_sides() {
    let mut world = world();
    let desired = deployment(&mut world, "w1", "1.1.0", 60_000);
    world.hub.borrow_mut().desired = desired;
    // Two are loaded, the start is stored, and then the first 32 KB.
    board(&mut world).cut = Some((3, true));
    let life = live(&mut world, 5 * MINUTE);
    assert_eq!((life.cuts, life.images.len()), (1, 3));
    is_updated(&mut world, "1.1.0");
    let requests = &board(&mut world).net.requests;
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[1], "/image 0");
}
