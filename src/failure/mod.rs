//! Failures on the way to the hub: what the device does about them, and what a person can do.
//!
//! One table decides: [`Failure::reaction`]. One line explains: `Display` names the stage (clock, DNS, TCP, TLS,
//! CONNACK, session), what happened, and the remedy (`advice.rs`; for TLS, `tls.rs`).

mod advice;
mod connect;
mod platform;
mod provisioning;
mod tls;

pub use self::connect::{
    CertificateDefect, ClockError, Code, ConnectError, TcpFailure, TlsFailure,
};
pub use self::platform::{FailedAttempt, PlatformError, TlsError};
pub use self::provisioning::ProvisioningFailure;
use crate::mqtt::{self, ConnectReturnCode, RequestError};
use crate::sas::SasError;
use crate::text::Overflow;

/// Reaction of the device to a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The link was good: connect again at once.
    RetryNow,
    /// Likely to pass by itself: exponential back-off with full jitter.
    BackOff,
    /// Only a person can fix it: say so, and try again slowly, since the fix may be made at the hub.
    WaitForOperator,
}

/// Reason why the device is not, or no longer, connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The clock is not set and could not be set.
    Clock(ClockError),
    /// No connection: DNS, TCP or TLS.
    Connect(ConnectError),
    /// No SAS token could be made.
    Token(SasError),
    /// The user name or a topic does not fit the scratch buffer.
    Scratch(Overflow),
    /// The session cannot send what the configuration asks for.
    Request(RequestError),
    /// The ready-made SAS token has expired.
    TokenExpired,
    /// The hub refused the CONNECT packet.
    Refused(ConnectReturnCode, CredentialKind),
    /// The Device Provisioning Service granted no subscription to its answers.
    SubscriptionRefused,
    /// The hub closed the connection, and MQTT 3.1.1 has no way to say why.
    Closed,
    /// Reading or writing failed: the network went away.
    Io,
    /// The hub fell silent or broke the protocol.
    Session(mqtt::Error),
    /// The Device Provisioning Service assigned no hub.
    Provisioning(ProvisioningFailure),
}

/// The kind of credential that was refused: it decides the advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A token signed on the device.
    SharedAccessKey,
    /// A token signed elsewhere.
    SasToken,
    /// A client certificate.
    X509,
    /// A token of a registration, signed on the device for the provisioning service.
    RegistrationKey,
    /// A client certificate, shown to the provisioning service.
    RegistrationCertificate,
}

impl Failure {
    /// The table: what follows from each failure.
    pub fn reaction(&self) -> Reaction {
        use Reaction::{BackOff, RetryNow, WaitForOperator};
        match self {
            Self::Clock(_) => BackOff,
            Self::Connect(ConnectError::Tls(failure, _)) => tls::reaction(*failure),
            Self::Connect(_) => BackOff,
            Self::Token(_) | Self::Scratch(_) | Self::Request(_) | Self::TokenExpired => {
                WaitForOperator
            }
            Self::Refused(ConnectReturnCode::ServerUnavailable, _) => BackOff,
            Self::Refused(..) | Self::SubscriptionRefused => WaitForOperator,
            // A hub closes good links too: maintenance, load balancing. Whether this was one, the link's
            // merit decides (see `Backoff::link_ended`).
            Self::Closed | Self::Io => RetryNow,
            Self::Session(mqtt::Error::Timeout(_)) => RetryNow,
            Self::Session(_) => BackOff,
            Self::Provisioning(failure) if failure.is_transient() => BackOff,
            Self::Provisioning(_) => WaitForOperator,
        }
    }

    /// True if a wrong clock can be the cause, so that it is to be set before the next attempt.
    pub fn clock_is_suspect(&self) -> bool {
        match self {
            Self::Connect(ConnectError::Tls(failure, _)) => {
                matches!(failure, TlsFailure::Expired | TlsFailure::NotYetValid)
            }
            // A token that a slow clock signed has expired before it is sent; one by a fast clock, or a
            // certificate's dates, the hub judges by its own clock.
            Self::Refused(code, _) => *code == ConnectReturnCode::NotAuthorized,
            // A token for the provisioning service is judged by the same rule, and told of by status 401.
            Self::Provisioning(ProvisioningFailure::Unauthorized(_)) => true,
            Self::TokenExpired => true,
            _ => false,
        }
    }

    /// True if the hub does not accept who the device says it is.
    pub fn is_refused_credential(&self) -> bool {
        use ConnectReturnCode::{BadUserNameOrPassword, NotAuthorized};
        matches!(
            self,
            Self::Refused(NotAuthorized | BadUserNameOrPassword, _)
        )
    }

    /// True if another client certificate could cure it: the hub, the provisioning service or their TLS accepts
    /// this one not (the alerts of RFC 5246, section 7.2.2, that speak of the peer's certificate), or this device
    /// cannot use it.
    pub fn is_explained_by_certificate(&self) -> bool {
        const CERTIFICATE_ALERTS: [u8; 8] = [42, 43, 44, 45, 46, 48, 49, 51];
        match self {
            Self::Connect(ConnectError::Tls(TlsFailure::ClientCredential, _)) => true,
            Self::Connect(ConnectError::Tls(TlsFailure::Alert(alert), _)) => {
                CERTIFICATE_ALERTS.contains(alert)
            }
            Self::Provisioning(ProvisioningFailure::Unauthorized(_)) => true,
            _ => self.is_refused_credential(),
        }
    }

    /// True if a device of another hub could be spared this failure: the hub is gone, its address is another's,
    /// or it does not know the device. A device that DPS assigned asks again after enough of these over enough
    /// time ([`crate::lifecycle`]).
    ///
    /// A network that is down looks like a hub that is gone: no name resolves, no host answers, there is no
    /// route. These count too, since a question is rare, and does not leave the device then. What this device lacks is not counted.
    pub fn another_hub_may_cure(&self) -> bool {
        match self {
            Self::Connect(ConnectError::Dns(_) | ConnectError::Tcp(..)) => true,
            Self::Connect(ConnectError::Tls(failure, _)) => tls::is_of_the_hub(*failure),
            Self::Connect(ConnectError::Resource(_) | ConnectError::Cancelled) => false,
            // Throttled or broken for hours, or without this device: another hub may accept it.
            Self::Refused(..) => true,
            // Before CONNACK: something listens there that is no hub, or no hub of this device. After it the
            // hub has proven that it knows the device, and what was counted is forgotten.
            Self::Closed | Self::Io | Self::Session(_) => true,
            Self::Clock(_)
            | Self::Token(_)
            | Self::Scratch(_)
            | Self::Request(_)
            | Self::TokenExpired
            | Self::SubscriptionRefused
            | Self::Provisioning(_) => false,
        }
    }
}

impl core::error::Error for Failure {}

impl From<SasError> for Failure {
    fn from(error: SasError) -> Self {
        Self::Token(error)
    }
}

impl From<Overflow> for Failure {
    fn from(error: Overflow) -> Self {
        Self::Scratch(error)
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::Awaited;
    use std::string::ToString;

    #[test]
    fn the_table_sends_only_what_a_person_must_mend_to_an_operator() {
        use ConnectReturnCode::{NotAuthorized, ServerUnavailable};
        use Reaction::{BackOff, RetryNow, WaitForOperator};
        let tls = |failure| Failure::Connect(ConnectError::Tls(failure, Code(0)));
        for (failure, reaction) in [
            (Failure::Clock(ClockError::NoAnswer), BackOff),
            (Failure::Connect(ConnectError::Dns(Code(-2))), BackOff),
            (
                Failure::Connect(ConnectError::Tcp(TcpFailure::Refused, Code(111))),
                BackOff,
            ),
            (Failure::Connect(ConnectError::Resource(Code(12))), BackOff),
            (tls(TlsFailure::UnknownAuthority), WaitForOperator),
            (tls(TlsFailure::SelfSigned), WaitForOperator),
            (tls(TlsFailure::WrongHostName), WaitForOperator),
            (tls(TlsFailure::ClientCredential), WaitForOperator),
            (tls(TlsFailure::Expired), BackOff),
            (tls(TlsFailure::NotYetValid), BackOff),
            (tls(TlsFailure::Interrupted), BackOff),
            (Failure::TokenExpired, WaitForOperator),
            (
                Failure::Refused(NotAuthorized, CredentialKind::X509),
                WaitForOperator,
            ),
            (
                Failure::Refused(ServerUnavailable, CredentialKind::X509),
                BackOff,
            ),
            (Failure::Closed, RetryNow),
            (
                Failure::Session(mqtt::Error::Timeout(Awaited::Pingresp)),
                RetryNow,
            ),
        ] {
            assert_eq!(failure.reaction(), reaction, "{failure}");
        }
    }

    #[test]
    fn the_table_leads_to_another_hub_only_where_one_helps() {
        use ConnectReturnCode::{BadUserNameOrPassword, IdentifierRejected, ServerUnavailable};
        let tls = |failure| Failure::Connect(ConnectError::Tls(failure, Code(0)));
        let tcp = |failure| Failure::Connect(ConnectError::Tcp(failure, Code(0)));
        let refused = |code| Failure::Refused(code, CredentialKind::SharedAccessKey);
        for failure in [
            Failure::Connect(ConnectError::Dns(Code(-2))),
            tcp(TcpFailure::Refused),
            tcp(TcpFailure::TimedOut),
            tcp(TcpFailure::Unreachable),
            tls(TlsFailure::WrongHostName),
            tls(TlsFailure::UnknownAuthority),
            tls(TlsFailure::SelfSigned),
            tls(TlsFailure::Expired),
            tls(TlsFailure::Alert(42)),
            tls(TlsFailure::Interrupted),
            refused(BadUserNameOrPassword),
            refused(IdentifierRejected),
            refused(ServerUnavailable),
            Failure::Closed,
            Failure::Io,
            Failure::Session(mqtt::Error::Timeout(Awaited::Connack)),
        ] {
            assert!(failure.another_hub_may_cure(), "{failure}");
        }
        for failure in [
            Failure::Clock(ClockError::NoAnswer),
            Failure::Connect(ConnectError::Resource(Code(12))),
            Failure::Connect(ConnectError::Cancelled),
            tls(TlsFailure::ClientCredential),
            tls(TlsFailure::MessageTooLong),
            Failure::TokenExpired,
            Failure::Scratch(Overflow { capacity: 7 }),
            Failure::SubscriptionRefused,
        ] {
            assert!(!failure.another_hub_may_cure(), "{failure}");
        }
    }

    #[test]
    fn every_failure_is_one_line_that_names_its_stage_first() {
        for failure in [
            Failure::Clock(ClockError::Unresolved),
            Failure::Connect(ConnectError::Tls(TlsFailure::Alert(42), Code(-0x7200))),
            Failure::Refused(
                ConnectReturnCode::NotAuthorized,
                CredentialKind::SharedAccessKey,
            ),
            Failure::Refused(
                ConnectReturnCode::ServerUnavailable,
                CredentialKind::SharedAccessKey,
            ),
            Failure::Scratch(Overflow { capacity: 7 }),
            Failure::Closed,
        ] {
            let text = failure.to_string();
            assert!(
                text.starts_with(failure.stage()) && !text.contains('\n'),
                "{text}"
            );
        }
    }

    #[test]
    fn platform_codes_are_shown_as_their_makers_write_them() {
        let text = Failure::Connect(ConnectError::Tls(TlsFailure::MessageTooLong, Code(-0x7200)))
            .to_string();
        assert!(text.contains("(-0x7200)"), "{text}");
        let text = Failure::Connect(ConnectError::Tcp(TcpFailure::Refused, Code(111))).to_string();
        assert!(text.contains("(111)"), "{text}");
    }
}
