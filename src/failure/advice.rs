//! Sentences of the table: the stage that failed, what happened there, and the remedy.

use core::fmt::{self, Display};

use super::{ClockError, Code, ConnectError, CredentialKind, Failure, TcpFailure, tls};
use crate::mqtt::ConnectReturnCode;

impl Failure {
    /// The stage that failed, in one word.
    pub fn stage(&self) -> &'static str {
        match self {
            Self::Clock(_) => "clock",
            Self::Connect(ConnectError::Dns(_)) => "DNS",
            Self::Connect(ConnectError::Tcp(..)) => "TCP",
            Self::Connect(ConnectError::Tls(..)) => "TLS",
            Self::Connect(ConnectError::Resource(_)) => "resources",
            Self::Connect(ConnectError::Cancelled) => "connection",
            Self::Token(_) | Self::TokenExpired => "SAS token",
            Self::Scratch(_) | Self::Request(_) => "configuration",
            Self::Refused(..) => "CONNACK",
            Self::SubscriptionRefused => "SUBACK",
            Self::Closed | Self::Io => "connection",
            Self::Session(_) => "MQTT",
            Self::Provisioning(_) => "provisioning",
        }
    }
}

/// `stage: what happened; remedy`.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self, Self::Refused(..)) {
            write!(f, "{}: ", self.stage())?;
        }
        match self {
            Self::Clock(error) => clock(*error, f),
            Self::Connect(ConnectError::Dns(code)) => write!(
                f,
                "the host name cannot be resolved{code}; check the host name and the network's DNS server"
            ),
            Self::Connect(ConnectError::Tcp(failure, code)) => tcp(*failure, *code, f),
            Self::Connect(ConnectError::Tls(failure, code)) => tls::explain(*failure, *code, f),
            Self::Connect(ConnectError::Resource(code)) => write!(
                f,
                "this device ran out of memory or sockets{code}; raise the heap or the number of sockets"
            ),
            Self::Connect(ConnectError::Cancelled) => f.write_str("given up; a stop was asked for"),
            Self::Token(error) => write!(f, "{error}"),
            Self::Scratch(error) => write!(f, "scratch buffer: {error}"),
            Self::Request(error) => write!(f, "{error}"),
            Self::TokenExpired => f.write_str(
                "the ready-made SAS token has expired, or this clock is ahead; provision a new token, \
                 or the shared access key so that the device makes its own",
            ),
            Self::Refused(code, credential) => refused(*code, *credential, f),
            Self::SubscriptionRefused => f.write_str(
                "the provisioning service refused the subscription to its answers; check that there is a \
                 provisioning service at this address",
            ),
            Self::Closed => f.write_str(
                "the hub closed it without a word, as IoT Hub does after a takeover by a second device of \
                 the same id, a disabled device, a used-up quota or maintenance",
            ),
            Self::Io => f.write_str("it broke; check the network"),
            Self::Session(error) => write!(f, "{error}"),
            Self::Provisioning(failure) => write!(f, "{failure}"),
        }
    }
}

fn clock(error: ClockError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("it is not set, so no certificate can be checked and no token signed: ")?;
    f.write_str(match error {
        ClockError::Unresolved => {
            "no time server's name can be resolved; check the SNTP servers and DNS"
        }
        ClockError::NoAnswer => {
            "no time server answered; check the SNTP servers and that UDP port 123 is open"
        }
        ClockError::Implausible => {
            "a time server's answer cannot be true; configure another SNTP server"
        }
    })
}

fn tcp(failure: TcpFailure, code: Code, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match failure {
        TcpFailure::Refused => write!(
            f,
            "nobody listens there{code}; check the host name and the port"
        ),
        TcpFailure::TimedOut => {
            write!(
                f,
                "no answer{code}; check that the network lets port 8883 out"
            )
        }
        TcpFailure::Unreachable => write!(f, "no route to the hub{code}; check the network"),
        TcpFailure::Other => write!(f, "the connection failed{code}; check the network"),
    }
}

fn refused(
    code: ConnectReturnCode,
    credential: CredentialKind,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if !matches!(
        code,
        ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNameOrPassword
    ) {
        return write!(f, "{code}");
    }
    write!(f, "CONNACK {}: not authorized; ", code.code())?;
    f.write_str(match credential {
        CredentialKind::SharedAccessKey => {
            "check that the device exists and is enabled in the hub, that the key is one of its two, \
             and that this device's clock is right"
        }
        CredentialKind::SasToken => {
            "check that the device exists and is enabled in the hub, and that the SAS token is for it, \
             signed with one of its two keys and not expired"
        }
        CredentialKind::X509 => {
            "check that the device exists and is enabled in the hub, and that its certificate is \
             registered there (thumbprint), or signed by a registered CA with the device id as CN"
        }
        CredentialKind::RegistrationKey => {
            "check the id scope and the registration id, that the key is one of the enrolment's two (of a \
             group: derived from one of them), and that this device's clock is right"
        }
        CredentialKind::RegistrationCertificate => {
            "check the id scope, and that the certificate has the registration id as CN and is enrolled \
             (thumbprint), or signed by the CA of an enrolment group"
        }
    })
}
