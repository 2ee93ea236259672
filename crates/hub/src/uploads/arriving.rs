//! Contents that arrive, and the space that all files take.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use super::refusal::Refusal;
use crate::credentials::random;
use crate::store::files::sync_directory;
use crate::store::options;

/// Space for files.
pub(super) struct Space {
    /// Most bytes of one blob, and of all files together.
    most: u64,
    together: u64,
    /// Bytes of all files.
    used: AtomicU64,
}

impl Space {
    pub(super) const fn new(most: u64, together: u64, used: u64) -> Self {
        Self {
            most,
            together,
            used: AtomicU64::new(used),
        }
    }

    /// Counts bytes, if there is space for them.
    fn take(&self, count: u64) -> bool {
        let fits = |used: u64| {
            used.checked_add(count)
                .filter(|used| *used <= self.together)
        };
        let ordering = Ordering::Relaxed;
        self.used.fetch_update(ordering, ordering, fits).is_ok()
    }

    /// Gives bytes back.
    pub(super) fn give_back(&self, count: u64) {
        self.used.fetch_sub(count, Ordering::Relaxed);
    }

    /// Removes a file; the next start finds a file that cannot be removed.
    pub(super) fn remove(&self, path: &Path, size: u64) {
        if let Err(error) = fs::remove_file(path) {
            log::warn!("cannot remove {}: {error}", path.display());
        }
        self.give_back(size);
    }
}

/// Contents that arrive. They are gone unless they become a blob or a block.
pub(super) struct Arriving<'b> {
    limits: &'b Space,
    /// Name of the file.
    pub(super) name: String,
    pub(super) path: PathBuf,
    file: File,
    pub(super) size: u64,
}

impl<'b> Arriving<'b> {
    /// Makes a place in `folder`.
    pub(super) fn open(folder: &Path, limits: &'b Space) -> Result<Self, Refusal> {
        let name = random::uuid().replace('-', "");
        let path = folder.join(&name);
        let file = fs::create_dir_all(folder).and_then(|()| {
            let mut options = options(true);
            options.write(true).create_new(true).open(&path)
        });
        Ok(Self {
            file: file.map_err(|error| Refusal::failed("make a file", &error))?,
            limits,
            name,
            path,
            size: 0,
        })
    }

    /// Takes the next bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.reserve(count)?;
        self.file
            .write_all(bytes)
            .map_err(|error| Refusal::failed("write the file", &error))
    }

    /// Counts bytes before they are written.
    fn reserve(&mut self, count: u64) -> Result<(), Refusal> {
        let size = self.size.saturating_add(count);
        let Space { most, together, .. } = *self.limits;
        if size > most || !self.limits.take(count) {
            let why = match size > most {
                true => format!("a file has at most {most} bytes on this hub"),
                false => format!(
                    "this hub keeps at most {together} bytes of files; remove some: local-hub files delete"
                ),
            };
            log::warn!("an upload is refused: {why}");
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestBodyTooLarge",
                why,
            ));
        }
        self.size = size;
        Ok(())
    }

    /// Copies so many bytes of another file.
    pub(super) fn copy(&mut self, from: impl Read, size: u64) -> Result<(), Refusal> {
        self.reserve(size)?;
        let copied = io::copy(&mut from.take(size), &mut self.file);
        match copied {
            Ok(copied) if copied == size => Ok(()),
            Ok(_) => Err(Refusal::failed(
                "copy a block",
                &io::ErrorKind::UnexpectedEof.into(),
            )),
            Err(error) => Err(Refusal::failed("copy a block", &error)),
        }
    }

    /// Brings all to the disk.
    pub(super) fn sync(&self) -> Result<(), Refusal> {
        self.file
            .sync_all()
            .and_then(|()| sync_directory(&self.path))
            .map_err(|error| Refusal::failed("write the file", &error))
    }

    /// The file stays, and so do its bytes in the count.
    pub(super) fn keep(mut self) {
        self.size = 0;
        self.path = PathBuf::new();
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            self.limits.remove(&self.path, self.size);
        }
    }
}
