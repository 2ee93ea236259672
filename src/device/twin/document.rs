//! Findings of a document of the twin about the application's properties, made while the document passes by.
//!
//! A document is the whole twin, or a patch of its desired properties. It is read in pieces, of any size and
//! in any order of its members, and never kept. Values that the application's table names are copied into the
//! caller's space, without the white space between tokens. Nothing is applied before the document has ended
//! and is known to be valid.

use crate::application::{MAX_PROPERTIES, path};
use crate::device::updates::Tap;
use crate::json::{Kind, Name, ParseError, Reader, Sink, Value};
use crate::logging::warn;

/// The longest text of a version, in bytes: every `u64` fits, and `1.5e3` too.
const VERSION_SIZE: usize = 24;
/// Names of unknown properties that are logged, each once. 4 bytes each.
const MAX_UNKNOWN: usize = 8;

/// Gives the name of an entry of the application's table; `None` behind its end.
pub(super) type NameOf = fn(usize) -> Option<&'static str>;

/// Statement of a document about one property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Desired<'d> {
    /// Nothing.
    Absent,
    /// `null`: it was deleted.
    Deleted,
    /// This value.
    Value(Value<'d>),
    /// A value that does not fit the space.
    TooLong,
}

/// Names of unknown properties that were logged, as hashes. They outlive connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unknown {
    logged: [u32; MAX_UNKNOWN],
    count: usize,
}

impl Unknown {
    /// Logs a property that the application does not have, once.
    fn log(&mut self, component: Option<&'static str>, name: &Name) {
        // FNV-1a, 32 bits.
        let bytes = component.unwrap_or_default().bytes().chain([b'*']);
        let hash = bytes
            .chain(name.bytes().iter().copied())
            .fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
        let logged = self.logged.get(..self.count).unwrap_or_default();
        if self.count > MAX_UNKNOWN || logged.contains(&hash) {
            return;
        }
        match self.logged.get_mut(self.count) {
            Some(slot) => *slot = hash,
            None => warn!("twin: more properties are desired that this device does not have"),
        }
        if self.count < MAX_UNKNOWN {
            let (component, star) = component.map_or(("", ""), |component| (component, "*"));
            warn!(
                "twin: this device has no property \"{component}{star}{name}\", which is desired"
            );
        }
        self.count += 1;
    }
}

/// A document that is being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    reader: Reader,
    error: Option<ParseError>,
    found: Found,
}

/// A text in the space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u16,
    end: u16,
}

/// Value that is being copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Copying {
    #[default]
    Nothing,
    Version,
    Property(usize),
    /// The deployment that the update service desires.
    #[cfg(feature = "update")]
    Deployment,
}

/// Findings so far.
#[derive(Clone, Debug, Default)]
struct Found {
    /// Depth of the members of the desired properties: 2 in a whole twin, 1 in a patch.
    members: u32,
    /// The desired properties are being read.
    in_desired: bool,
    /// The component that is being read.
    component: Option<&'static str>,
    copying: Copying,
    /// One bit for each entry of the table.
    deleted: u16,
    present: u16,
    too_long: u16,
    spans: [Span; MAX_PROPERTIES],
    /// Bytes of the space that are taken.
    used: u16,
    version: [u8; VERSION_SIZE],
    /// More than [`VERSION_SIZE`] if it did not fit.
    version_length: usize,
}

impl Document {
    /// A whole twin: `{"desired":{…},"reported":{…}}`.
    pub(super) fn whole() -> Self {
        Self::with_members(2)
    }

    /// A patch of the desired properties.
    pub(super) fn patch() -> Self {
        Self::with_members(1)
    }

    fn with_members(members: u32) -> Self {
        Self {
            found: Found {
                members,
                ..Found::default()
            },
            ..Self::default()
        }
    }

    /// Takes the next bytes. What follows an error is passed over.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        space: &mut [u8],
        names: NameOf,
        (unknown, tap): (&mut Unknown, Tap<'_>),
    ) {
        if self.error.is_none() {
            let mut collector = Collector {
                found: &mut self.found,
                space,
                names,
                unknown,
                #[cfg(feature = "update")]
                tap,
            };
            #[cfg(not(feature = "update"))]
            let _ = tap;
            self.error = self.reader.feed(bytes, &mut collector).err();
        }
    }

    /// The document has ended.
    ///
    /// # Errors
    ///
    /// It is not JSON.
    pub(super) fn finish(&mut self) -> Result<(), ParseError> {
        match self.error {
            Some(error) => Err(error),
            // A document that is a number has nothing to collect.
            None => self.reader.finish(&mut ()),
        }
    }

    /// The version of the desired properties, once the document has ended.
    pub(super) fn version(&self) -> Option<u64> {
        let text = self.found.version.get(..self.found.version_length)?;
        let version = Value::parse(text).ok()?.as_i64()?;
        u64::try_from(version).ok()
    }

    /// Statement about the property of this number, once the document has ended.
    pub(super) fn desired<'s>(&self, index: usize, space: &'s [u8]) -> Desired<'s> {
        let bit = 1 << index;
        if self.found.too_long & bit != 0 {
            return Desired::TooLong;
        }
        if self.found.deleted & bit != 0 {
            return Desired::Deleted;
        }
        let span = self.found.spans.get(index).copied().unwrap_or_default();
        let text = space.get(usize::from(span.start)..usize::from(span.end));
        // It was checked when it was copied.
        match text.and_then(|text| Value::parse(text).ok()) {
            Some(value) if self.found.present & bit != 0 => Desired::Value(value),
            _ => Desired::Absent,
        }
    }
}

impl Found {
    fn forget(&mut self, index: usize) {
        let bit = 1 << index;
        self.deleted &= !bit;
        self.present &= !bit;
        self.too_long &= !bit;
    }
}

/// Picks what counts out of a document that passes by.
struct Collector<'c> {
    found: &'c mut Found,
    space: &'c mut [u8],
    names: NameOf,
    unknown: &'c mut Unknown,
    #[cfg(feature = "update")]
    tap: Tap<'c>,
}

/// The component of updates, and the property in it that the service sets.
#[cfg(feature = "update")]
const DEPLOYMENT: (&str, &str) = (crate::update::COMPONENT, "service");

#[cfg(feature = "update")]
impl Collector<'_> {
    /// A member of the desired properties. True if it is the component of updates.
    fn is_update(&mut self, depth: u32, name: &Name, kind: Kind) -> bool {
        let Some(tap) = self.tap.as_mut().filter(|_| name.is(DEPLOYMENT.0)) else {
            return false;
        };
        match kind {
            Kind::Object => self.found.component = Some(DEPLOYMENT.0),
            // The component was deleted, and its members with it.
            _ => {
                tap.begin(depth, None, Kind::Null);
                tap.end(depth);
            }
        }
        true
    }

    /// A member of a component. True if it is what the update service desires.
    fn is_deployment(&mut self, depth: u32, component: &str, name: &Name, kind: Kind) -> bool {
        if component != DEPLOYMENT.0 {
            return false;
        }
        if let Some(tap) = self.tap.as_mut().filter(|_| name.is(DEPLOYMENT.1)) {
            tap.begin(depth, None, kind);
            self.found.copying = Copying::Deployment;
        }
        true
    }
}

impl Collector<'_> {
    /// The entries of the table with their numbers, as component and name.
    fn table(&self) -> impl Iterator<Item = (usize, (Option<&'static str>, &'static str))> + use<> {
        let names = self.names;
        (0..MAX_PROPERTIES).map_while(move |index| Some((index, path(names(index)?))))
    }

    /// A member of the desired properties.
    fn member(&mut self, name: &Name, kind: Kind) {
        if name.is("$version") {
            self.found.version_length = 0;
            self.found.copying = Copying::Version;
            return;
        }
        let mut table = self.table();
        if let Some((index, _)) = table.find(|(_, path)| path.0.is_none() && name.is(path.1)) {
            return self.property(index, kind);
        }
        let component = self
            .table()
            .find_map(|(_, (component, _))| component.filter(|component| name.is(component)));
        match (component, kind) {
            (Some(component), Kind::Object | Kind::Null) => {
                for (index, (of, _)) in self.table() {
                    if of == Some(component) {
                        self.found.forget(index);
                        // A component that was deleted takes its properties along.
                        if kind == Kind::Null {
                            self.found.deleted |= 1 << index;
                        }
                    }
                }
                self.found.component = Some(component).filter(|_| kind == Kind::Object);
            }
            // To delete an unknown property changes nothing, and a name with `$` is the hub's own.
            (_, Kind::Null) => {}
            _ if name.bytes().starts_with(b"$") => {}
            _ => self.unknown.log(None, name),
        }
    }

    /// A member of a component.
    fn member_of(&mut self, component: &'static str, name: &Name, kind: Kind) {
        let property = self
            .table()
            .find(|(_, path)| path.0 == Some(component) && name.is(path.1));
        match property {
            Some((index, _)) => self.property(index, kind),
            // What marks a component (IoT Plug and Play conventions, "Component").
            None if name.is("__t") || kind == Kind::Null => {}
            None => self.unknown.log(Some(component), name),
        }
    }

    fn property(&mut self, index: usize, kind: Kind) {
        self.found.forget(index);
        if kind == Kind::Null {
            self.found.deleted |= 1 << index;
            return;
        }
        self.found.present |= 1 << index;
        self.found.copying = Copying::Property(index);
        let start = self.found.used;
        if let Some(span) = self.found.spans.get_mut(index) {
            *span = Span { start, end: start };
        }
    }

    fn copy(&mut self, index: usize, byte: u8) {
        let used = usize::from(self.found.used);
        match self.space.get_mut(used).zip(self.found.used.checked_add(1)) {
            Some((slot, used)) => {
                *slot = byte;
                self.found.used = used;
            }
            None => {
                self.found.too_long |= 1 << index;
                self.found.copying = Copying::Nothing;
                // What was copied of it makes room for the others.
                self.found.used = self.found.spans.get(index).map_or(0, |span| span.start);
            }
        }
    }
}

impl Sink for Collector<'_> {
    fn begin(&mut self, depth: u32, name: Option<&Name>, kind: Kind) {
        #[cfg(feature = "update")]
        if self.found.copying == Copying::Deployment
            && let Some(tap) = &mut self.tap
        {
            return tap.begin(depth, name, kind);
        }
        if self.found.copying != Copying::Nothing {
            return;
        }
        let members = self.found.members;
        let desired = match name {
            // A patch is the desired properties.
            None => depth == 0 && members == 1,
            Some(name) => depth == 1 && members == 2 && name.is("desired"),
        };
        if desired {
            // If there are several, the last counts, as most readers have it.
            *self.found = Found {
                members,
                in_desired: kind == Kind::Object,
                ..Found::default()
            };
            return;
        }
        if !self.found.in_desired {
            return;
        }
        match (name, self.found.component) {
            #[cfg(feature = "update")]
            (Some(name), None) if depth == members && self.is_update(depth, name, kind) => {}
            #[cfg(feature = "update")]
            (Some(name), Some(component))
                if depth == members + 1 && self.is_deployment(depth, component, name, kind) => {}
            (Some(name), None) if depth == members => self.member(name, kind),
            (Some(name), Some(component)) if depth == members + 1 => {
                self.member_of(component, name, kind);
            }
            _ => {}
        }
    }

    fn byte(&mut self, byte: u8) {
        match self.found.copying {
            Copying::Nothing => {}
            #[cfg(feature = "update")]
            Copying::Deployment => {
                if let Some(tap) = &mut self.tap {
                    tap.byte(byte);
                }
            }
            Copying::Property(index) => self.copy(index, byte),
            Copying::Version => {
                if let Some(slot) = self.found.version.get_mut(self.found.version_length) {
                    *slot = byte;
                }
                self.found.version_length = self.found.version_length.saturating_add(1);
            }
        }
    }

    fn end(&mut self, depth: u32) {
        let members = self.found.members;
        #[cfg(feature = "update")]
        if self.found.copying == Copying::Deployment {
            if let Some(tap) = &mut self.tap {
                tap.end(depth);
            }
            if depth == members + 1 {
                self.found.copying = Copying::Nothing;
            }
            return;
        }
        match self.found.component {
            Some(_) if depth == members => self.found.component = None,
            component => {
                let own = members + u32::from(component.is_some());
                if depth == own {
                    if let Copying::Property(index) = self.found.copying
                        && let Some(span) = self.found.spans.get_mut(index)
                    {
                        span.end = self.found.used;
                    }
                    self.found.copying = Copying::Nothing;
                } else if depth + 1 == members {
                    self.found.in_desired = false;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
