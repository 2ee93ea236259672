//! The member `service` of the twin's component `deviceUpdate`: what the update service desires.
//!
//! It comes in pieces, as the twin does, and its texts are kept until they have been judged: the manifest, its signature
//! and the addresses together are larger than any other value of a twin. Their memory is taken from the heap when they
//! begin and given back when they have been judged, so that a TLS handshake and an update share it.

use alloc::vec::Vec;
use core::ops::Range;

use super::number::small;
use super::unescape::Unescape;
use crate::json::{Kind, Name, Sink};
use crate::label::Label;

/// The longest name of a workflow, in bytes; Microsoft's are GUIDs of 36.
pub(super) const MAX_WORKFLOW_ID: usize = 64;
/// The longest time stamp of a retry, in bytes.
pub(super) const MAX_RETRY: usize = 40;
/// The most files whose addresses are kept: of one file each, and of others that the manifest may not use.
pub(super) const MAX_FILES: usize = 4;

/// Action of a workflow: process the deployment.
pub(super) const ACTION_PROCESS: i64 = 3;
/// Action of a workflow: cancel it.
pub(super) const ACTION_CANCEL: i64 = 255;

/// Name of a workflow, with the time stamp of its retry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workflow {
    /// Its id.
    pub id: Label<MAX_WORKFLOW_ID>,
    /// Time stamp of the retry; empty if it is none.
    pub retry: Label<MAX_RETRY>,
}

/// Texts in [`Service::texts`].
type Span = Range<usize>;

/// Members that were found.
#[derive(Clone, Debug, Default)]
struct Found {
    /// The member itself was there, and no `null`.
    present: bool,
    deleted: bool,
    action: Option<i64>,
    workflow: Workflow,
    manifest: Span,
    signature: Span,
    package: Span,
    /// Key and address of each file.
    files: [(Span, Span); MAX_FILES],
    count: usize,
    /// Something did not fit.
    too_long: bool,
}

/// Member whose members are being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Other,
    Workflow,
    Files,
}

/// Value that is being kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field {
    #[default]
    None,
    Action,
    Id,
    Retry,
    Manifest,
    Signature,
    Package,
    File(usize),
}

/// The service's member, while it is read and until it was judged.
#[derive(Clone, Debug)]
pub struct Service {
    texts: Vec<u8>,
    limit: usize,
    found: Found,
    /// Depth of the member itself.
    base: Option<u32>,
    section: Section,
    field: Field,
    start: usize,
    unescape: Unescape,
}

impl Service {
    /// Nothing was read. All texts together may have `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            texts: Vec::new(),
            limit,
            found: Found {
                present: false,
                deleted: false,
                action: None,
                workflow: Workflow {
                    id: Label::EMPTY,
                    retry: Label::EMPTY,
                },
                manifest: 0..0,
                signature: 0..0,
                package: 0..0,
                files: [(0..0, 0..0), (0..0, 0..0), (0..0, 0..0), (0..0, 0..0)],
                count: 0,
                too_long: false,
            },
            base: None,
            section: Section::Other,
            field: Field::None,
            start: 0,
            unescape: Unescape::NEW,
        }
    }

    /// Forgets what was read, and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    /// True if the member was there, as an object or as `null`.
    pub const fn is_mentioned(&self) -> bool {
        self.found.present || self.found.deleted
    }

    /// True if the member is an object.
    pub const fn is_present(&self) -> bool {
        self.found.present
    }

    /// True if it has all that a deployment needs.
    pub fn is_complete(&self) -> bool {
        let found = &self.found;
        found.action.is_some()
            && !found.workflow.id.is_empty()
            && !(found.manifest.is_empty() || found.signature.is_empty() || found.count == 0)
    }

    /// True if something did not fit: the texts, or a workflow's name.
    pub const fn is_too_long(&self) -> bool {
        self.found.too_long
    }

    /// The workflow's action.
    pub const fn action(&self) -> Option<i64> {
        self.found.action
    }

    /// The workflow.
    pub const fn workflow(&self) -> &Workflow {
        &self.found.workflow
    }

    /// Address of the root key package; empty if there is none.
    pub fn package(&self) -> &str {
        self.text(&self.found.package)
    }

    /// Addresses of the file of this key.
    pub fn addresses<'s>(&'s self, file: &'s str) -> impl Iterator<Item = &'s str> {
        let files = self.found.files.iter().take(self.found.count);
        let own = files.filter(move |(id, _)| self.text(id) == file);
        own.map(|(_, address)| self.text(address))
    }

    /// The manifest, its signature, and the rest of the memory up to the limit. The signature is spent by its use.
    pub(super) fn judged(&mut self) -> Option<(&[u8], &mut [u8], &mut [u8])> {
        let used = self.texts.len();
        self.texts.resize(self.limit.max(used), 0);
        let (manifest, signature) = (self.found.manifest.clone(), self.found.signature.clone());
        let (texts, space) = self.texts.split_at_mut_checked(used)?;
        // They do not overlap, in either order.
        if manifest.start < signature.start {
            let (front, back) = texts.split_at_mut_checked(signature.start)?;
            let length = signature.end - signature.start;
            Some((front.get(manifest)?, back.get_mut(..length)?, space))
        } else {
            let (front, back) = texts.split_at_mut_checked(manifest.start)?;
            let length = manifest.end - manifest.start;
            Some((back.get(..length)?, front.get_mut(signature)?, space))
        }
    }

    /// The manifest.
    pub(super) fn manifest(&self) -> &[u8] {
        self.texts
            .get(self.found.manifest.clone())
            .unwrap_or_default()
    }

    /// Makes a deployment of an offer of the provisioning service, which has no action, and the address of the root key
    /// package elsewhere.
    #[cfg(feature = "update-dps")]
    pub(super) fn complete_offer(&mut self, package: &str) {
        self.found.action = Some(ACTION_PROCESS);
        let start = self.texts.len();
        self.push(package.as_bytes());
        self.found.package = start..self.texts.len();
    }

    fn text(&self, span: &Span) -> &str {
        let bytes = self.texts.get(span.clone()).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.texts.capacity() == 0 && self.texts.try_reserve_exact(self.limit).is_err() {
            self.found.too_long = true;
        }
        let fits = self.texts.len() + bytes.len() <= self.limit.min(self.texts.capacity());
        match fits && !self.found.too_long {
            true => self.texts.extend_from_slice(bytes),
            false => self.found.too_long = true,
        }
    }

    /// The member of this name begins, so many levels below the service's own.
    fn member(&mut self, level: u32, name: &Name, kind: Kind) -> Field {
        if level == 1 {
            self.section = match kind {
                Kind::Object if name.is("workflow") => Section::Workflow,
                Kind::Object if name.is("fileUrls") => Section::Files,
                _ => Section::Other,
            };
        }
        match (level, self.section, kind) {
            (1, _, Kind::String) if name.is("updateManifest") => Field::Manifest,
            (1, _, Kind::String) if name.is("updateManifestSignature") => Field::Signature,
            (1, _, Kind::String) if name.is("rootKeyPackageUrl") => Field::Package,
            // As the provisioning service has it.
            #[cfg(feature = "update-dps")]
            (1, _, Kind::String) if name.is("workflowId") => Field::Id,
            (2, Section::Workflow, Kind::Number) if name.is("action") => Field::Action,
            (2, Section::Workflow, Kind::String) if name.is("id") => Field::Id,
            (2, Section::Workflow, Kind::String) if name.is("retryTimestamp") => Field::Retry,
            (2, Section::Files, Kind::String) if self.found.count < MAX_FILES => {
                let start = self.texts.len();
                self.push(name.bytes());
                let index = self.found.count;
                if let Some((id, _)) = self.found.files.get_mut(index) {
                    *id = start..self.texts.len();
                    self.found.count += 1;
                }
                Field::File(index)
            }
            _ => Field::None,
        }
    }

    /// The value that was kept has ended.
    fn end_field(&mut self, field: Field) {
        let span = self.start..self.texts.len();
        let found = &mut self.found;
        match field {
            Field::None => {}
            Field::Manifest => found.manifest = span,
            Field::Signature => found.signature = span,
            Field::Package => found.package = span,
            Field::File(index) => {
                if let Some((_, address)) = found.files.get_mut(index) {
                    *address = span;
                }
            }
            Field::Action | Field::Id | Field::Retry => {
                let text = self.texts.get(span).unwrap_or_default();
                let text = core::str::from_utf8(text).unwrap_or_default();
                let fits = match field {
                    Field::Action => {
                        found.action = small(text);
                        true
                    }
                    Field::Id => set(&mut found.workflow.id, text),
                    _ => set(&mut found.workflow.retry, text),
                };
                found.too_long |= !fits;
                self.texts.truncate(self.start);
            }
        }
    }
}

/// False if the text does not fit.
fn set<const N: usize>(label: &mut Label<N>, text: &str) -> bool {
    let fitting = Label::new(text);
    *label = fitting.unwrap_or_default();
    fitting.is_some()
}

/// The first value that begins is the member itself.
impl Sink for Service {
    fn begin(&mut self, depth: u32, name: Option<&Name>, kind: Kind) {
        let Some(base) = self.base else {
            // If there are several, the last counts, as most readers have it.
            self.clear();
            self.base = Some(depth);
            self.found.present = kind == Kind::Object;
            self.found.deleted = kind == Kind::Null;
            return;
        };
        if let Some(name) = name {
            self.field = self.member(depth.saturating_sub(base), name, kind);
            self.start = self.texts.len();
            self.unescape = Unescape::NEW;
        }
    }

    fn byte(&mut self, byte: u8) {
        match self.field {
            Field::None => {}
            Field::Action => self.push(&[byte]),
            _ => {
                let mut unescape = self.unescape;
                unescape.take(byte, &mut |bytes| self.push(bytes));
                self.unescape = unescape;
            }
        }
    }

    fn end(&mut self, depth: u32) {
        let field = core::mem::take(&mut self.field);
        self.end_field(field);
        if self.base == Some(depth) {
            self.base = None;
        }
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
