//! Report of a device about itself: its counters, its condition, and what an indicator shows of it.

#[cfg(feature = "update")]
mod update;

use core::fmt::{self, Display};

#[cfg(feature = "update")]
pub use self::update::UpdateState;
use crate::failure::Failure;
use crate::json::Object;
use crate::mqtt;
use crate::text::written;
use crate::time::UnixTime;

/// Counters since the start. They stop at their greatest value instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// True if a hub has accepted the connection that is open now.
    pub joined: bool,
    /// Connections that a hub accepted.
    pub connections: u32,
    /// Of these, how many were planned, to renew the SAS token or the certificate.
    pub renewals: u32,
    /// Failed attempts and broken connections.
    pub failures: u32,
    /// The last of them.
    pub last_failure: Option<Failure>,
    /// Telemetry messages that fell due or were asked for: the sum of `telemetry_acknowledged`, `queued` and
    /// `dropped`.
    pub telemetry_due: u64,
    /// Telemetry messages that the hub has acknowledged.
    pub telemetry_acknowledged: u64,
    /// Telemetry messages that wait in the outbox, sent or not, or in the queue behind it.
    pub queued: u32,
    /// Those of them that are in the queue, which a restart leaves alone.
    pub queued_in_flash: u32,
    /// Time at which the oldest message in the queue was made, if it is known.
    pub oldest_queued: Option<UnixTime>,
    /// Telemetry messages that will not be delivered, by cause.
    pub dropped: Dropped,
    /// Cloud-to-device messages that the application took.
    pub messages_taken: u64,
    /// Cloud-to-device messages that the application refused.
    pub messages_rejected: u64,
    /// The device's state, whether the indicator shows it or not.
    pub status: Status,
    /// True if an operator keeps the indicator dark.
    pub indicator_is_dark: bool,
    /// Condition of the platform at the last connect.
    pub condition: Condition,
    /// Messages from the hub that made no sense or did not fit, and were passed over.
    pub messages_ignored: u64,
    /// State of software updates.
    #[cfg(feature = "update")]
    pub update: UpdateState,
    /// Counters of the MQTT session.
    pub mqtt: mqtt::Statistics,
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
    /// Joined the hub, and a software update is under way: blue.
    Updating,
    /// Cannot go on without a person, or is waiting before the next attempt: red.
    Failed,
}

/// Facts that the platform knows about the device, for its twin. Each is empty if it is not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Version of the product's firmware.
    pub firmware_version: &'static str,
    /// Version of Zephyr; empty on a host.
    pub zephyr_version: &'static str,
    /// Reason why the device started: `power-on`, `watchdog`, `software`…
    pub reset_cause: &'static str,
    /// The fault or panic that ended the last run, with its addresses; empty if none did.
    pub last_fault: &'static str,
}

/// Condition of the platform, for the twin and for a status command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The address that the device has in its network.
    pub network_address: Option<NetworkAddress>,
    /// The most bytes of heap that were in use at a time since the start.
    pub heap_peak: Option<u32>,
}

/// An IPv4 or IPv6 address, or one of each, as its platform writes it: the core only repeats it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NetworkAddress {
    bytes: [u8; Self::MAX_LEN],
    length: usize,
}

impl NetworkAddress {
    /// The longest text, in bytes: an IPv4 address of 15, a comma and a blank, and an IPv6 address of 45, which has an
    /// IPv4 address embedded.
    pub const MAX_LEN: usize = 62;

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

/// Reason why a telemetry message is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The outbox was full, and the oldest message made room for a new one
    /// ([`OverflowPolicy::DropOldest`](crate::mqtt::OverflowPolicy::DropOldest)).
    OverflowOldest,
    /// The outbox was full, and did not take a new message: by
    /// [`OverflowPolicy::RefuseNewest`](crate::mqtt::OverflowPolicy::RefuseNewest), or since messages in flight filled it.
    OverflowNewest,
    /// The message fits no buffer: scratch, or outbox.
    TooLarge,
    /// The message fell due while the device was busy, such as with a TLS handshake, and was not measured.
    NotSampled,
    /// The device was given another id, and the queue had no room for the message with it.
    Reprovisioned,
    /// The message was still queued when the device was stopped or restarted.
    LeftBehind,
    /// The message has QoS 0, and there was no connection for it.
    NotConnected,
    /// The message's time to live ended before it was sent.
    Expired,
    /// The message was left out so that the queue lasts longer
    /// ([`Overflow::ThinOut`](crate::queue::Overflow::ThinOut)).
    Thinned,
    /// The message was in the queue in flash, and could not be read again.
    Damaged,
    /// A person cleared the queue.
    Erased,
}

impl Cause {
    /// All causes, in the order in which they are reported.
    pub const ALL: [Self; 11] = [
        Self::OverflowOldest,
        Self::OverflowNewest,
        Self::TooLarge,
        Self::NotSampled,
        Self::Reprovisioned,
        Self::LeftBehind,
        Self::NotConnected,
        Self::Expired,
        Self::Thinned,
        Self::Damaged,
        Self::Erased,
    ];

    /// The name in the twin, in `getStatus` and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OverflowOldest => "overflowOldest",
            Self::OverflowNewest => "overflowNewest",
            Self::TooLarge => "tooLarge",
            Self::NotSampled => "notSampled",
            Self::Reprovisioned => "reprovisioned",
            Self::LeftBehind => "leftBehind",
            Self::NotConnected => "notConnected",
            Self::Expired => "expired",
            Self::Thinned => "thinned",
            Self::Damaged => "damaged",
            Self::Erased => "erased",
        }
    }

    /// The reason, and the remedy if there is one, for the log.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::OverflowOldest => "the queue is full, so the oldest make room for new ones",
            Self::OverflowNewest => "the queue is full and takes no new ones",
            Self::TooLarge => "they fit no buffer",
            Self::NotSampled => "they fell due while the device was busy, and were not measured",
            Self::Reprovisioned => "the outbox has no room for them with the new device id",
            Self::LeftBehind => "they were left behind when the device ended",
            Self::NotConnected => "their QoS is 0, and there was no connection",
            Self::Expired => "their time to live ended before they were sent",
            Self::Thinned => "the queue is thinned out, so that it lasts longer",
            Self::Damaged => "the queue in flash is damaged",
            Self::Erased => "the queue was cleared",
        }
    }

    /// A bit of its own, for a set of causes.
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// Numbers of dropped messages by cause. They stop at their greatest value instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u32; Cause::ALL.len()]);

impl Dropped {
    /// Messages that were dropped for this cause.
    pub fn of(&self, cause: Cause) -> u32 {
        self.0.get(cause as usize).copied().unwrap_or_default()
    }

    /// Messages that were dropped for any cause.
    pub fn total(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    /// Counts messages.
    pub(crate) fn add(&mut self, cause: Cause, messages: u32) {
        if let Some(count) = self.0.get_mut(cause as usize) {
            *count = count.saturating_add(messages);
        }
    }

    /// Writes one member for each cause. Those of zero are written too, since a twin keeps what it is not told
    /// about, also from before a restart.
    pub fn write(&self, object: &mut Object<'_, '_>) {
        for cause in Cause::ALL {
            object.integer(cause.name(), self.of(cause).into());
        }
    }
}

/// Displays the number, and the causes that occurred: `443: overflowOldest 440, notSampled 3`.
impl Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.total())?;
        let occurred = |cause: &Cause| self.of(*cause) > 0;
        for (index, cause) in Cause::ALL.into_iter().filter(occurred).enumerate() {
            let separator = if index == 0 { ": " } else { ", " };
            write!(f, "{separator}{} {}", cause.name(), self.of(cause))?;
        }
        Ok(())
    }
}
