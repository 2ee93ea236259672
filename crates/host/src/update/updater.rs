//! The device loop's side of updates.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use azure_device::failure::Code;
use azure_device::port::StorageError;
use azure_device::port::update::{
    FetchFailure, ImageState, Job, News, Slot, SlotError, SlotImage, Updater,
};
use azure_device::storage;
use azure_device::update::fetch;
use rustls::ClientConfig;

use super::fetcher::HostFetcher;
use super::slots::Slots;
use crate::clock::HostClock;
use crate::platform::Remote;
use crate::storage::FileStorage;

/// Bytes of the buffer of a download.
const BUFFER: usize = 16 * 1024;

/// A word to a thread that downloads: stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    pub(super) fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits for so long, or until it is set.
    pub(super) fn wait(&self, time: Duration) {
        let is_set = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.0.1.wait_timeout_while(is_set, time, |is_set| !*is_set);
    }
}

/// A download under way.
#[derive(Debug)]
struct Running {
    stop: Stop,
    news: Receiver<News>,
    thread: JoinHandle<()>,
}

/// The device loop's side of updates.
#[derive(Debug)]
pub(crate) struct HostUpdater {
    pub(super) slots: Slots,
    storage: FileStorage,
    tls: Arc<ClientConfig>,
    clock: HostClock,
    remote: Remote,
    running: Option<Running>,
}

impl HostUpdater {
    pub(crate) fn new(
        slots: Slots,
        storage: FileStorage,
        tls: Arc<ClientConfig>,
        clock: HostClock,
        remote: Remote,
    ) -> Self {
        Self {
            slots,
            storage,
            tls,
            clock,
            remote,
            running: None,
        }
    }

    /// A start of the device, as the boot loader sees it: nothing of the last run goes on. Gives the version that runs.
    pub(crate) fn boot(&mut self) -> String {
        self.end();
        self.slots.boot()
    }

    /// Ends a download, and waits for its thread.
    fn end(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.set();
            let _ = running.thread.join();
        }
    }
}

impl Drop for HostUpdater {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            // Not waited for: a silent server would hold up the end of the program.
            running.stop.set();
        }
    }
}

impl Updater for HostUpdater {
    fn begin(&mut self, job: &Job) {
        self.end();
        let (sender, news) = mpsc::channel();
        let stop = Stop::default();
        let failed = |sender: &mpsc::Sender<News>| {
            let _ = sender.send(News::Ended(Err(FetchFailure::Slot(SlotError(Code(0))))));
        };
        let slot = match self.slots.other() {
            Ok(slot) => slot,
            Err(error) => {
                log::error!("update: cannot open the slot: {error}");
                return failed(&sender);
            }
        };
        let mut fetcher = HostFetcher {
            slot,
            tls: Arc::clone(&self.tls),
            clock: self.clock.clone(),
            stop: stop.clone(),
            news: sender.clone(),
            remote: self.remote.clone(),
        };
        let job = *job;
        let body = move || {
            let result = fetch(&job, &mut fetcher, &mut vec![0; BUFFER]);
            let _ = fetcher.news.send(News::Ended(result));
            fetcher.remote.update_has_news();
        };
        match std::thread::Builder::new()
            .name("update".into())
            .spawn(body)
        {
            Ok(thread) => self.running = Some(Running { stop, news, thread }),
            Err(error) => {
                log::error!("update: cannot start a thread: {error}");
                failed(&sender);
            }
        }
    }

    fn stop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.set();
        }
    }

    fn news(&mut self) -> Option<News> {
        self.running.as_ref()?.news.try_recv().ok()
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        match self.slots.other() {
            Ok(mut slot) => slot.read(offset, bytes),
            Err(error) => Err(SlotError(Code(error.raw_os_error().unwrap_or(0)))),
        }
    }

    fn request_trial(&mut self) -> Result<(), SlotError> {
        self.slots.request_trial()
    }

    fn slot_image(&mut self) -> Result<SlotImage, SlotError> {
        Ok(self.slots.slot_image())
    }

    fn image_state(&mut self) -> ImageState {
        self.slots.image_state()
    }

    fn confirm(&mut self) -> Result<(), SlotError> {
        self.slots.confirm()
    }

    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        storage::load(&mut self.storage, key, storage::REMEDY_OF_UPDATES, buffer)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        storage::store(&mut self.storage, key, value)
    }
}
