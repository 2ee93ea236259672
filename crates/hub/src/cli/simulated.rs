//! A connection of a simulated device: MQTT 3.1.1 over TLS, as far as a device of IoT Hub needs it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::BytesMut;
use mqtt_protocol_core::mqtt::result_code::MqttError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use super::Failure;
use crate::mqtt::codec::client::{self, Packet};
use crate::mqtt::codec::encode;

/// Seconds; IoT Hub grants 1177 at most.
const KEEP_ALIVE: u16 = 600;

/// Credentials of a device.
pub(super) struct Credentials<'c> {
    pub(super) host_name: &'c str,
    pub(super) id: &'c str,
    /// The SAS token.
    pub(super) token: &'c str,
}

/// A device's connection.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    received: BytesMut,
    /// Messages that came before SUBACK.
    waiting: VecDeque<Packet>,
}

impl Connection {
    /// Connects, and subscribes to these filters, if there are any, with QoS 1.
    pub(super) async fn open(
        connector: TlsConnector,
        address: SocketAddr,
        credentials: &Credentials<'_>,
        filters: &[String],
    ) -> Result<Self, Failure> {
        let tcp = TcpStream::connect(address)
            .await
            .map_err(|error| Failure(format!("no hub answers at {address}: {error}")))?;
        let name = ServerName::try_from(credentials.host_name.to_owned())
            .map_err(|_| Failure("the hub's host name is damaged".into()))?;
        let stream = connector.connect(name, tcp).await.map_err(|error| {
            Failure(format!(
                "what answers at {address} is not this hub: {error}"
            ))
        })?;
        let mut connection = Self {
            stream,
            received: BytesMut::new(),
            waiting: VecDeque::new(),
        };
        connection.connect(credentials).await?;
        if !filters.is_empty() {
            connection.subscribe(filters).await?;
        }
        Ok(connection)
    }

    async fn connect(&mut self, credentials: &Credentials<'_>) -> Result<(), Failure> {
        let Credentials {
            host_name,
            id,
            token,
        } = credentials;
        let user_name = format!("{host_name}/{id}/?api-version=2021-04-12");
        self.write(client::connect(id, &user_name, token, KEEP_ALIVE))
            .await?;
        match self.read().await? {
            Packet::Connack(0) => Ok(()),
            Packet::Connack(code) => Err(Failure(format!(
                "the hub refused the device with CONNACK {code}; its log says why"
            ))),
            _ => Err(Failure(
                "the hub did not answer CONNECT with CONNACK".into(),
            )),
        }
    }

    async fn subscribe(&mut self, filters: &[String]) -> Result<(), Failure> {
        self.write(client::subscribe(1, filters)).await?;
        // Messages that waited for the device come first.
        loop {
            match self.read().await? {
                Packet::Suback => return Ok(()),
                packet => self.waiting.push_back(packet),
            }
        }
    }

    /// Sends a message with QoS 1.
    pub(super) async fn publish(
        &mut self,
        topic: &str,
        packet_id: u16,
        payload: &[u8],
    ) -> Result<(), Failure> {
        self.write(encode::publish(topic, payload, Some(packet_id), false))
            .await
    }

    /// Sends a message with QoS 0.
    pub(super) async fn answer(&mut self, topic: &str, payload: &[u8]) -> Result<(), Failure> {
        self.write(encode::publish(topic, payload, None, false))
            .await
    }

    /// Acknowledges a message.
    pub(super) async fn acknowledge(&mut self, packet_id: u16) -> Result<(), Failure> {
        self.write(encode::puback(packet_id)).await
    }

    /// Sends PINGREQ.
    pub(super) async fn ping(&mut self) -> Result<(), Failure> {
        self.write(Ok(client::PINGREQ.to_vec())).await
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        self.write(Ok(client::DISCONNECT.to_vec())).await?;
        self.stream.shutdown().await.map_err(ended)
    }

    /// The next packet. May be cancelled: nothing is lost.
    pub(super) async fn receive(&mut self) -> Result<Packet, Failure> {
        match self.waiting.pop_front() {
            Some(packet) => Ok(packet),
            None => self.read().await,
        }
    }

    async fn write(&mut self, packet: Result<Vec<u8>, MqttError>) -> Result<(), Failure> {
        let bytes = packet.map_err(|error| Failure(format!("MQTT cannot say this: {error}")))?;
        self.stream.write_all(&bytes).await.map_err(ended)?;
        self.stream.flush().await.map_err(ended)
    }

    async fn read(&mut self) -> Result<Packet, Failure> {
        loop {
            let packet = client::decode(&mut self.received);
            if let Some(packet) =
                packet.map_err(|error| Failure(format!("the hub sent {error}")))?
            {
                return Ok(packet);
            }
            let read = self.stream.read_buf(&mut self.received).await;
            if read.map_err(ended)? == 0 {
                return Err(Failure(
                    "the hub closed the connection; its log says why".into(),
                ));
            }
        }
    }
}

fn ended(error: std::io::Error) -> Failure {
    Failure(format!(
        "the connection to the hub ended ({error}); its log says why"
    ))
}
