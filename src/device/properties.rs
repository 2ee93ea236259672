//! The application's properties, for the twin, and the twin's messages.

use super::Device;
use super::exchange::ignore;
use super::twin::{Properties, ResponseKind};
use crate::application::{Application, Control};
use crate::connection::Connection;
use crate::json::{Object, TooLong, Value};
use crate::logging::warn;
use crate::report::Report;
use crate::time::Instant;

/// The application's side of the twin.
struct Table<'t, A> {
    application: &'t mut A,
    control: &'t mut Control,
    report: &'t Report,
}

impl<A: Application> Properties for Table<'_, A> {
    fn apply(&mut self, index: usize, value: Value<'_>) -> Result<(), &'static str> {
        let Some(property) = A::PROPERTIES.get(index) else {
            return Ok(());
        };
        let result = (property.apply)(self.application, value, self.control);
        // It is acknowledged anyway.
        self.control.changed = false;
        result
    }

    fn write_value(&self, index: usize, acknowledgement: &mut Object<'_, '_>) {
        if let Some(property) = A::PROPERTIES.get(index) {
            (property.value)(self.application, self.control, acknowledgement);
        }
    }

    fn report(&mut self, reported: &mut Object<'_, '_>) {
        self.application.report(self.report, reported);
    }

    fn report_counters(&mut self, reported: &mut Object<'_, '_>) {
        self.application.report_counters(self.report, reported);
    }
}

/// The name of an entry of an application's table.
pub(super) fn name_of<A: Application>(index: usize) -> Option<&'static str> {
    Some(A::PROPERTIES.get(index)?.name)
}

impl<A: Application> Device<'_, A> {
    /// Sends the twin's request that is due, if any.
    pub(super) fn poll_twin(&mut self, connection: &mut Connection<'_>, now: Instant) {
        if !connection.is_running() {
            return;
        }
        let Connection {
            session,
            scratch,
            report,
            ..
        } = connection;
        let mut table = Table {
            application: &mut self.application,
            control: &mut self.control,
            report,
        };
        match self.twin.poll(now, &mut table, scratch) {
            None => {}
            Some(Ok((topic, payload))) => {
                if let Err(error) = session.publish_now(topic, payload.as_bytes()) {
                    warn!("twin: {error}");
                    self.twin.failed(now);
                }
            }
            Some(Err(TooLong)) => {
                warn!("twin: the properties do not fit the scratch buffer; raise its size");
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
            ResponseKind::Whole(request) => return Some(request),
            ResponseKind::Taken => {}
            ResponseKind::Unexpected => ignore(connection, "an answer to no twin request"),
        }
        None
    }

    /// The whole twin has been read.
    pub(super) fn handle_whole_twin(
        &mut self,
        connection: &mut Connection<'_>,
        now: Instant,
        request: u32,
    ) {
        let mut table = Table {
            application: &mut self.application,
            control: &mut self.control,
            report: &connection.report,
        };
        if let Err(what) = self.twin.read_whole(now, request, &mut table) {
            ignore(connection, what);
        }
    }

    /// A change of desired properties has been read. `version` is the topic's.
    pub(super) fn handle_desired(&mut self, connection: &mut Connection<'_>, version: Option<u64>) {
        let mut table = Table {
            application: &mut self.application,
            control: &mut self.control,
            report: &connection.report,
        };
        if let Err(what) = self.twin.read_desired(version, &mut table) {
            ignore(connection, what);
        }
    }
}
