//! The hub beside another broker, in one run: what a connection and a message cost each of both.
//!
//! # Theory of operation
//! Both serve the same certificates, to the same clients, over TLS 1.2. The devices connect one after another, first to
//! the one server, then to the other; the messages go one after another too, [`TURN`] to the one and [`TURN`] to the
//! other. So what the machine does beside hardly changes the ratio. A server's CPU time is the kernel's account of its
//! threads, and the median of all connections, or of all turns, is told: a neighbour that takes the processor's caches for
//! a moment does not count. Its memory is its resident memory. On one processor (`taskset -c 1`), nobody has to wake another
//! processor, which costs as much as the message itself, and more or less of it as the system's scheduler wills.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

use super::Arguments;
use super::client::{self, Credentials};
use super::hub::Prepared;
use super::process::Usage;

/// Messages that go to one server before it is the other's turn.
const TURN: usize = 50;
/// Nothing is waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time that a server gets to put its memory in order.
const REST: Duration = Duration::from_secs(1);

type Stream = TlsStream<tokio::net::TcpStream>;

/// One of both servers, as the clients see it.
struct Side {
    name: String,
    process: String,
    endpoint: SocketAddr,
    streams: Vec<Stream>,
    /// Before anything, with everyone connected, after all messages.
    usages: Vec<Usage>,
    /// CPU time of each connection.
    connecting: Vec<Duration>,
    /// CPU time of a message, in each turn.
    sending: Vec<Duration>,
}

impl Side {
    fn new(name: &str, process: u32, endpoint: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            process: process.to_string(),
            endpoint,
            streams: Vec::new(),
            usages: Vec::new(),
            connecting: Vec::new(),
            sending: Vec::new(),
        }
    }

    fn cpu(&self) -> Result<Duration, String> {
        Usage::of(&self.process).map(|usage| usage.hub_cpu)
    }
}

/// Compares the hub with `program`.
pub(crate) fn run(arguments: &Arguments, program: &str) -> Result<(), String> {
    let prepared = Prepared::new(arguments.devices)?;
    let mut serving = prepared.serve("", &arguments.serve)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let tls = client::tls_config(&prepared.ca_pem()?)?;
    let chain = runtime.block_on(chain(serving.mqtt(), Arc::clone(&tls)))?;
    let mut other = Mosquitto::start(program, &chain, &prepared)?;
    let mut sides = [
        Side::new("local-hub", serving.id(), serving.mqtt()),
        Side::new(program, other.child.id(), other.endpoint),
    ];
    let credentials: Vec<_> = prepared
        .connection_strings()
        .iter()
        .map(|text| Credentials::from_connection_string(text))
        .collect::<Result<_, _>>()?;
    for side in &mut sides {
        side.usages.push(Usage::of(&side.process)?);
    }
    runtime.block_on(connect(&mut sides, &credentials, &tls))?;
    rest(&mut sides)?;
    runtime.block_on(send(&mut sides, &credentials, arguments))?;
    rest(&mut sides)?;
    other.child.kill().map_err(|error| error.to_string())?;
    serving.end()?;
    let stored = prepared.stored()?;
    writeln!(
        std::io::stdout(),
        "{}\n{stored} of {} messages are in the state of the hub, which was killed",
        report(arguments, &sides),
        arguments.messages
    )
    .map_err(|error| format!("cannot write to standard output: {error}"))?;
    if stored == u64::from(arguments.messages) {
        Ok(())
    } else {
        Err("messages are lost".into())
    }
}

fn rest(sides: &mut [Side]) -> Result<(), String> {
    std::thread::sleep(REST);
    for side in sides {
        side.usages.push(Usage::of(&side.process)?);
    }
    Ok(())
}

async fn connect(
    sides: &mut [Side],
    credentials: &[Credentials],
    tls: &Arc<rustls::ClientConfig>,
) -> Result<(), String> {
    for credentials in credentials {
        for side in &mut *sides {
            let before = side.cpu()?;
            let stream = client::open(
                side.endpoint,
                Ipv4Addr::LOCALHOST,
                credentials,
                Arc::clone(tls),
            )
            .await;
            side.streams
                .push(stream.map_err(|error| format!("{}: {error}", side.name))?);
            side.connecting.push(side.cpu()?.saturating_sub(before));
        }
    }
    Ok(())
}

async fn send(
    sides: &mut [Side],
    credentials: &[Credentials],
    arguments: &Arguments,
) -> Result<(), String> {
    let topics: Vec<_> = credentials.iter().map(Credentials::topic).collect();
    let payload = vec![b'7'; arguments.payload as usize];
    let numbers: Vec<_> = (0..arguments.messages as usize).collect();
    for turn in numbers.chunks(TURN) {
        for side in &mut *sides {
            let before = side.cpu()?;
            for number in turn {
                let device = number % topics.len();
                let packet_id = u16::try_from(number / topics.len() % 65_535 + 1).unwrap_or(1);
                client::publish(
                    &mut side.streams[device],
                    &topics[device],
                    packet_id,
                    &payload,
                )
                .await
                .map_err(|error| format!("{}: {error}", side.name))?;
            }
            let spent = side.cpu()?.saturating_sub(before);
            side.sending
                .push(spent / u32::try_from(turn.len()).unwrap_or(1));
        }
    }
    Ok(())
}

/// Certificates that the hub serves, leaf first, in PEM.
async fn chain(endpoint: SocketAddr, tls: Arc<rustls::ClientConfig>) -> Result<String, String> {
    let tcp = tokio::net::TcpStream::connect(endpoint).await;
    let name = rustls::pki_types::ServerName::try_from("localhost").map_err(|e| e.to_string())?;
    let connecting =
        tokio_rustls::TlsConnector::from(tls).connect(name, tcp.map_err(|e| e.to_string())?);
    let stream = connecting.await.map_err(|error| error.to_string())?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(certificates.iter().map(pem).collect())
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

/// The other broker, which ends when this is dropped.
struct Mosquitto {
    child: Child,
    endpoint: SocketAddr,
}

impl Mosquitto {
    fn start(program: &str, chain: &str, prepared: &Prepared) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let file = |name: &str| prepared.path().join(name);
        let keys = std::fs::read_to_string(file("server-rsa.pem")).map_err(text)?;
        let key = keys
            .rfind("-----BEGIN PRIVATE KEY-----")
            .and_then(|begin| keys.get(begin..))
            .ok_or("the state has no key of the server")?;
        // Somebody else might take the port until the broker does; then it says so.
        let endpoint = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(text)?;
        let (chain_path, key_path, settings_path) = (
            file("other-chain.pem"),
            file("other-key.pem"),
            file("other.conf"),
        );
        write(&chain_path, chain)?;
        write(&key_path, key)?;
        let settings = format!(
            "listener {} 127.0.0.1\ncertfile {}\nkeyfile {}\ntls_version tlsv1.2\nallow_anonymous true\n\
             set_tcp_nodelay true\nlog_type error\nuser root\n",
            endpoint.port(),
            chain_path.display(),
            key_path.display()
        );
        write(&settings_path, &settings)?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&settings_path)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!(
                    "cannot start {program}: {error}; name its path, such as /usr/sbin/mosquitto"
                )
            })?;
        let mut started = Self { child, endpoint };
        started.wait(program)?;
        Ok(started)
    }

    fn wait(&mut self, program: &str) -> Result<(), String> {
        let begin = Instant::now();
        while TcpStream::connect(self.endpoint).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{program} ended with {status}; it says why above"));
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("{program} does not listen"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // Already ended, unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a file that only its owner reads.
fn write(path: &Path, text: &str) -> Result<(), String> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The median, in microseconds.
fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    middle.as_secs_f64() * 1e6
}

fn report(arguments: &Arguments, sides: &[Side; 2]) -> String {
    let kilobytes = |side: &Side, index: usize| {
        let resident = side.usages.get(index).map_or(0, |usage| usage.resident);
        f64::from(u32::try_from(resident).unwrap_or(u32::MAX))
    };
    let devices = f64::from(arguments.devices);
    let data = |side: &Side| {
        let data = side.usages.last().map_or(0, |usage| usage.data);
        f64::from(u32::try_from(data).unwrap_or(u32::MAX)) / 1024.0
    };
    type Figure<'f> = &'f dyn Fn(&Side) -> f64;
    let rows: [(&str, Figure<'_>); 6] = [
        ("CPU of a message, us", &|side| median(&side.sending)),
        ("CPU of a connection, us", &|side| median(&side.connecting)),
        ("memory without connections, MB", &|side| {
            kilobytes(side, 0) / 1024.0
        }),
        ("memory of a connection, KB", &|side| {
            (kilobytes(side, 1) - kilobytes(side, 0)) / devices
        }),
        ("memory after all messages, MB", &|side| {
            kilobytes(side, 2) / 1024.0
        }),
        ("of it data, not program, MB", &data),
    ];
    let [hub, other] = sides;
    let mut lines = vec![format!(
        "{:<32} {:>10} {:>10} {:>6}",
        format!(
            "{} devices, {} messages",
            arguments.devices, arguments.messages
        ),
        hub.name,
        other.name.rsplit('/').next().unwrap_or_default(),
        "ratio"
    )];
    lines.extend(rows.iter().map(|(name, figure)| {
        let (one, two) = (figure(hub), figure(other));
        format!("{name:<32} {one:>10.1} {two:>10.1} {:>6.2}", one / two)
    }));
    lines.join("\n")
}
