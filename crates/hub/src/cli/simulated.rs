//! A connection of a simulated device: MQTT 3.1.1 over TLS, as far as a device of IoT Hub needs it.

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use super::Failure;

/// Seconds; IoT Hub grants 1177 at most.
const KEEP_ALIVE: u16 = 600;

/// Packet types with their flags (MQTT 3.1.1, section 2.2).
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGREQ: [u8; 2] = [0xc0, 0];
const DISCONNECT: [u8; 2] = [0xe0, 0];

/// Credentials of a device.
pub(super) struct Credentials<'c> {
    pub(super) host_name: &'c str,
    pub(super) id: &'c str,
    /// The SAS token.
    pub(super) token: &'c str,
}

/// Packet from the hub, as far as a device cares.
pub(super) enum Packet {
    /// PUBACK of this packet identifier.
    Puback(u16),
    /// PUBLISH.
    Message {
        topic: String,
        payload: Vec<u8>,
        /// With QoS 1.
        packet_id: Option<u16>,
    },
    /// Anything else.
    Other,
}

/// A device's connection.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    received: BytesMut,
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
        let mut body = string("MQTT");
        // Level 4; user name and password, no clean session.
        body.extend([4, 0xc0]);
        body.extend(KEEP_ALIVE.to_be_bytes());
        body.extend(string(id));
        body.extend(string(&format!("{host_name}/{id}/?api-version=2021-04-12")));
        body.extend(string(token));
        self.write(&packet(CONNECT, &body)).await?;
        match self.read().await? {
            (CONNACK, body) if body.get(1) == Some(&0) => Ok(()),
            (CONNACK, body) => Err(Failure(format!(
                "the hub refused the device with CONNACK {}; its log says why",
                body.get(1).copied().unwrap_or_default()
            ))),
            _ => Err(Failure(
                "the hub did not answer CONNECT with CONNACK".into(),
            )),
        }
    }

    async fn subscribe(&mut self, filters: &[String]) -> Result<(), Failure> {
        let mut body = vec![0, 1];
        for filter in filters {
            body.extend(string(filter));
            body.push(1);
        }
        self.write(&packet(SUBSCRIBE, &body)).await?;
        // Messages that waited for the device come first: they are put back for `receive`.
        let mut waiting = BytesMut::new();
        loop {
            let (first, body) = self.read().await?;
            if first == SUBACK {
                waiting.extend_from_slice(&self.received);
                self.received = waiting;
                return Ok(());
            }
            waiting.extend_from_slice(&packet(first, &body));
        }
    }

    /// Sends a message with QoS 1.
    pub(super) async fn publish(
        &mut self,
        topic: &str,
        packet_id: u16,
        payload: &[u8],
    ) -> Result<(), Failure> {
        let body = [&string(topic), packet_id.to_be_bytes().as_slice(), payload].concat();
        self.write(&packet(PUBLISH | 2, &body)).await
    }

    /// Sends a message with QoS 0.
    pub(super) async fn answer(&mut self, topic: &str, payload: &[u8]) -> Result<(), Failure> {
        let body = [&string(topic), payload].concat();
        self.write(&packet(PUBLISH, &body)).await
    }

    /// Acknowledges a message.
    pub(super) async fn acknowledge(&mut self, packet_id: u16) -> Result<(), Failure> {
        self.write(&packet(PUBACK, &packet_id.to_be_bytes())).await
    }

    /// Sends PINGREQ.
    pub(super) async fn ping(&mut self) -> Result<(), Failure> {
        self.write(&PINGREQ).await
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        self.write(&DISCONNECT).await?;
        self.stream.shutdown().await.map_err(ended)
    }

    /// The next packet. May be cancelled: nothing is lost.
    pub(super) async fn receive(&mut self) -> Result<Packet, Failure> {
        let (first, body) = self.read().await?;
        let mut rest = body.as_slice();
        Ok(match first & 0xf0 {
            PUBACK if rest.len() == 2 => Packet::Puback(rest.get_u16()),
            PUBLISH => {
                let broken = || Failure("the hub sent a malformed PUBLISH".into());
                let length = rest.try_get_u16().map_err(|_| broken())?.into();
                let (topic, after) = rest.split_at_checked(length).ok_or_else(broken)?;
                let topic = String::from_utf8(topic.to_vec()).map_err(|_| broken())?;
                rest = after;
                let packet_id = match first & 6 {
                    0 => None,
                    _ => Some(rest.try_get_u16().map_err(|_| broken())?),
                };
                Packet::Message {
                    topic,
                    payload: rest.to_vec(),
                    packet_id,
                }
            }
            _ => Packet::Other,
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).await.map_err(ended)?;
        self.stream.flush().await.map_err(ended)
    }

    /// The first byte of the next packet, and what follows its length.
    async fn read(&mut self) -> Result<(u8, Vec<u8>), Failure> {
        loop {
            if let Some(packet) = take(&mut self.received)? {
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

/// Takes a whole packet off the front.
fn take(received: &mut BytesMut) -> Result<Option<(u8, Vec<u8>)>, Failure> {
    let Some((first, rest)) = received.split_first() else {
        return Ok(None);
    };
    let mut length = 0;
    for (index, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let (first, header) = (*first, index + 2);
            if received.len() < header + length {
                return Ok(None);
            }
            received.advance(header);
            return Ok(Some((first, received.split_to(length).to_vec())));
        }
    }
    if rest.len() >= 4 {
        return Err(Failure("the hub sent a packet of no valid length".into()));
    }
    Ok(None)
}

fn string(text: &str) -> Vec<u8> {
    // Checked by the caller: ids, tokens and topics are shorter.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_every_length_are_taken_whole_and_in_pieces() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 300_000] {
            let body = vec![7; length];
            let whole = packet(PUBLISH, &body);
            let mut received = BytesMut::new();
            for byte in &whole {
                assert!(matches!(take(&mut received), Ok(None)));
                received.extend([*byte]);
            }
            received.extend([0xd0]);
            let taken = take(&mut received).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(taken, Some((PUBLISH, body)));
            assert_eq!(&received[..], [0xd0]);
        }
        let mut endless = BytesMut::from(&[PUBLISH, 0xff, 0xff, 0xff, 0xff][..]);
        assert!(take(&mut endless).is_err());
    }
}
