//! Accepts connections, and follows each from the handshake to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol_core::mqtt::result_code::ConnectReturnCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

use super::authenticate::authenticate;
use super::codec::{Connect, Packet, encode};
use super::connection::Connection;
use super::foreign;
use super::opened::Opened;
use super::provisioning::{ProvisioningSession, Registration, registration};
use super::session::Session;
use super::stream::Stream;
use crate::close::CloseReason;
use crate::core::Core;
use crate::dps::{Proof, is_registration_id};
use crate::registry::Identity;
use crate::story::What;
use crate::throttle::Operation;
use crate::tls::TlsSocket;

/// "Too many open files" of one process, on every Unix that Rust runs on.
const EMFILE: i32 = 24;

/// Time that the rest of a first line may take that is not MQTT.
const FIRST_LINE: Duration = Duration::from_millis(500);

/// Services on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// The hub and the provisioning service, told apart by the user name.
    Both,
    /// The provisioning service.
    Provisioning,
}

/// Serves MQTT until `stop` says so.
pub(crate) async fn serve(
    core: Arc<Core>,
    service: Service,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    stop: watch::Receiver<bool>,
) {
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let client = Client::new(Arc::clone(&core), service, peer);
                let opening = handshake(tcp, Arc::clone(&tls));
                tokio::spawn(client.follow(opening, stop.clone()));
            }
            Err(error) => {
                // Out of file descriptors, most likely: they come back as connections end.
                let remedy = match error.raw_os_error() {
                    Some(EMFILE) => {
                        "; each connection is an open file: as root, `ulimit -Hn` before the hub starts allows more"
                    }
                    _ => "",
                };
                log::error!("cannot accept a connection: {error}{remedy}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Follows a client of both services whose handshakes are over.
pub(super) async fn follow(
    core: Arc<Core>,
    peer: SocketAddr,
    stream: Stream,
    stop: watch::Receiver<bool>,
) {
    let client = Client::new(core, Service::Both, peer);
    client.follow(std::future::ready(Ok(stream)), stop).await;
}

async fn handshake(tcp: TcpStream, tls: Arc<ServerConfig>) -> Result<Stream, CloseReason> {
    // Small packets must not wait for each other.
    let _ = tcp.set_nodelay(true);
    let mut first = [0; foreign::ENOUGH];
    let seen = tcp.peek(&mut first).await.unwrap_or_default();
    if let Some(what) = first.get(..seen).and_then(foreign::before_tls) {
        return Err(CloseReason::Foreign(what));
    }
    match TlsSocket::accept(tcp, tls).await {
        Ok(tls) => Ok(Stream::Tls(tls)),
        Err(error) => Err(CloseReason::Tls(explain(&error.to_string()))),
    }
}

/// A CONNECT that was accepted.
enum Accepted {
    Hub(Box<Opened>),
    Provisioning(Box<Connect>, Proof),
}

/// A connection whose CONNECT was accepted.
enum Connected {
    Hub(Box<Session>),
    Provisioning(Box<ProvisioningSession>),
}

/// One client, from accept to close.
struct Client {
    core: Arc<Core>,
    service: Service,
    peer: SocketAddr,
    client_id: Option<String>,
    /// It is a registration with the provisioning service.
    registers: bool,
}

impl Client {
    fn new(core: Arc<Core>, service: Service, peer: SocketAddr) -> Self {
        Self {
            core,
            service,
            peer,
            client_id: None,
            registers: false,
        }
    }

    async fn follow(
        mut self,
        opening: impl Future<Output = Result<Stream, CloseReason>>,
        mut stop: watch::Receiver<bool>,
    ) {
        let limit = self.core.limits.connect_timeout;
        let connected = tokio::select! {
            connected = timeout(limit, self.connect(opening)) => match connected {
                Ok(connected) => connected,
                Err(_) => Err((None, CloseReason::ConnectTimeout(limit))),
            },
            _ = stop.wait_for(|stop| *stop) => Err((None, CloseReason::ShuttingDown)),
        };
        let (connection, reason) = match connected {
            Ok(Connected::Hub(session)) => {
                let (connection, reason) = session.run().await;
                (Some(connection), reason)
            }
            Ok(Connected::Provisioning(session)) => {
                let (connection, reason) = session.run(stop).await;
                (Some(connection), reason)
            }
            Err(early) => early,
        };
        self.tell_close(&reason);
        self.core
            .closes
            .record(&self.peer.to_string(), self.client_id.take(), &reason);
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    /// Adds the end of the connection to the story of the client, if it is one that there is.
    fn tell_close(&self, reason: &CloseReason) {
        let Some(id) = &self.client_id else { return };
        let what = match reason {
            CloseReason::Disconnected | CloseReason::ShuttingDown => What::Ended,
            _ => What::Closed,
        };
        if self.registers {
            self.tell_of_registration(what, || reason.to_string());
        } else if self.core.registry.get(&Identity::of_client(id)).is_ok() {
            self.core.tell(id, what, "", || reason.to_string());
        }
    }

    fn tell_of_registration(&self, what: What, detail: impl FnOnce() -> String) {
        let id = self.client_id.as_deref().unwrap_or_default();
        let id = id.to_ascii_lowercase();
        if is_registration_id(&id) {
            let (stories, clock) = (&self.core.registration_stories, &self.core.clock);
            stories.tell(&id, clock, what, "", detail);
        }
    }

    /// Handshake and CONNECT. The error gives the connection back if there is one to be closed.
    async fn connect(
        &mut self,
        opening: impl Future<Output = Result<Stream, CloseReason>>,
    ) -> Result<Connected, (Option<Connection>, CloseReason)> {
        let stream = opening.await.map_err(|reason| (None, reason))?;
        let mut connection = Connection::new(stream);
        let result = match self.first_packet(&mut connection).await {
            Ok(connect) => match registration(&connect.user_name) {
                Some(registration) => {
                    self.registers = true;
                    self.provision(connect, &registration, &mut connection)
                        .await
                }
                None => self.open(connect, &mut connection).await,
            },
            Err(reason) => Err(reason),
        };
        match result {
            Ok(Accepted::Hub(opened)) => {
                Ok(Connected::Hub(Box::new(Session::new(*opened, connection))))
            }
            Ok(Accepted::Provisioning(connect, proof)) => {
                let core = Arc::clone(&self.core);
                let session = ProvisioningSession::new(core, connection, &connect, proof);
                Ok(Connected::Provisioning(Box::new(session)))
            }
            Err(reason) => Err((Some(connection), reason)),
        }
    }

    async fn first_packet(&mut self, connection: &mut Connection) -> Result<Connect, CloseReason> {
        let connect = loop {
            match connection.packet() {
                Ok(Some(Packet::Connect(connect))) => break *connect,
                Ok(Some(other)) => {
                    let what = format!("{} before CONNECT", other.name());
                    return Err(CloseReason::Violation(what));
                }
                Ok(None) => connection.read().await?,
                Err(reason) => return Err(named(connection, reason).await),
            }
        };
        self.client_id = Some(connect.client_id.clone());
        Ok(connect)
    }

    async fn provision(
        &self,
        connect: Connect,
        registration: &Registration,
        connection: &mut Connection,
    ) -> Result<Accepted, CloseReason> {
        match ProvisioningSession::check(&self.core, &connect, registration, connection) {
            Ok(proof) => {
                connection.queue(encode::accepted(false))?;
                self.tell_of_registration(What::Connected, || format!("from {}", self.peer));
                log::info!(
                    "registration {:?} connected from {}",
                    connect.client_id,
                    self.peer
                );
                Ok(Accepted::Provisioning(Box::new(connect), proof))
            }
            Err(why) => {
                connection.queue(encode::refused(ConnectReturnCode::NotAuthorized))?;
                connection.flush().await?;
                Err(CloseReason::Refused(5, why))
            }
        }
    }

    async fn open(
        &self,
        connect: Connect,
        connection: &mut Connection,
    ) -> Result<Accepted, CloseReason> {
        let judged = match self.service {
            Service::Both => authenticate(&self.core, &connect, connection.peer_certificates()),
            Service::Provisioning => {
                Err("the user name is not one for the provisioning service".into())
            }
        };
        let authenticated = match judged {
            Ok(authenticated) => authenticated,
            Err(why) => {
                connection.queue(encode::refused(ConnectReturnCode::NotAuthorized))?;
                connection.flush().await?;
                return Err(CloseReason::Refused(5, why));
            }
        };
        if self.core.throttle.take(Operation::Connect).is_none() {
            return Err(CloseReason::Throttled("new connections"));
        }
        let refusal = self
            .core
            .faults
            .refusal(&connect.client_id, authenticated.expiry);
        if let Some((code, why)) = refusal {
            let answer = match code {
                3 => ConnectReturnCode::ServerUnavailable,
                _ => ConnectReturnCode::NotAuthorized,
            };
            connection.queue(encode::refused(answer))?;
            connection.flush().await?;
            return Err(CloseReason::Refused(code, why.into()));
        }
        let opened = Opened::open(&self.core, authenticated, connect)?;
        connection.queue(encode::accepted(opened.session_present))?;
        let detail = || format!("from {}: {opened}", self.peer);
        self.core
            .tell(opened.client_id(), What::Connected, "", detail);
        log::info!("{:?} connected from {}", opened.client_id(), self.peer);
        Ok(Accepted::Hub(Box::new(opened)))
    }
}

/// A client whose first bytes are no packet may speak another protocol: names that one.
async fn named(connection: &mut Connection, reason: CloseReason) -> CloseReason {
    let begins_with_a_letter = connection
        .unread()
        .first()
        .is_some_and(u8::is_ascii_uppercase);
    while begins_with_a_letter && connection.unread().len() < foreign::ENOUGH {
        // The rest of the first line is on its way, or nothing is.
        match timeout(FIRST_LINE, connection.read()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    foreign::within_tls(connection.unread()).map_or(reason, CloseReason::Foreign)
}

/// Adds what to do about it to the handshake failures that people meet.
fn explain(error: &str) -> String {
    let remedy = if error.contains("UnknownCA") {
        "; the client does not trust this hub: give it ca.pem from the state directory"
    } else if error.contains("no cipher suites in common")
        || error.contains("NoCipherSuitesInCommon")
    {
        "; the client offers none of ECDHE with AES-GCM"
    } else if error.contains("CertificateExpired") || error.contains("BadCertificate") {
        "; the client refuses the certificate: check its clock and the host name that it connects to"
    } else {
        ""
    };
    format!("{error}{remedy}")
}
