//! Patches of the reported properties: the device's own, and the acknowledgements of desired ones.

use super::{Properties, Twin, UPDATE, WRITABLE, bit};
use crate::application::path;
use crate::json::{Object, TooLong};
use crate::text::Text;

/// Status of a property that is as the device has it by itself (IoT Plug and Play conventions).
const INITIAL: i64 = 203;
/// Status of a desired value that is in force.
const APPLIED: i64 = 200;

/// Properties to report, one bit for each by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patch(pub(super) u64);

impl Patch {
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Rest after the other one.
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Less than this: those that only the device sets, or half of one kind; `None` for a single one.
    pub(super) fn smaller(self) -> Option<Self> {
        let own = self.0 & !WRITABLE;
        if own != 0 && own != self.0 {
            return Some(Self(own));
        }
        let mut properties = self.0;
        for _ in 0..self.0.count_ones() / 2 {
            properties &= properties - 1;
        }
        (properties != self.0).then_some(Self(properties))
    }

    const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn has(self, index: usize) -> bool {
        self.0 & bit(index) != 0
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
        let due = self.names.all().filter(move |(index, _)| patch.has(*index));
        for (index, name) in due.clone() {
            let (component, _) = path(name);
            let Some(component) = component else {
                self.write_property((index, name), properties, &mut reported);
                continue;
            };
            let all = due
                .clone()
                .filter(|(_, other)| path(other).0 == Some(component));
            // All of a component are one object, written with its first.
            if all.clone().next().is_some_and(|(first, _)| first == index) {
                reported.component(component, |reported| {
                    all.for_each(|entry| self.write_property(entry, properties, reported));
                });
            }
        }
        if patch.overlaps(Patch(UPDATE)) {
            properties.write_update(&mut reported);
        }
        reported.finish()?;
        Ok(payload.len())
    }

    /// Writes a property of the device, or the acknowledgement of a writable one (IoT Plug and Play conventions,
    /// "Acknowledgment responses").
    fn write_property(
        &self,
        (index, name): (usize, &'static str),
        properties: &mut dyn Properties,
        reported: &mut Object<'_, '_>,
    ) {
        let name = path(name).1;
        let Some(verdict) = self.verdicts.get(index) else {
            if properties.is_present(index) {
                properties.write(index, reported.slot(name));
            }
            return;
        };
        let status = match (verdict.refusal, verdict.version) {
            (Some(refusal), _) => refusal.status.into(),
            (None, 0) => INITIAL,
            (None, _) => APPLIED,
        };
        reported.object(name, |ack| {
            properties.write(index, ack.slot("value"));
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
