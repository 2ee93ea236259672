//! From a name to a verified connection: every address is tried, every stage has its time, and a stop that
//! is asked for ends them all.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use azure_device::port::{Code, ConnectError, Connector, Endpoint, TcpFailure};
use log::debug;
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::platform::Remote;
use crate::poller::Poller;
use crate::stream::TlsStream;
use crate::tls::{tcp_failure, tls_failure};

/// How long each stage of a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the resolver must have answered.
    pub resolve: Duration,
    /// Until one of the addresses must have accepted, shared among them.
    pub connect: Duration,
    /// Until TLS must be complete.
    pub handshake: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(10),
            connect: Duration::from_secs(20),
            handshake: Duration::from_secs(20),
        }
    }
}

/// Opens connections that are verified as the given configuration says.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    /// Credentials, authorities and the clock.
    pub(crate) tls: Arc<ClientConfig>,
    /// How long it may take.
    pub(crate) timeouts: Timeouts,
    /// Where the connections sleep.
    pub(crate) poller: Poller,
    /// Who can wake and stop them.
    pub(crate) remote: Remote,
}

impl Connector for TlsConnector {
    type Stream = TlsStream;

    fn connect(&mut self, endpoint: Endpoint<'_>) -> Result<TlsStream, ConnectError> {
        self.open(endpoint).map_err(|error| {
            // Whatever it was, it no longer matters.
            let stopping = self.remote.stop_is_asked();
            if stopping {
                ConnectError::Cancelled
            } else {
                error
            }
        })
    }
}

impl TlsConnector {
    fn open(&self, endpoint: Endpoint<'_>) -> Result<TlsStream, ConnectError> {
        let Endpoint {
            host_name,
            address,
            port,
        } = endpoint;
        let name = ServerName::try_from(host_name.to_owned()).map_err(|error| {
            debug!("{host_name} is no host name: {error}");
            ConnectError::Dns(Code(0))
        })?;
        let addresses = self.resolve(address, port)?;
        let socket = self.connect_any(&addresses)?;
        self.handshake(name, socket).map_err(|error| {
            debug!("TLS with {host_name}: {error}");
            tls_failure(&error)
        })
    }

    /// Asks the system's resolver, on a thread that can be left behind when it does not answer in time.
    fn resolve(&self, address: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let (answer, answers) = mpsc::channel();
        let (name, remote) = (address.to_owned(), self.remote.clone());
        let resolver = thread::Builder::new()
            .name("resolver".into())
            .spawn(move || {
                let found = (name.as_str(), port).to_socket_addrs();
                // Nobody listens any more if it took too long.
                let _ = answer.send(found.map(Vec::from_iter));
                remote.wake();
            });
        resolver
            .map_err(|error| ConnectError::Resource(Code(error.raw_os_error().unwrap_or(0))))?;
        let deadline = Instant::now() + self.timeouts.resolve;
        let found = loop {
            match answers.try_recv() {
                Ok(found) => break found,
                Err(mpsc::TryRecvError::Disconnected) => break Err(io::ErrorKind::Other.into()),
                Err(mpsc::TryRecvError::Empty) => {}
            }
            if let Err(error) = self.sleep(deadline) {
                break Err(error);
            }
        };
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(ConnectError::Dns(Code(0))),
            Err(error) => {
                debug!("resolving {address}: {error}");
                Err(ConnectError::Dns(Code(error.raw_os_error().unwrap_or(0))))
            }
        }
    }

    /// The first address that accepts; otherwise the last failure, since resolvers put those first that
    /// this machine may have no route for.
    fn connect_any(&self, addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
        let deadline = Instant::now() + self.timeouts.connect;
        let mut failure = ConnectError::Tcp(TcpFailure::Unreachable, Code(0));
        for (index, address) in addresses.iter().enumerate() {
            let untried = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / untried;
            match self.connect_one(*address, now + share) {
                Ok(socket) => {
                    debug!("TCP connected to {address}");
                    return Ok(socket);
                }
                Err(error) => {
                    debug!("TCP to {address}: {error}");
                    failure = tcp_failure(&error);
                }
            }
        }
        Err(failure)
    }

    fn connect_one(&self, address: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
        let mut socket = TcpStream::connect(address)?;
        self.poller.register(&mut socket)?;
        loop {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            match socket.peer_addr() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    self.sleep(deadline)?
                }
                Err(error) => return Err(error),
            }
        }
        // Telemetry is small and should leave at once.
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    fn handshake(&self, name: ServerName<'static>, socket: TcpStream) -> io::Result<TlsStream> {
        let deadline = Instant::now() + self.timeouts.handshake;
        let tls = ClientConnection::new(self.tls.clone(), name).map_err(io::Error::other)?;
        let mut stream = TlsStream::new(tls, socket, self.poller.clone());
        while !stream.advance_handshake()? {
            self.sleep(deadline)?;
        }
        Ok(stream)
    }

    /// Sleeps until something may have changed; an error if that was time, or a stop.
    fn sleep(&self, deadline: Instant) -> io::Result<()> {
        if self.remote.stop_is_asked() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.poller.sleep_until(deadline)
    }
}
