//! Setup of a hub: addresses, names, certificates, and the service's times.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::quota::DailyQuota;
use crate::throttle::Throttling;

/// Everything that a [`Hub`](crate::Hub) is started with.
///
/// [`Config::temporary`] suits tests and demonstrations; [`Config::in_directory`] a hub that people use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of the state; `None` for a temporary directory that vanishes with the hub.
    pub state: Option<PathBuf>,
    /// Address for MQTT over TLS. Microsoft's SDKs know port 8883 only. Port 0: the kernel chooses.
    pub listen: SocketAddr,
    /// Address for the operator's REST interface (HTTPS). Port 0: the kernel chooses.
    pub operator_listen: SocketAddr,
    /// Address for the Device Provisioning Service by itself, if it has one; it is served on the hub's
    /// own port too, told apart by the user name. Port 0: the kernel chooses.
    pub provisioning_listen: Option<SocketAddr>,
    /// Address for the page in a browser, if it is served. A loopback address. Port 0: the one of the last start of
    /// the same state if it is free, or else the kernel chooses.
    pub page: Option<SocketAddr>,
    /// A directory of Plug and Play models (DTDL version 2 or 3, an interface or a list of them in each `*.json`),
    /// from which the page makes its forms.
    pub models: Option<PathBuf>,
    /// Address for SNTP, if it is answered. Port 0: the kernel chooses.
    pub sntp: Option<SocketAddr>,
    /// Address for files of updates, over HTTP; port 0 for any. `None` serves none, and nothing can be deployed.
    pub updates: Option<SocketAddr>,
    /// Serve these files over TLS, with the hub's own certificate. Azure serves them over HTTP.
    pub updates_tls: bool,
    /// The name or address by which devices find the files, if it is not that of [`Self::updates`], or the hub's name over
    /// TLS.
    pub updates_host: Option<String>,
    /// Serve on addresses that other machines can reach; refused unless this is set.
    pub allow_remote: bool,
    /// The name that the certificate, connection strings and SAS tokens carry.
    pub host_name: String,
    /// The certificate chain of the server.
    pub certificate: ServerCertificate,
    /// The most bytes that one TLS record carries: 27 to 16,384, TLS's own limit and the default. A client whose
    /// input buffer is smaller can receive nothing larger than that buffer. Records of the handshake are cut
    /// too.
    pub tls_record_size: usize,
    /// Seconds that the hub's clock differs from this machine's: expiry of tokens, time stamps, SNTP.
    pub clock_offset: i64,
    /// Seconds that SNTP answers differ from the hub's clock, to give a device a wrong time.
    pub sntp_offset: i64,
    /// Grant filters that IoT Hub does not have, and serve them, instead of closing the connection.
    pub lenient_subscriptions: bool,
    /// Refuse what exceeds the rates of a [tier](crate::Tier), if set.
    pub throttling: Option<Throttling>,
    /// Refuse what exceeds this many messages a day, if set.
    pub daily_quota: Option<DailyQuota>,
    /// Times and sizes that the service fixes; tests shorten them.
    pub limits: Limits,
}

impl Config {
    /// A hub on kernel-chosen loopback ports whose state vanishes with it.
    pub fn temporary() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            state: None,
            listen: any_port,
            operator_listen: any_port,
            provisioning_listen: None,
            page: None,
            models: None,
            sntp: None,
            updates: None,
            updates_tls: false,
            updates_host: None,
            allow_remote: false,
            host_name: "localhost".into(),
            certificate: ServerCertificate::default(),
            tls_record_size: 16_384,
            clock_offset: 0,
            sntp_offset: 0,
            lenient_subscriptions: false,
            throttling: None,
            daily_quota: None,
            limits: Limits::default(),
        }
    }

    /// A hub on 127.0.0.1:8883 that keeps its state in `directory`, which is made if it is missing.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self {
            state: Some(directory.into()),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8883)),
            ..Self::temporary()
        }
    }
}

/// Certificates that the server presents in its TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// The kind of keys in the chain.
    pub chain: Chain,
    /// Bytes that the TLS Certificate message should have at least (RFC 5246, section 7.4.2, header
    /// included). Azure's has 3.5 to 5 KB.
    pub message_size: usize,
    /// A fault to provoke a client's refusal; the state directory is not touched by it.
    pub fault: Option<CertificateFault>,
}

impl Default for ServerCertificate {
    fn default() -> Self {
        Self {
            chain: Chain::default(),
            message_size: 4500,
            fault: None,
        }
    }
}

/// The kind of keys in the server's chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chain {
    /// RSA-2048 throughout, as under DigiCert Global Root G2. A client that offers ECDSA suites only is
    /// served a P-256 leaf. Needs the crate's feature `rsa`, with which it is the default.
    #[cfg_attr(feature = "rsa", default)]
    Rsa,
    /// P-256 leaf and intermediate under a P-384 root, as under DigiCert Global Root G3.
    #[cfg_attr(not(feature = "rsa"), default)]
    Ecc,
}

/// Faults of a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// The leaf is valid for another host name only.
    WrongHostName,
    /// The leaf expired yesterday.
    Expired,
    /// The leaf becomes valid tomorrow.
    NotYetValid,
    /// The chain ends in a root that is not the one in `ca.pem`.
    UnknownAuthority,
    /// The leaf is signed by itself.
    SelfSigned,
}

/// Times and sizes that the service fixes.
///
/// The defaults are Azure's; a test that cannot wait shortens them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time after its `se` for which a SAS token still counts: 5 minutes.
    pub sas_skew: Duration,
    /// From TCP accept to the end of CONNECT: 60 s.
    pub connect_timeout: Duration,
    /// The longest silence that a client can ask for: 1767 s, 1.5 times 1177 s.
    pub keep_alive_cap: Duration,
    /// Messages waiting for one device: 50.
    pub c2d_queue_depth: usize,
    /// Time that a delivered message waits for its PUBACK before it is delivered again: 60 s.
    pub c2d_lock: Duration,
    /// Time that a message lives if its sender says nothing: 1 h.
    pub c2d_time_to_live: Duration,
    /// Deliveries before a message is given up: 10.
    pub c2d_max_delivery_count: u32,
    /// Feedback records are batched for at most this long: 15 s.
    pub feedback_interval: Duration,
    /// Time that an operator's client may take for the TLS handshake, for the head of a request, and for its body:
    /// 30 s.
    pub operator_timeout: Duration,
    /// Bytes of stored events, as lines of JSON, that are kept at most on disk: 64 MB. In memory the same events
    /// take up to three times as much.
    pub event_bytes: usize,
    /// Time for which a device may upload a file after it asked for the place: 1 h.
    pub upload_life: Duration,
    /// Bytes of one uploaded file: 256 MB. Azure takes more.
    pub upload_bytes: u64,
    /// Bytes of all uploaded files together: 1 GB. Azure takes more.
    pub uploads_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sas_skew: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(60),
            keep_alive_cap: Duration::from_secs(1767),
            c2d_queue_depth: 50,
            c2d_lock: Duration::from_secs(60),
            c2d_time_to_live: Duration::from_secs(3600),
            c2d_max_delivery_count: 10,
            feedback_interval: Duration::from_secs(15),
            operator_timeout: Duration::from_secs(30),
            event_bytes: 64 * 1024 * 1024,
            upload_life: Duration::from_secs(3600),
            upload_bytes: 256 * 1024 * 1024,
            uploads_bytes: 1024 * 1024 * 1024,
        }
    }
}
