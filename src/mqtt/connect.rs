//! Beginning and ending a connection.

use core::fmt;

use super::connection::{LinkState, Phase};
use super::error::{Field, RequestError};
use super::keepalive::Keepalive;
use super::types::QoS;
use super::{Session, codec, field};
use crate::time::Instant;

/// First packet to the server (MQTT 3.1.1, section 3.1).
///
/// For IoT Hub: the client identifier is the device id; the user name is
/// `{host}/{device id}/?api-version=2021-04-12`; the password is a SAS token, or absent with an X.509
/// certificate; a clean session would discard waiting cloud-to-device messages (Microsoft, "Communicate
/// with an IoT hub using the MQTT protocol").
#[derive(Clone, Copy)]
pub struct Connect<'a> {
    /// Up to 65535 bytes, not empty.
    pub client_id: &'a str,
    /// Up to 65535 bytes, not empty.
    pub user_name: &'a str,
    /// Up to 65535 bytes of UTF-8 (the codec's limit). Empty is the same as absent.
    pub password: Option<&'a [u8]>,
    /// Discards what the server keeps for this client: subscriptions and undelivered messages.
    pub clean_session: bool,
    /// Message that the server publishes if this connection ends without a DISCONNECT.
    pub will: Option<Will<'a>>,
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = if self.password.is_some() {
            "[redacted]"
        } else {
            "none"
        };
        f.debug_struct("Connect")
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("password", &format_args!("{password}"))
            .field("clean_session", &self.clean_session)
            .field("will", &self.will)
            .finish()
    }
}

/// The last will (MQTT 3.1.1, section 3.1.2.5). IoT Hub takes the device's telemetry topics only.
#[derive(Clone, Copy)]
pub struct Will<'a> {
    /// Topic that the server publishes it to.
    pub topic: &'a str,
    /// Up to 65535 bytes.
    pub payload: &'a [u8],
    /// QoS with which the server publishes it.
    pub qos: QoS,
    /// IoT Hub does not retain, but adds the property `mqtt-retain` to the event.
    pub retain: bool,
}

impl fmt::Debug for Will<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .finish()
    }
}

impl Session<'_> {
    /// Begins a connection: the transport is open, and CONNECT is the first thing to
    /// [`transmit`](Self::transmit).
    ///
    /// Forgets the rest of an earlier connection. The outbox is kept: messages that were sent and not acknowledged
    /// are sent again first.
    ///
    /// # Errors
    /// [`RequestError::Field`] and [`RequestError::TooLarge`]; there is no connection then.
    pub fn connect(&mut self, now: Instant, connect: &Connect<'_>) -> Result<(), RequestError> {
        self.disconnected();
        check(connect)?;
        self.transmit_buffer.room(codec::connect_size(connect))?;

        let mut packet = codec::connect(self.keepalive_seconds, connect)?;
        let pushed = self.transmit_buffer.push(&packet);
        codec::wipe(&mut packet);
        pushed?;

        let number = self.connection.number.wrapping_add(1);
        let keepalive = Keepalive::new(self.config.keepalive, self.config.ping_timeout, now);
        let phase = Phase::Connecting {
            since: now,
            left: false,
        };
        self.connection = LinkState::new(number, phase, connect.clean_session, keepalive, now);
        Ok(())
    }

    /// Queues DISCONNECT, after which the server discards the will. No PUBLISH of the outbox starts any
    /// more; what is in the transmit buffer, and PUBACKs that are due, go first. Close the transport when
    /// [`transmit`](Self::transmit) has nothing left, then call [`disconnected`](Self::disconnected).
    ///
    /// Behind a CONNECT that is not answered yet it goes out too: the server may have accepted the connection, and a client
    /// need not wait for CONNACK (MQTT 3.1.1, section 3.1.4). Without room for it, the attempt just ends.
    pub fn disconnect(&mut self) {
        match self.connection.phase {
            Phase::Connected => self.connection.phase = Phase::Leaving,
            Phase::Connecting { left: true, .. } => {}
            Phase::Connecting { since, left: false } => {
                let queued = codec::disconnect()
                    .is_ok_and(|packet| self.transmit_buffer.push(&packet).is_ok());
                match queued {
                    true => self.connection.phase = Phase::Connecting { since, left: true },
                    false => self.disconnected(),
                }
            }
            Phase::Closed | Phase::Leaving | Phase::Left => {}
        }
    }

    /// The transport is closed, by either side. The outbox is kept; bytes of the connection are wiped.
    pub fn disconnected(&mut self) {
        self.transmit_buffer.clear();
        self.receive_buffer.clear();
        self.outbox.rewind();
        self.connection = LinkState::none(self.connection.number);
    }
}

fn check(connect: &Connect<'_>) -> Result<(), RequestError> {
    field::string(Field::ClientId, connect.client_id)?;
    field::string(Field::UserName, connect.user_name)?;
    if let Some(password) = connect.password {
        field::binary(Field::Password, password)?;
        field::utf8(Field::Password, password)?;
    }
    if let Some(will) = &connect.will {
        field::topic(Field::WillTopic, will.topic)?;
        field::binary(Field::WillPayload, will.payload)?;
    }
    Ok(())
}
