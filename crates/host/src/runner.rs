//! A device on a thread of its own: the core's loop over this crate's platform.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use azure_device::application::Application;
use azure_device::backoff;
use azure_device::connection::Buffers;
use azure_device::device::{Carryover, Config};
use azure_device::lifecycle::{self, End};
use azure_device::mqtt;
use azure_device::queue;
use azure_device::report::{Facts, Report};

use crate::access::OwnedAccess;
use crate::error::SetupError;
use crate::outlet;
use crate::platform::{HostPlatform, Options, Remote};

/// IoT Hub's largest cloud-to-device message is 64 KB; its topic and properties need some more.
const RECEIVE: usize = 64 * 1024 + 4096;
/// Largest desired part of a twin: 32 KB in a section, some of it perhaps written as escapes.
const TWIN: usize = 64 * 1024;
/// CONNECT is the largest: ids and user names at their longest, a token, a will.
const TRANSMIT: usize = 4096;
/// Messages that wait for a hub: some hundred, each with its topic.
const OUTBOX: usize = 256 * 1024;
/// A message's topic and payload while they are written.
pub(crate) const SCRATCH: usize = 4096;

/// Settings of a device that an engineer makes: [`Config`], owned, so that a thread can have it.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the fields are those of `azure_device::device::Config`"
)]
pub struct Settings {
    pub address: Option<String>,
    pub port: u16,
    pub token_life: Duration,
    pub telemetry_interval: Option<Duration>,
    pub model_id: Option<String>,
    pub will: Option<String>,
    pub twin: bool,
    pub stop_timeout: Duration,
    pub backoff: backoff::Config,
    pub mqtt: mqtt::Config,
    pub queue: queue::Config,
    /// Size of the MQTT receive buffer in bytes. The default takes each message of IoT Hub in one.
    pub receive_buffer: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let Config {
            port,
            token_life,
            telemetry_interval,
            twin,
            stop_timeout,
            backoff,
            mqtt,
            queue,
            ..
        } = Config::default();
        Self {
            address: None,
            port,
            token_life,
            telemetry_interval,
            model_id: None,
            will: None,
            twin,
            stop_timeout,
            backoff,
            mqtt,
            queue,
            receive_buffer: RECEIVE,
        }
    }
}

impl Settings {
    fn config(&self) -> Config<'_> {
        Config {
            address: self.address.as_deref(),
            port: self.port,
            token_life: self.token_life,
            telemetry_interval: self.telemetry_interval,
            model_id: self.model_id.as_deref(),
            twin: self.twin,
            stop_timeout: self.stop_timeout,
            will: self.will.as_deref().map(str::as_bytes),
            backoff: self.backoff,
            mqtt: self.mqtt.clone(),
            queue: self.queue,
            most_awaited: outlet::MOST_AWAITED,
            facts: Facts {
                firmware_version: env!("CARGO_PKG_VERSION"),
                ..Facts::default()
            },
            // What only the core sets, such as when it asks to be provisioned again.
            ..Config::default()
        }
    }
}

/// A running device. Dropping it leaves the thread alone; [`DeviceThread::stop`] ends it.
#[derive(Debug)]
pub struct DeviceThread {
    remote: Remote,
    thread: JoinHandle<Report>,
}

impl DeviceThread {
    /// Starts the device on a thread that is called as it is. Each restart that an operator asks for begins
    /// with `application` as it was, as on a board.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with credentials, settings or the queue's file; nothing has been sent then.
    pub fn start<A: Application + Clone + Send + 'static>(
        access: impl Into<OwnedAccess>,
        settings: Settings,
        options: Options,
        application: A,
    ) -> Result<Self, SetupError> {
        let (started, starting) = mpsc::channel();
        let thread = thread::Builder::new().name(options.name.clone());
        let mut platform = HostPlatform::new(options)?;
        platform.open_queue(settings.queue.mode)?;
        let remote = platform.remote();
        let access = access.into();
        let body = move || run(&access, &settings, &mut platform, &application, &started);
        let thread = thread.spawn(body).map_err(|cause| SetupError::System {
            what: "starting a thread",
            cause,
        })?;
        match starting.recv() {
            Ok(result) => result
                .map(|()| Self { remote, thread })
                .map_err(SetupError::Settings),
            // The thread panicked: say so where it is joined.
            Err(_) => Ok(Self { remote, thread }),
        }
    }

    /// Asks the device for something.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// True if the device has ended.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks the device to say goodbye, waits until it has, and gives its counters.
    ///
    /// # Panics
    ///
    /// With the device's own panic, if it had one.
    pub fn stop(self) -> Report {
        self.remote.stop();
        self.join()
    }

    /// Waits until somebody has stopped the device, and gives its counters.
    ///
    /// # Panics
    ///
    /// With the device's own panic, if it had one.
    pub fn join(self) -> Report {
        match self.thread.join() {
            Ok(report) => report,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Runs the device, and again whenever an operator has asked for a restart; gives the counters of the last life.
fn run<A: Application + Clone>(
    access: &OwnedAccess,
    settings: &Settings,
    platform: &mut HostPlatform,
    application: &A,
    started: &mpsc::Sender<Result<(), mqtt::RequestError>>,
) -> Report {
    let (mut receive, mut transmit) = (vec![0; settings.receive_buffer], vec![0; TRANSMIT]);
    let (mut outbox, mut scratch) = (vec![0; OUTBOX], vec![0; SCRATCH]);
    let mut twin = vec![0; TWIN];
    let mut buffers = Buffers {
        mqtt: mqtt::Buffers {
            receive: &mut receive,
            transmit: &mut transmit,
            outbox: &mut outbox,
        },
        scratch: &mut scratch,
        twin: &mut twin,
    };
    // What every connection will begin with, so that whoever started this thread hears of bad settings.
    let session = mqtt::Session::new(settings.mqtt.clone(), buffers.reborrow().mqtt);
    let _ = started.send(session.map(drop));
    let access = match access {
        OwnedAccess::Hub(identity) => lifecycle::Access::Hub(identity),
        OwnedAccess::Provisioning(enrollment, provisioning) => {
            lifecycle::Access::Provisioning(enrollment, provisioning.config())
        }
    };
    let mut carryover = Carryover::default();
    let mut version: &'static str = env!("CARGO_PKG_VERSION");
    loop {
        let mut config = settings.config();
        let updates = platform.boot();
        if let Some((running, updates)) = &updates {
            if version != running {
                // A few bytes for each image that this process runs.
                version = String::leak(running.clone());
            }
            config.facts.firmware_version = version;
            config.update = Some(updates.settings());
        }
        let end = lifecycle::run(
            &access,
            &config,
            &mut buffers,
            application.clone(),
            platform,
            &mut carryover,
        );
        match end {
            Ok(End::Restart) => {
                log::info!("restarting, as an operator asked");
                carryover = Carryover::default();
            }
            // Bad settings were told at the start.
            Ok(End::Stopped) | Err(_) => {
                lifecycle::leave_behind(&mut carryover, platform);
                return *carryover.report();
            }
        }
    }
}
