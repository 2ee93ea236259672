//! Reason why connections end: IoT Hub never tells the device, this hub tells its log.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::store::StoreError;

/// Closed connections that are remembered.
const REMEMBERED: usize = 1000;

/// Reason and owner of a connection that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The client id, if CONNECT came that far.
    pub client_id: Option<String>,
    /// One sentence.
    pub reason: String,
}

/// Reason why a connection ends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub(crate) enum CloseReason {
    /// The client sent DISCONNECT.
    Disconnected,
    /// The client closed the connection without DISCONNECT.
    PeerClosed,
    /// The socket failed.
    Socket(String),
    /// The TLS handshake failed.
    Tls(String),
    /// No complete CONNECT came in this time.
    ConnectTimeout(Duration),
    /// CONNECT was answered with this return code.
    Refused(u8, String),
    /// The client did what IoT Hub does not allow.
    Violation(String),
    /// The client speaks another protocol; the text says which.
    Foreign(&'static str),
    /// Nothing came for this long, which is more than 1.5 times the keepalive.
    KeepAlive(Duration),
    /// There was more of this than the hub's tier takes.
    Throttled(&'static str),
    /// This many messages, the hub's quota of a day, are used up.
    QuotaExceeded(u64),
    /// The SAS token's `se` and the skew passed.
    TokenExpired,
    /// The same client connected again.
    TakenOver,
    /// The device was disabled.
    Disabled,
    /// The device was deleted.
    Deleted,
    /// The device's credentials were changed.
    CredentialsChanged,
    /// An operator asked for it.
    Operator,
    /// The hub could not keep something that it would have had to acknowledge.
    Storage(String),
    /// The hub stops.
    ShuttingDown,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("the client sent DISCONNECT"),
            Self::PeerClosed => f.write_str("the client closed the connection without DISCONNECT"),
            Self::Socket(error) => write!(f, "the connection failed: {error}"),
            Self::Tls(error) => write!(f, "the TLS handshake failed: {error}"),
            Self::ConnectTimeout(limit) => {
                write!(f, "no CONNECT came within {} s", limit.as_secs_f32())
            }
            Self::Refused(code, why) => write!(f, "CONNECT refused with return code {code}: {why}"),
            Self::Violation(what) => write!(f, "the client broke the rules: {what}"),
            Self::Foreign(what) => f.write_str(what),
            Self::KeepAlive(limit) => {
                write!(
                    f,
                    "nothing came for {} s, 1.5 times the keepalive",
                    limit.as_secs_f32()
                )
            }
            Self::Throttled(what) => write!(f, "too many {what} for the hub's tier (429001)"),
            Self::QuotaExceeded(messages) => Error::QuotaExceeded(*messages).fmt(f),
            Self::TokenExpired => f.write_str("the SAS token expired, tolerated skew included"),
            Self::TakenOver => f.write_str("the same client connected again (400027)"),
            Self::Disabled => f.write_str("the device was disabled"),
            Self::Deleted => f.write_str("the device was deleted"),
            Self::CredentialsChanged => f.write_str("the device's credentials were changed"),
            Self::Operator => f.write_str("an operator dropped the connection"),
            Self::Storage(error) => f.write_str(error),
            Self::ShuttingDown => f.write_str("the hub stops"),
        }
    }
}

impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What rustls calls a close without close_notify.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::PeerClosed,
            _ => Self::Socket(error.to_string()),
        }
    }
}

impl From<StoreError> for CloseReason {
    fn from(error: StoreError) -> Self {
        Self::Storage(error.to_string())
    }
}

/// The last closed connections.
#[derive(Debug, Default)]
pub(crate) struct CloseLog {
    closes: Mutex<VecDeque<Close>>,
    grown: Condvar,
}

impl CloseLog {
    /// Writes a closed connection down, here and in the log.
    pub(crate) fn record(&self, peer: &str, client_id: Option<String>, reason: &CloseReason) {
        let who = client_id
            .as_deref()
            .map(|id| format!("{id:?} at "))
            .unwrap_or_default();
        match reason {
            CloseReason::Disconnected | CloseReason::ShuttingDown => {
                log::info!("closed {who}{peer}: {reason}");
            }
            _ => log::warn!("closed {who}{peer}: {reason}"),
        }
        let mut closes = self.closes.lock().unwrap_or_else(PoisonError::into_inner);
        if closes.len() == REMEMBERED {
            closes.pop_front();
        }
        closes.push_back(Close {
            client_id,
            reason: reason.to_string(),
        });
        drop(closes);
        self.grown.notify_all();
    }

    /// Ends that are remembered, oldest first.
    pub(crate) fn all(&self) -> Vec<Close> {
        self.closes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// Waits for a closed connection of which `wanted` says true.
    pub(crate) fn wait(
        &self,
        timeout: Duration,
        mut wanted: impl FnMut(&Close) -> bool,
    ) -> Option<Close> {
        let deadline = Instant::now() + timeout;
        let mut closes = self.closes.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(close) = closes.iter().find(|close| wanted(close)) {
                return Some(close.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            closes = self
                .grown
                .wait_timeout(closes, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
