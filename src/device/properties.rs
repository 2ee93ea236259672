//! The application's properties, for the twin, and the twin's messages.

use super::Device;
use super::exchange::ignore;
use super::twin::{Names, Properties, ResponseKind};
use super::updates::Updating;
use crate::application::{Application, Context, MAX_PROPERTIES, Refusal, Reported, Table, name_of};
use crate::connection::Connection;
use crate::json::{Object, Slot, TooLong, Value};
use crate::logging::warn;
use crate::time::{Instant, Moment};

/// The application's side of the twin.
struct Values<'t, 'b, A> {
    application: &'t mut A,
    device: Context<'t>,
    updating: &'t Updating<'b>,
}

impl<A: Application> Properties for Values<'_, '_, A> {
    fn apply(&mut self, index: usize, value: Value<'_>) -> Result<(), Refusal> {
        match A::PROPERTIES.get(index) {
            Some(property) => {
                let result = property.apply(self.application, value, &mut self.device);
                // It is acknowledged anyway.
                self.device.settings_are_reported();
                result
            }
            None => Ok(()),
        }
    }

    fn is_present(&mut self, index: usize) -> bool {
        reported::<A>(index).is_some_and(|property| property.is_present(&self.device))
    }

    fn write(&mut self, index: usize, value: Slot<'_, '_>) {
        match (A::PROPERTIES.get(index), reported::<A>(index)) {
            (Some(property), _) => property.write(self.application, &self.device, value),
            (None, Some(property)) => property.write(self.application, &self.device, value),
            (None, None) => {}
        }
    }

    fn write_update(&mut self, reported: &mut Object<'_, '_>) {
        self.updating.write(reported);
    }
}

/// The entry of this number in the table of properties that only the device sets.
fn reported<A: Application>(index: usize) -> Option<&'static Reported<A>> {
    A::REPORTED.get(index.checked_sub(MAX_PROPERTIES)?)
}

/// The names of an application's properties.
pub(super) fn names<A: Application>() -> Names {
    let counting = A::REPORTED.iter();
    let counting = counting
        .take_while(|property| property.name().is_some())
        .enumerate();
    let counting = counting.filter(|(_, property)| property.counts);
    Names {
        writable: |index| name_of::<A>(Table::Properties, index),
        reported: |index| name_of::<A>(Table::Reported, index),
        counting: counting.fold(0, |mask, (index, _)| mask | 1 << (MAX_PROPERTIES + index)),
    }
}

impl<A: Application> Device<'_, A> {
    /// Sends the twin's request that is due, if any.
    pub(super) fn poll_twin(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        if !connection.is_running() {
            return;
        }
        let Connection {
            session,
            scratch,
            report,
            ..
        } = connection;
        let mut values = Values {
            application: &mut self.application,
            device: Context::new(&mut self.control, report, at.now, at.unix),
            updating: &self.updating,
        };
        // A request that the session could never take would be tried again for ever.
        let size = scratch.len().min(session.publish_now_size());
        let space = scratch.get_mut(..size).unwrap_or_default();
        match self.twin.poll(at.now, &mut values, space) {
            None => {}
            Some(Ok((topic, payload))) => {
                if let Err(error) = session.publish_now(topic, payload.as_bytes()) {
                    warn!("twin: {error}");
                    self.twin.failed(at.now);
                }
            }
            Some(Err(TooLong)) => {
                warn!(
                    "twin: the properties do not fit the scratch buffer and the transmit buffer; raise their sizes"
                );
            }
        }
    }

    /// An answer to a request of the twin begins. If its body is the twin, gives the request's id.
    pub(super) fn handle_twin_response(
        &mut self,
        connection: &mut Connection<'_>,
        now: Instant,
        (status, request_id, version): (u16, &str, Option<u64>),
    ) -> Option<u32> {
        match self.twin.handle_response(now, status, request_id, version) {
            ResponseKind::Whole(request) => {
                self.updating.begin_document();
                return Some(request);
            }
            ResponseKind::Taken => self.updating.reported(&mut self.twin),
            ResponseKind::Unexpected => ignore(connection, "an answer to no twin request"),
        }
        None
    }

    /// The whole twin has been read.
    pub(super) fn handle_whole_twin(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        request: u32,
    ) {
        let mut values = Values {
            application: &mut self.application,
            device: Context::new(&mut self.control, &connection.report, at.now, at.unix),
            updating: &self.updating,
        };
        let read = self.twin.read_whole(at.now, request, &mut values);
        self.updating.end_document(true, read.ok());
        if let Err(what) = read {
            ignore(connection, what);
        }
    }

    /// A change of desired properties begins.
    pub(super) fn begin_desired(&mut self) {
        self.twin.begin_desired();
        self.updating.begin_document();
    }

    /// A change of desired properties has been read. `version` is the topic's.
    pub(super) fn handle_desired(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        version: Option<u64>,
    ) {
        let mut values = Values {
            application: &mut self.application,
            device: Context::new(&mut self.control, &connection.report, at.now, at.unix),
            updating: &self.updating,
        };
        let read = self.twin.read_desired(version, &mut values);
        self.updating.end_document(false, read.ok().flatten());
        if let Err(what) = read {
            ignore(connection, what);
        }
    }
}
