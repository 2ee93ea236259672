//! Software updates over a session with the provisioning service, as a device of Microsoft's preview has them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::dps::*;
use common::*;
use local_hub::{Hub, Import, UpdateFault, UpdateId};
use serde_json::{Value, json};

const PREVIEW: &str = "2026-11-02-preview";
const ID: &str = "toaster";

fn update_id(version: &str) -> UpdateId {
    UpdateId {
        provider: "Contoso".into(),
        name: "Toaster".into(),
        version: version.into(),
    }
}

/// A hub with an enrolment and an update; gives the registration's key.
fn site() -> (Hub, String) {
    let hub = hub_with(|config| config.updates = Some(([127, 0, 0, 1], 0).into()));
    let key = primary_key(&hub.enroll(ID, by_keys()).unwrap());
    let set = [
        ("deviceManufacturer".to_owned(), "Contoso".to_owned()),
        ("deviceModel".to_owned(), "Toaster".to_owned()),
    ];
    let import = Import {
        id: update_id("1.1.0"),
        compatibility: vec![set.into()],
        file_name: "image.bin".into(),
        installed_criteria: None,
    };
    hub.import_update(import, b"image 1.1.0").unwrap();
    (hub, key)
}

/// A session of this version of the interface.
fn session(hub: &Hub, key: &str, version: &str) -> Client {
    let packet = connect_packet_of(hub.id_scope(), ID, Some(key), version);
    let mut client = Client::open(hub);
    client.send(&packet);
    client.expect(&CONNACK_NEW);
    client.send(&subscribe(1, &[(RESPONSES, 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    client
}

/// Status, body, and whether the device is told when to try again.
fn ask(client: &mut Client, operation: &str, body: &Value) -> (u16, Value, bool) {
    let topic = format!("$dps/registrations/POST/iotdps-{operation}/?$rid=su1");
    client.send(&publish(&topic, Some(9), body.to_string().as_bytes()));
    client.expect(&[0x40, 2, 0, 9]);
    let (topic, body) = answer(client);
    let rest = topic.strip_prefix("$dps/registrations/res/").unwrap();
    let (status, query) = rest.split_once("/?").unwrap();
    assert!(query.starts_with("$rid=su1"), "{query}");
    (
        status.parse().unwrap(),
        body,
        query.contains("&retry-after="),
    )
}

fn agent() -> Value {
    json!({
        "agentSdkVersion": "1.0.0", "agentProfile": 1,
        "compatibilityProperties": {"manufacturer": "contoso", "model": "TOASTER"},
    })
}

fn onboarding() -> Value {
    json!({ "agentInfo": agent() })
}

fn operational(version: &str) -> Value {
    json!({ "agentInfo": agent(), "installedUpdateId": update_id(version) })
}

fn report(workflow: &str, outcome: &str, origin: &str) -> Value {
    let mut result = json!({
        "outcome": outcome, "failureOrigin": origin, "resultCode": 700, "extendedResultCodes": "0,8001F",
    });
    if outcome != "IN_PROGRESS" {
        result["stepResults"] = json!({ "step_0": result });
    }
    json!({"workflowId": workflow, "installedUpdateId": update_id("1.1.0"), "installResult": result})
}

const GET: &str = "get-deviceupdate";
const ONBOARDING: &str = "get-onboarding-deviceupdate";
const REPORT: &str = "report-deviceupdatestatus";

#[test]
fn an_update_is_offered_to_a_provisioned_device_until_its_final_report() {
    let (hub, key) = site();
    let mut client = session(&hub, &key, PREVIEW);
    let (status, none, _) = ask(&mut client, GET, &operational("1.0.0"));
    assert_eq!((status, &none["updateMetadata"]), (200, &Value::Null));
    let workflow = hub.offer_update(&update_id("1.1.0"), ID, false).unwrap();
    let (status, offer, _) = ask(&mut client, GET, &operational("1.0.0"));
    assert_eq!(status, 200);
    let metadata = &offer["updateMetadata"];
    assert_eq!(metadata["workflowId"], workflow.as_str());
    let manifest: Value =
        serde_json::from_str(metadata["updateManifest"].as_str().unwrap()).unwrap();
    assert_eq!(manifest["updateId"]["version"], "1.1.0");
    assert_eq!(
        metadata["updateManifestSignature"]
            .as_str()
            .unwrap()
            .split('.')
            .count(),
        3
    );
    assert_eq!(metadata["fileUrls"].as_object().unwrap().len(), 1);
    let keys = offer["serviceConfiguration"]["rootKeyDownloadUrl"]
        .as_str()
        .unwrap();
    assert!(keys.starts_with("http://"), "{keys}");
    // It is not one for the time before the registration, nor for a device that has it.
    assert_eq!(
        ask(&mut client, ONBOARDING, &onboarding()).1["updateMetadata"],
        Value::Null
    );
    assert_eq!(
        ask(&mut client, GET, &operational("1.1.0")).1["updateMetadata"],
        Value::Null
    );

    let state = || hub.offered_update(ID)["state"].clone();
    assert_eq!(state(), "Pending");
    let begun = report(&workflow, "IN_PROGRESS", "NOT_APPLICABLE");
    assert_eq!(ask(&mut client, REPORT, &begun).0, 200);
    assert_eq!(state(), "InProgress");
    let done = report(&workflow, "SUCCEEDED", "NOT_APPLICABLE");
    for _ in 0..2 {
        assert_eq!(
            ask(&mut client, REPORT, &done).0,
            200,
            "once more is no error"
        );
    }
    let skipped = report(&workflow, "SKIPPED", "NOT_APPLICABLE");
    assert_eq!(ask(&mut client, REPORT, &skipped).0, 200);
    let (status, conflict, _) = ask(&mut client, REPORT, &report(&workflow, "FAILED", "DEVICE"));
    assert_eq!(
        (status, &conflict["errorCode"], &conflict["message"]),
        (409, &409_000.into(), &"REPORT_CONFLICT".into())
    );
    assert_eq!(state(), "Succeeded");
    assert_eq!(
        ask(&mut client, GET, &operational("1.0.0")).1["updateMetadata"],
        Value::Null
    );
}

#[test]
fn an_update_of_onboarding_is_offered_before_the_registration_and_after_its_report_too() {
    let (hub, key) = site();
    let mut client = session(&hub, &key, PREVIEW);
    let workflow = hub.offer_update(&update_id("1.1.0"), ID, true).unwrap();
    for _ in 0..2 {
        let (_, offer, _) = ask(&mut client, ONBOARDING, &onboarding());
        assert_eq!(offer["updateMetadata"]["workflowId"], workflow.as_str());
        let failed = report(&workflow, "FAILED", "AGENT_CORE");
        assert_eq!(ask(&mut client, REPORT, &failed).0, 200);
    }
    assert_eq!(
        ask(&mut client, GET, &operational("1.0.0")).1["updateMetadata"],
        Value::Null
    );
    // The same session registers.
    let state = provision(&mut client, ID);
    assert_eq!(state["deviceId"], ID);
    hub.withdraw_update(ID).unwrap();
    assert_eq!(
        ask(&mut client, ONBOARDING, &onboarding()).1["updateMetadata"],
        Value::Null
    );
    assert_eq!(hub.offered_update(ID), Value::Null);
}

#[test]
fn etags_leave_out_what_the_device_has_and_outdated_ones_are_told() {
    let (hub, key) = site();
    let mut client = session(&hub, &key, PREVIEW);
    let (_, first, _) = ask(&mut client, ONBOARDING, &onboarding());
    let mut again = onboarding();
    again["agentInfoEtag"] = first["agentInfoEtag"].clone();
    again["serviceConfigEtag"] = first["serviceConfigEtag"].clone();
    let (status, second, _) = ask(&mut client, ONBOARDING, &again);
    assert_eq!((status, second.get("serviceConfiguration")), (200, None));
    let mut changed = again.clone();
    changed["agentInfo"]["agentSdkVersion"] = "1.0.1".into();
    let (status, error, _) = ask(&mut client, ONBOARDING, &changed);
    assert_eq!(
        (status, &error["message"]),
        (400, &"OUTDATED_AGENT_INFO".into())
    );
    again["serviceConfigEtag"] = "0".into();
    let (status, error, _) = ask(&mut client, ONBOARDING, &again);
    assert_eq!(
        (status, &error["message"]),
        (400, &"OUTDATED_SERVICE_CONFIG".into())
    );
}

#[test]
fn each_operation_fails_as_an_operator_says_and_the_session_goes_on() {
    let (hub, key) = site();
    let mut client = session(&hub, &key, PREVIEW);
    let workflow = hub.offer_update(&update_id("1.1.0"), ID, false).unwrap();
    let done = report(&workflow, "SUCCEEDED", "NOT_APPLICABLE");
    for (operation, body, of, linked) in [
        (
            ONBOARDING,
            onboarding(),
            (|status| UpdateFault::Onboarding { status }) as fn(u16) -> UpdateFault,
            "UPDATE_ACCOUNT_NOT_LINKED",
        ),
        (
            GET,
            operational("1.0.0"),
            |status| UpdateFault::Get { status },
            "UPDATE_ACCOUNT_NOT_LINKED",
        ),
        (
            REPORT,
            done,
            |status| UpdateFault::Report { status },
            "REPORT_CONFLICT",
        ),
    ] {
        for (status, message, waits) in [
            (409, linked, false),
            (429, "TOO_MANY_REQUESTS", true),
            (500, "INTERNAL_SERVER_ERROR", true),
            (503, "UPSTREAM_UNAVAILABLE", true),
        ] {
            hub.inject_update_fault(of(status), 1);
            let (answered, error, told) = ask(&mut client, operation, &body);
            assert_eq!(
                (answered, &error["message"], told),
                (status, &message.into(), waits),
                "{operation}"
            );
            assert_eq!(
                error["errorCode"].as_u64().unwrap() / 1000,
                u64::from(status)
            );
        }
        assert_eq!(ask(&mut client, operation, &body).0, 200, "{operation}");
    }
}

#[test]
fn what_the_contract_does_not_have_is_refused_by_name() {
    let (hub, key) = site();
    let workflow = hub.offer_update(&update_id("1.1.0"), ID, false).unwrap();
    let mut client = session(&hub, &key, PREVIEW);
    let changed = |mut body: Value, path: &str, value: Value| {
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    let six: Value = (0..6)
        .map(|n| (format!("p{n}"), "x".into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let done = report(&workflow, "SUCCEEDED", "NOT_APPLICABLE");
    let mut without_steps = done.clone();
    without_steps["installResult"]
        .as_object_mut()
        .unwrap()
        .remove("stepResults");
    let mut begun_with_steps = report(&workflow, "IN_PROGRESS", "NOT_APPLICABLE");
    begun_with_steps["installResult"]["stepResults"] = done["installResult"]["stepResults"].clone();
    for (operation, body, message) in [
        (ONBOARDING, operational("1.0.0"), "INVALID_REQUEST"),
        (GET, onboarding(), "INVALID_REQUEST"),
        (GET, json!({"agentInfo": {}}), "INVALID_REQUEST"),
        (
            GET,
            changed(operational("1.0.0"), "/agentInfo/agentProfile", "1".into()),
            "INVALID_REQUEST",
        ),
        (
            GET,
            changed(
                operational("1.0.0"),
                "/agentInfo/compatibilityProperties",
                six,
            ),
            "INVALID_COMPATIBILITY_PROPERTIES",
        ),
        (
            GET,
            changed(
                operational("1.0.0"),
                "/agentInfo/compatibilityProperties",
                json!({}),
            ),
            "INVALID_COMPATIBILITY_PROPERTIES",
        ),
        (
            REPORT,
            report(&workflow, "SUCCEEDED", "DEVICE"),
            "INVALID_REQUEST",
        ),
        (
            REPORT,
            report(&workflow, "FAILED", "NOT_APPLICABLE"),
            "INVALID_REQUEST",
        ),
        (
            REPORT,
            report(&workflow, "DONE", "NOT_APPLICABLE"),
            "INVALID_REQUEST",
        ),
        (
            REPORT,
            changed(
                done.clone(),
                "/installResult/extendedResultCodes",
                "0x1".into(),
            ),
            "INVALID_REQUEST",
        ),
        (
            REPORT,
            changed(
                done.clone(),
                "/installResult/stepResults/step_0",
                json!({"resultCode": 700}),
            ),
            "INVALID_REQUEST",
        ),
        (REPORT, without_steps, "INVALID_REQUEST"),
        (REPORT, begun_with_steps, "INVALID_REQUEST"),
    ] {
        let (status, error, _) = ask(&mut client, operation, &body);
        assert_eq!(
            (status, &error["message"]),
            (400, &message.into()),
            "{operation} {body}"
        );
    }
    let (status, error, _) = ask(
        &mut client,
        REPORT,
        &report("another", "SUCCEEDED", "NOT_APPLICABLE"),
    );
    assert_eq!(
        (status, &error["message"]),
        (404, &"UNKNOWN_WORKFLOW_ID".into())
    );

    let mut old = session(&hub, &key, "2019-03-31");
    let (status, error, _) = ask(&mut old, GET, &operational("1.0.0"));
    assert_eq!(
        (status, &error["message"]),
        (400, &"UNSUPPORTED_API_VERSION".into())
    );
    let stranger = "MDEyMzQ1Njc4OWFiY2RlZg==";
    let mut stranger = session(&hub, stranger, PREVIEW);
    let (status, error, _) = ask(&mut stranger, GET, &operational("1.0.0"));
    assert_eq!((status, &error["errorCode"]), (401, &401_002.into()));
    // Another name is no operation, and ends the session as any unknown topic does.
    client.send(&publish(
        "$dps/registrations/POST/iotdps-get-update/?$rid=1",
        None,
        b"{}",
    ));
    client.expect_close();
}
