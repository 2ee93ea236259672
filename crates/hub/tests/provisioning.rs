//! The Device Provisioning Service over real TLS, from CONNECT to the assigned hub.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::dps::*;
use common::program::{Serve, fail, succeed};
use common::*;
use local_hub::{Attestation, Enrollment, Hub, Status};
use serde_json::{Value, json};

#[test]
fn an_individual_with_a_key_is_assigned_and_joins_the_hub_with_it() {
    let hub = hub();
    let enrollment = Enrollment {
        device_id: Some("Pump-7".into()),
        payload: Some(json!({"site": "north"})),
        ..by_keys()
    };
    let key = primary_key(&hub.enroll("dev-01", enrollment).unwrap());
    let mut client = registration(&hub, "dev-01", &key);
    let state = provision(&mut client, "dev-01");
    assert_eq!(state["deviceId"], "Pump-7");
    assert_eq!(state["substatus"], "initialAssignment");
    assert_eq!(state["symmetricKey"], json!({}));
    assert_eq!(state["payload"], json!({"site": "north"}));
    client.send(&DISCONNECT);
    client.expect_close();
    let device = Device {
        id: "Pump-7".into(),
        key,
    };
    Client::accepted(&hub, &device, Options::default());
}

#[test]
fn a_member_of_a_group_uses_its_derived_key_for_both() {
    let hub = hub();
    let group = hub.enroll_group("line-3", by_keys()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let key = {
        let group = primary_key(&group);
        let arguments = [
            "dps",
            "compute-device-key",
            "--key",
            &group,
            "--rid",
            "dev-01",
        ];
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_local-hub"))
            .args(arguments)
            .current_dir(state.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let mut client = registration(&hub, "dev-01", &key);
    assert_eq!(provision(&mut client, "dev-01")["deviceId"], "dev-01");
    let device = Device {
        id: "dev-01".into(),
        key,
    };
    Client::accepted(&hub, &device, Options::default());
}

#[test]
fn an_individual_with_a_certificate_is_assigned_and_joins_the_hub_with_it() {
    let hub = hub();
    // Made for another device of the hub: only the certificate counts here.
    let made = hub.create_x509_device("dev-02").unwrap();
    let thumbprint = match hub.device("dev-02").unwrap().authentication {
        local_hub::Authentication::X509Thumbprint { primary, .. } => primary.unwrap(),
        other => panic!("{other:?}"),
    };
    hub.delete_device("dev-02").unwrap();
    let attestation = Attestation::X509Thumbprint { thumbprint };
    hub.enroll("dev-02", Enrollment::new(attestation)).unwrap();
    let open = || Client::open_with(hub.endpoint(), client_config(hub.ca_pem(), Some(&made)));
    let mut client = open();
    client.send(&connect_packet(hub.id_scope(), "dev-02", None));
    client.expect(&CONNACK_NEW);
    client.send(&subscribe(1, &[(RESPONSES, 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    assert_eq!(provision(&mut client, "dev-02")["x509"], json!({}));
    let mut client = open();
    let user_name = "localhost/dev-02/?api-version=2021-04-12";
    client.send(&connect("dev-02", user_name, None, Options::default()));
    client.expect(&CONNACK_NEW);

    // For another name, the certificate is refused by CONNACK.
    let mut client = open();
    client.send(&connect_packet(hub.id_scope(), "dev-03", None));
    client.expect(&CONNACK_REFUSED);
    client.expect_close();
}

#[test]
fn a_group_takes_certificates_under_its_ca_only() {
    let hub = hub();
    let made = hub.create_x509_ca_device("dev-04").unwrap();
    hub.delete_device("dev-04").unwrap();
    let file = std::fs::read_to_string(hub.state_directory().join("device-ca.pem")).unwrap();
    let certificate = file.split("-----BEGIN PRIVATE").next().unwrap().to_owned();
    let attestation = Attestation::X509Ca { certificate };
    hub.enroll_group("line-4", Enrollment::new(attestation))
        .unwrap();
    let self_signed = hub.create_x509_device("dev-05").unwrap();
    for (made, id, status) in [(&made, "dev-04", "202"), (&self_signed, "dev-05", "401")] {
        let config = client_config(hub.ca_pem(), Some(made));
        let mut client = Client::open_with(hub.endpoint(), config);
        client.send(&connect_packet(hub.id_scope(), id, None));
        client.expect(&CONNACK_NEW);
        client.send(&subscribe(1, &[(RESPONSES, 1)]));
        client.expect(&[0x90, 3, 0, 1, 1]);
        let (topic, _) = register(&mut client, id);
        assert_eq!(topic.split('/').nth(3), Some(status), "{id}");
    }
}

#[test]
fn assigning_takes_as_many_questions_as_the_enrolment_says() {
    let hub = hub();
    let enrollment = Enrollment {
        assigning: 2,
        retry_after: 1,
        ..by_keys()
    };
    let key = primary_key(&hub.enroll("d", enrollment).unwrap());
    let mut client = registration(&hub, "d", &key);
    let (_, body) = register(&mut client, "d");
    let operation = body["operationId"].as_str().unwrap();
    for _ in 0..2 {
        let (topic, body) = ask(&mut client, operation);
        assert_eq!(topic, "$dps/registrations/res/202/?$rid=2&retry-after=1");
        assert_eq!(body["registrationState"]["status"], "assigning");
        assert!(hub.device("d").is_err());
    }
    assert_eq!(ask(&mut client, operation).1["status"], "assigned");
    assert!(hub.device("d").is_ok());
    let (topic, body) = ask(&mut client, "4.0.nonsense");
    assert_eq!(topic, "$dps/registrations/res/404/?$rid=2");
    assert_eq!(body["errorCode"], 404_202);
}

#[test]
fn refusals_have_their_documented_status_and_body() {
    let hub = hub();
    let key = primary_key(&by_keys_enrolled(&hub, "good"));
    let status = |id: &str, key: &str| {
        let mut client = registration(&hub, id, key);
        let (topic, body) = register(&mut client, id);
        let status = topic.split('/').nth(3).unwrap().to_owned();
        (status, body)
    };
    let (topic, body) = status("unknown", &key);
    assert_eq!(
        (topic.as_str(), &body["errorCode"]),
        ("404", &json!(404_201))
    );
    let (topic, body) = status("good", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    assert_eq!(
        (topic.as_str(), &body["errorCode"]),
        ("401", &json!(401_002))
    );

    let disabled = Enrollment {
        status: Status::Disabled,
        ..by_keys()
    };
    let key = primary_key(&hub.enroll("off", disabled).unwrap());
    let (topic, body) = status("off", &key);
    let expected = json!({
        "operationId": "",
        "status": "disabled",
        "registrationState": {"registrationId": "off", "status": "disabled"},
    });
    assert_eq!((topic.as_str(), body), ("200", expected));

    let failed = Enrollment {
        failure: Some((
            400_207,
            "Custom allocation failed with status code: 400".into(),
        )),
        ..by_keys()
    };
    let key = primary_key(&hub.enroll("bad", failed).unwrap());
    let (topic, body) = status("bad", &key);
    assert_eq!((topic.as_str(), &body["status"]), ("200", &json!("failed")));
    assert_eq!(body["registrationState"]["errorCode"], 400_207);

    let mut client = registration(&hub, "good", &key);
    let (topic, _) = register(&mut client, "another");
    assert_eq!(topic, "$dps/registrations/res/400/?$rid=1");
}

fn by_keys_enrolled(hub: &Hub, id: &str) -> Enrollment {
    hub.enroll(id, by_keys()).unwrap()
}

#[test]
fn what_dps_does_not_know_closes_the_connection() {
    let hub = hub();
    let key = primary_key(&by_keys_enrolled(&hub, "d"));
    for packet in [
        publish("$dps/registrations/POST/foo/?$rid=1", None, b""),
        publish("devices/d/messages/events/", None, b""),
        subscribe(2, &[("$iothub/twin/res/#", 0)]),
        connect_packet(hub.id_scope(), "d", Some(&key)),
    ] {
        let mut client = registration(&hub, "d", &key);
        client.send(&packet);
        client.expect_close();
    }
    for wrong in [
        connect_packet("0neFFFFFFFF", "d", Some(&key)),
        connect_packet(hub.id_scope(), "d d", Some(&key)),
        connect_packet(hub.id_scope(), "d", None),
    ] {
        let mut client = Client::open(&hub);
        client.send(&wrong);
        client.expect(&CONNACK_REFUSED);
        client.expect_close();
    }
}

#[test]
fn a_port_of_its_own_serves_dps_only() {
    let any = ([127, 0, 0, 1], 0).into();
    let hub = hub_with(|config| config.provisioning_listen = Some(any));
    let endpoint = hub.provisioning_endpoint().unwrap();
    let key = primary_key(&by_keys_enrolled(&hub, "d"));
    let open = || Client::open_with(endpoint, client_config(hub.ca_pem(), None));
    let mut client = open();
    client.send(&connect_packet(hub.id_scope(), "d", Some(&key)));
    client.expect(&CONNACK_NEW);
    let device = Device::create(&hub, "e");
    let mut client = open();
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_REFUSED);
    client.expect_close();
}

#[test]
fn enrolments_are_made_and_removed_by_command_and_outlive_the_hub() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    let id_scope = succeed(state, &["dps", "id-scope"]);
    let enrolled = succeed(state, &["dps", "enroll", "d", "--assigning", "1"]);
    let enrollment: Value = serde_json::from_str(&enrolled).unwrap();
    assert_eq!(enrollment["assigning"], 1);
    let key = enrollment["attestation"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    succeed(state, &["dps", "enroll-group", "g", "--disabled"]);
    succeed(state, &["dps", "remove-group", "g"]);
    assert!(fail(state, &["dps", "remove-group", "g"]).contains("there is no enrolment \"g\""));
    assert!(fail(state, &["dps", "enroll", "A B"]).contains("is no registration id"));
    serve.kill();

    let hub = hub_with(|config| config.state = Some(state.to_owned()));
    assert_eq!(hub.id_scope(), id_scope);
    let mut client = registration(&hub, "d", key);
    let (_, body) = register(&mut client, "d");
    ask(&mut client, body["operationId"].as_str().unwrap());
    let (_, body) = ask(&mut client, body["operationId"].as_str().unwrap());
    assert_eq!(body["registrationState"]["deviceId"], "d");
}
