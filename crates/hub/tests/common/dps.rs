//! Requests of a device to the provisioning service.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use local_hub::{Attestation, Enrollment, Hub, SymmetricKeys};
use serde_json::{Value, json};

use super::*;

pub const RESPONSES: &str = "$dps/registrations/res/#";

pub fn by_keys() -> Enrollment {
    Enrollment::new(Attestation::SymmetricKey(SymmetricKeys::generated()))
}

pub fn primary_key(enrollment: &Enrollment) -> String {
    match &enrollment.attestation {
        Attestation::SymmetricKey(keys) => keys.primary_key.clone(),
        other => panic!("{other:?}"),
    }
}

/// CONNECT of a registration; by certificate without a key.
pub fn connect_packet(id_scope: &str, id: &str, key: Option<&str>) -> Vec<u8> {
    connect_packet_of(id_scope, id, key, "2019-03-31")
}

/// The same for a version of the service's interface.
pub fn connect_packet_of(id_scope: &str, id: &str, key: Option<&str>, version: &str) -> Vec<u8> {
    let user_name =
        format!("{id_scope}/registrations/{id}/api-version={version}&ClientVersion=a%2F1");
    let password = key.map(|key| {
        let resource = format!("{id_scope}/registrations/{id}");
        format!("{}&skn=registration", token(&resource, key, 3600))
    });
    connect(id, &user_name, password.as_deref(), Options::default())
}

/// A registration that subscribed to the answers.
pub fn registration(hub: &Hub, id: &str, key: &str) -> Client {
    let mut client = Client::open(hub);
    client.send(&connect_packet(hub.id_scope(), id, Some(key)));
    client.expect(&CONNACK_NEW);
    client.send(&subscribe(1, &[(RESPONSES, 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    client
}

pub fn answer(client: &mut Client) -> (String, Value) {
    let message = client.publish();
    assert_eq!(message.first, 0x32, "QoS 1, as subscribed");
    client.send(&puback(message.packet_id.unwrap()));
    (
        message.topic,
        serde_json::from_slice(&message.payload).unwrap(),
    )
}

pub fn register(client: &mut Client, id: &str) -> (String, Value) {
    let body = json!({ "registrationId": id, "payload": null }).to_string();
    let topic = "$dps/registrations/PUT/iotdps-register/?$rid=1";
    client.send(&publish(topic, Some(2), body.as_bytes()));
    client.expect(&[0x40, 2, 0, 2]);
    answer(client)
}

pub fn ask(client: &mut Client, operation: &str) -> (String, Value) {
    let topic = "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=";
    client.send(&publish(&format!("{topic}{operation}"), None, b" "));
    answer(client)
}

/// Registers, and asks once.
pub fn provision(client: &mut Client, id: &str) -> Value {
    let (topic, body) = register(client, id);
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=1&retry-after=3");
    assert_eq!(body["status"], "assigning");
    let (topic, body) = ask(client, body["operationId"].as_str().unwrap());
    assert_eq!(topic, "$dps/registrations/res/200/?$rid=2");
    assert_eq!(body["status"], "assigned");
    let state = body["registrationState"].clone();
    assert_eq!(state["registrationId"], id);
    assert_eq!(state["assignedHub"], "localhost");
    state
}
