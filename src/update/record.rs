//! Record of an update, which both images read: it survives restarts, and says what the other image left.

use alloc::boxed::Box;

use super::key::{Added, MAX_ADDED, MAX_MODULUS, Rotation};
use super::manifest::{MAX_NAME, Manifest, UpdateId};
use super::service::Workflow;
use crate::label::Label;

/// The longest reason of a result, in bytes.
pub(super) const MAX_DETAILS: usize = 128;
/// Bytes that a record takes at most.
pub(super) const RECORD_SIZE: usize = 1280;
/// Bytes that a rotation takes at most.
pub(super) const ROTATION_SIZE: usize = 1792;
/// Layout of both.
const LAYOUT: u8 = 2;

/// Stage of an update that a restart does not end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kept {
    /// No update is under way. The record's result is that of its workflow.
    #[default]
    Idle,
    /// A file is being downloaded.
    Fetching,
    /// The new image was, or is to be, started on trial.
    Trial,
}

/// Result of a workflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstallResult {
    /// Device Update's code: 700 for success, 0 for a failure, -1 for one that was cancelled.
    pub code: i32,
    /// This device's code: see [`crate::update::Cause`]. 0 for success.
    pub extended: u32,
    /// Reason in words.
    pub details: Label<MAX_DETAILS>,
}

/// Update of an image, and the image's version.
pub(super) type Installed = (UpdateId, Label<MAX_NAME>);

/// Record of an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kept: Kept,
    pub(super) workflow: Workflow,
    pub(super) manifest: Manifest,
    /// Bytes that are in flash.
    pub(super) offset: u32,
    /// CRC-32 of the address of the root key package that this workflow has used.
    pub(super) package: u32,
    /// Times that an image was started on trial again: it had not noted that it began, or was restarted in good order.
    pub(super) restarts: u8,
    /// No image on trial runs: none has noted that it began, or it was restarted in good order.
    pub(super) is_clean: bool,
    pub(super) result: Option<InstallResult>,
    /// The update that is installed, and the version of the image that it made.
    pub(super) installed: Option<Installed>,
    /// The image in the slot, if it was kept before the one that runs.
    pub(super) previous: Option<Installed>,
    /// The trial is that of the image before, which an operator has asked for.
    pub(super) is_rollback: bool,
    /// The result waits to be reported on a session with the provisioning service.
    pub(super) is_unreported: bool,
    /// Reason why the last rollback failed; empty if it did not.
    pub(super) note: Label<MAX_DETAILS>,
}

impl Record {
    /// Writes it; gives its length. `None` if it does not fit.
    pub(super) fn write(&self, space: &mut [u8]) -> Option<usize> {
        let mut out = Writer { space, length: 0 };
        let kept = match self.kept {
            Kept::Idle => 0,
            Kept::Fetching => 1,
            Kept::Trial => 2,
        };
        let flags = u8::from(self.is_clean)
            | u8::from(self.is_rollback) << 1
            | u8::from(self.is_unreported) << 2;
        out.bytes(&[LAYOUT, kept, self.restarts, flags])?;
        out.label(&self.workflow.id)?;
        out.label(&self.workflow.retry)?;
        out.id(&self.manifest.id)?;
        out.label(&self.manifest.criterion)?;
        out.label(&self.manifest.file.id)?;
        out.bytes(&self.manifest.file.digest)?;
        for number in [self.manifest.file.size, self.offset, self.package] {
            out.bytes(&number.to_le_bytes())?;
        }
        let result = self.result.unwrap_or_default();
        out.bytes(&[self.result.is_some().into()])?;
        out.bytes(&result.code.to_le_bytes())?;
        out.bytes(&result.extended.to_le_bytes())?;
        out.label(&result.details)?;
        out.installed(self.installed)?;
        out.installed(self.previous)?;
        out.label(&self.note)?;
        Some(out.length)
    }

    /// Reads bytes, where the record lies: it is too large for the stack. `None` if they are not a record; what is in it
    /// then has no meaning.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let mut from = Reader(bytes);
        let [layout, kept, restarts, flags] = from.array()?;
        let kept = match (layout, kept) {
            (LAYOUT, 0) => Kept::Idle,
            (LAYOUT, 1) => Kept::Fetching,
            (LAYOUT, 2) => Kept::Trial,
            _ => return None,
        };
        (self.kept, self.restarts) = (kept, restarts);
        self.is_clean = flags & 1 != 0;
        self.is_rollback = flags & 2 != 0;
        self.is_unreported = flags & 4 != 0;
        from.label(&mut self.workflow.id)?;
        from.label(&mut self.workflow.retry)?;
        let manifest = &mut self.manifest;
        from.id(&mut manifest.id)?;
        from.label(&mut manifest.criterion)?;
        from.label(&mut manifest.file.id)?;
        manifest.file.digest = from.array()?;
        manifest.file.size = from.number()?;
        self.offset = from.number()?;
        self.package = from.number()?;
        let [is_there] = from.array()?;
        let result = self.result.insert(InstallResult::default());
        result.code = from.number()?.cast_signed();
        result.extended = from.number()?;
        from.label(&mut result.details)?;
        if is_there == 0 {
            self.result = None;
        }
        from.installed(&mut self.installed)?;
        from.installed(&mut self.previous)?;
        from.label(&mut self.note)
    }
}

impl Rotation {
    /// Writes it; gives its length. `None` if it does not fit.
    pub(super) fn write(&self, space: &mut [u8]) -> Option<usize> {
        let mut out = Writer { space, length: 0 };
        out.bytes(&[LAYOUT])?;
        out.bytes(&self.version.to_le_bytes())?;
        for id in &self.disabled_roots {
            out.label(id)?;
        }
        for digest in &self.disabled_signing {
            out.bytes(digest)?;
        }
        for key in &self.added {
            out.label(&key.id)?;
            out.bytes(&key.exponent.to_le_bytes())?;
            out.bytes(&key.length.to_le_bytes())?;
            out.bytes(key.modulus.get(..key.length.into())?)?;
        }
        for _ in self.added.len()..MAX_ADDED {
            // None: without a name, an exponent and a length.
            out.bytes(&[0; 1 + 4 + 2])?;
        }
        Some(out.length)
    }

    /// `None` if the bytes are not a rotation.
    pub(super) fn read(bytes: &[u8]) -> Option<Box<Self>> {
        let mut from = Reader(bytes);
        let [LAYOUT] = from.array()? else {
            return None;
        };
        let mut rotation = Box::<Self>::default();
        rotation.version = u64::from_le_bytes(from.array()?);
        for id in &mut rotation.disabled_roots {
            from.label(id)?;
        }
        for digest in &mut rotation.disabled_signing {
            *digest = from.array()?;
        }
        for _ in 0..MAX_ADDED {
            let mut key = Added::NONE;
            from.label(&mut key.id)?;
            key.exponent = from.number()?;
            key.length = u16::from_le_bytes(from.array()?);
            let length = usize::from(key.length);
            let modulus = from.take(length).filter(|_| length <= MAX_MODULUS)?;
            key.modulus.get_mut(..length)?.copy_from_slice(modulus);
            if length > 0 {
                rotation.added.push(key);
            }
        }
        Some(rotation)
    }
}

struct Writer<'s> {
    space: &'s mut [u8],
    length: usize,
}

impl Writer<'_> {
    #[inline(never)]
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.space.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn label<const N: usize>(&mut self, label: &Label<N>) -> Option<()> {
        self.text(label.as_str())
    }

    #[inline(never)]
    fn text(&mut self, text: &str) -> Option<()> {
        self.bytes(&[u8::try_from(text.len()).ok()?])?;
        self.bytes(text.as_bytes())
    }

    fn id(&mut self, id: &UpdateId) -> Option<()> {
        self.label(&id.provider)?;
        self.label(&id.name)?;
        self.label(&id.version)
    }

    #[inline(never)]
    fn installed(&mut self, installed: Option<Installed>) -> Option<()> {
        self.bytes(&[installed.is_some().into()])?;
        let (id, version) = installed.unwrap_or_default();
        self.id(&id)?;
        self.label(&version)
    }
}

struct Reader<'s>(&'s [u8]);

impl<'s> Reader<'s> {
    fn take(&mut self, length: usize) -> Option<&'s [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn label<const N: usize>(&mut self, label: &mut Label<N>) -> Option<()> {
        *label = Label::new(self.text()?)?;
        Some(())
    }

    #[inline(never)]
    fn text(&mut self) -> Option<&'s str> {
        let [length] = self.array()?;
        core::str::from_utf8(self.take(length.into())?).ok()
    }

    #[inline(never)]
    fn id(&mut self, id: &mut UpdateId) -> Option<()> {
        self.label(&mut id.provider)?;
        self.label(&mut id.name)?;
        self.label(&mut id.version)
    }

    #[inline(never)]
    fn installed(&mut self, installed: &mut Option<Installed>) -> Option<()> {
        let [is_there] = self.array()?;
        let (id, version) = installed.get_or_insert_default();
        self.id(id)?;
        self.label(version)?;
        if is_there == 0 {
            *installed = None;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::manifest::File;
    use core::array::from_fn;

    fn label<const N: usize>() -> Label<N> {
        Label::cut("0123456789".repeat(13))
    }

    /// Everything at its longest.
    fn longest() -> Record {
        let id = UpdateId {
            provider: label(),
            name: label(),
            version: label(),
        };
        Record {
            kept: Kept::Trial,
            workflow: Workflow {
                id: label(),
                retry: label(),
            },
            manifest: Manifest {
                id,
                criterion: label(),
                file: File {
                    id: label(),
                    size: 7,
                    digest: from_fn(|at| at as u8),
                },
            },
            offset: 8,
            package: 9,
            restarts: 2,
            is_clean: true,
            result: Some(InstallResult {
                code: -1,
                extended: 10,
                details: label(),
            }),
            installed: Some((id, label())),
            previous: Some((id, label())),
            is_rollback: true,
            is_unreported: true,
            note: label(),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_cut_one_not_at_all() {
        for record in [Record::default(), longest()] {
            let mut space = [0; RECORD_SIZE];
            let length = record.write(&mut space).unwrap();
            // Whatever was there before.
            for mut read in [Record::default(), longest()] {
                assert_eq!(read.read(&space[..length]), Some(()));
                assert_eq!(read, record);
            }
            for cut in 0..length {
                assert_eq!(Record::default().read(&space[..cut]), None);
                assert_eq!(record.write(&mut [0; RECORD_SIZE][..cut]), None);
            }
        }
        assert_eq!(Record::default().read(&[9; 200]), None, "another layout");
    }

    #[test]
    fn a_rotation_is_read_as_it_was_written_and_a_cut_one_not_at_all() {
        let mut rotation = Rotation {
            version: 5,
            ..Rotation::default()
        };
        rotation.disabled_roots.fill(label());
        for (at, digest) in rotation.disabled_signing.iter_mut().enumerate() {
            *digest = [at as u8; 32];
        }
        let key = Added {
            id: label(),
            modulus: [7; MAX_MODULUS],
            length: 512,
            exponent: 65537,
        };
        rotation.added.resize(MAX_ADDED, key);
        let mut space = [0; ROTATION_SIZE];
        let length = rotation.write(&mut space).unwrap();
        let read = Rotation::read(&space[..length]).unwrap();
        assert_eq!(std::format!("{read:?}"), std::format!("{rotation:?}"));
        for cut in 0..length {
            assert!(Rotation::read(&space[..cut]).is_none());
        }
    }
}
