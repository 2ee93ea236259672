//! The queue of messages on a flash partition.

#![forbid(unsafe_code)]

use azure_device::logging::{error, info};
use azure_device::queue::{Config, Mode, Order, Overflow, Store};
use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::configuration::seconds;
use crate::ffi::{self, queue as flash};
use crate::kconfig;

/// The unit of erasing, in bytes.
const PAGE: usize = kconfig::CONFIG_AZURE_QUEUE_PAGE_SIZE.unsigned_abs();
/// The unit of writing, in bytes.
const WORD: usize = kconfig::CONFIG_AZURE_QUEUE_WORD_SIZE.unsigned_abs();

/// The queue over the partition.
pub(crate) type Queue<'b> = Store<'b, Partition>;

/// The partition `azure_queue_partition`.
pub(crate) struct Partition {
    size: u32,
}

/// Opens the queue. `None`, after an error in the log, if the partition does not suit the configuration.
pub(crate) fn open(buffer: &mut [u8]) -> Option<Queue<'_>> {
    let found = match flash::open() {
        Ok(found) => found,
        Err(_) => {
            error!("queue: the flash of azure_queue_partition is not ready");
            return None;
        }
    };
    let fits = found.page as usize == PAGE
        && found.word > 0
        && WORD.is_multiple_of(found.word as usize)
        && found.erased == 0xff;
    if !fits {
        error!(
            "queue: the flash has pages of {} bytes, words of {}, and {:#x} when it is erased; \
             CONFIG_AZURE_QUEUE_PAGE_SIZE and _WORD_SIZE say {PAGE} and {WORD}, and 0xff is needed",
            found.page, found.word, found.erased
        );
        return None;
    }
    let store = Store::new(Partition { size: found.size }, 0..found.size, buffer);
    match &store {
        Some(_) => info!("queue: {} bytes of flash", found.size),
        None => {
            error!("queue: azure_queue_partition has less than two whole pages of {PAGE} bytes")
        }
    }
    store
}

/// Settings of the queue.
pub(crate) const fn config() -> Config {
    Config {
        mode: if cfg!(CONFIG_AZURE_QUEUE_ALWAYS) {
            Mode::Always
        } else {
            Mode::Spill
        },
        order: if cfg!(CONFIG_AZURE_QUEUE_LIVE_FIRST) {
            Order::LiveFirst
        } else {
            Order::OldestFirst
        },
        overflow: if cfg!(CONFIG_AZURE_QUEUE_THIN_OUT) {
            Overflow::ThinOut
        } else if cfg!(CONFIG_AZURE_QUEUE_REFUSE_NEWEST) {
            Overflow::RefuseNewest
        } else {
            Overflow::DropOldest
        },
        rate: kconfig::CONFIG_AZURE_QUEUE_RATE.unsigned_abs() as u16,
        window: kconfig::CONFIG_AZURE_QUEUE_WINDOW.unsigned_abs() as u16,
        spill_after: SPILL_AFTER,
    }
}

#[cfg(CONFIG_AZURE_QUEUE_SPILL)]
const SPILL_AFTER: core::time::Duration = seconds(kconfig::CONFIG_AZURE_QUEUE_SPILL_AFTER_S);
#[cfg(not(CONFIG_AZURE_QUEUE_SPILL))]
const SPILL_AFTER: core::time::Duration = seconds(60);

/// Error of the flash's driver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlashError;

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl From<ffi::Error> for FlashError {
    fn from(_: ffi::Error) -> Self {
        Self
    }
}

impl ErrorType for Partition {
    type Error = FlashError;
}

impl ReadNorFlash for Partition {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        Ok(flash::read(offset, bytes)?)
    }

    fn capacity(&self) -> usize {
        self.size as usize
    }
}

impl NorFlash for Partition {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        // A page at a time: the watchdog bites if a large flash is erased as a whole.
        for page in (from..to).step_by(PAGE) {
            ffi::feed_watchdog();
            flash::erase(page, PAGE as u32)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        Ok(flash::write(offset, bytes)?)
    }
}

// The build refuses flash that writes no word twice (shim/queue.c).
impl MultiwriteNorFlash for Partition {}
