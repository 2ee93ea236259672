//! From a name to a verified connection: every address is tried, and every stage has its time.
//!
//! An attempt goes on in steps ([`Opening`]), so that the device can measure what is due, and see what it is asked
//! for, between them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use azure_device::failure::{Code, ConnectError, TcpFailure};
use azure_device::port::Endpoint;
use log::debug;
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::platform::Remote;
use crate::poller::Poller;
use crate::stream::TlsStream;
use crate::tls::{tcp_failure, tls_failure};

/// Time that each stage of a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the resolver must have answered.
    pub resolve: Duration,
    /// Until one of the addresses must have accepted, shared among them.
    pub connect: Duration,
    /// Until TLS must be complete.
    pub handshake: Duration,
}

/// Longest time for a stage unless something else is configured. A handshake takes two round trips (RFC 5246,
/// section 7.3), so a link of 5 seconds each way needs 20 seconds for it, and some more where packets are lost.
const PATIENCE: Duration = Duration::from_secs(60);

impl Timeouts {
    /// The same time for each stage.
    pub const fn all(time: Duration) -> Self {
        Self {
            resolve: time,
            connect: time,
            handshake: time,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::all(PATIENCE)
    }
}

/// Opens connections that are verified as the given configuration says.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    /// Credentials, authorities and the clock.
    pub(crate) tls: Arc<ClientConfig>,
    /// Time that it may take.
    pub(crate) timeouts: Timeouts,
    /// Poller in which the connections wait.
    pub(crate) poller: Poller,
    /// Handle by which other threads wake and stop them.
    pub(crate) remote: Remote,
}

/// Progress of a connection.
#[derive(Debug, Default)]
pub struct Opening(Stage);

#[derive(Debug, Default)]
enum Stage {
    #[default]
    New,
    Resolving(Resolving),
    Connecting(Connecting),
    Handshaking(Box<TlsStream>, Instant),
}

/// The system's resolver works on a thread, which is left behind when it does not answer in time.
#[derive(Debug)]
struct Resolving {
    answers: mpsc::Receiver<io::Result<Vec<SocketAddr>>>,
    deadline: Instant,
}

/// The addresses are tried one after the other.
#[derive(Debug)]
struct Connecting {
    /// Those that were not tried yet, the last one first.
    untried: Vec<SocketAddr>,
    /// The one that is being tried, and until when.
    socket: Option<(TcpStream, SocketAddr, Instant)>,
    /// Until one of them must have accepted.
    deadline: Instant,
    /// Error to report if none accepts: what came of the last one, since resolvers put those first that this machine
    /// may have no route for.
    failure: ConnectError,
}

/// Result of a step.
enum Step {
    Complete(Box<TlsStream>),
    Next(Stage),
    /// Nothing yet; there is time until then.
    Wait(Stage, Instant),
}

impl TlsConnector {
    /// Goes on with `opening` for `time` at most. `None` if it is not complete then, or if somebody asks for
    /// something.
    pub(crate) fn connect(
        &self,
        endpoint: Endpoint<'_>,
        opening: &mut Opening,
        time: Duration,
    ) -> Result<Option<TlsStream>, ConnectError> {
        let until = Instant::now() + time;
        loop {
            match self.step(endpoint, std::mem::take(&mut opening.0))? {
                Step::Complete(stream) => return Ok(Some(*stream)),
                Step::Next(stage) => opening.0 = stage,
                Step::Wait(stage, deadline) => {
                    opening.0 = stage;
                    let now = Instant::now();
                    if self.remote.is_asked() || now >= until {
                        return Ok(None);
                    }
                    // The deadline itself is the next step's to find.
                    let sleep = deadline.min(until).saturating_duration_since(now);
                    self.poller.sleep(sleep).map_err(|error| resource(&error))?;
                }
            }
        }
    }

    fn step(&self, endpoint: Endpoint<'_>, stage: Stage) -> Result<Step, ConnectError> {
        match stage {
            Stage::New => self.resolve(endpoint),
            Stage::Resolving(resolving) => self.resolved(endpoint, resolving),
            Stage::Connecting(connecting) => self.connect_any(endpoint, connecting),
            Stage::Handshaking(stream, deadline) => {
                let step = handshake(stream, deadline);
                step.map_err(|error| {
                    debug!("TLS with {}: {error}", endpoint.host_name);
                    tls_failure(&error)
                })
            }
        }
    }

    fn resolve(&self, endpoint: Endpoint<'_>) -> Result<Step, ConnectError> {
        // Before anything is sent.
        server_name(endpoint)?;
        let (answer, answers) = mpsc::channel();
        let (name, port, remote) = (
            endpoint.address.to_owned(),
            endpoint.port,
            self.remote.clone(),
        );
        thread::Builder::new()
            .name("resolver".into())
            .spawn(move || {
                let found = (name.as_str(), port).to_socket_addrs();
                // The receiver is gone if it took too long.
                let _ = answer.send(found.map(Vec::from_iter));
                remote.wake();
            })
            .map_err(|error| resource(&error))?;
        Ok(Step::Next(Stage::Resolving(Resolving {
            answers,
            deadline: Instant::now() + self.timeouts.resolve,
        })))
    }

    fn resolved(&self, endpoint: Endpoint<'_>, resolving: Resolving) -> Result<Step, ConnectError> {
        let deadline = resolving.deadline;
        let found = match resolving.answers.try_recv() {
            Ok(found) => found,
            Err(mpsc::TryRecvError::Disconnected) => Err(io::ErrorKind::Other.into()),
            Err(mpsc::TryRecvError::Empty) if Instant::now() >= deadline => {
                Err(io::ErrorKind::TimedOut.into())
            }
            Err(mpsc::TryRecvError::Empty) => {
                return Ok(Step::Wait(Stage::Resolving(resolving), deadline));
            }
        };
        match found {
            Ok(mut untried) if !untried.is_empty() => {
                untried.reverse();
                Ok(Step::Next(Stage::Connecting(Connecting {
                    untried,
                    socket: None,
                    deadline: Instant::now() + self.timeouts.connect,
                    failure: ConnectError::Tcp(TcpFailure::Unreachable, Code(0)),
                })))
            }
            Ok(_) => Err(ConnectError::Dns(Code(0))),
            Err(error) => {
                debug!("resolving {}: {error}", endpoint.address);
                Err(ConnectError::Dns(Code(error.raw_os_error().unwrap_or(0))))
            }
        }
    }

    /// Goes on with the address that is being tried, or begins with the next one.
    fn connect_any(
        &self,
        endpoint: Endpoint<'_>,
        mut connecting: Connecting,
    ) -> Result<Step, ConnectError> {
        let Some((socket, address, share)) = connecting.socket.take() else {
            return self.try_next(connecting);
        };
        match is_connected(&socket, share) {
            Ok(true) => {
                debug!("TCP connected to {address}");
                self.secure(endpoint, socket)
            }
            Ok(false) => {
                connecting.socket = Some((socket, address, share));
                Ok(Step::Wait(Stage::Connecting(connecting), share))
            }
            Err(error) => Ok(failed(connecting, address, &error)),
        }
    }

    fn try_next(&self, mut connecting: Connecting) -> Result<Step, ConnectError> {
        let shares = u32::try_from(connecting.untried.len()).unwrap_or(u32::MAX);
        let Some(address) = connecting.untried.pop() else {
            return Err(connecting.failure);
        };
        let now = Instant::now();
        let share = connecting.deadline.saturating_duration_since(now) / shares;
        match TcpStream::connect(address) {
            Ok(mut socket) => {
                let registered = self.poller.register(&mut socket);
                registered.map_err(|error| resource(&error))?;
                connecting.socket = Some((socket, address, now + share));
                Ok(Step::Next(Stage::Connecting(connecting)))
            }
            Err(error) => Ok(failed(connecting, address, &error)),
        }
    }

    /// Begins the handshake.
    fn secure(&self, endpoint: Endpoint<'_>, socket: TcpStream) -> Result<Step, ConnectError> {
        // Telemetry is small and should leave at once.
        if let Err(error) = socket.set_nodelay(true) {
            return Err(tcp_failure(&error));
        }
        let deadline = Instant::now() + self.timeouts.handshake;
        let tls = ClientConnection::new(self.tls.clone(), server_name(endpoint)?)
            .map_err(|error| tls_failure(&io::Error::other(error)))?;
        let stream = TlsStream::new(tls, socket, self.poller.clone());
        Ok(Step::Next(Stage::Handshaking(Box::new(stream), deadline)))
    }
}

fn server_name(endpoint: Endpoint<'_>) -> Result<ServerName<'static>, ConnectError> {
    ServerName::try_from(endpoint.host_name.to_owned()).map_err(|error| {
        debug!("{} is no host name: {error}", endpoint.host_name);
        ConnectError::Dns(Code(0))
    })
}

fn resource(error: &io::Error) -> ConnectError {
    ConnectError::Resource(Code(error.raw_os_error().unwrap_or(0)))
}

fn failed(connecting: Connecting, address: SocketAddr, error: &io::Error) -> Step {
    debug!("TCP to {address}: {error}");
    Step::Next(Stage::Connecting(Connecting {
        failure: tcp_failure(error),
        ..connecting
    }))
}

fn is_connected(socket: &TcpStream, deadline: Instant) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        Err(_) if Instant::now() >= deadline => Err(io::ErrorKind::TimedOut.into()),
        Err(_) => Ok(false),
    }
}

fn handshake(mut stream: Box<TlsStream>, deadline: Instant) -> io::Result<Step> {
    if stream.advance_handshake()? {
        return Ok(Step::Complete(stream));
    }
    if Instant::now() >= deadline {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(Step::Wait(Stage::Handshaking(stream, deadline), deadline))
}
