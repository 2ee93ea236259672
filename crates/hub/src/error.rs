//! Errors for the one who runs or operates a hub.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Reason why a hub did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The state directory, or a file in it, cannot be used.
    State {
        /// Path of it.
        path: PathBuf,
        /// Reason.
        source: io::Error,
    },
    /// A file of the state is not what this program wrote. Nothing was changed.
    CorruptState {
        /// Path of it.
        path: PathBuf,
        /// Fault of it, and its place.
        detail: String,
    },
    /// Under the name of a file of the state there is something that this hub did not make. Nothing was changed.
    ForeignState {
        /// Path of it.
        path: PathBuf,
        /// Reason why it cannot be the hub's.
        detail: String,
    },
    /// Another hub serves this directory.
    Locked(PathBuf),
    /// A socket cannot be opened.
    Listen {
        /// Purpose.
        purpose: &'static str,
        /// Address.
        address: std::net::SocketAddr,
        /// Reason.
        source: io::Error,
    },
    /// The address can be reached from other machines, and that was not allowed.
    Remote(std::net::SocketAddr),
    /// The page is for browsers on this machine, and this address is not only on it.
    RemotePage(std::net::SocketAddr),
    /// A name that no certificate or connection string can carry.
    HostName(String),
    /// Keys or certificates cannot be made.
    Certificate(String),
    /// Threads cannot be started.
    Runtime(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { path, source } => {
                write!(
                    f,
                    "cannot use {}: {source}; choose a directory that this user may write",
                    path.display()
                )
            }
            Self::CorruptState { path, detail } => write!(
                f,
                "{} is damaged: {detail}. Nothing was changed. Restore the file from a copy, or move it away to \
                 start without what it holds",
                path.display()
            ),
            Self::ForeignState { path, detail } => write!(
                f,
                "{} is not a file that this hub made: {detail}. Nothing was changed. Move it away, or choose \
                 another state directory",
                path.display()
            ),
            Self::Locked(path) => write!(
                f,
                "another hub serves {}; stop it, or choose another directory",
                path.display()
            ),
            Self::Listen {
                purpose,
                address,
                source,
            } => write!(
                f,
                "cannot listen on {address} for {purpose}: {source}; choose a free address, or port 0 for any"
            ),
            Self::Remote(address) => write!(
                f,
                "{address} can be reached from other machines; listen on a loopback address such as 127.0.0.1, \
                 or allow it: `serve --allow-remote` (in code `Config::allow_remote`)"
            ),
            Self::RemotePage(address) => write!(
                f,
                "{address} can be reached from other machines, and the page is for browsers on this one; serve it \
                 on a loopback address such as 127.0.0.1:0"
            ),
            Self::HostName(name) => write!(
                f,
                "{name:?} is no host name; use letters, digits, dots and hyphens, such as localhost"
            ),
            Self::Certificate(detail) => {
                write!(f, "cannot make the server's certificates: {detail}")
            }
            Self::Runtime(source) => write!(f, "cannot start the hub's threads: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::State { source, .. } | Self::Listen { source, .. } | Self::Runtime(source) => {
                Some(source)
            }
            _ => None,
        }
    }
}

/// Reason why an operator's request was refused. [`Self::code`] gives Azure's error code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument is not acceptable; the text says which, and what a right one looks like.
    ArgumentInvalid(String),
    /// There is no such device.
    DeviceNotFound(String),
    /// There is no such module.
    ModuleNotFound(String),
    /// There is no such enrolment.
    EnrollmentNotFound(String),
    /// There is such a device already.
    DeviceAlreadyExists(String),
    /// The entity changed since it was read.
    PreconditionFailed(String),
    /// The request carries no valid authorization.
    Unauthorized(String),
    /// The device has as many waiting messages as a device may have.
    QueueDepthExceeded(String),
    /// The device has as many active uploads of files as a device may have.
    ActiveUploadsExceeded(String),
    /// There is more of this than the hub's tier takes.
    Throttled(String),
    /// This many messages, the hub's quota of a day, are used up.
    QuotaExceeded(u64),
    /// The message is larger than the service takes.
    MessageTooLarge(String),
    /// The device is not connected, or has not subscribed to direct methods.
    DeviceNotOnline(String),
    /// The device did not answer a direct method in time.
    GatewayTimeout(String),
    /// Something is not JSON, or not of the shape that is expected.
    Deserialization(String),
    /// The body is not JSON by its type.
    UnsupportedMediaType(String),
    /// The body did not arrive in time.
    TimedOut(String),
    /// There is such an enrolment already.
    EnrollmentAlreadyExists(String),
    /// The lock on a message is gone.
    MessageLockLost(String),
    /// The hub itself failed, for example because the disk is full.
    Server(String),
}

impl Error {
    /// Azure's error code; its first three digits are the HTTP status.
    pub const fn code(&self) -> u32 {
        match self {
            Self::ArgumentInvalid(_) => 400_004,
            Self::DeviceNotFound(_) => 404_001,
            Self::ModuleNotFound(_) => 404_010,
            Self::EnrollmentNotFound(_) => 404_201,
            Self::DeviceAlreadyExists(_) => 409_001,
            Self::PreconditionFailed(_) => 412_001,
            Self::Unauthorized(_) => 401_003,
            Self::QuotaExceeded(_) => 403_002,
            Self::QueueDepthExceeded(_) => 403_004,
            Self::ActiveUploadsExceeded(_) => 403_006,
            Self::MessageTooLarge(_) => 413_001,
            Self::Throttled(_) => 429_001,
            Self::DeviceNotOnline(_) => 404_103,
            Self::GatewayTimeout(_) => 504_101,
            Self::Deserialization(_) => 400_012,
            Self::UnsupportedMediaType(_) => 415_001,
            Self::TimedOut(_) => 408_001,
            Self::EnrollmentAlreadyExists(_) => 409_201,
            Self::MessageLockLost(_) => 412_002,
            Self::Server(_) => 500_001,
        }
    }

    /// The name that goes with [`Self::code`].
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ArgumentInvalid(_) => "ArgumentInvalid",
            Self::DeviceNotFound(_) => "DeviceNotFound",
            Self::ModuleNotFound(_) => "ModuleNotFound",
            Self::EnrollmentNotFound(_) => "EnrollmentNotFound",
            Self::DeviceAlreadyExists(_) => "DeviceAlreadyExists",
            Self::PreconditionFailed(_) => "PreconditionFailed",
            Self::Unauthorized(_) => "IotHubUnauthorized",
            Self::QuotaExceeded(_) => "IotHubQuotaExceeded",
            Self::QueueDepthExceeded(_) => "DeviceMaximumQueueDepthExceeded",
            Self::ActiveUploadsExceeded(_) => "DeviceMaximumActiveFileUploadLimitExceeded",
            Self::MessageTooLarge(_) => "MessageTooLarge",
            Self::Throttled(_) => "ThrottlingException",
            Self::DeviceNotOnline(_) => "DeviceNotOnline",
            Self::GatewayTimeout(_) => "GatewayTimeout",
            Self::Deserialization(_) => "DeserializationError",
            Self::UnsupportedMediaType(_) => "UnsupportedMediaType",
            Self::TimedOut(_) => "RequestTimedOut",
            Self::EnrollmentAlreadyExists(_) => "EnrollmentAlreadyExists",
            Self::MessageLockLost(_) => "DeviceMessageLockLost",
            Self::Server(_) => "ServerError",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceNotFound(id) => write!(f, "there is no device {id:?}; create it first"),
            Self::ModuleNotFound(id) => write!(f, "there is no module {id:?}; create it first"),
            Self::EnrollmentNotFound(id) => {
                write!(f, "there is no enrolment {id:?}; create it first")
            }
            Self::DeviceAlreadyExists(id) => {
                write!(
                    f,
                    "there is a device {id:?} already; delete it, or choose another id"
                )
            }
            Self::EnrollmentAlreadyExists(id) => write!(
                f,
                "there is an enrolment {id:?} already; remove it, choose another id, or replace it (dps enroll \
                 --replace, which keeps symmetric keys; If-Match: * over REST)"
            ),
            Self::DeviceNotOnline(id) => write!(
                f,
                "device {id:?} is not connected, or has not subscribed to direct methods"
            ),
            Self::QueueDepthExceeded(id) => write!(
                f,
                "device {id:?} has as many waiting messages as it may have; let it receive them, or purge them"
            ),
            Self::ActiveUploadsExceeded(id) => write!(
                f,
                "device {id:?} has 10 active uploads; it has to say how they ended (POST \
                 /devices/{id}/files/notifications), or they expire"
            ),
            Self::QuotaExceeded(messages) => write!(
                f,
                "the hub's quota of {messages} messages a day is used up (403002); it starts again at 00:00 UTC, \
                 or serve with a larger one"
            ),
            Self::ArgumentInvalid(text)
            | Self::PreconditionFailed(text)
            | Self::Unauthorized(text)
            | Self::MessageTooLarge(text)
            | Self::Throttled(text)
            | Self::GatewayTimeout(text)
            | Self::Deserialization(text)
            | Self::UnsupportedMediaType(text)
            | Self::TimedOut(text)
            | Self::MessageLockLost(text)
            | Self::Server(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}
