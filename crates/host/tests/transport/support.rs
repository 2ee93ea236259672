//! Authorities, servers and clients.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use azure_device::failure::ConnectError;
use azure_device::port::{Clock, Connector, Endpoint};
use azure_device_host::clock::Source;
use azure_device_host::connector::Timeouts;
use azure_device_host::stream::TlsStream;
use azure_device_host::tls::{ClientIdentity, roots_from_pem};
use azure_device_host::{HostPlatform, Options};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(crate) type Tls = StreamOwned<ServerConnection, TcpStream>;

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate, its chain and its key.
pub(crate) struct Certified {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A root with a key of any kind.
    pub(crate) fn with_key(name: &str, key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// An authority under this one, that `change` may spoil.
    pub(crate) fn intermediate(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(params, key, &self.0).unwrap())
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for another key than the one that comes with it.
    pub(crate) fn certify_key(
        &self,
        name: &str,
        public_key: &impl rcgen::PublicKeyData,
    ) -> Certified {
        let certificate = leaf(name).signed_by(public_key, &self.0).unwrap();
        Certified::alone(&certificate, KeyPair::generate().unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name` that `change` may spoil.
    pub(crate) fn certify(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Certified {
        let mut params = leaf(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certified::alone(&certificate, key)
    }
}

impl Certified {
    pub(crate) fn self_signed(name: &str, is_ca: IsCa) -> Self {
        let mut params = leaf(name);
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self::alone(&certificate, key)
    }

    fn alone(certificate: &Certificate, key: KeyPair) -> Self {
        Self {
            chain: vec![certificate.der().clone()],
            key,
        }
    }
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// As [`server_config`], for a chain that need not belong to its key, nor be one.
pub(crate) fn careless_server_config(certified: Certified) -> ServerConfig {
    #[derive(Debug)]
    struct Always(Arc<rustls::sign::CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Always {
        fn resolve(
            &self,
            _: rustls::server::ClientHello<'_>,
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(self.0.clone())
        }
    }
    let key = PrivateKeyDer::try_from(certified.key.serialize_der()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(certified.chain, key);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(Arc::new(certified))))
}

/// Returns the configuration of a server that presents this certificate.
pub(crate) fn server_config(certified: Certified) -> ServerConfig {
    let key = PrivateKeyDer::try_from(certified.key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certified.chain, key)
        .unwrap()
}

/// As [`server_config`], for clients with a certificate under `authority` only, and TLS 1.2 only.
pub(crate) fn strict_server_config(certified: Certified, authority: &Authority) -> ServerConfig {
    strict_server_config_of(&rustls::version::TLS12, certified, authority)
}

/// The same for any one version of TLS.
pub(crate) fn strict_server_config_of(
    version: &'static rustls::SupportedProtocolVersion,
    certified: Certified,
    authority: &Authority,
) -> ServerConfig {
    let key = PrivateKeyDer::try_from(certified.key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = roots_from_pem(authority.pem().as_bytes(), "test").unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(certified.chain, key)
        .unwrap()
}

/// A server of one connection. `serve` gets it after the handshake, which may have failed.
pub(crate) struct Server<T> {
    pub(crate) port: u16,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Server<T> {
    pub(crate) fn tls(
        config: ServerConfig,
        serve: impl FnOnce(io::Result<Tls>) -> T + Send + 'static,
    ) -> Self {
        Self::tcp(move |socket| {
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut tls = StreamOwned::new(connection, socket);
            let handshake = tls.conn.complete_io(&mut tls.sock);
            serve(handshake.map(|_| tls))
        })
    }

    pub(crate) fn tcp(serve: impl FnOnce(TcpStream) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            socket
                .set_write_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            serve(socket)
        });
        Self { port, thread }
    }

    pub(crate) fn join(self) -> T {
        self.thread.join().unwrap()
    }
}

/// Serves a handshake and nothing after it.
pub(crate) fn handshake_only(config: ServerConfig) -> Server<io::Result<()>> {
    Server::tls(config, |tls| tls.and_then(|mut tls| tls.flush()))
}

/// A device that trusts `roots`.
pub(crate) struct Client {
    pub(crate) roots: String,
    pub(crate) identity: Option<ClientIdentity>,
    pub(crate) clock: Source,
    pub(crate) timeouts: Timeouts,
}

impl Client {
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self {
            roots: authority.pem(),
            identity: None,
            clock: Source::System,
            timeouts: Timeouts::default(),
        }
    }

    pub(crate) fn platform(self) -> HostPlatform {
        let roots = roots_from_pem(self.roots.as_bytes(), "the test's authority").unwrap();
        let mut options = Options::new("test", roots).unwrap();
        options.status_lines = false;
        options.identity = self.identity;
        options.clock = self.clock;
        options.timeouts = self.timeouts;
        HostPlatform::new(options).unwrap()
    }

    /// Connects to loopback under the name `localhost`; returns the result.
    pub(crate) fn connect(self, port: u16) -> Result<TlsStream, ConnectError> {
        open(&mut self.platform(), localhost(port))
    }
}

/// Opens a connection, in steps of a tenth of a second.
pub(crate) fn open(
    platform: &mut HostPlatform,
    endpoint: Endpoint<'_>,
) -> Result<TlsStream, ConnectError> {
    let mut opening = Default::default();
    loop {
        let until = platform.now().after(Duration::from_millis(100));
        if let Some(stream) = platform.connect(endpoint, &mut opening, until)? {
            return Ok(stream);
        }
    }
}

pub(crate) fn localhost(port: u16) -> Endpoint<'static> {
    Endpoint {
        host_name: "localhost",
        address: "127.0.0.1",
        port,
    }
}
