//! Events of an application: messages of the operator, and events.

use crate::failure::Failure;
use crate::mqtt::AckToken;
use crate::outlet::{Delivery, Ticket};
use crate::port::QueueError;
use crate::properties::Bag;
use crate::time::UnixTime;

/// A cloud-to-device message.
#[derive(Clone, Copy, Debug)]
pub struct CloudMessage<'a> {
    /// The body, as the operator sent it.
    pub body: &'a [u8],
    /// System and application properties.
    pub properties: Bag<'a>,
    /// True if the hub has sent it before: the first copy may have been taken already.
    pub redelivered: bool,
    /// For [`Context::acknowledge`](super::Context::acknowledge), after [`Receipt::Later`]. `None` if the hub wants no
    /// acknowledgement.
    pub token: Option<AckToken>,
}

/// Answer of an application to a cloud-to-device message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It was taken: the hub forgets it.
    Accepted,
    /// It was refused for this reason. It is counted and logged, and the hub forgets it: MQTT 3.1.1 has no way to tell a
    /// server of a refusal (Microsoft, "Send cloud-to-device messages from an IoT hub": a device cannot reject over MQTT).
    Rejected(&'static str),
    /// It will be taken later: keep [`CloudMessage::token`] for it. The hub sends it again after the next connect if it
    /// was not acknowledged before. Sixteen messages may wait; then nothing more is read from the hub.
    Later,
}

/// Something that happened. The device has logged it already.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A hub accepted the device, and the connection is set up.
    Connected,
    /// The connection ended: with its failure, or by a planned goodbye.
    Disconnected(Option<&'a Failure>),
    /// An attempt to connect failed.
    NotConnected(&'a Failure),
    /// The clock was set.
    TimeSet(UnixTime),
    /// Messages of a stream fell due and were not measured, since the device was busy, such as with a TLS handshake.
    NotMeasured {
        /// Name of the stream.
        stream: &'static str,
        /// Number of messages.
        messages: u32,
    },
    /// A message of an [`outlet`](crate::outlet) has its outcome.
    Outcome(Ticket, Delivery),
    /// Code of another thread asked for the application's attention, through the platform. Several requests are one event.
    /// A request while the device is being provisioned is not told: look at what it was for at [`Event::Connected`] too.
    Woken,
    /// The time of [`Context::set_timer`](super::Context::set_timer) has come.
    Timer,
    /// The device is about to stop or to restart. What is queued is sent while there is time.
    Stopping,
    /// The flash or the file of the queue failed. Messages wait in RAM, and a restart loses them. It is tried again each
    /// minute. [`QueueError::Damaged`]: its content made no sense, and was erased.
    QueueFailed(QueueError),
    /// A message was written to the queue again, after [`QueueFailed`](Self::QueueFailed).
    QueueRestored,
    /// An update made progress.
    #[cfg(feature = "update")]
    Update(super::UpdateEvent<'a>),
}
