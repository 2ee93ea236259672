//! A module of a device.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use local_hub::Hub;

use super::*;

/// A module with a symmetric key.
#[derive(Clone, Debug)]
pub struct Module {
    pub device_id: String,
    pub id: String,
    pub key: String,
}

impl Module {
    pub fn create(hub: &Hub, device_id: &str, id: &str) -> Self {
        let text = hub.create_sas_module(device_id, id).unwrap();
        Self {
            device_id: device_id.to_owned(),
            id: id.to_owned(),
            key: Device::from_connection_string(&text).key,
        }
    }

    /// Opens a connection and sends CONNECT; gives the answer too.
    pub fn connect(&self, hub: &Hub) -> (Client, [u8; 4]) {
        let mut client = Client::open(hub);
        client.send(&self.connect_packet());
        let connack = client.receive(4).try_into().unwrap();
        (client, connack)
    }

    pub fn connect_packet(&self) -> Vec<u8> {
        let Self { device_id, id, key } = self;
        let user_name = format!("localhost/{device_id}/{id}/?api-version=2021-04-12");
        let resource = format!("localhost/devices/{device_id}/modules/{id}");
        let password = token(&resource, key, 3600);
        let client_id = format!("{device_id}/{id}");
        connect(&client_id, &user_name, Some(&password), Options::default())
    }

    /// The same, and the connection must have been accepted.
    pub fn accepted(&self, hub: &Hub) -> Client {
        let (client, connack) = self.connect(hub);
        assert_eq!(connack[3], 0);
        client
    }

    pub fn events_topic(&self) -> String {
        format!(
            "devices/{}/modules/{}/messages/events/",
            self.device_id, self.id
        )
    }
}
