//! The queue on a NOR flash, by the crate `sequential-storage`.
//!
//! That crate appends items, each with a CRC-32, page by page round a region of flash. An item is removed by a second write
//! to its header, so the flash must take that ([`MultiwriteNorFlash`]). A page is erased when all its items are removed
//! and the next page is needed. A power cut at any write or erasure costs the record that was being written, and no other.
//!
//! That crate expects of an erasure that ends early that the page's first bytes are erased. Flash promises no order: each
//! byte may be erased, or not. So pages that look as if they were empty, or in use, after such an erasure are found before
//! the first use, and erased again: see [`Store::repair`].

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::ops::{Deref, DerefMut, Range};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_storage::nor_flash::{ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash as nor_async;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage};

use crate::port::{Queue, QueueError, Visit};

/// Bytes that are read at a time while pages are looked at; no flash reads larger words.
const MAX_READ: usize = 32;

/// Pages from which on one is kept free for urgent records.
const PAGES_WITH_RESERVE: usize = 4;

/// A queue in a region of NOR flash. See the module.
pub struct Store<'b, F: MultiwriteNorFlash> {
    /// Always there, but in [`Store::has_records`].
    storage: Option<QueueStorage<Blocking<F>, NoCache>>,
    buffer: Buffer<'b>,
    range: Range<u32>,
    /// Pages that an erasure may have left in a state in between were looked for.
    is_repaired: bool,
}

/// State of a page by its first and last byte, which that crate clears when it begins and when it fills a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Empty,
    InUse,
    Full,
    /// It was being erased.
    Erased,
}

/// Space for a record.
enum Buffer<'b> {
    Borrowed(&'b mut [u8]),
    Owned(Box<[u8]>),
}

impl Deref for Buffer<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(buffer) => buffer,
            Self::Owned(buffer) => buffer,
        }
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Borrowed(buffer) => buffer,
            Self::Owned(buffer) => buffer,
        }
    }
}

type NoCache = Cache<Uncached, Uncached, Uncached>;
type Fault<F> = Error<<F as ErrorType>::Error>;

impl<F: MultiwriteNorFlash> Store<'static, F> {
    /// As [`Store::new`], with a buffer of its own that has `longest` bytes.
    pub fn with_own_buffer(flash: F, range: Range<u32>, longest: usize) -> Option<Self> {
        Self::with_buffer(flash, range, Buffer::Owned(vec![0; longest].into()))
    }
}

impl<'b, F: MultiwriteNorFlash> Store<'b, F> {
    /// A queue in `range` of `flash`. `buffer` takes a record while it is written or read: the longest one has its length.
    /// `None` if `range` is not of whole pages, or has less than two.
    pub fn new(flash: F, range: Range<u32>, buffer: &'b mut [u8]) -> Option<Self> {
        Self::with_buffer(flash, range, Buffer::Borrowed(buffer))
    }

    fn with_buffer(flash: F, range: Range<u32>, buffer: Buffer<'b>) -> Option<Self> {
        if range.len() / F::ERASE_SIZE < 2 {
            return None;
        }
        let config = QueueConfig::try_new(range.clone()).ok()?;
        Some(Self {
            storage: Some(QueueStorage::new(
                Blocking(flash),
                config,
                Cache::new_uncached(),
            )),
            buffer,
            range,
            is_repaired: false,
        })
    }

    /// Erases pages again whose erasure ended early.
    fn repair(&mut self) -> Result<(), QueueError> {
        if self.is_repaired {
            return Ok(());
        }
        let pages = self.range.len() / F::ERASE_SIZE;
        for page in 0..pages {
            let is_torn = match self.state(page)? {
                Page::Empty => !self.is_blank(page)?,
                Page::Erased => true,
                Page::InUse | Page::Full => false,
            };
            if is_torn {
                self.erase(page)?;
            }
        }
        // Pages fill one after another, so at most one is in use, and a full one is before it if there is any.
        let (mut in_use, mut full) = (0, 0);
        for page in 0..pages {
            match self.state(page)? {
                Page::InUse => in_use += 1,
                Page::Full => full += 1,
                Page::Empty | Page::Erased => {}
            }
        }
        for page in 0..pages {
            let before = (page + pages - 1) % pages;
            let is_torn = self.state(page)? == Page::InUse
                && (in_use > 1 || (full > 0 && self.state(before)? != Page::Full))
                && !self.has_records(page)?;
            if is_torn {
                self.erase(page)?;
            }
        }
        self.is_repaired = true;
        Ok(())
    }

    fn address(&self, page: usize) -> u32 {
        self.range.start + (page * F::ERASE_SIZE) as u32
    }

    fn state(&mut self, page: usize) -> Result<Page, QueueError> {
        let start = self.address(page);
        let last = start + (F::ERASE_SIZE - F::READ_SIZE) as u32;
        let first = self.is_marked(start)?;
        Ok(match (first, self.is_marked(last)?) {
            (false, false) => Page::Empty,
            (true, false) => Page::InUse,
            (true, true) => Page::Full,
            (false, true) => Page::Erased,
        })
    }

    /// True if half of a byte is cleared, as that crate counts it.
    fn is_marked(&mut self, at: u32) -> Result<bool, QueueError> {
        let mut bytes = [0; MAX_READ];
        let bytes = bytes.get_mut(..F::READ_SIZE).ok_or(QueueError::Medium)?;
        self.read(at, bytes)?;
        Ok(bytes.iter().map(|byte| byte.count_zeros()).sum::<u32>() >= 4)
    }

    fn is_blank(&mut self, page: usize) -> Result<bool, QueueError> {
        let mut bytes = [0; MAX_READ];
        let start = self.address(page);
        let end = start + F::ERASE_SIZE as u32;
        for at in (start..end).step_by(MAX_READ) {
            let count = MAX_READ.min((end - at) as usize);
            let bytes = bytes.get_mut(..count).unwrap_or_default();
            self.read(at, bytes)?;
            if bytes.iter().any(|byte| *byte != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True if a page has a record. Looks at it as at a queue of its own, of the same type: that code is in the image once.
    fn has_records(&mut self, page: usize) -> Result<bool, QueueError> {
        let start = self.address(page);
        let config = QueueConfig::try_new(start..start + F::ERASE_SIZE as u32);
        let (Ok(config), Some(storage)) = (config, self.storage.take()) else {
            return Err(QueueError::Medium);
        };
        let (flash, cache) = storage.destroy();
        let mut storage = QueueStorage::new(flash, config, cache);
        let result = match at_once(storage.peek(&mut self.buffer)) {
            Ok(Ok(record)) => Ok(record.is_some()),
            Ok(Err(Error::BufferTooSmall(_))) => Ok(true),
            Ok(Err(error)) => Err(translate(&error)),
            Err(error) => Err(error),
        };
        let (flash, cache) = storage.destroy();
        let config = QueueConfig::try_new(self.range.clone()).map_err(|_| QueueError::Medium)?;
        self.storage = Some(QueueStorage::new(flash, config, cache));
        result
    }

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), QueueError> {
        let result = self.storage()?.flash().0.read(at, bytes);
        result.map_err(|_| QueueError::Medium)
    }

    fn erase(&mut self, page: usize) -> Result<(), QueueError> {
        let start = self.address(page);
        let end = start + F::ERASE_SIZE as u32;
        let result = self.storage()?.flash().0.erase(start, end);
        result.map_err(|_| QueueError::Medium)
    }

    /// Passes a result on. After a failure of the medium, a page may be half erased.
    fn noted<T>(&mut self, result: Result<T, QueueError>) -> Result<T, QueueError> {
        if matches!(result, Err(QueueError::Medium | QueueError::Damaged)) {
            self.is_repaired = false;
        }
        result
    }

    /// The flash; `None` never.
    pub fn flash(&mut self) -> Option<&mut F> {
        Some(&mut self.storage.as_mut()?.flash().0)
    }

    fn storage(&mut self) -> Result<&mut QueueStorage<Blocking<F>, NoCache>, QueueError> {
        self.storage.as_mut().ok_or(QueueError::Medium)
    }

    /// Bytes of records that a page takes.
    const fn page_room() -> usize {
        F::ERASE_SIZE - 2 * F::WRITE_SIZE
    }

    /// True if a record that is not urgent would take the page that is kept free.
    fn would_take_reserve(&mut self, length: usize) -> Result<bool, QueueError> {
        if self.range.len() / F::ERASE_SIZE < PAGES_WITH_RESERVE {
            return Ok(false);
        }
        let free = self.free()? as usize;
        Ok(free < Self::page_room() + length + self.overhead())
    }

    fn overhead(&self) -> usize {
        QueueStorage::<Blocking<F>, NoCache>::item_overhead_size() as usize + F::WRITE_SIZE
    }
}

impl<F: MultiwriteNorFlash> Queue for Store<'_, F> {
    fn push(&mut self, parts: &[&[u8]], urgent: bool) -> Result<(), QueueError> {
        self.repair()?;
        let length = parts.iter().map(|part| part.len()).sum();
        let mut space = self
            .buffer
            .get_mut(..length)
            .ok_or(QueueError::TooLarge(length))?
            .iter_mut();
        for (to, from) in space.by_ref().zip(parts.iter().copied().flatten()) {
            *to = *from;
        }
        if !urgent && self.would_take_reserve(length)? {
            return Err(QueueError::Full);
        }
        let storage = self.storage.as_mut().ok_or(QueueError::Medium)?;
        let record = self.buffer.get(..length).unwrap_or_default();
        let result = match at_once(storage.push(record, false))? {
            Ok(()) => Ok(()),
            Err(Error::FullStorage) => Err(QueueError::Full),
            Err(Error::ItemTooBig) => Err(QueueError::TooLarge(length)),
            Err(error) => Err(translate(&error)),
        };
        self.noted(result)
    }

    fn visit(&mut self, visit: &mut dyn FnMut(&[u8]) -> Visit) -> Result<(), QueueError> {
        self.repair()?;
        // Records that were visited and stay: they are passed over if the walk begins again.
        let mut kept = 0;
        let mut larger = Vec::new();
        loop {
            let buffer = match larger.is_empty() {
                true => &mut *self.buffer,
                false => &mut larger[..],
            };
            let storage = self.storage.as_mut().ok_or(QueueError::Medium)?;
            match at_once(walk(storage, buffer, visit, &mut kept))? {
                Ok(()) => return Ok(()),
                // A firmware with a larger buffer has written it.
                Err(Error::BufferTooSmall(needed)) if needed > buffer.len() => {
                    larger.clear();
                    if larger.try_reserve_exact(needed).is_err() {
                        return Err(QueueError::TooLarge(needed));
                    }
                    larger.resize(needed, 0);
                }
                Err(error) => {
                    let result = Err(translate(&error));
                    return self.noted(result);
                }
            }
        }
    }

    fn free(&mut self) -> Result<u32, QueueError> {
        self.repair()?;
        let free = at_once(self.storage()?.space_left())?;
        let free = free.map_err(|error| translate(&error));
        self.noted(free)
    }

    fn size(&self) -> u32 {
        self.range.end - self.range.start
    }

    fn clear(&mut self) -> Result<(), QueueError> {
        let result = at_once(self.storage()?.erase_all())?;
        let result = result.map_err(|error| translate(&error));
        self.noted(result)
    }
}

/// Visits the records after the first `kept` ones.
async fn walk<F: MultiwriteNorFlash>(
    storage: &mut QueueStorage<Blocking<F>, NoCache>,
    buffer: &mut [u8],
    visit: &mut dyn FnMut(&[u8]) -> Visit,
    kept: &mut usize,
) -> Result<(), Fault<F>> {
    let mut records = storage.iter().await?;
    let mut index = 0;
    while let Some(record) = records.next(buffer).await? {
        index += 1;
        if index <= *kept {
            continue;
        }
        let fate = visit(&record);
        match fate {
            Visit::Next | Visit::Stop => *kept += 1,
            Visit::Remove | Visit::RemoveAndStop => {
                record.pop().await?;
                index -= 1;
            }
        }
        if matches!(fate, Visit::Stop | Visit::RemoveAndStop) {
            break;
        }
    }
    Ok(())
}

fn translate<E>(error: &Error<E>) -> QueueError {
    match error {
        Error::Storage { .. } => QueueError::Medium,
        Error::FullStorage => QueueError::Full,
        _ => QueueError::Damaged,
    }
}

/// The result of a future that never waits, since its flash does not.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, QueueError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Ok(result),
        Poll::Pending => Err(QueueError::Medium),
    }
}

/// A blocking flash for code that could wait for one.
struct Blocking<F>(F);

impl<F: ErrorType> ErrorType for Blocking<F> {
    type Error = F::Error;
}

impl<F: ReadNorFlash> nor_async::ReadNorFlash for Blocking<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> nor_async::NorFlash for Blocking<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.write(offset, bytes)
    }
}

impl<F: MultiwriteNorFlash> nor_async::MultiwriteNorFlash for Blocking<F> {}
