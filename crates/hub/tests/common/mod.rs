//! A client made of bytes: what these tests send and expect is written out, not made by a codec.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod browser;
pub mod dps;
pub mod module;
pub mod open_page;
pub mod page;
pub mod program;
pub mod rest;
pub mod uploads;
pub mod websocket;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local_hub::{Config, DeviceCertificate, Hub};
use ring::hmac;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio_rustls::rustls;

/// Long enough for a busy machine; no test waits for it unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const CONNACK_NEW: [u8; 4] = [0x20, 2, 0, 0];
pub const CONNACK_PRESENT: [u8; 4] = [0x20, 2, 1, 0];
pub const CONNACK_REFUSED: [u8; 4] = [0x20, 2, 0, 5];
pub const DISCONNECT: [u8; 2] = [0xe0, 0];
pub const PINGREQ: [u8; 2] = [0xc0, 0];
pub const PINGRESP: [u8; 2] = [0xd0, 0];

/// A hub with a temporary state.
pub fn hub() -> Hub {
    hub_with(|_| {})
}

/// The same, configured by the test.
pub fn hub_with(configure: impl FnOnce(&mut Config)) -> Hub {
    let mut config = Config::temporary();
    configure(&mut config);
    Hub::start(config).unwrap()
}

/// One TLS connection.
pub struct Client(StreamOwned<ClientConnection, TcpStream>);

/// Handshake of a client.
pub fn client_config(hub_ca: &str, certificate: Option<&DeviceCertificate>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(hub_ca.as_bytes()).unwrap())
        .unwrap();
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots);
    match certificate {
        None => builder.with_no_client_auth(),
        Some(device) => {
            let chain: Result<_, _> =
                CertificateDer::pem_slice_iter(device.certificate_pem.as_bytes()).collect();
            let key = PrivateKeyDer::from_pem_slice(device.key_pem.as_bytes()).unwrap();
            let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
            builder.with_client_cert_resolver(Arc::new(OneCertificate(Arc::new(
                CertifiedKey::new(chain.unwrap(), key),
            ))))
        }
    }
}

/// The device's certificate, unchecked: rustls would refuse to send certificates of X.509 version 1.
#[derive(Debug)]
struct OneCertificate(Arc<CertifiedKey>);

impl ResolvesClientCert for OneCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl Client {
    /// Shakes hands with the hub; verified, without a certificate of its own.
    pub fn open(hub: &Hub) -> Self {
        Self::open_with(hub.endpoint(), client_config(hub.ca_pem(), None))
    }

    pub fn open_with(endpoint: SocketAddr, config: ClientConfig) -> Self {
        Self::try_open(endpoint, config, "localhost").unwrap()
    }

    pub fn try_open(
        endpoint: SocketAddr,
        config: ClientConfig,
        name: &'static str,
    ) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(endpoint)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let connection =
            ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    /// Opens a connection and sends CONNECT by a token; gives the answer too.
    pub fn connect(hub: &Hub, device: &Device, options: Options) -> (Self, [u8; 4]) {
        let mut client = Self::open(hub);
        client.send(&device.connect(options));
        let connack = client.receive(4).try_into().unwrap();
        (client, connack)
    }

    /// The same, and the connection must have been accepted.
    pub fn accepted(hub: &Hub, device: &Device, options: Options) -> Self {
        let (client, connack) = Self::connect(hub, device, options);
        assert!(
            connack == CONNACK_NEW || connack == CONNACK_PRESENT,
            "{connack:?}"
        );
        client
    }

    pub fn tls(&self) -> &ClientConnection {
        &self.0.conn
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
        self.0.flush().unwrap();
    }

    /// Sends what the hub may not wait for any more.
    pub fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).and_then(|()| self.0.flush());
    }

    /// Exactly this many bytes.
    pub fn receive(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The same, unless the connection ends before.
    pub fn try_receive(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).ok().map(|()| bytes)
    }

    pub fn expect(&mut self, bytes: &[u8]) {
        let received = self.receive(bytes.len());
        assert_eq!(received, bytes);
    }

    /// One packet: its first byte, and what follows the remaining length.
    pub fn packet(&mut self) -> (u8, Vec<u8>) {
        let first = self.receive(1)[0];
        let mut length = 0_usize;
        for shift in [0, 7, 14, 21] {
            let byte = self.receive(1)[0];
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        (first, self.receive(length))
    }

    /// One PUBLISH.
    pub fn publish(&mut self) -> Publish {
        let (first, body) = self.packet();
        assert_eq!(first >> 4, 3, "{first:#x}");
        let topic_length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, rest) = body[2..].split_at(topic_length);
        let (packet_id, payload) = match first & 6 {
            0 => (None, rest),
            _ => (Some(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
        };
        Publish {
            first,
            topic: String::from_utf8(topic.to_vec()).unwrap(),
            packet_id,
            payload: payload.to_vec(),
        }
    }

    /// The hub closes, and says nothing before.
    pub fn expect_close(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => panic!("the hub did not close: {error}"),
        }
        assert!(
            rest.is_empty(),
            "the hub said something before it closed: {rest:02x?}"
        );
    }

    /// Nothing comes for this long, and the connection stays.
    pub fn expect_silence(&mut self, time: Duration) {
        self.0.sock.set_read_timeout(Some(time)).unwrap();
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            other => panic!("{other:?} {byte:?}"),
        }
        self.0.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    /// The connection is alive.
    pub fn ping(&mut self) {
        self.send(&PINGREQ);
        self.expect(&PINGRESP);
    }

    /// Shakes hands with a certificate and sends CONNECT without a password.
    pub fn connect_with_certificate(
        hub: &Hub,
        id: &str,
        certificate: &DeviceCertificate,
    ) -> (Self, [u8; 4]) {
        let mut client = Self::open_with(
            hub.endpoint(),
            client_config(hub.ca_pem(), Some(certificate)),
        );
        let user_name = format!("localhost/{id}/?api-version=2021-04-12");
        client.send(&connect(id, &user_name, None, Options::default()));
        let connack = client.receive(4).try_into().unwrap();
        (client, connack)
    }

    /// Subscribes to the device's cloud-to-device messages.
    pub fn subscribe_c2d(&mut self, device: &Device, qos: u8) {
        self.send(&subscribe(1, &[(&device.c2d_filter(), qos)]));
        self.expect(&[0x90, 3, 0, 1, qos]);
    }
}

/// A PUBLISH from the hub.
#[derive(Debug, PartialEq, Eq)]
pub struct Publish {
    pub first: u8,
    pub topic: String,
    pub packet_id: Option<u16>,
    pub payload: Vec<u8>,
}

/// Fields of CONNECT beside the identity.
#[derive(Clone, Debug)]
pub struct Options {
    pub clean: bool,
    pub keep_alive: u16,
    /// Seconds from now to the token's `se`.
    pub life: i64,
    /// Topic, payload, flags (QoS and RETAIN bits of CONNECT).
    pub will: Option<(String, &'static str, u8)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clean: false,
            keep_alive: 240,
            life: 3600,
            will: None,
        }
    }
}

/// A device with a symmetric key.
#[derive(Clone, Debug)]
pub struct Device {
    pub id: String,
    pub key: String,
}

impl Device {
    pub fn create(hub: &Hub, id: &str) -> Self {
        Self::from_connection_string(&hub.create_sas_device(id).unwrap())
    }

    pub fn from_connection_string(text: &str) -> Self {
        let field = |name: &str| {
            let found = text
                .split(';')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.unwrap().to_owned()
        };
        Self {
            id: field("DeviceId"),
            key: field("SharedAccessKey"),
        }
    }

    pub fn user_name(&self) -> String {
        format!("localhost/{}/?api-version=2021-04-12", self.id)
    }

    pub fn token(&self, life: i64) -> String {
        token(&format!("localhost/devices/{}", self.id), &self.key, life)
    }

    pub fn connect(&self, options: Options) -> Vec<u8> {
        connect(
            &self.id,
            &self.user_name(),
            Some(&self.token(options.life)),
            options,
        )
    }

    pub fn c2d_filter(&self) -> String {
        format!("devices/{}/messages/devicebound/#", self.id)
    }

    pub fn events_topic(&self) -> String {
        format!("devices/{}/messages/events/", self.id)
    }
}

/// A token for `resource` that ends `life` seconds from now.
pub fn token(resource: &str, key: &str, life: i64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let expiry = now.checked_add_signed(life).unwrap();
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let resource = escape(resource);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).unwrap());
    let signature = STANDARD.encode(hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes()));
    format!(
        "SharedAccessSignature sr={resource}&sig={}&se={expiry}",
        escape(&signature)
    )
}

pub fn string(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// A packet: its first byte, the remaining length, and the rest.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

pub fn connect(
    client_id: &str,
    user_name: &str,
    password: Option<&str>,
    options: Options,
) -> Vec<u8> {
    let mut flags = 0x80;
    let mut payload = string(client_id);
    if options.clean {
        flags |= 2;
    }
    if let Some((topic, message, will_flags)) = &options.will {
        flags |= 4 | will_flags;
        payload.extend(string(topic));
        payload.extend(string(message));
    }
    payload.extend(string(user_name));
    if let Some(password) = password {
        flags |= 0x40;
        payload.extend(string(password));
    }
    let mut body = string("MQTT");
    body.extend([4, flags]);
    body.extend(options.keep_alive.to_be_bytes());
    body.extend(payload);
    packet(0x10, &body)
}

/// PUBLISH with QoS 1, or 0 without a packet identifier.
pub fn publish(topic: &str, packet_id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = string(topic);
    body.extend(packet_id.map(u16::to_be_bytes).into_iter().flatten());
    body.extend(payload);
    packet(if packet_id.is_some() { 0x32 } else { 0x30 }, &body)
}

/// Waits for a closed connection of this client, and gives the reason.
pub fn close_reason(hub: &Hub, client_id: &str) -> String {
    let of_client = |close: &local_hub::Close| close.client_id.as_deref() == Some(client_id);
    hub.wait_for_close(PATIENCE, of_client).unwrap().reason
}

/// Waits for this many events.
pub fn wait_for_events(hub: &Hub, count: usize) -> Vec<local_hub::Event> {
    let (enough, events) = hub.wait_for_events(PATIENCE, |events| events.len() >= count);
    assert!(enough, "{} of {count} events", events.len());
    events
}

pub fn puback(packet_id: u16) -> Vec<u8> {
    packet(0x40, &packet_id.to_be_bytes())
}

pub fn subscribe(packet_id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        body.extend(string(filter));
        body.push(*qos);
    }
    packet(0x82, &body)
}
