//! Desired properties: a document of the twin that has ended is applied, or passed over as a whole.

use super::document::{Desired, Document};
use super::patch::Patch;
use super::{PassedOver, Properties, Refusal, Twin, Verdict, WRITABLE, bit};
use crate::application;
use crate::json::Value;
use crate::logging::{debug, info, warn};
use crate::time::Instant;

/// Status of a value that the application refuses.
const BAD_REQUEST: u16 = 400;
/// A value that does not fit [`Buffers::twin`](crate::connection::Buffers::twin).
const TOO_LONG: Refusal = Refusal {
    status: 413,
    reason: application::Refusal::new(
        "longer than the space for desired values; raise CONFIG_AZURE_TWIN_SIZE",
    ),
};

impl Twin<'_> {
    /// The whole twin has been read, in answer to this request. Gives its desired version.
    ///
    /// # Errors
    ///
    /// The reason why it was passed over.
    pub(in crate::device) fn read_whole(
        &mut self,
        now: Instant,
        request_id: u32,
        properties: &mut dyn Properties,
    ) -> Result<u64, PassedOver> {
        if self.request.is_none_or(|request| request.id != request_id) {
            return Err("a twin that came too late");
        }
        self.request = None;
        if let Err(error) = self.document.finish() {
            warn!("twin: {error}");
            self.failed(now);
            return Err("a twin that is not JSON");
        }
        let Some(version) = self.document.version() else {
            warn!("twin: the hub's answer has no desired version");
            self.current = true;
            return Err("a twin without a desired version");
        };
        info!("twin: read, desired version {version}");
        self.failures = 0;
        self.current = true;
        self.desired_version = version;
        self.apply_document(true, version, properties);
        // What is reported may be what another device said, or nothing if the device was registered again.
        self.changed(WRITABLE);
        Ok(version)
    }

    /// An operator's change of desired properties begins.
    pub(in crate::device) fn begin_desired(&mut self) {
        self.document = Document::patch();
    }

    /// An operator's change has been read. `version` is the topic's. Gives the desired version; `None` if it brings nothing
    /// new.
    ///
    /// # Errors
    ///
    /// The reason why it was passed over.
    pub(in crate::device) fn read_desired(
        &mut self,
        version: Option<u64>,
        properties: &mut dyn Properties,
    ) -> Result<Option<u64>, PassedOver> {
        if let Err(error) = self.document.finish() {
            warn!("twin: {error}");
            return Err("a desired update that is not JSON");
        }
        let Some(version) = self.document.version().or(version) else {
            return Err("a desired update without a version");
        };
        if !self.current || version <= self.desired_version {
            // The twin that was read, or is about to be, contains it.
            debug!("twin: passed over desired version {version}");
            return Ok(None);
        }
        self.desired_version = version;
        self.apply_document(false, version, properties);
        Ok(Some(version))
    }

    /// Applies the document that has ended. In a whole one, what is absent was deleted.
    fn apply_document(&mut self, is_whole: bool, version: u64, properties: &mut dyn Properties) {
        for (index, name) in self.table() {
            let verdict = self.verdicts.get(index);
            let was_desired = verdict.is_some_and(|verdict| verdict.version != 0);
            let desired = match self.document.desired(index, self.space) {
                // It was deleted while this device was away.
                Desired::Absent if is_whole && was_desired => Desired::Deleted,
                desired => desired,
            };
            if let Some(verdict) = apply(properties, (index, name), desired, version) {
                if let Some(place) = self.verdicts.get_mut(index) {
                    *place = verdict;
                }
                self.due = self.due.with(Patch(bit(index)));
            }
        }
    }
}

/// Gives the application the desired value of one property. Gives the result; `None` if the document has no value.
fn apply(
    properties: &mut dyn Properties,
    (index, name): (usize, &str),
    desired: Desired<'_>,
    version: u64,
) -> Option<Verdict> {
    let mut take = |value| {
        properties.apply(index, value).map_err(|reason| Refusal {
            status: BAD_REQUEST,
            reason,
        })
    };
    let (result, version) = match desired {
        Desired::Absent => return None,
        Desired::TooLong => (Err(TOO_LONG), version),
        Desired::Value(value) => (take(value), version),
        // It has no desired value any more: it is as if it never had one.
        Desired::Deleted => match take(Value::NULL) {
            Ok(()) => (Ok(()), 0),
            refused => (refused, version),
        },
    };
    match result {
        Err(Refusal { reason, .. }) => warn!("twin: {name} refused: {reason}"),
        Ok(()) if version == 0 => info!("twin: {name} is not desired any more"),
        Ok(()) => info!("twin: {name} applied, version {version}"),
    }
    Some(Verdict {
        version,
        refusal: result.err(),
    })
}
