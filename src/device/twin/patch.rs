//! Patches of the reported properties: the device's own, and the acknowledgements of desired ones.

use super::{Properties, Twin};
use crate::application::path;
use crate::json::{Object, TooLong};
use crate::text::Text;

/// Status of a property that is as the device has it by itself (IoT Plug and Play conventions).
const INITIAL: i64 = 203;
/// Status of a desired value that is in force.
const APPLIED: i64 = 200;

/// Properties to report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patch {
    /// The device's own properties.
    pub(super) report: bool,
    /// The counters.
    pub(super) counters: bool,
    /// Writable properties, one bit for each entry of the table.
    pub(super) properties: u16,
}

impl Patch {
    pub(super) const fn is_empty(self) -> bool {
        !self.report && !self.counters && self.properties == 0
    }

    /// Both together.
    pub(super) const fn with(self, other: Self) -> Self {
        Self {
            report: self.report || other.report,
            counters: self.counters || other.counters,
            properties: self.properties | other.properties,
        }
    }

    /// Rest after the other one.
    pub(super) const fn without(self, other: Self) -> Self {
        Self {
            report: self.report && !other.report,
            counters: self.counters && !other.counters,
            properties: self.properties & !other.properties,
        }
    }

    /// Less than this: the device's own properties alone, its counters alone, or half of the others. `None` for a
    /// single one.
    pub(super) fn smaller(self) -> Option<Self> {
        let rest = self.counters || self.properties != 0;
        if self.report && rest {
            return Some(Self {
                counters: false,
                properties: 0,
                ..self
            });
        }
        if self.counters && self.properties != 0 {
            return Some(Self {
                properties: 0,
                ..self
            });
        }
        let mut properties = self.properties;
        for _ in 0..self.properties.count_ones() / 2 {
            properties &= properties - 1;
        }
        (properties != self.properties).then_some(Self { properties, ..self })
    }
}

impl Twin<'_> {
    /// Writes a patch; gives its length.
    pub(super) fn write_patch(
        &self,
        patch: Patch,
        properties: &mut dyn Properties,
        space: &mut [u8],
    ) -> Result<usize, TooLong> {
        let mut payload = Text::new(space);
        let mut reported = Object::new(&mut payload);
        if patch.report {
            properties.report(&mut reported);
        }
        if patch.counters {
            properties.report_counters(&mut reported);
        }
        let due = |index: usize| patch.properties & 1 << index != 0;
        for (index, name) in self.table().filter(|(index, _)| due(*index)) {
            let (component, _) = path(name);
            let Some(component) = component else {
                self.acknowledge((index, name), properties, &mut reported);
                continue;
            };
            let all = self
                .table()
                .filter(|(index, other)| due(*index) && path(other).0 == Some(component));
            // All of a component are one object, written with its first.
            if all.clone().next().is_some_and(|(first, _)| first == index) {
                reported.component(component, |reported| {
                    all.for_each(|entry| self.acknowledge(entry, properties, reported));
                });
            }
        }
        reported.finish()?;
        Ok(payload.len())
    }

    /// Writes the acknowledgement of a writable property (IoT Plug and Play conventions, "Acknowledgment
    /// responses").
    fn acknowledge(
        &self,
        (index, name): (usize, &'static str),
        properties: &dyn Properties,
        reported: &mut Object<'_, '_>,
    ) {
        let verdict = self.verdicts.get(index).copied().unwrap_or_default();
        let status = match (verdict.refusal, verdict.version) {
            (Some(refusal), _) => refusal.status.into(),
            (None, 0) => INITIAL,
            (None, _) => APPLIED,
        };
        reported.object(path(name).1, |ack| {
            properties.write_value(index, ack);
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
