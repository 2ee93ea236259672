//! Needs of the device from the place it runs on: one trait per concern, implemented once over Zephyr
//! and once over std.
//!
//! Calls may block where their documentation says so, and only there. None of them may panic.

use core::fmt;
use core::time::Duration;

use crate::device::Report;
use crate::text::written;
use crate::time::{Instant, UnixTime};

/// Time: one clock that never jumps and one that people share.
pub trait Clock {
    /// Now, on the clock that deadlines are counted on.
    fn now(&self) -> Instant;

    /// Now, as people count it; `None` until the clock has been set.
    fn unix(&self) -> Option<UnixTime>;

    /// Sets the shared clock (SNTP on a device; a host has it already). May block for some seconds.
    fn synchronize(&mut self) -> Result<UnixTime, ClockError>;
}

/// Random bytes that an attacker cannot guess.
pub trait Entropy {
    /// Fills `buffer` completely.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// The name and port of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Name that the certificate must be valid for and SNI carries.
    pub host_name: &'a str,
    /// Where to connect if that is not where `host_name` resolves to: a gateway or a local test hub.
    pub address: &'a str,
    /// TCP port; IoT Hub listens on 8883.
    pub port: u16,
}

/// Opens verified TLS connections.
pub trait Connector {
    /// Stream that it opens.
    type Stream: Stream;

    /// Progress of a connection that is being opened; its default is one that was not begun. Dropping it gives
    /// the attempt up.
    type Opening: Default;

    /// Resolves, connects and completes the TLS handshake, presenting the client certificate that the
    /// platform was configured with, if any. The server's chain, name and dates must have been verified.
    ///
    /// `None` if it is not complete when `until` has come, or when somebody asks for something: call it again
    /// with the same `opening` and endpoint, so that the device can measure what is due meanwhile. An
    /// implementation that can only do it all at once blocks for longer, for a time that it bounds; what falls
    /// due meanwhile is counted as not measured.
    ///
    /// The whole attempt ends within a time that the implementation bounds.
    fn connect(
        &mut self,
        endpoint: Endpoint<'_>,
        opening: &mut Self::Opening,
        until: Instant,
    ) -> Result<Option<Self::Stream>, ConnectError>;
}

/// An open TLS connection. Dropping it closes it.
///
/// `read` is called only after `read_ready` said true, and then does not block; it returns 0 at the end of
/// the stream. `write` may block for a time that the implementation bounds.
pub trait Stream: embedded_io::Read + embedded_io::ReadReady + embedded_io::Write {
    /// Reason of TLS, with the platform's code, why reading or writing failed; `None` if TLS knows none. Asked once,
    /// after the failure.
    fn tls_failure(&mut self) -> Option<(TlsFailure, Code)> {
        None
    }
}

/// A place for a few small values that survive a restart.
pub trait Storage {
    /// Copies the value into `buffer` and gives its length; `None` if there is none.
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError>;
    /// Stores the value, all or nothing.
    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError>;
    /// Removes the value; it is no error if there is none.
    fn remove(&mut self, key: &str) -> Result<(), StorageError>;
}

/// Status that a person sees of the device: the three LEDs of a development board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Starting or connecting: green blinks or shines.
    #[default]
    Starting,
    /// Joined the hub, nothing to do.
    Connected,
    /// Nothing shines: the dark half of blinking.
    Off,
    /// Sending a message: blue.
    Sending,
    /// Cannot go on without a person, or is waiting before the next attempt: red.
    Failed,
}

/// Shows [`Status`]. A board without LEDs does nothing.
pub trait Indicator {
    /// Shows `status` until told otherwise.
    fn show(&mut self, status: Status);
}

/// One reading: a JSON member of the telemetry message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The member's name, also the name of the DTDL telemetry, such as `temperature`.
    pub name: &'static str,
    /// The value, in thousandths of the unit that the name's documentation gives: no floating point is
    /// needed on a device to print it.
    pub thousandths: i64,
}

/// Measures something.
pub trait Sensor {
    /// Gives every reading to `take`. May block for a measurement's time (some milliseconds).
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError>;
}

/// Reason why [`Platform::wait`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The stream has bytes, or has ended.
    Readable,
    /// The deadline passed.
    Deadline,
    /// Somebody asks for something: see [`Platform::requests`].
    Request,
}

/// Requests of a person or another thread since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Send a telemetry message now: the button of the board, a shell command.
    pub send_now: bool,
    /// Say goodbye and end `device::run`.
    pub stop: bool,
    /// The network came up, or the configuration changed: an attempt that waits should start at once.
    pub retry_now: bool,
    /// The client certificate changed: say goodbye, and connect again with the new one.
    pub reconnect: bool,
}

/// Condition of the platform, for the twin and for a status command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The address that the device has in its network.
    pub network_address: Option<NetworkAddress>,
    /// The most bytes of heap that were in use at a time since the start.
    pub heap_peak: Option<u32>,
}

/// An IPv4 or IPv6 address as its platform writes it: the core only repeats it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NetworkAddress {
    bytes: [u8; Self::MAX_LEN],
    length: usize,
}

impl NetworkAddress {
    /// The longest address, in bytes: IPv6 with an embedded IPv4 address.
    pub const MAX_LEN: usize = 45;

    /// `None` if the text is longer than an address can be.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LEN];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self {
            bytes,
            length: text.len(),
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        written(&self.bytes, self.length)
    }
}

impl fmt::Debug for NetworkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything together.
pub trait Platform: Clock + Entropy + Connector + Indicator + Sensor + Storage {
    /// Sleeps until `stream` can be read, somebody asks for something, or `until` has come.
    fn wait(&mut self, stream: Option<&mut Self::Stream>, until: Instant) -> Wake;

    /// Takes what was asked for since the last call.
    fn requests(&mut self) -> Requests;

    /// Condition of the platform now. Asked after each connect.
    fn condition(&mut self) -> Condition {
        Condition::default()
    }

    /// Proof of life for a watchdog: called whenever the device loop made progress, and at least every
    /// [`PROGRESS_INTERVAL`] while nothing is wrong.
    fn progress(&mut self) {}

    /// Counters and the last failure, for whoever asks for them: called at each turn of the device loop.
    fn observe(&mut self, _report: &Report) {}
}

/// The longest that the device loop sleeps without calling [`Platform::progress`].
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(20);

/// The clock could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockError {
    /// No configured server's name could be resolved.
    Unresolved,
    /// No server answered in time.
    NoAnswer,
    /// A server answered with nonsense, or with a time before this program was written.
    Implausible,
}

/// No random bytes could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

/// A value could not be kept or read. The number is the platform's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError {
    /// The buffer is smaller than the value, which has this many bytes.
    TooLong(usize),
    /// The medium failed, with the platform's error code.
    Medium(i32),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => write!(f, "a value has {bytes} bytes, too many"),
            Self::Medium(code) => write!(f, "error {code}"),
        }
    }
}

/// A sensor did not answer. The number is the platform's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorError(pub i32);

/// Reason why no connection came to be: which stage, and what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host name could not be resolved.
    Dns(Code),
    /// No address accepted a TCP connection.
    Tcp(TcpFailure, Code),
    /// The TLS handshake failed.
    Tls(TlsFailure, Code),
    /// This device lacks something: memory, sockets. Not the peer's fault.
    Resource(Code),
    /// Given up because of [`Requests::stop`], which [`Platform::requests`] is about to give.
    Cancelled,
}

/// The platform's own error number (errno, mbedTLS), for the log line; 0 if it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            code if code < -0xff => write!(f, " (-0x{:04x})", code.unsigned_abs()),
            code => write!(f, " ({code})"),
        }
    }
}

/// Reason why TCP did not connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpFailure {
    /// Nobody listens there.
    Refused,
    /// No answer in time.
    TimedOut,
    /// No route: the network is down or the address is wrong.
    Unreachable,
    /// Anything else.
    Other,
}

/// Reason why a certificate of the server's chain must not be used as it is (RFC 5280, where no other source is given).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateDefect {
    /// The server showed none.
    Missing,
    /// It is not encoded as a certificate is (section 4.1).
    Malformed,
    /// It is of version 1 or 2 (section 4.1.2.1).
    Version,
    /// Its signature is wrong.
    Signature,
    /// It is signed with SHA-1 or MD5 (RFC 9155).
    WeakSignature,
    /// Its key has fewer bits than IoT Hub's rules ask for: RSA below 2048.
    SmallKey,
    /// Its key or signature is of a kind that this device does not know.
    Algorithm,
    /// The server's is not for servers: extended key usage (section 4.2.1.12).
    Purpose,
    /// The server's must not sign: key usage without `digitalSignature` (section 4.2.1.3).
    KeyUsage,
    /// An authority's must not sign certificates: key usage without `keyCertSign` (section 4.2.1.3).
    IssuerKeyUsage,
    /// An authority's is no authority's: basic constraints (section 4.2.1.9).
    IssuerNotCa,
    /// The server shows an authority's certificate as its own (section 4.2.1.9).
    CaAsServer,
    /// More authorities than one of them allows, or than this device follows (section 4.2.1.9).
    PathLength,
    /// An authority may not sign for this name (section 4.2.1.10).
    NameConstraints,
    /// A critical extension is not known (section 4.2).
    CriticalExtension,
    /// It names no host in its alternative names, which alone count (RFC 9525, section 2).
    NoHostName,
    /// Anything else.
    Other,
}

/// Reason why TLS did not trust, or was not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The chain ends in no root that this device trusts.
    UnknownAuthority,
    /// The server's certificate signs itself and is not trusted.
    SelfSigned,
    /// The certificate is valid, for another host name.
    WrongHostName,
    /// The server's certificate has expired, or this clock is ahead.
    Expired,
    /// The server's certificate is not valid yet, or this clock is behind.
    NotYetValid,
    /// The server's certificate, or one of its chain, must not be used as it is.
    Certificate(CertificateDefect),
    /// The server ended TLS with this alert (RFC 8446, section 6). With TLS 1.3 a client certificate is refused
    /// after the handshake.
    Alert(u8),
    /// No common version, suite or curve.
    Negotiation,
    /// The server, or somebody on the way, chose TLS 1.2 although both sides know 1.3 (RFC 8446, section 4.1.3).
    Downgrade,
    /// The server chose compression, which was not offered (RFC 3749; it betrays secrets).
    Compression,
    /// The bytes that came are no TLS.
    NotTls,
    /// A handshake message does not fit the configured buffer.
    MessageTooLong,
    /// A record of an open connection does not fit the configured buffer.
    RecordTooLong {
        /// Length of the record, in bytes.
        bytes: u16,
        /// Length that fits, in bytes.
        limit: u16,
    },
    /// The device's own certificate or key is unusable.
    ClientCredential,
    /// The peer closed or fell silent during the handshake.
    Interrupted,
    /// Anything else.
    Other,
}
