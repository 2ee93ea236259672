//! The device under test: the host's device in a process of its own, quick to notice and to come back.
//!
//! It prints a line for each cloud-to-device message that it takes and for each connection, and its counters at
//! the end. It ends when its standard input does.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use azure_device::application::{
    Application, CloudMessage, Context, Event, Message, Property, Receipt, Stream,
};
use azure_device::backoff;
use azure_device::identity::ConnectionString;
use azure_device::mqtt;
use azure_device::queue::Mode;
use azure_device::report::Cause;
use azure_device_host::Options;
use azure_device_host::clock::Source;
use azure_device_host::connector::Timeouts;
use azure_device_host::runner::{DeviceThread, Settings};
use azure_device_host::storage::FileStorage;
use azure_device_host::tls::roots_from_pem;

use crate::journal::Journal;

/// The environment variable of the connection string.
pub(crate) const CONNECTION_STRING: &str = "CHAOS_CONNECTION_STRING";

/// Arguments that the device is started with.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) connection_string: String,
    pub(crate) ca: PathBuf,
    /// TCP port of the proxy on loopback.
    pub(crate) port: u16,
    /// UDP port of the hub's SNTP server on loopback.
    pub(crate) sntp: u16,
    /// Milliseconds from one message to the next.
    pub(crate) interval: u64,
    /// Folder of its queue and its journal.
    pub(crate) folder: PathBuf,
    /// Each message is in the queue's file before it is sent.
    pub(crate) queue: bool,
}

impl Arguments {
    pub(crate) fn to_words(&self) -> [String; 6] {
        let [ca, folder] = [&self.ca, &self.folder].map(|path| path.display().to_string());
        let [port, sntp] = [self.port, self.sntp].map(|port| port.to_string());
        let [interval, queue] = [self.interval.to_string(), self.queue.to_string()];
        [ca, port, sntp, interval, folder, queue]
    }

    fn from_words(words: &[String]) -> Option<Self> {
        let [ca, port, sntp, interval, folder, queue] = words else {
            return None;
        };
        Some(Self {
            connection_string: std::env::var(CONNECTION_STRING).ok()?,
            ca: ca.into(),
            port: port.parse().ok()?,
            sntp: sntp.parse().ok()?,
            interval: interval.parse().ok()?,
            folder: folder.into(),
            queue: queue.parse().ok()?,
        })
    }
}

/// Runs the device until standard input ends.
pub(crate) fn run(words: &[String]) -> ExitCode {
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .init();
    let Some(arguments) = Arguments::from_words(words) else {
        eprintln!("this is started by the program itself");
        return ExitCode::FAILURE;
    };
    match start(&arguments) {
        Ok(device) => {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            let report = device.stop();
            let unsampled = report.dropped.of(Cause::NotSampled);
            let refused = report.dropped.total() - u64::from(unsampled);
            say(&format!("acknowledged {}", report.telemetry_acknowledged));
            say(&format!("refused {refused}"));
            say(&format!("ignored {}", report.messages_ignored));
            say("ended");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("the device did not start: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> Result<DeviceThread, Box<dyn std::error::Error>> {
    let identity = ConnectionString::parse(&arguments.connection_string)
        .map_err(|error| format!("connection string: {error}"))?;
    let ca = std::fs::read(&arguments.ca)?;
    let mut options = Options::new("device", roots_from_pem(&ca, "the hub's CA")?)?;
    options.status_lines = false;
    options.storage = FileStorage::in_folder(&arguments.folder)?;
    options.clock = Source::Sntp(format!("127.0.0.1:{}", arguments.sntp));
    let second = Duration::from_secs(1);
    options.timeouts = Timeouts {
        resolve: 3 * second,
        connect: 3 * second,
        handshake: 8 * second,
    };
    let mut settings = Settings {
        address: Some("127.0.0.1".into()),
        port: arguments.port,
        telemetry_interval: Some(Duration::from_millis(arguments.interval)),
        backoff: backoff::Config {
            max: second,
            ..backoff::Config::default()
        },
        mqtt: mqtt::Config {
            keepalive: 2 * second,
            connack_timeout: 5 * second,
            ping_timeout: 2 * second,
            puback_timeout: 4 * second,
            ..mqtt::Config::default()
        },
        ..Settings::default()
    };
    if arguments.queue {
        settings.queue.mode = Mode::Always;
        // Catches up between two faults.
        settings.queue.rate = 200;
    }
    let (journal, number) = Journal::open(&arguments.folder)?;
    let application = Watched {
        journal: Arc::new(journal),
        number,
    };
    Ok(DeviceThread::start(
        identity,
        settings,
        options,
        application,
    )?)
}

/// One line for the program that watches, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A watcher that has gone also closes standard input.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Notes a message. Without the note nothing can be proved: the run ends.
fn noted(result: std::io::Result<()>) {
    if let Err(error) = result {
        eprintln!("cannot write the journal: {error}");
        std::process::exit(1);
    }
}

/// An application as the product's, watched. Its numbers go on in the next life.
#[derive(Clone)]
struct Watched {
    journal: Arc<Journal>,
    number: u64,
}

impl Watched {
    fn sample(&mut self, message: &mut Message<'_>) {
        self.number += 1;
        noted(self.journal.measured(self.number));
        let number = i64::try_from(self.number).unwrap_or(i64::MAX);
        let readings = message.readings();
        message.object(|object| {
            object.integer("count", number);
            for reading in readings.iter() {
                object.thousandths(reading.name, reading.thousandths);
            }
        });
    }
}

impl Application for Watched {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", |watched, message, _| {
        watched.sample(message)
    })];

    const PROPERTIES: &'static [Property<Self>] = &[Property::new(
        "probe",
        |_, _, _| Ok(()),
        |_, _, value| value.boolean(true),
    )];

    fn receive(&mut self, message: &CloudMessage<'_>, _: &mut Context<'_>) -> Receipt {
        let body = String::from_utf8_lossy(message.body);
        let again = if message.redelivered { " again" } else { "" };
        say(&format!("took {body}{again}"));
        Receipt::Accepted
    }

    fn handle(&mut self, event: Event<'_>, device: &mut Context<'_>) {
        match event {
            Event::Connected => {
                let report = device.report();
                say(&format!(
                    "connection {} failures {}",
                    report.connections, report.failures
                ));
            }
            Event::NotMeasured { messages, .. } => {
                for _ in 0..messages {
                    self.number += 1;
                    noted(self.journal.unmeasured(self.number));
                }
            }
            _ => {}
        }
    }
}
