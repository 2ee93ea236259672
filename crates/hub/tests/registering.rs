//! Requests by which a device may ask the provisioning service to be registered.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::dps::*;
use common::*;
use local_hub::{Attestation, Enrollment, Hub};

/// Asks to be registered with this body; gives the status and the error code.
fn register_with(client: &mut Client, body: &[u8]) -> (String, u64) {
    let topic = "$dps/registrations/PUT/iotdps-register/?$rid=1";
    client.send(&publish(topic, Some(2), body));
    client.expect(&[0x40, 2, 0, 2]);
    let (topic, body) = answer(client);
    let status = topic.split('/').nth(3).unwrap().to_owned();
    (status, body["errorCode"].as_u64().unwrap_or_default())
}

/// A registration that shows this certificate, and subscribed to the answers.
fn by_certificate(hub: &Hub, made: &local_hub::DeviceCertificate, id: &str) -> Client {
    let config = client_config(hub.ca_pem(), Some(made));
    let mut client = Client::open_with(hub.endpoint(), config);
    client.send(&connect_packet(hub.id_scope(), id, None));
    client.expect(&CONNACK_NEW);
    client.send(&subscribe(1, &[(RESPONSES, 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    client
}

#[test]
fn a_body_may_be_empty_and_need_not_name_the_registration() {
    let hub = hub();
    let key = primary_key(&hub.enroll("dev-01", by_keys()).unwrap());
    let mut client = registration(&hub, "dev-01", &key);
    for body in [
        "",
        " ",
        "{}",
        r#"{"payload":{"a":1}}"#,
        r#"{"registrationId":"dev-01","payload":null}"#,
    ] {
        let answered = register_with(&mut client, body.as_bytes());
        assert_eq!(answered, ("202".to_owned(), 0), "{body}");
    }
    provision(&mut client, "dev-01");
}

#[test]
fn a_body_that_the_service_does_not_know_is_400012_and_the_connection_stays() {
    let hub = hub();
    let key = primary_key(&hub.enroll("dev-01", by_keys()).unwrap());
    let mut client = registration(&hub, "dev-01", &key);
    for (body, code) in [
        (r#"{"registrationId":"dev-01","model":"x"}"#, 400_012),
        (r#"{"RegistrationId":"dev-01"}"#, 400_012),
        ("[]", 400_012),
        ("{", 400_012),
        (r#"{"registrationId":"dev-02"}"#, 400_004),
    ] {
        let answered = register_with(&mut client, body.as_bytes());
        assert_eq!(answered, ("400".to_owned(), code), "{body}");
    }
    provision(&mut client, "dev-01");
}

#[test]
fn a_registration_id_and_a_common_name_compare_without_case_all_the_way() {
    let hub = hub();
    // Its CN is in the case of its id.
    let made = hub.create_x509_ca_device("Dev-04").unwrap();
    hub.delete_device("Dev-04").unwrap();
    let file = std::fs::read_to_string(hub.state_directory().join("device-ca.pem")).unwrap();
    let certificate = file.split("-----BEGIN PRIVATE").next().unwrap().to_owned();
    let attestation = Attestation::X509Ca { certificate };
    hub.enroll_group("line-4", Enrollment::new(attestation))
        .unwrap();
    for id in ["dev-04", "Dev-04", "DEV-04"] {
        let mut client = by_certificate(&hub, &made, id);
        let (_, body) = register(&mut client, id);
        let (_, body) = ask(&mut client, body["operationId"].as_str().unwrap());
        assert_eq!(body["registrationState"]["deviceId"], "dev-04");
        assert_eq!(body["status"], "assigned");
    }
    // What the hub asks for afterwards is the certificate, whatever its CN.
    let (_, connack) = Client::connect_with_certificate(&hub, "dev-04", &made);
    assert_eq!(connack, CONNACK_NEW);

    let key = primary_key(&hub.enroll("dev-05", by_keys()).unwrap());
    for id in ["dev-05", "Dev-05"] {
        let mut client = registration(&hub, id, &key);
        let (status, _) = register_with(&mut client, b"");
        assert_eq!(status, "202", "{id}");
    }
}

#[test]
fn a_common_name_of_another_registration_does_not_pass_connect() {
    let hub = hub();
    let made = hub.create_x509_device("dev-06").unwrap();
    let config = client_config(hub.ca_pem(), Some(&made));
    let mut client = Client::open_with(hub.endpoint(), config);
    client.send(&connect_packet(hub.id_scope(), "dev-07", None));
    client.expect(&CONNACK_REFUSED);
    client.expect_close();
}
