//! Reports of the device: its own properties, and how desired ones fared.

use super::{Patch, Twin, Unsent, properties};
use crate::application::{Application, Control, Property};
use crate::connection::Connection;
use crate::device::Device;
use crate::json::{Object, TooLong};
use crate::text::{Text, render};
use crate::topic::Outbound;

/// Status of a property that is as the device has it by itself (IoT Plug and Play conventions).
const INITIAL: i64 = 203;
/// Status of a desired value that is in force.
const APPLIED: i64 = 200;
/// The part of the scratch buffer, in bytes, that a twin topic takes.
const TOPIC_SIZE: usize = 64;

impl Twin {
    /// Writes the acknowledgement of a writable property (IoT Plug and Play conventions, "Acknowledgment
    /// responses").
    fn acknowledge<A>(
        &self,
        (index, property): (usize, &Property<A>),
        application: &A,
        control: &Control,
        reported: &mut Object<'_, '_>,
    ) {
        let verdict = self.verdicts.get(index).copied().unwrap_or_default();
        let status = match (verdict.refusal, verdict.version) {
            (Some(refusal), _) => refusal.status.into(),
            (None, 0) => INITIAL,
            (None, _) => APPLIED,
        };
        reported.object(property.path().1, |ack| {
            (property.value)(application, control, ack);
            ack.integer("ac", status);
            ack.integer("av", i64::try_from(verdict.version).unwrap_or(i64::MAX));
            match verdict.refusal {
                Some(refusal) => ack.string("ad", refusal.reason),
                // The hub merges: the reason of an earlier refusal would stay, over a restart too.
                None => ack.null("ad"),
            };
        });
    }
}

impl<A: Application> Device<'_, A> {
    /// Reports as much of it as fits.
    pub(super) fn send_patch(
        &mut self,
        connection: &mut Connection<'_>,
        id: u32,
        mut patch: Patch,
    ) -> Result<(), Unsent> {
        let sent = loop {
            match (self.try_patch(connection, id, patch), patch.smaller()) {
                (Err(Unsent::TooLong), Some(smaller)) => patch = smaller,
                (sent, _) => break sent,
            }
        };
        if sent.is_ok() {
            self.twin.report_due &= !patch.report;
            self.twin.counters_due &= !patch.counters;
            self.twin.due &= !patch.due;
            if let Some(request) = &mut self.twin.request {
                request.patch = Some(patch);
            }
        }
        sent
    }

    fn try_patch(
        &mut self,
        connection: &mut Connection<'_>,
        id: u32,
        patch: Patch,
    ) -> Result<(), Unsent> {
        let (topic, payload) = connection
            .scratch
            .split_at_mut_checked(TOPIC_SIZE)
            .ok_or(Unsent::TooLong)?;
        let topic = render(topic, Outbound::ReportedPatch { request_id: id })
            .map_err(|_| Unsent::TooLong)?;
        let mut payload = Text::new(payload);
        let mut reported = Object::new(&mut payload);
        if patch.report {
            self.application.report(&connection.report, &mut reported);
        }
        if patch.counters {
            self.application
                .report_counters(&connection.report, &mut reported);
        }
        let due = |index: usize| patch.due & 1 << index != 0;
        let acknowledge = |entry, reported: &mut Object<'_, '_>| {
            let (application, control) = (&self.application, &self.control);
            self.twin.acknowledge(entry, application, control, reported);
        };
        for (index, property) in properties::<A>().filter(|(index, _)| due(*index)) {
            let (component, _) = property.path();
            let Some(component) = component else {
                acknowledge((index, property), &mut reported);
                continue;
            };
            let all = properties::<A>()
                .filter(|(index, other)| due(*index) && other.path().0 == Some(component));
            // All of a component are one object, written with its first.
            if all.clone().next().is_some_and(|(first, _)| first == index) {
                reported.component(component, |reported| {
                    all.for_each(|entry| acknowledge(entry, reported));
                });
            }
        }
        reported.finish().map_err(|TooLong| Unsent::TooLong)?;
        connection
            .session
            .publish_now(topic, payload.as_str().as_bytes())
            .map_err(Unsent::from)
    }

    /// A method may have changed what properties say.
    pub(in crate::device) fn properties_changed(&mut self) {
        self.twin.due |= properties::<A>().fold(0, |due, (index, _)| due | 1 << index);
    }
}
