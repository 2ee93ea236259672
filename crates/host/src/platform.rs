//! All ports of a device together, and the remote control that other threads hold.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azure_device::failure::{ClockError, ConnectError};
use azure_device::outlet::{Delivery, Outlet, SendError, Submission, Ticket};
use azure_device::port::update::Updater;
use azure_device::port::{
    Clock, Connector, Endpoint, Entropy, EntropyError, Indicator, Platform, Queue, Reading,
    Requests, Sensor, SensorError, Storage, StorageError, Wake,
};
use azure_device::queue::Mode;
use azure_device::report::Report;
use azure_device::report::Status;
use azure_device::time::{Instant, UnixTime};
use embedded_io::ReadReady;
use mio::Waker;
use rustls::RootCertStore;

use crate::clock::{HostClock, Source};
use crate::connector::{Opening, Timeouts, TlsConnector};
use crate::error::SetupError;
use crate::indicator::StatusLine;
use crate::outlet::{Letters, Notify};
use crate::poller::Poller;
use crate::queue::{self, FileQueue};
use crate::storage::FileStorage;
use crate::stream::TlsStream;
use crate::tls::{self, ClientIdentity};
use crate::update::{HostUpdater, Slots, UpdateOptions};
use azure_device::sensor::SimulatedSensor;

/// Parts of a platform; `Options::new` fills in what is usual.
#[derive(Debug)]
pub struct Options {
    /// Name of the device in status lines.
    pub name: String,
    /// Certificate authorities that the device trusts.
    pub roots: RootCertStore,
    /// Its certificate and key, if it has any.
    pub identity: Option<ClientIdentity>,
    /// Source of its time.
    pub clock: Source,
    /// Folder that its values are stored in.
    pub storage: FileStorage,
    /// Size of the file in that folder for the queue of messages, in bytes. See [`FileQueue::open`].
    pub queue_size: u32,
    /// Time that connecting may take.
    pub timeouts: Timeouts,
    /// Prints the status, if true.
    pub status_lines: bool,
    /// Software updates, if the device takes any.
    pub updates: Option<UpdateOptions>,
}

impl Options {
    /// A device that believes `roots`, has no certificate, the system's clock, forgets, and shows its status.
    pub fn new(name: impl Into<String>, roots: RootCertStore) -> Result<Self, SetupError> {
        Ok(Self {
            name: name.into(),
            roots,
            identity: None,
            clock: Source::System,
            storage: FileStorage::temporary().map_err(|cause| SetupError::System {
                what: "making a temporary folder",
                cause,
            })?,
            queue_size: queue::DEFAULT_SIZE,
            timeouts: Timeouts::default(),
            status_lines: true,
            updates: None,
        })
    }
}

/// Everything that a device needs from a computer.
#[derive(Debug)]
pub struct HostPlatform {
    clock: HostClock,
    connector: TlsConnector,
    storage: FileStorage,
    queue: Option<FileQueue>,
    queue_size: u32,
    indicator: Option<StatusLine>,
    sensor: SimulatedSensor,
    poller: Poller,
    remote: Remote,
    updates: Option<(UpdateOptions, HostUpdater)>,
}

impl HostPlatform {
    /// A platform that has read its credentials and opened nothing yet.
    pub fn new(options: Options) -> Result<Self, SetupError> {
        let clock = HostClock::new(options.clock);
        let tls = tls::client_config(options.roots, options.identity, clock.clone())?;
        let (poller, waker) = Poller::new().map_err(|cause| SetupError::System {
            what: "making an event queue",
            cause,
        })?;
        let remote = Remote(Arc::new(Asked::new(waker, clock.clone())));
        let updates = match options.updates {
            Some(options) => {
                let system = |cause| SetupError::System {
                    what: "opening the folder of images",
                    cause,
                };
                let slots = Slots::open(&options.folder).map_err(system)?;
                // Both images have to read it: it lies beside them.
                let storage = FileStorage::in_folder(&options.folder).map_err(system)?;
                let (tls, clock, remote) = (Arc::clone(&tls), clock.clone(), remote.clone());
                let updater = HostUpdater::new(slots, storage, tls, clock, remote);
                Some((options, updater))
            }
            None => None,
        };
        Ok(Self {
            clock,
            updates,
            connector: TlsConnector {
                tls,
                timeouts: options.timeouts,
                poller: poller.clone(),
                remote: remote.clone(),
            },
            storage: options.storage,
            queue: None,
            queue_size: options.queue_size,
            indicator: options.status_lines.then(|| StatusLine::new(options.name)),
            sensor: SimulatedSensor::default(),
            poller,
            remote,
        })
    }

    /// A start of the device. Gives the version of the image that runs, and the settings of updates.
    pub(crate) fn boot(&mut self) -> Option<(String, UpdateOptions)> {
        let (options, updater) = self.updates.as_mut()?;
        Some((updater.boot(), options.clone()))
    }

    /// Opens the file of the queue. With [`Mode::Off`] it is opened if it is there, since it may have messages of an
    /// earlier start, and not made.
    ///
    /// # Errors
    ///
    /// As [`FileQueue::open`].
    pub fn open_queue(&mut self, mode: Mode) -> Result<(), SetupError> {
        let folder = self.storage.folder();
        self.queue = match mode {
            Mode::Off => FileQueue::open_existing(folder)?,
            Mode::Spill | Mode::Always => Some(FileQueue::open(folder, self.queue_size)?),
        };
        Ok(())
    }

    /// The remote control of this device.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }
}

/// Asks a device for something from another thread: the button, Ctrl-C.
#[derive(Clone, Debug)]
pub struct Remote(Arc<Asked>);

impl Remote {
    /// Asks for a telemetry message now.
    pub fn send_now(&self) {
        self.0.ask(&self.0.send_now);
    }

    /// Asks the device to say goodbye and end.
    pub fn stop(&self) {
        self.0.ask(&self.0.stop);
    }

    /// Asks a device that waits before its next attempt to start it at once.
    pub fn retry_now(&self) {
        self.0.ask(&self.0.retry_now);
    }

    /// Asks the device to erase all messages that wait and were not sent yet, also those in its queue's file.
    pub fn clear_queue(&self) {
        self.0.ask(&self.0.clear_queue);
    }

    /// Tells the application that another thread has news for it:
    /// [`Event::Woken`](azure_device::application::Event::Woken).
    pub fn wake_application(&self) {
        self.0.ask(&self.0.woken);
    }

    /// Queues a message with its data; `notify` is called with its outcome, in the device's thread.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. `notify` is not called then.
    pub fn send_confirmed(
        &self,
        message: &Submission<'_>,
        notify: impl FnOnce(Delivery) + Send + 'static,
    ) -> Result<(), SendError> {
        let notify: Notify = Box::new(notify);
        self.0.submit(&message.confirmed(), Some(notify)).map(drop)
    }

    /// Tells the device's thread that a download has news.
    pub(crate) fn update_has_news(&self) {
        self.0.ask(&self.0.updated);
    }

    /// True if something was asked for that the device has not seen yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.any()
    }

    /// Wakes the device's thread, so that it looks again at what it sleeps for.
    pub(crate) fn wake(&self) {
        self.0.wake();
    }
}

impl Outlet for Remote {
    fn send(&self, message: &Submission<'_>) -> Result<Option<Ticket>, SendError> {
        self.0.submit(message, None)
    }
}

struct Asked {
    letters: Letters,
    clock: HostClock,
    submitted: AtomicBool,
    send_now: AtomicBool,
    stop: AtomicBool,
    retry_now: AtomicBool,
    woken: AtomicBool,
    updated: AtomicBool,
    clear_queue: AtomicBool,
    waker: Waker,
}

impl Asked {
    fn new(waker: Waker, clock: HostClock) -> Self {
        Self {
            letters: Letters::new(),
            clock,
            submitted: AtomicBool::new(false),
            send_now: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            retry_now: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            updated: AtomicBool::new(false),
            clear_queue: AtomicBool::new(false),
            waker,
        }
    }

    fn ask(&self, what: &AtomicBool) {
        what.store(true, Ordering::Release);
        self.wake();
    }

    fn submit(
        &self,
        message: &Submission<'_>,
        notify: Option<Notify>,
    ) -> Result<Option<Ticket>, SendError> {
        let ticket = self.letters.push(message, self.clock.now(), notify)?;
        self.ask(&self.submitted);
        Ok(ticket)
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("a request will be seen late: waking the device failed: {error}");
        }
    }

    fn any(&self) -> bool {
        let flags = [
            &self.submitted,
            &self.send_now,
            &self.stop,
            &self.retry_now,
            &self.woken,
            &self.updated,
            &self.clear_queue,
        ];
        flags.iter().any(|flag| flag.load(Ordering::Acquire))
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("any", &self.any())
            .finish_non_exhaustive()
    }
}

impl Platform for HostPlatform {
    fn wait(&mut self, mut stream: Option<&mut TlsStream>, until: Instant) -> Wake {
        loop {
            if self.remote.0.any() {
                return Wake::Request;
            }
            // A failure makes a stream readable: reading tells it.
            if let Some(stream) = &mut stream
                && stream.read_ready().unwrap_or(true)
            {
                return Wake::Readable;
            }
            let now = self.clock.now();
            if now >= until {
                return Wake::Deadline;
            }
            if let Err(error) = self.poller.sleep(until.since(now)) {
                log::error!("sleeping failed: {error}");
                // Not at once: the caller would call again at once.
                std::thread::sleep(std::time::Duration::from_secs(1));
                return Wake::Deadline;
            }
        }
    }

    fn requests(&mut self) -> Requests {
        let asked = &self.remote.0;
        let take = |flag: &AtomicBool| flag.swap(false, Ordering::AcqRel);
        take(&asked.submitted);
        take(&asked.updated);
        Requests {
            send_now: take(&asked.send_now),
            stop: take(&asked.stop),
            retry_now: take(&asked.retry_now),
            // The program reads its certificate once.
            reconnect: false,
            woken: take(&asked.woken),
            clear_queue: take(&asked.clear_queue),
            cancel_update: false,
            roll_back: false,
        }
    }

    fn take_submission(&mut self, space: &mut [u8]) -> Option<usize> {
        self.remote.0.letters.pop(space)
    }

    fn delivered(&mut self, ticket: Ticket, delivery: Delivery) {
        self.remote.0.letters.settle(ticket, delivery);
    }

    fn updater(&mut self) -> Option<&mut dyn Updater> {
        let (_, updater) = self.updates.as_mut()?;
        Some(updater)
    }

    fn queue(&mut self) -> Option<&mut dyn Queue> {
        let queue = self.queue.as_mut()?;
        Some(queue)
    }

    fn observe(&mut self, report: &Report) {
        if let Some(indicator) = &mut self.indicator {
            indicator.observe(report);
        }
    }
}

impl Clock for HostPlatform {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn unix(&self) -> Option<UnixTime> {
        self.clock.unix()
    }

    fn synchronize(&mut self) -> Result<UnixTime, ClockError> {
        self.clock.synchronize()
    }
}

impl Entropy for HostPlatform {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(buffer).map_err(|_| EntropyError)
    }
}

impl Connector for HostPlatform {
    type Stream = TlsStream;
    type Opening = Opening;

    fn connect(
        &mut self,
        endpoint: Endpoint<'_>,
        opening: &mut Opening,
        until: Instant,
    ) -> Result<Option<TlsStream>, ConnectError> {
        let left = until.since(self.clock.now());
        self.connector.connect(endpoint, opening, left)
    }
}

impl Storage for HostPlatform {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        self.storage.load(key, buffer)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.storage.store(key, value)
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        self.storage.remove(key)
    }
}

impl Indicator for HostPlatform {
    fn show(&mut self, status: Status) {
        if let Some(indicator) = &mut self.indicator {
            indicator.show(status);
        }
    }
}

impl Sensor for HostPlatform {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        self.sensor.sample(take)
    }
}
