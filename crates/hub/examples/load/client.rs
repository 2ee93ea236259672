//! One device: TLS, MQTT in bytes, a message every interval.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

/// Nothing is waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
/// Seconds that a token lives: longer than any run.
const TOKEN_LIFE: u64 = 3 * 3600;
/// Seconds: the longest that IoT Hub grants. The arguments keep a device from being silent for longer.
const KEEP_ALIVE: u16 = 1177;

/// Plan of a device.
pub(crate) struct Plan {
    pub(crate) number: u32,
    /// Number of all devices.
    pub(crate) of: u32,
    pub(crate) interval: Duration,
    /// Bytes.
    pub(crate) payload: usize,
    pub(crate) together: bool,
    pub(crate) endpoint: SocketAddr,
}

/// Id and key of a device.
pub(crate) struct Credentials {
    id: String,
    key: Vec<u8>,
}

impl Credentials {
    pub(crate) fn from_connection_string(text: &str) -> Result<Self, String> {
        let field = |name: &str| {
            let mut pairs = text.split(';').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let (id, key) = field("DeviceId")
            .zip(field("SharedAccessKey"))
            .ok_or("a connection string has no DeviceId or no SharedAccessKey")?;
        Ok(Self {
            id: id.to_owned(),
            key: STANDARD.decode(key).map_err(|error| error.to_string())?,
        })
    }

    /// Topic of a message in JSON.
    pub(crate) fn topic(&self) -> String {
        format!(
            "devices/{}/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8",
            self.id
        )
    }

    fn token(&self) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let expiry = now.as_secs() + TOKEN_LIFE;
        let resource = format!("localhost%2Fdevices%2F{}", self.id);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        let signature = hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes());
        let signature = STANDARD
            .encode(signature)
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}")
    }
}

/// TLS 1.2 under the hub's root, each time with a full handshake, as with IoT Hub.
pub(crate) fn tls_config(ca_pem: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|e| e.to_string())?;
    roots.add(root).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Outcome of the messages of one device.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) messages: u64,
    /// From before the PUBLISH is written to after its PUBACK was read, for each PUBACK.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) failure: Option<String>,
}

/// A device's life. `connected` gets the time that connecting took.
pub(crate) async fn live(
    plan: Plan,
    credentials: Credentials,
    tls: Arc<ClientConfig>,
    connecting: Arc<Semaphore>,
    connected: UnboundedSender<Result<Duration, String>>,
    mut started: watch::Receiver<Option<(Instant, Instant)>>,
) -> Sent {
    let permit = connecting.acquire_owned().await;
    let begin = Instant::now();
    let opened = timeout(
        PATIENCE,
        open(plan.endpoint, source(plan.number), &credentials, tls),
    )
    .await;
    drop(permit);
    let opened = opened.unwrap_or_else(|_| Err("no connection within 30 s".into()));
    let mut sent = Sent::default();
    let stream = match opened {
        Ok(stream) => stream,
        Err(error) => {
            let _ = connected.send(Err(format!("{}: {error}", credentials.id)));
            return sent;
        }
    };
    let _ = connected.send(Ok(begin.elapsed()));
    drop(connected);
    let period = match started.wait_for(Option::is_some).await {
        Ok(period) => *period,
        Err(_) => None,
    };
    if let Some((begin, end)) = period
        && let Err(error) = send(&plan, &credentials, stream, begin, end, &mut sent).await
    {
        sent.failure = Some(format!("{}: {error}", credentials.id));
    }
    sent
}

/// The address that a device connects from: one has some 28,000 ports.
fn source(number: u32) -> Ipv4Addr {
    const DEVICES_PER_ADDRESS: u32 = 10_000;
    let last = u8::try_from(number / DEVICES_PER_ADDRESS).unwrap_or_default();
    Ipv4Addr::new(127, 0, 0, last.saturating_add(1))
}

/// Connects, with TLS and MQTT, and subscribes.
pub(crate) async fn open(
    endpoint: SocketAddr,
    source: Ipv4Addr,
    credentials: &Credentials,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, String> {
    let text = |error: std::io::Error| error.to_string();
    let socket = TcpSocket::new_v4().map_err(text)?;
    if source != Ipv4Addr::LOCALHOST {
        socket.bind(SocketAddr::from((source, 0))).map_err(text)?;
    }
    let tcp = socket.connect(endpoint).await.map_err(text)?;
    tcp.set_nodelay(true).map_err(text)?;
    let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
    let mut stream = TlsConnector::from(tls)
        .connect(name, tcp)
        .await
        .map_err(text)?;
    let id = &credentials.id;
    let mut body = string("MQTT");
    // Level 4; user name and password, no clean session.
    body.extend([4, 0xc0]);
    body.extend(KEEP_ALIVE.to_be_bytes());
    body.extend(string(id));
    body.extend(string(&format!("localhost/{id}/?api-version=2021-04-12")));
    body.extend(string(&credentials.token()));
    stream.write_all(&packet(0x10, &body)).await.map_err(text)?;
    expect(&mut stream, &[0x20, 2, 0, 0]).await?;
    let mut body = vec![0, 1];
    body.extend(string(&format!("devices/{id}/messages/devicebound/#")));
    body.push(1);
    stream.write_all(&packet(0x82, &body)).await.map_err(text)?;
    expect(&mut stream, &[0x90, 3, 0, 1, 1]).await?;
    Ok(stream)
}

async fn send(
    plan: &Plan,
    credentials: &Credentials,
    mut stream: TlsStream<TcpStream>,
    begin: Instant,
    end: Instant,
    sent: &mut Sent,
) -> Result<(), String> {
    let topic = credentials.topic();
    let payload = vec![b'7'; plan.payload];
    let share = plan
        .interval
        .mul_f64(f64::from(plan.number) / f64::from(plan.of));
    let mut next = if plan.together { begin } else { begin + share };
    let mut packet_id = 0_u16;
    while next < end {
        sleep_until(next).await;
        packet_id = packet_id.wrapping_add(1).max(1);
        let written = Instant::now();
        sent.messages += 1;
        let exchange = publish(&mut stream, &topic, packet_id, &payload);
        match timeout(PATIENCE, exchange).await {
            Ok(result) => result?,
            Err(_) => return Err("no PUBACK within 30 s".into()),
        }
        sent.latencies.push(written.elapsed());
        next += plan.interval;
    }
    sleep_until(end).await;
    let goodbye = async {
        stream.write_all(&[0xe0, 0]).await?;
        stream.shutdown().await
    };
    match timeout(PATIENCE, goodbye).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the hub takes no DISCONNECT".into()),
    }
}

/// PUBLISH with QoS 1, and its PUBACK.
pub(crate) async fn publish(
    stream: &mut TlsStream<TcpStream>,
    topic: &str,
    packet_id: u16,
    payload: &[u8],
) -> Result<(), String> {
    let packet_id = packet_id.to_be_bytes();
    let body = [string(topic).as_slice(), &packet_id, payload].concat();
    let written = stream.write_all(&packet(0x32, &body)).await;
    written.map_err(|error| error.to_string())?;
    expect(stream, &[0x40, 2, packet_id[0], packet_id[1]]).await
}

async fn expect(stream: &mut TlsStream<TcpStream>, expected: &[u8]) -> Result<(), String> {
    let mut bytes = vec![0; expected.len()];
    match stream.read_exact(&mut bytes).await {
        Ok(_) if bytes == expected => Ok(()),
        Ok(_) => Err(format!(
            "the hub sent {bytes:02x?} instead of {expected:02x?}"
        )),
        Err(error) => Err(format!("the connection ended: {error}")),
    }
}

fn string(text: &str) -> Vec<u8> {
    // Ids and tokens of this program have some hundred bytes.
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
