//! Updates over sessions with the provisioning service: before the registration, and of a provisioned device.

use core::time::Duration;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use super::*;
use crate::device::Config;
use crate::device::tests::application::App;
use crate::device::tests::sim::World;
use crate::device::tests::{Memory, buffers};
use crate::identity::SharedAccessKey;
use crate::provisioning::{Attestation, GLOBAL_ENDPOINT, IdScope, RegistrationId};
use crate::report::Facts;
use crate::update::tests::world::{Board, image};
use crate::update::tests::{Chain, PackageText, manifest, roots, verify_rs256};
use crate::update::{Channel, Settings};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const ONBOARDING: &str = "iotdps-get-onboarding-deviceupdate";
const GET: &str = "iotdps-get-deviceupdate";
const REPORT: &str = "iotdps-report-deviceupdatestatus";
const REGISTER: &str = "iotdps-register";

/// A device that asks each hour, and both services.
fn world() -> World {
    let mut world = World::new();
    world.other_host_name = Some((GLOBAL_ENDPOINT, "mydevice01"));
    world.hub.borrow_mut().serves_twin = true;
    world.board = Some(Board {
        primary: image("1.0.0", 3000),
        pace: 500,
        ..Board::default()
    });
    world
}

/// An offer as the service makes it.
fn offer(world: &mut World, workflow: &str, version: &str) -> String {
    let image = image(version, 5000);
    let manifest = manifest(version, &image);
    let board = world.board.as_mut().unwrap();
    board.net.files.insert("/image".into(), image);
    format!(
        "{{\"updateMetadata\":{{\"workflowId\":\"{workflow}\",\"updateManifest\":\"{}\",\"updateManifestSignature\":\"{}\",\
         \"fileUrls\":{{\"f1\":\"http://files.example:8080/image\"}}}}}}",
        manifest.replace('"', "\\\""),
        Chain::of(&manifest).text()
    )
}

fn answer(world: &World, operation: &'static str, status: u16, query: &'static str, body: &str) {
    let answer = (operation, status, query, body.to_string());
    world.hub.borrow_mut().service.push(answer);
}

/// Has the device live for this time, over its restarts. Gives the versions that ran.
fn live(world: &mut World, time: Duration) -> Vec<String> {
    world.stop_after(Duration::from_millis(world.now) + time);
    let key = SharedAccessKey::from_base64("MDEyMzQ1Njc4OWFiY2RlZg==").unwrap();
    let enrollment = Enrollment::new(
        IdScope::parse("0ne00ABCDEF").unwrap(),
        RegistrationId::parse("MyDevice01").unwrap(),
        Attestation::SymmetricKey(key),
    );
    let roots = roots();
    let mut images = Vec::new();
    loop {
        let version: &'static str = world.board.as_ref().unwrap().version().leak();
        images.push(version.to_string());
        let config = Config {
            telemetry_interval: Some(Duration::from_secs(10)),
            facts: Facts {
                firmware_version: version,
                ..Facts::default()
            },
            update: Some(Settings {
                channel: Channel::Provisioning { poll: HOUR },
                ..Settings::new("Contoso", "Toaster", &roots, verify_rs256)
            }),
            ..Config::default()
        };
        let access = Access::Provisioning(&enrollment, provisioning::Config::default());
        let mut carryover = Carryover::default();
        let mut memory = Memory::default();
        let buffers = &mut buffers(&mut memory);
        let end = run(
            &access,
            &config,
            buffers,
            App::default(),
            world,
            &mut carryover,
        );
        let dropped = carryover.report().dropped.total();
        assert_eq!(dropped, 0, "{:?}", carryover.report());
        match end.unwrap() {
            End::Restart => world.board.as_mut().unwrap().restart(),
            End::Stopped => return images,
        }
    }
}

/// Names of the operations that were asked for, with their bodies.
fn operations(world: &World) -> Vec<(String, String)> {
    let hub = world.hub.borrow();
    let own = hub.log.requests.iter().filter_map(|(topic, body)| {
        let rest = topic.strip_prefix("$dps/registrations/")?;
        let name = rest.split('/').nth(1)?;
        Some((name.to_string(), body.clone()))
    });
    own.collect()
}

fn names(world: &World) -> Vec<String> {
    operations(world)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_provisioned_device_asks_takes_an_update_and_reports_it_once() {
    let mut world = world();
    let offer = offer(&mut world, "w1", "1.1.0");
    answer(&world, GET, 200, "", &offer);
    // An onboarding job, or this one, may go on offering it.
    answer(&world, GET, 200, "", &offer);
    let images = live(&mut world, 5 * HOUR);
    assert_eq!(images, ["1.0.0", "1.1.0"]);
    let operations = operations(&world);
    let names = names(&world);
    assert_eq!(names[..5], [ONBOARDING, REGISTER, GET, REPORT, GET]);
    assert_eq!(names.iter().filter(|name| *name == REPORT).count(), 1);
    assert!(names.len() >= 8, "one question an hour: {names:?}");
    let report = &operations[3].1;
    assert!(
        report.contains(r#""workflowId":"w1""#) && report.contains("SUCCEEDED"),
        "{report}"
    );
    assert!(report.contains(r#""version":"1.1.0"}"#), "{report}");
    // The last answers named etags.
    let last = &operations.last().unwrap().1;
    assert!(
        last.contains(r#""agentInfoEtag":"a1","serviceConfigEtag":"c1""#),
        "{last}"
    );
    let hub = world.hub.borrow();
    let (user_name, _) = &hub.log.connects[0];
    assert!(
        user_name.contains("/api-version=2026-11-02-preview&"),
        "{user_name}"
    );
    // The twin's component is the other channel's.
    assert!(
        !hub.log
            .requests
            .iter()
            .any(|(_, body)| body.contains("deviceUpdate"))
    );
    let sent = hub.log.stored.len();
    assert!(sent > 1700, "{sent} messages in 5 hours");
}

#[test]
fn nothing_of_updates_holds_a_registration_up_for_more_than_a_minute() {
    for (status, query, body, until) in [
        (
            409,
            "",
            r#"{"errorCode":409001,"message":"UPDATE_ACCOUNT_NOT_LINKED"}"#,
            0,
        ),
        (400, "", r#"{"message":"INVALID_REQUEST"}"#, 0),
        (200, "", "no JSON", 65),
        (429, "&retry-after=20", r#"{"message":"THROTTLED"}"#, 21),
        (429, "&retry-after=3000", r#"{"message":"THROTTLED"}"#, 61),
        (503, "", "", 6),
        (0, "", "", 61),
    ] {
        let mut world = world();
        answer(&world, ONBOARDING, status, query, body);
        live(&mut world, 70 * Duration::from_secs(1));
        let names = names(&world);
        assert!(
            names.contains(&REGISTER.to_string()),
            "{status} {query}: {names:?}"
        );
        let hub = world.hub.borrow();
        let joined = hub.log.attempts[1];
        assert!(
            joined <= until * 1000,
            "{status} {query}: joined after {joined} ms"
        );
    }
    // Again and again.
    let mut world = world();
    for _ in 0..100 {
        answer(&world, ONBOARDING, 500, "", "");
    }
    live(&mut world, 2 * MINUTE);
    assert!(world.hub.borrow().log.attempts[1] <= 61_000);
}

#[test]
fn an_update_of_onboarding_is_taken_once_the_device_is_registered() {
    let mut world = world();
    let offer = offer(&mut world, "w1", "1.1.0");
    // It comes with a root key package, and is not offered again.
    let keys = PackageText::default().text().into_bytes();
    let board = world.board.as_mut().unwrap();
    board.net.files.insert("/keys".into(), keys);
    let address =
        "{\"serviceConfiguration\":{\"rootKeyDownloadUrl\":\"http://files.example:8080/keys\"},";
    let offer = offer.replacen('{', address, 1);
    answer(&world, ONBOARDING, 429, "&retry-after=5", "");
    answer(&world, ONBOARDING, 200, "", &offer);
    let images = live(&mut world, 10 * MINUTE);
    assert_eq!(images, ["1.0.0", "1.1.0"]);
    let names = names(&world);
    assert_eq!(names[..3], [ONBOARDING, ONBOARDING, REGISTER]);
    assert!(names.contains(&REPORT.to_string()));
}

#[test]
fn a_report_is_made_again_until_the_service_has_it_also_after_a_restart() {
    let mut world = world();
    let offer = offer(&mut world, "w1", "1.1.0");
    answer(&world, GET, 200, "", &offer);
    for (status, query) in [(500, ""), (429, "&retry-after=600"), (503, "")] {
        answer(
            &world,
            REPORT,
            status,
            query,
            r#"{"message":"TOO_MANY_REQUESTS"}"#,
        );
    }
    live(&mut world, 10 * MINUTE);
    let reports = |world: &World| names(world).iter().filter(|name| *name == REPORT).count();
    let before = reports(&world);
    assert!((1..3).contains(&before), "{before}");
    // A power cut.
    world.board.as_mut().unwrap().restart();
    live(&mut world, 3 * HOUR);
    assert_eq!(reports(&world), 4);
    let all = operations(&world);
    let bodies: Vec<&String> = all
        .iter()
        .filter(|(name, _)| name == REPORT)
        .map(|(_, body)| body)
        .collect();
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "{bodies:?}"
    );
}

#[test]
fn a_report_that_the_service_does_not_want_is_given_up() {
    for (status, body) in [
        (409, r#"{"errorCode":409000,"message":"REPORT_CONFLICT"}"#),
        (400, r#"{"errorCode":400012,"message":"INVALID_REQUEST"}"#),
        (404, r#"{"message":"UNKNOWN_WORKFLOW_ID"}"#),
    ] {
        let mut world = world();
        let offer = offer(&mut world, "w1", "1.1.0");
        answer(&world, GET, 200, "", &offer);
        answer(&world, REPORT, status, "", body);
        live(&mut world, 3 * HOUR);
        let reports = names(&world).iter().filter(|name| *name == REPORT).count();
        assert_eq!(reports, 1, "{status}");
    }
}

#[test]
fn outdated_etags_are_left_out_and_the_question_is_asked_again() {
    let mut world = world();
    let outdated = r#"{"message":"OUTDATED_AGENT_INFO"}"#;
    live(&mut world, 2 * MINUTE);
    answer(&world, GET, 400, "", outdated);
    let before = operations(&world).len();
    // One more start, which knows no etags: the first question gives them, and the second has them refused.
    answer(
        &world,
        GET,
        200,
        "",
        r#"{"agentInfoEtag":"a2","updateMetadata":null}"#,
    );
    world.hub.borrow_mut().service.swap(0, 1);
    live(&mut world, 2 * HOUR);
    let all = operations(&world);
    let later = &all[before..];
    let etags: Vec<bool> = later
        .iter()
        .map(|(_, body)| body.contains("Etag"))
        .collect();
    assert_eq!(etags[..3], [false, true, false], "{later:?}");
}

#[test]
fn a_failed_update_is_reported_with_its_reason() {
    let mut world = world();
    let offer = offer(&mut world, "w1", "1.1.0").replace("http://files", "ftp://files");
    answer(&world, GET, 200, "", &offer);
    let images = live(&mut world, 10 * MINUTE);
    assert_eq!(images, vec!["1.0.0"]);
    let all = operations(&world);
    let (_, report) = all.iter().find(|(name, _)| name == REPORT).unwrap();
    assert!(
        report.contains(r#""outcome":"FAILED","failureOrigin":"ADU_CLOUD_SERVICE""#),
        "{report}"
    );
    assert!(
        report.contains("the deployment has no address of HTTP"),
        "{report}"
    );
}
