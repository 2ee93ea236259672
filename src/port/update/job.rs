//! Order to download a file, and the reasons why it fails.

use core::fmt;

use super::SlotError;
use crate::failure::{ConnectError, Failure};
use crate::label::Label;

/// The longest address of a file, in bytes.
pub const MAX_ADDRESS: usize = 256;
/// The most addresses of one file.
pub const MAX_ADDRESSES: usize = 2;

/// Order to download a file into the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Addresses of the file; the next one is tried when one fails for good. Empty ones are passed over.
    pub addresses: [Label<MAX_ADDRESS>; MAX_ADDRESSES],
    /// Length of the file in bytes; the most that it may have if `digest` is `None`.
    pub size: u32,
    /// SHA-256 of the file, if it is known before.
    pub digest: Option<[u8; 32]>,
    /// Bytes that an earlier download has left in flash. They are hashed again.
    pub offset: u32,
    /// The most bytes a second, if there is a limit.
    pub rate: Option<u32>,
    /// Failures in a row, without a byte between them, after which an address is given up.
    pub patience: u32,
}

/// Reason why a download failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchFailure {
    /// It was asked to stop.
    Stopped,
    /// No address is one of HTTP.
    NoAddress,
    /// The server could not be reached.
    Connect(ConnectError),
    /// The connection broke, or fell silent, again and again.
    Broken,
    /// The server answered with this status.
    Status(u16),
    /// The server redirected to another one, or in circles.
    Redirected,
    /// The server's answer is not HTTP/1.1 that this device reads.
    Malformed,
    /// The file has another length than the manifest says.
    Size,
    /// The file does not fit the slot.
    TooLarge,
    /// The file is not the one of the manifest.
    Digest,
    /// Bytes read from flash differ from those that were written.
    FlashDigest,
    /// The slot failed.
    Slot(SlotError),
    /// The buffer of the download is smaller than 1,024 bytes.
    Buffer,
    /// The address is one of https, and the platform has no TLS for a download.
    NoTls,
}

impl FetchFailure {
    /// Its place in the list; for [`FetchFailure::Status`], 1,000 more than the status.
    pub(crate) const fn number(&self) -> u32 {
        match self {
            Self::Stopped => 0,
            Self::NoAddress => 1,
            Self::Connect(_) => 2,
            Self::Broken => 3,
            Self::Status(status) => 1000 + *status as u32,
            Self::Redirected => 5,
            Self::Malformed => 6,
            Self::Size => 7,
            Self::TooLarge => 8,
            Self::Digest => 9,
            Self::FlashDigest => 10,
            Self::Slot(_) => 11,
            Self::Buffer => 12,
            Self::NoTls => 13,
        }
    }
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the download was stopped"),
            Self::NoAddress => f.write_str("the file has no address that this device can use"),
            Self::Connect(error) => {
                write!(f, "the server of the file: {}", Failure::Connect(*error))
            }
            Self::Broken => {
                f.write_str("the connection to the server of the file broke again and again")
            }
            Self::Status(status) => write!(f, "the server of the file answered {status}"),
            Self::Redirected => {
                f.write_str("the server of the file redirects to another server, or in circles")
            }
            Self::Malformed => {
                f.write_str("the server of the file does not answer in HTTP/1.1 with a length")
            }
            Self::Size => f.write_str("the file has another length than its manifest says"),
            Self::TooLarge => f.write_str("the file does not fit the slot"),
            Self::Digest => {
                f.write_str("the file is not the one of its manifest: its SHA-256 differs")
            }
            Self::FlashDigest => f.write_str(
                "the file in flash is not the one that was written: its SHA-256 differs",
            ),
            Self::Slot(error) => error.fmt(f),
            Self::Buffer => f.write_str("the buffer of the download has less than 1,024 bytes"),
            Self::NoTls => f.write_str(
                "the file's address is one of https, for which this device is not built",
            ),
        }
    }
}
