//! Messages that do not fit the receive buffer: their payload comes in pieces.
//!
//! Documents of the twin are read in pieces. A method is called with its payload as a whole, so a call whose
//! payload does not fit is answered with status 413 at once: its topic says what to answer. A cloud-to-device
//! message that does not fit is passed over, counted and acknowledged, since unacknowledged it would come again
//! until it expires.

use super::Device;
use super::exchange::ignore;
use crate::application::Application;
use crate::connection::Connection;
use crate::logging::warn;
use crate::mqtt::{AckToken, Message};
use crate::time::{Instant, Moment};
use crate::topic::Inbound;

/// Purpose of the pieces of the large message that is under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Large {
    /// Nothing: they are passed over.
    #[default]
    Nobody,
    /// The whole twin, in answer to this request.
    Twin(u32),
    /// A change of the desired properties, with the version of its topic.
    Desired(Option<u64>),
}

impl<A: Application> Device<'_, A> {
    /// The topic and the size of a large message are known.
    pub(super) fn begin_large_message(
        &mut self,
        connection: &mut Connection<'_>,
        message: &Message,
        size: usize,
        at: &Moment,
    ) {
        self.large = Large::Nobody;
        match Inbound::parse(message.topic(), self.identity) {
            Inbound::TwinResponse {
                status,
                request_id,
                version,
            } => {
                if let Some(request) =
                    self.handle_twin_response(connection, at.now, (status, request_id, version))
                {
                    self.large = Large::Twin(request);
                }
            }
            Inbound::DesiredUpdate { version } => {
                self.begin_desired();
                self.large = Large::Desired(version);
            }
            Inbound::MethodRequest { name, request_id } => {
                self.refuse_large_call(connection, at, name, request_id, size);
            }
            Inbound::CloudToDevice { .. } => {
                let ignored = &mut connection.report.messages_ignored;
                *ignored = ignored.saturating_add(1);
                warn!(
                    "passed over a cloud-to-device message: its {size} bytes do not fit the receive buffer \
                     (CONFIG_AZURE_RX_BUFFER_SIZE)"
                );
            }
            _ => ignore(connection, "a message on an unknown topic"),
        }
    }

    /// The next piece is there.
    pub(super) fn feed_large_message(&mut self, connection: &Connection<'_>, now: Instant) {
        match self.large {
            Large::Nobody => {}
            Large::Twin(_) | Large::Desired(_) => {
                let piece = connection.session.piece();
                self.twin.feed(now, piece, self.updating.tap());
            }
        }
    }

    /// The payload is complete.
    pub(super) fn end_large_message(
        &mut self,
        connection: &mut Connection<'_>,
        ack: Option<AckToken>,
        at: &Moment,
    ) {
        match core::mem::take(&mut self.large) {
            Large::Nobody => {}
            Large::Twin(request) => self.handle_whole_twin(connection, at, request),
            Large::Desired(version) => self.handle_desired(connection, at, version),
        }
        if let Some(token) = ack {
            connection.session.acknowledge(token);
        }
    }
}
