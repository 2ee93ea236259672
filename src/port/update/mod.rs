//! Needs of software updates from the place they run on: a slot of flash, a connection to a server of files, and the
//! image's state.
//!
//! A download waits for its server and for its flash, so it runs beside the device loop, in a thread of its own:
//! [`crate::update::fetch`] is that thread's work, over a [`Fetcher`]. The device loop reaches it by an [`Updater`],
//! which never waits. A platform implements both, and carries a [`Job`] to the thread and [`News`] back.

mod job;

use core::fmt;

pub use self::job::{FetchFailure, Job, MAX_ADDRESS, MAX_ADDRESSES};
use super::StorageError;
use crate::failure::{Code, ConnectError};
use crate::label::Label;
use crate::time::Instant;

/// A public RSA key. Numbers are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RsaKey<'k> {
    /// Modulus, without leading zeros. Microsoft's keys have 384 bytes.
    pub modulus: &'k [u8],
    /// Public exponent.
    pub exponent: u32,
}

/// Verifies an RSASSA-PKCS1-v1_5 signature with SHA-256 (RFC 7518, section 3.3). Gives true if it is that of `message`
/// under this key. On PSA, this is `PSA_ALG_RSA_PKCS1V15_SIGN(PSA_ALG_SHA_256)`.
pub type VerifyRs256 = fn(key: RsaKey<'_>, message: &[u8], signature: &[u8]) -> bool;

/// Memory failed, with the platform's error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotError(pub Code);

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the update's slot failed{}", self.0)
    }
}

/// The slot that a new image is written to. Offsets are in bytes from its start; the platform hides what its boot loader
/// keeps for itself.
pub trait Slot {
    /// Bytes that an image may have.
    fn capacity(&self) -> u32;

    /// Unit of a write, in bytes: a power of two, 512 at most. Offsets and lengths of writes are multiples of it.
    fn write_block(&self) -> usize;

    /// Start and length of the erase block at an offset. Blocks may differ in size.
    fn erase_block(&self, offset: u32) -> (u32, u32);

    /// Erases one block. May block for as long as the flash needs.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn erase(&mut self, start: u32, length: u32) -> Result<(), SlotError>;

    /// Writes to memory that was erased.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotError>;

    /// Reads memory.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError>;
}

/// Server of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileServer<'u> {
    /// Name or address; for TLS also the name that its certificate must be valid for.
    pub host: &'u str,
    /// TCP port.
    pub port: u16,
    /// True if the address says `https`.
    pub tls: bool,
}

/// A thread's view of the world while it downloads: [`crate::update::fetch`] drives it. Calls may block for a time that
/// the implementation bounds.
pub trait Fetcher: Slot {
    /// Connection to a server of files. Dropping it closes it. A read that brings nothing within a time that the
    /// implementation chooses (30 s is usual) is an error.
    type Stream: embedded_io::Read + embedded_io::Write;

    /// True if [`Fetcher::open`] opens connections with TLS. Without it an address of https is given up at once. Default
    /// true.
    fn speaks_tls(&self) -> bool {
        true
    }

    /// Opens a connection, with TLS if the server asks for it.
    ///
    /// # Errors
    ///
    /// The stage that failed.
    fn open(&mut self, server: FileServer<'_>) -> Result<Self::Stream, ConnectError>;

    /// Now.
    fn now(&self) -> Instant;

    /// Sleeps until then, or until [`Fetcher::is_stopped`] becomes true.
    fn sleep(&mut self, until: Instant);

    /// True if the device loop asked to stop: [`Updater::stop`].
    fn is_stopped(&self) -> bool;

    /// Tells the device loop that this many bytes are in flash, and wakes it: [`News::Progress`].
    fn progress(&mut self, written: u32);
}

/// News of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// So many bytes are in flash.
    Progress(u32),
    /// It has ended, with its length in bytes.
    Ended(Result<u32, FetchFailure>),
}

/// State of the image that runs, as its boot loader has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// The boot loader starts it again after a restart.
    Confirmed,
    /// The boot loader starts the image before it again after a restart, unless this one is confirmed.
    OnTrial,
}

/// Image in the slot, as the boot loader has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotImage {
    /// This platform cannot tell.
    NotSupported,
    /// None that the boot loader could start.
    None,
    /// One that says that it has this version, as [`Facts::firmware_version`](crate::report::Facts) would have it if it
    /// ran.
    Version(Label<MAX_VERSION>),
}

/// The longest version of an image, in bytes: Device Update's own limit.
pub const MAX_VERSION: usize = 64;

/// The device loop's view of updates. Nothing of it waits for a network.
pub trait Updater {
    /// Starts a download in the background. An earlier one has ended.
    fn begin(&mut self, job: &Job);

    /// Asks the download to stop. It ends soon, with [`FetchFailure::Stopped`].
    fn stop(&mut self);

    /// Takes news of the download. Several reports of progress may be one. New ones end
    /// [`Platform::wait`](super::Platform::wait).
    fn news(&mut self) -> Option<News>;

    /// Reads from the slot. No download is under way.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError>;

    /// Has the boot loader start the image in the slot at the next restart, on trial: MCUboot's test swap. A mode without
    /// a way back must not be used.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn request_trial(&mut self) -> Result<(), SlotError>;

    /// Image in the slot, for a rollback: the device compares its version with that of the image that ran before, and
    /// then calls [`Updater::request_trial`], which starts it on trial. Called while no download is under way; reading an
    /// image's header is enough. MCUboot's downgrade prevention must be off for it, or the boot loader refuses the image.
    /// The default is a platform that cannot tell, on which a rollback is refused.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn slot_image(&mut self) -> Result<SlotImage, SlotError> {
        Ok(SlotImage::NotSupported)
    }

    /// State of the image that runs.
    fn image_state(&mut self) -> ImageState;

    /// Keeps the image that runs.
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn confirm(&mut self) -> Result<(), SlotError>;

    /// Loads what [`Updater::store`] stored under this key: see [`storage::load`](crate::storage::load). The buffer has
    /// room for the value and [`storage::CHECKSUM_LEN`](crate::storage::CHECKSUM_LEN) bytes behind it.
    ///
    /// # Errors
    ///
    /// The medium failed, or the buffer is too small.
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError>;

    /// Stores a small value that both images can read: see [`storage::store`](crate::storage::store).
    ///
    /// # Errors
    ///
    /// The medium failed.
    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError>;
}
