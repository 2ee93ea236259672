//! Desires of an operator: a document of the twin that has ended is applied, or refused as a whole.

use super::document::{Desired, Document};
use super::{Refusal, Twin, Verdict, properties};
use crate::application::{Application, Control, Property};
use crate::connection::Connection;
use crate::device::Device;
use crate::device::exchange::ignore;
use crate::json::Value;
use crate::logging::{debug, info, warn};
use crate::time::Instant;

/// Status of a value that the application refuses.
const BAD_REQUEST: u16 = 400;
/// A value that does not fit [`Buffers::twin`](crate::connection::Buffers::twin).
const TOO_LONG: Refusal = Refusal {
    status: 413,
    reason: "longer than the space for desired values; raise CONFIG_AZURE_TWIN_SIZE",
};

impl<A: Application> Device<'_, A> {
    /// The whole twin has been read.
    pub(in crate::device) fn twin_ended(
        &mut self,
        connection: &mut Connection<'_>,
        now: Instant,
        request_id: u32,
    ) {
        if self
            .twin
            .request
            .is_none_or(|request| request.id != request_id)
        {
            return ignore(connection, "a twin that came too late");
        }
        self.twin.request = None;
        if let Err(error) = self.twin.document.finish() {
            warn!("twin: {error}");
            ignore(connection, "a twin that is not JSON");
            return self.twin.failed(now);
        }
        let Some(version) = self.twin.document.version() else {
            warn!("twin: the hub's answer has no desired version");
            self.twin.current = true;
            return ignore(connection, "a twin without a desired version");
        };
        info!("twin: read, desired version {version}");
        self.twin.failures = 0;
        self.twin.current = true;
        self.twin.desired_version = version;
        self.apply_document(true, version);
        // What is reported may be what another device said, or nothing if the device was registered anew.
        self.properties_changed();
    }

    /// An operator's change of desired properties begins.
    pub(in crate::device) fn desired_begins(&mut self) {
        self.twin.document = Document::patch();
    }

    /// It has been read. `version` is the topic's.
    pub(in crate::device) fn desired_ended(
        &mut self,
        connection: &mut Connection<'_>,
        version: Option<u64>,
    ) {
        if let Err(error) = self.twin.document.finish() {
            warn!("twin: {error}");
            return ignore(connection, "a desired update that is not JSON");
        }
        let Some(version) = self.twin.document.version().or(version) else {
            return ignore(connection, "a desired update without a version");
        };
        if !self.twin.current || version <= self.twin.desired_version {
            // The twin that was read, or is about to be, contains it.
            return debug!("twin: passed over desired version {version}");
        }
        self.twin.desired_version = version;
        self.apply_document(false, version);
    }

    /// Applies the document that has ended. In a whole one, what is absent was deleted.
    fn apply_document(&mut self, is_whole: bool, version: u64) {
        for (index, property) in properties::<A>() {
            let verdict = self.twin.verdicts.get(index);
            let was_desired = verdict.is_some_and(|verdict| verdict.version != 0);
            let desired = match self.twin.document.desired(index, &*self.twin_space) {
                // It was deleted while this device was away.
                Desired::Absent if is_whole && was_desired => Desired::Deleted,
                desired => desired,
            };
            let device = (&mut self.application, &mut self.control);
            apply(&mut self.twin, device, (index, property), desired, version);
        }
    }
}

/// Has the application take what a document says of one property, and notes how that went.
fn apply<A: Application>(
    twin: &mut Twin,
    (application, control): (&mut A, &mut Control),
    (index, property): (usize, &Property<A>),
    desired: Desired<'_>,
    version: u64,
) {
    let (result, version) = match desired {
        Desired::Absent => return,
        Desired::TooLong => (Err(TOO_LONG), version),
        Desired::Value(value) => (take(property, application, control, value), version),
        // Nothing is desired of it any more: it is as if nothing ever was.
        Desired::Deleted => match take(property, application, control, Value::NULL) {
            Ok(()) => (Ok(()), 0),
            refused => (refused, version),
        },
    };
    match result {
        Err(Refusal { reason, .. }) => warn!("twin: {} refused: {reason}", property.name),
        Ok(()) if version == 0 => info!("twin: {} is not desired any more", property.name),
        Ok(()) => info!("twin: {} applied, version {version}", property.name),
    }
    if let Some(verdict) = twin.verdicts.get_mut(index) {
        *verdict = Verdict {
            version,
            refusal: result.err(),
        };
    }
    twin.due |= 1 << index;
}

fn take<A: Application>(
    property: &Property<A>,
    application: &mut A,
    control: &mut Control,
    value: Value<'_>,
) -> Result<(), Refusal> {
    let result = (property.apply)(application, value, control);
    // It is acknowledged anyway.
    control.changed = false;
    result.map_err(|reason| Refusal {
        status: BAD_REQUEST,
        reason,
    })
}
