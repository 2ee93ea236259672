//! The queue of messages in a file.
//!
//! The file is a NOR flash for [`azure_device::queue::Store`], with pages of 4 KB, behind a page that says what it is.
//! The device makes it by itself, readable by its own user only, and locks it. A file of another kind in its place is
//! refused, and left as it is: a link (a symbolic one, or a second name of a file), what is no file, a file of another
//! user, a file with other contents.
//!
//! # Power cuts
//! The store recovers from a write that ended early since all writes before it are in the flash. A system keeps writes in
//! RAM and brings them to the disk in any order. So each write and each erasure is followed by `sync_data`, and none is
//! spared. A record's header that came to the disk after the record's data would look like free space, and the next
//! record would be written over the data. The removal of a message that was not on the disk would send it again.
//!
//! # Limits
//! A message in the mode `always` takes four syncs: two or three for its record, one for its removal. A process that is
//! killed needs none of them.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use azure_device::port::{Queue, QueueError, Visit};
use azure_device::queue::Store;
use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
    check_erase, check_read, check_write,
};
use tempfile::NamedTempFile;

use crate::error::SetupError;

/// Name of the file in the device's folder.
pub const FILE_NAME: &str = "messages.queue";

/// Bytes of a page. It is written to the disk as a whole by most systems.
pub const PAGE: u32 = 4096;

/// The default size of a queue, in bytes: some 3,500 messages of 250 bytes.
pub const DEFAULT_SIZE: u32 = 1024 * 1024;

/// The smallest size of a queue, in bytes: with fewer pages none is kept free for urgent messages.
pub const MIN_SIZE: u32 = 4 * PAGE;

/// The largest size of a queue, in bytes. Each use looks at all pages: with these it takes some milliseconds.
pub const MAX_SIZE: u32 = 16 * 1024 * 1024;

/// Attempts to lock the file, and the time between them: a second together.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Start of the first page, which is no part of the flash. The rest of it is zero.
const TITLE: &[u8] = b"azure-device: queue of messages, format 1, pages of 4096 bytes\n";

/// A queue in a file. See the module.
pub struct FileQueue {
    store: Store<'static, FileFlash>,
    path: PathBuf,
}

impl FileQueue {
    /// The queue in `folder`, made with `size` bytes if there is none. The size is rounded to whole pages, from
    /// [`MIN_SIZE`] to [`MAX_SIZE`]. A queue that is there keeps its own size until it is opened without a message.
    ///
    /// # Errors
    ///
    /// [`SetupError::Queue`]: the file cannot be made or read, is in use, or is no queue.
    pub fn open(folder: &Path, size: u32) -> Result<Self, SetupError> {
        let size = size.clamp(MIN_SIZE, MAX_SIZE).next_multiple_of(PAGE);
        let Some(mut queue) = Self::open_existing(folder)? else {
            return Self::make(folder, size);
        };
        if queue.store.size() != size {
            if queue.is_empty() {
                // Locked until the new one is in its place.
                return Self::make(folder, size);
            }
            log::info!(
                "queue: {} keeps its {} KB until it is empty at a start",
                queue.path.display(),
                queue.store.size() / 1024
            );
        }
        Ok(queue)
    }

    /// The queue in `folder`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`FileQueue::open`].
    pub fn open_existing(folder: &Path) -> Result<Option<Self>, SetupError> {
        let path = folder.join(FILE_NAME);
        let Some(file) = open_own(&path)? else {
            return Ok(None);
        };
        let refused = |detail: &str| refuse(&path, detail);
        let length = judge(&file).map_err(|error| refused(&error.to_string()))?;
        let Some(length) = length else {
            return Err(refused("the device did not write what is in it"));
        };
        let size = length - u64::from(PAGE);
        if !size.is_multiple_of(PAGE.into()) || size < 2 * u64::from(PAGE) {
            let detail = format!(
                "its {length} bytes are not a whole number of pages of {PAGE} bytes, three at least"
            );
            return Err(refused(&detail));
        }
        let Some(size) = u32::try_from(size).ok().filter(|size| *size <= MAX_SIZE) else {
            return Err(refused(&format!(
                "its {length} bytes are more than a queue has"
            )));
        };
        close_to_others(&file, &path).map_err(|error| refused(&error.to_string()))?;
        Self::of(file, path, size).map(Some)
    }

    /// Makes a queue in place of the one that is there, if there is one.
    fn make(folder: &Path, size: u32) -> Result<Self, SetupError> {
        let path = folder.join(FILE_NAME);
        let made = || {
            // Readable by its own user only: `tempfile` makes it so.
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(&title())?;
            let page = [0xff; PAGE as usize];
            for _ in 0..size / PAGE {
                file.write_all(&page)?;
            }
            file.as_file().sync_all()?;
            lock(file.as_file())?;
            let file = file.persist(&path)?;
            if cfg!(unix) {
                File::open(folder)?.sync_all()?;
            }
            Ok::<File, io::Error>(file)
        };
        let file = made().map_err(|error| refuse(&path, &error.to_string()))?;
        Self::of(file, path, size)
    }

    fn of(file: File, path: PathBuf, size: u32) -> Result<Self, SetupError> {
        let flash = FileFlash {
            file,
            path: path.clone(),
            size,
        };
        match Store::with_own_buffer(flash, 0..size, PAGE as usize) {
            Some(store) => Ok(Self { store, path }),
            None => Err(refuse(&path, "it has too few pages")),
        }
    }

    /// True if it holds no record. One that cannot be read is not empty.
    fn is_empty(&mut self) -> bool {
        let mut empty = true;
        let visited = self.store.visit(&mut |_| {
            empty = false;
            Visit::Stop
        });
        visited.is_ok() && empty
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for FileQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileQueue")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Queue for FileQueue {
    fn push(&mut self, parts: &[&[u8]], urgent: bool) -> Result<(), QueueError> {
        self.store.push(parts, urgent)
    }

    fn visit(&mut self, visit: &mut dyn FnMut(&[u8]) -> Visit) -> Result<(), QueueError> {
        self.store.visit(visit)
    }

    fn free(&mut self) -> Result<u32, QueueError> {
        self.store.free()
    }

    fn size(&self) -> u32 {
        self.store.size()
    }

    fn clear(&mut self) -> Result<(), QueueError> {
        self.store.clear()
    }
}

/// The first page.
fn title() -> [u8; PAGE as usize] {
    let mut page = [0; PAGE as usize];
    for (to, from) in page.iter_mut().zip(TITLE) {
        *to = *from;
    }
    page
}

/// Opens the file; `None` if there is none. It is locked, and was not changed.
fn open_own(path: &Path) -> Result<Option<File>, SetupError> {
    // A link or a pipe is found before the system follows or waits for it.
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse(path, &error.to_string())),
        Ok(metadata) => refuse_foreign(path, &metadata)?,
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    let failed = |error: io::Error| refuse(path, &error.to_string());
    let file = options.open(path).map_err(failed)?;
    lock(&file).map_err(failed)?;
    // What was opened may be another file than the one that was looked at.
    refuse_foreign(path, &file.metadata().map_err(failed)?)?;
    Ok(Some(file))
}

/// Takes the rights of all others off the file.
fn close_to_others(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            log::warn!(
                "{} had mode {mode:o}, so that others could read or write it; it has 600 now",
                path.display()
            );
            file.set_permissions(PermissionsExt::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    let _ = (file, path);
    Ok(())
}

/// Takes the file for this process, until it is closed in any way. It waits for a moment: a process that is about to end
/// has it still, and so has one that this process starts at the same time, until that runs its program.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("another program has it in use"))
}

fn refuse_foreign(path: &Path, metadata: &Metadata) -> Result<(), SetupError> {
    if metadata.is_symlink() {
        return Err(refuse(path, "it is a symbolic link"));
    }
    if !metadata.is_file() {
        return Err(refuse(path, "it is no regular file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if metadata.nlink() != 1 {
            return Err(refuse(
                path,
                "the file has a second name elsewhere (a hard link)",
            ));
        }
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            let detail = format!("it belongs to user {}, not to user {user}", metadata.uid());
            return Err(refuse(path, &detail));
        }
    }
    Ok(())
}

/// Length of the file, if its first page says that it is a queue.
fn judge(mut file: &File) -> io::Result<Option<u64>> {
    let length = file.metadata()?.len();
    if length < u64::from(PAGE) {
        return Ok(None);
    }
    let mut page = [0; PAGE as usize];
    file.read_exact(&mut page)?;
    Ok((page == title()).then_some(length))
}

fn refuse(path: &Path, detail: &str) -> SetupError {
    SetupError::Queue {
        path: path.to_owned(),
        detail: detail.to_owned(),
    }
}

/// A file as a NOR flash. See the module.
struct FileFlash {
    file: File,
    path: PathBuf,
    size: u32,
}

/// The file did not do it.
#[derive(Clone, Copy, Debug)]
struct FlashError(NorFlashErrorKind);

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        self.0
    }
}

impl FileFlash {
    fn at(&mut self, offset: u32) -> io::Result<&mut File> {
        let place = u64::from(PAGE) + u64::from(offset);
        self.file.seek(SeekFrom::Start(place))?;
        Ok(&mut self.file)
    }

    fn put(&mut self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        let file = self.at(offset)?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    /// The device tells that its queue failed, and this why.
    fn told(&self, result: io::Result<()>) -> Result<(), FlashError> {
        result.map_err(|error| {
            log::warn!("queue: {}: {error}", self.path.display());
            FlashError(NorFlashErrorKind::Other)
        })
    }
}

impl ErrorType for FileFlash {
    type Error = FlashError;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, bytes.len()).map_err(FlashError)?;
        let read = self.at(offset).and_then(|file| file.read_exact(bytes));
        self.told(read)
    }

    fn capacity(&self) -> usize {
        self.size as usize
    }
}

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to).map_err(FlashError)?;
        for page in (from..to).step_by(PAGE as usize) {
            let erased = self.put(page, &[0xff; PAGE as usize]);
            self.told(erased)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, bytes.len()).map_err(FlashError)?;
        let written = self.put(offset, bytes);
        self.told(written)
    }
}

impl MultiwriteNorFlash for FileFlash {}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
