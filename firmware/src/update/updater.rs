//! The device loop's side of updates.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, Ordering};

use azure_device::failure::{Code, PlatformError};
use azure_device::label::Label;
use azure_device::port::StorageError;
use azure_device::port::update::{
    FetchFailure, ImageState, Job, News, SlotError, SlotImage, Updater,
};
use azure_device::storage;
use zephyr::sync::Mutex;

use crate::ffi::update as port;
use crate::mutex::with_locked;
use crate::requests;
use crate::storage::DeviceValues;

/// Number of the job that is wanted. News of another one are not told.
static WANTED: AtomicU32 = AtomicU32::new(0);
/// Jobs up to this number are to stop.
static STOPPED: AtomicU32 = AtomicU32::new(0);

/// Things that device loop and download hand to each other.
struct Exchange {
    job: Option<(u32, Box<Job>)>,
    progress: Option<u32>,
    ended: Option<Result<u32, FetchFailure>>,
}

static EXCHANGE: Mutex<Exchange> = Mutex::new(Exchange {
    job: None,
    progress: None,
    ended: None,
});

/// Takes the job that waits, with its number.
pub(super) fn take_job() -> Option<(u32, Box<Job>)> {
    with_locked(&EXCHANGE, |exchange| exchange.job.take())
}

/// True if the job of this number is to stop.
pub(super) fn is_stopped(number: u32) -> bool {
    STOPPED.load(Ordering::Acquire) >= number
}

/// Tells the device loop what became of the job of this number.
pub(super) fn tell(number: u32, news: News) {
    with_locked(&EXCHANGE, |exchange| {
        if WANTED.load(Ordering::Acquire) == number {
            match news {
                News::Progress(written) => exchange.progress = Some(written),
                News::Ended(result) => exchange.ended = Some(result),
            }
        }
    });
    requests::update_has_news();
}

/// An error of the slot.
pub(super) fn slot_error(error: PlatformError) -> SlotError {
    SlotError(Code(error as i32))
}

/// MCUboot, the download's thread and the settings, as the device loop sees them.
pub(crate) struct ZephyrUpdater(());

impl ZephyrUpdater {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl Drop for ZephyrUpdater {
    /// The device ends. Its download is not waited for: the next job begins after it.
    fn drop(&mut self) {
        self.stop();
    }
}

impl Updater for ZephyrUpdater {
    fn begin(&mut self, job: &Job) {
        with_locked(&EXCHANGE, |exchange| {
            let last = WANTED.load(Ordering::Acquire);
            STOPPED.store(last, Ordering::Release);
            WANTED.store(last + 1, Ordering::Release);
            *exchange = Exchange {
                job: Some((last + 1, Box::new(*job))),
                progress: None,
                ended: None,
            };
        });
        port::wake();
        port::start();
    }

    fn stop(&mut self) {
        STOPPED.store(WANTED.load(Ordering::Acquire), Ordering::Release);
        port::wake();
    }

    fn news(&mut self) -> Option<News> {
        with_locked(&EXCHANGE, |exchange| {
            let progress = exchange.progress.take().map(News::Progress);
            progress.or_else(|| exchange.ended.take().map(News::Ended))
        })
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        port::open().map_err(slot_error)?;
        port::read(offset, bytes).map_err(slot_error)
    }

    fn request_trial(&mut self) -> Result<(), SlotError> {
        port::request_trial().map_err(slot_error)
    }

    fn slot_image(&mut self) -> Result<SlotImage, SlotError> {
        let version = super::version(false);
        let label = version.and_then(|version| Label::new(version.as_str()));
        Ok(label.map_or(SlotImage::None, SlotImage::Version))
    }

    fn image_state(&mut self) -> ImageState {
        match port::is_on_trial() {
            true => ImageState::OnTrial,
            false => ImageState::Confirmed,
        }
    }

    fn confirm(&mut self) -> Result<(), SlotError> {
        port::confirm().map_err(slot_error)
    }

    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        storage::load(&mut DeviceValues, key, storage::REMEDY_OF_UPDATES, buffer)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        storage::store(&mut DeviceValues, key, value)
    }
}
