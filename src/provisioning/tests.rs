//! A registration's life on a virtual clock, and every end that it can have.

use core::time::Duration;
use std::string::{String, ToString};
use std::vec::Vec;

use super::{
    Assignment, Attestation, Config, Enrollment, GLOBAL_ENDPOINT, IdScope, Registration,
    RegistrationId,
};
use crate::connection::run;
use crate::device::tests::sim::World;
use crate::device::tests::{Memory, buffers};
use crate::failure::{Failure, ProvisioningFailure};
use crate::identity::SharedAccessKey;
use crate::json::Value;
use crate::report::Report;

const MINUTE: Duration = Duration::from_secs(60);
const OPERATION: &str = "4.d0a671905ea5b2c8.e7173b7b-0e54-4aa0-9d20-aeb1b89e6c7d";

fn enrollment() -> Enrollment {
    let key = SharedAccessKey::from_base64("MDEyMzQ1Njc4OWFiY2RlZg==").unwrap();
    Enrollment::new(
        IdScope::parse("0ne00ABCDEF").unwrap(),
        RegistrationId::parse("Dev-01").unwrap(),
        Attestation::SymmetricKey(key),
    )
}

fn world(answers: &[(u16, &str, &str)]) -> World {
    let mut world = World::new();
    world.host_name = GLOBAL_ENDPOINT;
    let mut hub = world.hub.borrow_mut();
    hub.client_id = "dev-01";
    hub.keeps_sessions = false;
    let owned = answers
        .iter()
        .map(|(status, query, body)| (*status, query.to_string(), body.to_string()));
    hub.answers.extend(owned);
    drop(hub);
    world
}

fn provision(
    world: &mut World,
    time: Duration,
    config: Config<'_>,
) -> (Option<Assignment>, Option<Failure>) {
    let (assignment, report) = provision_counting(world, time, config);
    (assignment, report.last_failure)
}

fn provision_counting(
    world: &mut World,
    time: Duration,
    config: Config<'_>,
) -> (Option<Assignment>, Report) {
    world.stop_after(time);
    let mut memory = Memory::default();
    let enrollment = enrollment();
    let mut registration = Registration::new(&enrollment, config, buffers(&mut memory)).unwrap();
    run(&mut registration, world);
    let report = *registration.report();
    (registration.take_assignment(), report)
}

fn assigned() -> String {
    std::format!(
        r#"{{"operationId":"{OPERATION}","status":"assigned","registrationState":{{"x509":{{}},"registrationId":"dev-01","assignedHub":"contoso.azure-devices.net","deviceId":"dev-01-a","status":"assigned","substatus":"initialAssignment","payload":{{"site":7}},"etag":"\"6200\""}}}}"#
    )
}

fn assigning() -> String {
    std::format!(r#"{{"operationId":"{OPERATION}","status":"assigning"}}"#)
}

#[test]
fn a_registration_is_asked_for_polled_and_assigned() {
    let (assigning, assigned) = (assigning(), assigned());
    let mut world = world(&[
        (202, "&retry-after=3", &assigning),
        (202, "&retry-after=5", &assigning),
        (200, "", &assigned),
    ]);
    let payload = Value::parse(br#"{"model":"x"}"#).unwrap();
    let config = Config {
        payload: Some(payload),
        ..Config::default()
    };
    let (assignment, failure) = provision(&mut world, MINUTE, config);
    assert_eq!(
        assignment,
        Some(
            Assignment::new(
                "contoso.azure-devices.net",
                "dev-01-a",
                Some(r#"{"site":7}"#)
            )
            .unwrap()
        )
    );
    assert_eq!((failure, world.now), (None, 8_000));
    let hub = world.hub.borrow();
    let status = std::format!(
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={OPERATION}"
    );
    assert_eq!(
        hub.log.requests[..2],
        [
            (
                "$dps/registrations/PUT/iotdps-register/?$rid=1".to_string(),
                r#"{"registrationId":"dev-01","payload":{"model":"x"}}"#.to_string()
            ),
            (status, String::new())
        ]
    );
    let (user_name, token) = &hub.log.connects[0];
    assert!(
        user_name.starts_with(
            "0ne00ABCDEF/registrations/dev-01/api-version=2019-03-31&ClientVersion=azure-device%2F"
        ),
        "{user_name}"
    );
    assert!(
        token.starts_with("SharedAccessSignature sr=0ne00ABCDEF%2Fregistrations%2Fdev-01&sig="),
        "{token}"
    );
    assert!(token.ends_with("&skn=registration"), "{token}");
    assert_eq!((hub.log.disconnects, hub.log.broken), (1, 0));
}

#[test]
fn every_end_that_a_person_must_mend_is_named_and_tried_slowly() {
    let disabled = r#"{"operationId":"","status":"disabled","registrationState":{"registrationId":"dev-01","status":"disabled"}}"#;
    let failed = r#"{"operationId":"1","status":"failed","registrationState":{"status":"failed","errorCode":400207,"errorMessage":"Custom allocation failed"}}"#;
    let odd = r#"{"operationId":"1","status":"assigned","registrationState":{"assignedHub":"not a host!","deviceId":"a"}}"#;
    for (answer, failure) in [
        (
            (401, "", r#"{"errorCode":401002,"message":"Unauthorized"}"#),
            ProvisioningFailure::Unauthorized(401_002),
        ),
        (
            (404, "", r#"{"errorCode":404201}"#),
            ProvisioningFailure::NotFound(404_201),
        ),
        ((400, "", "no JSON"), ProvisioningFailure::Refused(400, 0)),
        ((200, "", disabled), ProvisioningFailure::Disabled),
        (
            (200, "", failed),
            ProvisioningFailure::AllocationFailed(400_207),
        ),
        ((200, "", odd), ProvisioningFailure::BadAssignment),
    ] {
        let mut world = world(&[answer; 500]);
        let (assignment, found) = provision(&mut world, 24 * 60 * MINUTE, Config::default());
        assert_eq!(
            (assignment, found),
            (None, Some(Failure::Provisioning(failure)))
        );
        let attempts = world.hub.borrow().log.attempts.len();
        assert!(
            (140..300).contains(&attempts),
            "{attempts} attempts in a day: {failure}"
        );
    }
}

#[test]
fn an_answer_that_does_not_fit_the_receive_buffer_is_named_and_tried_slowly() {
    let body = assigned().replace(
        "\"site\":7",
        &std::format!("\"site\":\"{}\"", "x".repeat(3000)),
    );
    let topic = "$dps/registrations/res/200/?$rid=1";
    let size = 3 + 2 + topic.len() + body.len();
    let mut world = world(&[(200, "", body.as_str())]);
    let (assignment, failure) = provision(&mut world, MINUTE, Config::default());
    let expected = ProvisioningFailure::TooLarge { size, buffer: 2048 };
    assert_eq!(
        (assignment, failure),
        (None, Some(Failure::Provisioning(expected)))
    );
    let hub = world.hub.borrow();
    assert_eq!(hub.log.attempts.len(), 1, "the next one is minutes away");
    assert!(expected.to_string().contains("CONFIG_AZURE_RX_BUFFER_SIZE"));
}

#[test]
fn a_busy_service_is_asked_again_when_it_says() {
    let assigned = assigned();
    let mut world = world(&[
        (429, "&retry-after=10", r#"{"errorCode":429001}"#),
        (500, "", ""),
        (200, "", &assigned),
    ]);
    let (assignment, _) = provision(&mut world, MINUTE, Config::default());
    assert!(assignment.is_some());
    assert_eq!(
        (world.now, world.hub.borrow().log.attempts.len()),
        (12_000, 1)
    );
}

#[test]
fn a_service_that_never_comes_to_an_end_is_given_up_after_five_minutes_and_asked_anew() {
    let assigning = assigning();
    let answers: Vec<_> =
        core::iter::repeat_n((202, "&retry-after=3", assigning.as_str()), 1000).collect();
    let mut world = world(&answers);
    let (assignment, failure) = provision(&mut world, 10 * MINUTE, Config::default());
    assert_eq!(assignment, None);
    assert_eq!(
        failure,
        Some(Failure::Provisioning(ProvisioningFailure::Timeout))
    );
    assert!(world.hub.borrow().log.attempts.len() >= 2);
}

#[test]
fn a_service_that_falls_silent_is_asked_anew() {
    let mut world = world(&[]);
    let (_, failure) = provision(&mut world, 5 * MINUTE, Config::default());
    assert_eq!(
        failure,
        Some(Failure::Provisioning(ProvisioningFailure::Timeout))
    );
    assert!(world.hub.borrow().log.attempts.len() >= 3);
}

#[test]
fn a_refused_connect_names_the_credential() {
    let mut world = world(&[]);
    world.hub.borrow_mut().connacks.extend([5; 3]);
    let (_, failure) = provision(&mut world, MINUTE, Config::default());
    let text = failure.unwrap().to_string();
    assert!(
        text.starts_with("CONNACK 5: not authorized; check the id scope and the registration id"),
        "{text}"
    );
}

#[test]
fn a_refusal_makes_the_clock_suspect_which_signed_the_token() {
    let (unauthorized, assigned) = (r#"{"errorCode":401002}"#, assigned());
    let mut world = world(&[(401, "", unauthorized), (200, "", &assigned)]);
    // Right enough to pass for set, three hours behind: a token of an hour's life is dead on arrival.
    world.sntp.push_back(Ok(-3 * 3_600_000));
    world.hub.borrow_mut().checks_expiry = false;
    let (assignment, _) = provision(&mut world, MINUTE, Config::default());
    assert!(assignment.is_some());
    assert_eq!(world.synchronizations, 2);
}

#[test]
fn nonsense_from_the_service_is_passed_over_or_asked_again() {
    let assigned = assigned();
    let deep = "[".repeat(1000);
    let not_an_object = [
        deep.as_str(),
        "{",
        "",
        "[]",
        "7",
        r#"{"status":7}"#,
        r#"{"status":"frozen"}"#,
        r#"{"status":"assigned"}"#,
        r#"{"status":"assigned","registrationState":{"assignedHub":7,"deviceId":"a"}}"#,
    ];
    for body in not_an_object {
        let mut world = world(&[(200, "", body), (200, "", &assigned)]);
        let (assignment, failure) = provision(&mut world, MINUTE, Config::default());
        assert!(assignment.is_some(), "{body:.40}");
        assert_eq!(
            failure,
            Some(Failure::Provisioning(ProvisioningFailure::Malformed)),
            "{body:.40}"
        );
    }
    // Answers to nothing, while the service takes its time.
    let assigning = assigning();
    let mut world = world(&[(202, "&retry-after=30", &assigning), (200, "", &assigned)]);
    for topic in [
        "$dps/registrations/res/200/?$rid=1",
        "$dps/registrations/res/200/?$rid=77",
        "$dps/registrations/res/200/?$rid=x",
        "$dps/registrations/res/abc/?$rid=2",
        "$dps/registrations/res/",
        "$iothub/twin/res/200/?$rid=1",
    ] {
        world
            .pushes
            .push_back((10_000, topic, r#"{"status":"disabled"}"#));
    }
    let count = world.pushes.len() as u64;
    let (assignment, report) = provision_counting(&mut world, MINUTE, Config::default());
    assert!(assignment.is_some());
    assert_eq!((report.messages_ignored, report.failures), (count, 0));
    assert_eq!(world.now, 30_000);
}

#[test]
fn ids_are_checked_and_the_registration_id_is_made_lower_case() {
    assert_eq!(
        RegistrationId::parse("Dev-01:A.b_c-").unwrap().as_str(),
        "dev-01:a.b_c-"
    );
    for bad in ["", "a b", "a.", "a_", "a:", "a/b", "ä", &"a".repeat(129)] {
        let error = RegistrationId::parse(bad).unwrap_err().to_string();
        assert!(error.contains("looks like"), "{error}");
    }
    assert!(IdScope::parse("0ne00ABCDEF").is_ok() && IdScope::parse("0ne/").is_err());
}

#[test]
fn a_registration_id_of_a_module_is_refused_with_what_to_do() {
    let text = RegistrationId::parse("dev-01/gps").unwrap_err().to_string();
    assert!(
        text.contains("DPS provisions devices only: give a module the"),
        "{text}"
    );
}

#[test]
fn a_group_member_signs_with_its_derived_key() {
    let group =
        SharedAccessKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let member = Enrollment::of_group(
        IdScope::parse("0ne00ABCDEF").unwrap(),
        RegistrationId::parse("dev-01").unwrap(),
        &group,
    );
    let derived =
        SharedAccessKey::from_base64("luaCqHSmg758Dy2PlrF3Vl83Pcf53G9Nc/vj86Xl0d4=").unwrap();
    let Attestation::SymmetricKey(key) = member.attestation() else {
        panic!("it has a key")
    };
    assert_eq!(key.expose(), derived.expose());
}
