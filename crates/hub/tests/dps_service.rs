//! The provisioning service's own API in Azure's shape: what `az iot dps` and Microsoft's service SDKs ask for.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::dps::*;
use common::rest::*;
use common::*;
use local_hub::Hub;
use serde_json::{Value, json};

const GROUP_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn ask(hub: &Hub, line: &str, body: Option<Value>) -> Reply {
    as_owner(hub, line, body)
}

fn by_symmetric_key(id: &str) -> Value {
    json!({ "registrationId": id, "attestation": { "type": "symmetricKey" } })
}

#[test]
fn an_enrolment_is_made_without_keys_read_changed_by_its_etag_and_deleted() {
    let hub = hub();
    let line = "PUT /enrollments/dev-01";
    let mut body = by_symmetric_key("dev-01");
    body["deviceId"] = "Pump-7".into();
    body["reprovisionPolicy"] = json!({ "updateHubAssignment": true, "migrateDeviceData": false });
    let made = ask(&hub, line, Some(body.clone()));
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.body["provisioningStatus"], "enabled");
    assert_eq!(made.body["reprovisionPolicy"], body["reprovisionPolicy"]);
    assert_eq!(made.body["attestation"]["symmetricKey"], Value::Null);
    assert_eq!(made.etag(), made.body["etag"].as_str().unwrap());
    let keys = ask(&hub, "POST /enrollments/dev-01/attestationmechanism", None).body;
    let key = keys["symmetricKey"]["primaryKey"].as_str().unwrap();
    // It provisions a device, and tells so.
    let mut client = registration(&hub, "dev-01", key);
    assert_eq!(provision(&mut client, "dev-01")["deviceId"], "Pump-7");
    let read = ask(&hub, "GET /enrollments/dev-01", None).body;
    assert_eq!(read["registrationState"]["deviceId"], "Pump-7");
    assert_eq!(read["createdDateTimeUtc"], made.body["createdDateTimeUtc"]);
    // Read, changed, sent back.
    let mut changed = read.clone();
    changed["provisioningStatus"] = "disabled".into();
    assert_eq!(ask(&hub, line, Some(changed.clone())).status, 409);
    let stale = [("If-Match", "\"stale\"")];
    let refused = as_owner_with(&hub, line, &stale, Some(changed.clone()));
    assert_eq!(refused.status, 412);
    let etag = read["etag"].as_str().unwrap().to_owned();
    let current = [("If-Match", etag.as_str())];
    let taken = as_owner_with(&hub, line, &current, Some(changed));
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(taken.body["provisioningStatus"], "disabled");
    assert_ne!(taken.body["etag"], read["etag"]);
    let kept = ask(&hub, "POST /enrollments/dev-01/attestationmechanism", None).body;
    assert_eq!(kept, keys);
    let line = "DELETE /enrollments/dev-01";
    assert_eq!(as_owner_with(&hub, line, &current, None).status, 412);
    assert_eq!(ask(&hub, line, None).status, 204);
    assert_eq!(ask(&hub, "GET /enrollments/dev-01", None).status, 404);
}

#[test]
fn a_group_by_keys_lists_the_registrations_that_it_assigned() {
    let hub = hub();
    let body = json!({
        "enrollmentGroupId": "line-3",
        "attestation": {
            "type": "symmetricKey",
            "symmetricKey": { "primaryKey": GROUP_KEY, "secondaryKey": GROUP_KEY },
        },
        "provisioningStatus": "enabled",
        "allocationPolicy": "static",
    });
    let made = ask(&hub, "PUT /enrollmentGroups/line-3", Some(body));
    assert_eq!(made.body["allocationPolicy"], "static", "{made:?}");
    // The key of dev-01 under this group, by Microsoft's own code.
    let mut client = registration(
        &hub,
        "dev-01",
        "luaCqHSmg758Dy2PlrF3Vl83Pcf53G9Nc/vj86Xl0d4=",
    );
    provision(&mut client, "dev-01");
    let all = ask(&hub, "POST /registrations/line-3/query", None);
    assert_eq!(all.body[0]["registrationId"], "dev-01", "as `az` asks");
    let query = || Some(json!({ "query": "" }));
    let all = ask(&hub, "POST /registrations/line-3/query", query());
    assert_eq!(all.header("x-ms-item-type"), Some("DeviceRegistration"));
    assert_eq!(all.body[0]["registrationId"], "dev-01");
    assert_eq!(all.body[0]["status"], "assigned");
    let one = ask(&hub, "GET /registrations/dev-01", None).body;
    assert_eq!(one, all.body[0]);
    assert_eq!(ask(&hub, "DELETE /registrations/dev-01", None).status, 204);
    assert_eq!(ask(&hub, "GET /registrations/dev-01", None).status, 404);
    assert_eq!(
        ask(&hub, "POST /registrations/none/query", query()).status,
        404
    );
}

#[test]
fn certificates_are_told_about_and_not_told_and_may_be_sent_back() {
    let hub = hub();
    let certificate = hub.create_x509_device("dev-02").unwrap().certificate_pem;
    let primary = json!({ "primary": { "certificate": certificate } });
    let body = json!({
        "registrationId": "dev-02",
        "attestation": { "type": "x509", "x509": { "clientCertificates": primary } },
    });
    let made = ask(&hub, "PUT /enrollments/dev-02", Some(body));
    assert_eq!(made.status, 200, "{made:?}");
    let info = &made.body["attestation"]["x509"]["clientCertificates"]["primary"]["info"];
    assert_eq!(info["subjectName"], "CN=dev-02");
    assert_eq!(info["sha256Thumbprint"].as_str().unwrap().len(), 64);
    assert!(!made.body.to_string().contains("BEGIN"));
    let any = [("If-Match", "*")];
    let line = "PUT /enrollments/dev-02";
    let again = as_owner_with(&hub, line, &any, Some(made.body.clone()));
    assert_eq!(
        again.body["attestation"], made.body["attestation"],
        "{again:?}"
    );
    let line = "PUT /enrollmentGroups/by-ca";
    let signing =
        |certificates: Value| json!({ "attestation": { "type": "x509", "x509": certificates } });
    let missing = signing(json!({ "caReferences": { "primary": "factory" } }));
    assert_eq!(ask(&hub, line, Some(missing.clone())).status, 400);
    hub.upload_ca("factory", hub.ca_pem()).unwrap();
    let made = ask(&hub, line, Some(missing));
    let references = &made.body["attestation"]["x509"]["caReferences"];
    assert_eq!(references["primary"], "factory", "{made:?}");
    let ca = json!({ "signingCertificates": { "primary": { "certificate": hub.ca_pem() } } });
    let made = as_owner_with(&hub, line, &any, Some(signing(ca)));
    let signing = &made.body["attestation"]["x509"]["signingCertificates"];
    assert!(
        signing["primary"]["info"]["sha1Thumbprint"].is_string(),
        "{made:?}"
    );
}

#[test]
fn enrolments_are_queried_in_pages_and_changed_in_bulk() {
    let hub = hub();
    let bulk = |mode: &str, ids: &[&str]| {
        let entries: Vec<_> = ids.iter().map(|id| by_symmetric_key(id)).collect();
        let body = json!({ "mode": mode, "enrollments": entries });
        ask(&hub, "POST /enrollments", Some(body))
    };
    let made = bulk("create", &["a", "b", "c"]);
    assert_eq!(made.body["isSuccessful"], true, "{made:?}");
    let again = bulk("create", &["c", "d"]).body;
    assert_eq!(again["isSuccessful"], false);
    assert_eq!(again["errors"][0]["registrationId"], "c");
    assert_eq!(again["errors"][0]["errorCode"], 409_201);
    let query = json!({ "query": "SELECT * FROM enrollments" });
    let page = |headers: &[(&str, &str)]| {
        as_owner_with(
            &hub,
            "POST /enrollments/query",
            headers,
            Some(query.clone()),
        )
    };
    let ids = |reply: &Reply| {
        let entries = reply.body.as_array().unwrap().iter();
        let ids = entries.map(|entry| entry["registrationId"].as_str().unwrap().to_owned());
        ids.collect::<String>()
    };
    let first = page(&[("x-ms-max-item-count", "3")]);
    assert_eq!(ids(&first), "abc");
    assert_eq!(first.header("x-ms-item-type"), Some("Enrollment"));
    let token = first.header("x-ms-continuation").unwrap();
    let second = page(&[("x-ms-max-item-count", "3"), ("x-ms-continuation", token)]);
    assert_eq!(ids(&second), "d");
    assert_eq!(second.header("x-ms-continuation"), None);
    assert_eq!(bulk("delete", &["a", "b"]).body["isSuccessful"], true);
    assert_eq!(ids(&page(&[])), "cd");
    // `az` names no source.
    let printed = "{'additional_properties': {}, 'query': 'SELECT *'}";
    for query in ["select * from enrollmentGroups", "SELECT *", printed] {
        let groups = ask(
            &hub,
            "POST /enrollmentGroups/query",
            Some(json!({ "query": query })),
        );
        assert_eq!(groups.body, json!([]));
    }
}

#[test]
fn what_the_service_api_does_not_serve_is_refused_and_named() {
    let hub = hub();
    let refused = |line: &str, body: Value, told: &str| {
        let reply = ask(&hub, line, Some(body));
        assert_eq!(reply.status, 400, "{reply:?}");
        let message = reply.body["message"].as_str().unwrap();
        assert_eq!(reply.body["errorCode"].as_u64().unwrap() / 1000, 400);
        assert!(message.contains(told), "{message}");
    };
    let put = "PUT /enrollments/e";
    refused(put, json!({ "attestation": { "type": "tpm" } }), "TPM");
    refused(
        put,
        json!({ "attestation": { "type": "key" } }),
        "symmetricKey or x509",
    );
    refused(put, json!({}), "no attestation");
    refused(put, by_symmetric_key("other"), "registrationId");
    let mut odd = by_symmetric_key("e");
    odd["webhook"] = 1.into();
    refused(put, odd, "\"webhook\"");
    let text = json!({ "clientCertificates": { "primary": { "certificate": "not-base64!" } } });
    refused(
        put,
        json!({ "attestation": { "type": "x509", "x509": text } }),
        "neither PEM",
    );
    let where_clause = json!({ "query": "SELECT * FROM enrollments WHERE a = 1" });
    refused("POST /enrollments/query", where_clause, "not supported");
    refused(
        "POST /enrollments",
        json!({ "mode": "x", "enrollments": [{"registrationId": "a"}] }),
        "mode is",
    );
    assert_eq!(ask(&hub, "GET /enrollments/e", None).status, 404);
}

/// An enrolment with these members, and its key.
fn enrolled(hub: &Hub, id: &str, members: &Value) -> String {
    let mut body = by_symmetric_key(id);
    body.as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    let line = format!("PUT /enrollments/{id}");
    let made = as_owner_with(hub, &line, &[], Some(body.clone()));
    let made = match made.status {
        409 => as_owner_with(hub, &line, &[("If-Match", "*")], Some(body)),
        _ => made,
    };
    assert_eq!(made.status, 200, "{made:?}");
    let keys = ask(
        hub,
        &format!("POST /enrollments/{id}/attestationmechanism"),
        None,
    )
    .body;
    keys["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_first_twin_is_given_once_and_again_where_the_policy_resets() {
    let hub = hub();
    let twin =
        json!({ "tags": { "site": "north" }, "properties": { "desired": { "interval": 5 } } });
    for (migrates, interval, floor, substatus) in [
        (true, 60, json!(2), "initialAssignment"),
        (false, 5, Value::Null, "deviceDataReset"),
    ] {
        let id = format!("dev-{migrates}");
        let policy = json!({ "updateHubAssignment": true, "migrateDeviceData": migrates });
        let members = json!({ "initialTwin": twin, "reprovisionPolicy": policy });
        let key = enrolled(&hub, &id, &members);
        let state = provision(&mut registration(&hub, &id, &key), &id);
        assert_eq!(state["substatus"], "initialAssignment");
        let made = hub.twin(&id).unwrap();
        assert_eq!(made["tags"]["site"], "north");
        assert_eq!(made["properties"]["desired"]["interval"], 5);
        let change =
            json!({ "tags": { "floor": 2 }, "properties": { "desired": { "interval": 60 } } });
        hub.patch_twin(&id, &change).unwrap();
        let state = provision(&mut registration(&hub, &id, &key), &id);
        assert_eq!(state["substatus"], substatus);
        let after = hub.twin(&id).unwrap();
        assert_eq!(after["properties"]["desired"]["interval"], interval);
        assert_eq!(after["tags"]["floor"], floor);
        let told = ask(&hub, &format!("GET /registrations/{id}"), None).body;
        assert_eq!(told["substatus"], substatus);
    }
}

#[test]
fn a_device_that_is_never_provisioned_again_stays_as_it_is() {
    let hub = hub();
    let never = json!({ "updateHubAssignment": false, "migrateDeviceData": false });
    let members = |device: &str| json!({ "deviceId": device, "reprovisionPolicy": never });
    let key = enrolled(&hub, "dev", &members("first"));
    let mut client = registration(&hub, "dev", &key);
    assert_eq!(provision(&mut client, "dev")["deviceId"], "first");
    enrolled(&hub, "dev", &members("second"));
    let mut client = registration(&hub, "dev", &key);
    assert_eq!(provision(&mut client, "dev")["deviceId"], "first");
    assert!(hub.device("second").is_err());
    // Once the device is gone, it is made as the enrolment says.
    hub.delete_device("first").unwrap();
    let mut client = registration(&hub, "dev", &key);
    assert_eq!(provision(&mut client, "dev")["deviceId"], "second");
}

#[test]
fn what_a_service_with_one_hub_cannot_do_is_refused_in_the_services_own_form() {
    let hub = hub();
    for (members, told) in [
        (
            json!({ "allocationPolicy": "custom" }),
            "allocationPolicy custom",
        ),
        (
            json!({ "iotHubs": ["other.azure-devices.net"] }),
            "not linked",
        ),
        (json!({ "capabilities": { "iotEdge": true } }), "iotEdge"),
        (
            json!({ "initialTwin": { "properties": { "reported": {} } } }),
            "initialTwin",
        ),
    ] {
        let mut body = by_symmetric_key("e");
        body.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let refused = ask(&hub, "PUT /enrollments/e", Some(body));
        assert_eq!(refused.status, 400);
        assert_eq!(refused.body["errorCode"], 400_004);
        let message = refused.body["message"].as_str().unwrap();
        assert!(message.contains(told), "{message}");
        for name in ["trackingId", "timestampUtc"] {
            assert!(refused.body[name].is_string(), "{refused:?}");
        }
    }
    let missing = ask(&hub, "GET /enrollments/e", None);
    assert_eq!(
        (missing.status, &missing.body["errorCode"]),
        (404, &json!(404_201))
    );
    let line = format!("GET /registrations/e?{}", "api-version=2021-10-01");
    let refused = request(&hub, &line, &[], None);
    assert_eq!(
        (refused.status, &refused.body["errorCode"]),
        (401, &json!(401_003))
    );
}
