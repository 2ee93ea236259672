//! Devices and hubs that are killed, again and again.

use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use azure_device::application::{Application, Context, Stream};
use azure_device::backoff;
use azure_device::identity::ConnectionString;
use azure_device::port::{Queue, Visit};
use azure_device::queue::Mode;
use azure_device_host::Options;
use azure_device_host::queue::{FILE_NAME, FileQueue};
use azure_device_host::runner::{DeviceThread, Settings};
use azure_device_host::storage::FileStorage;
use azure_device_host::tls::roots_from_file;

use crate::outage::{HubProcess, serve};
use crate::program::{PATIENCE, Program};
use crate::support::count;

/// Environment variables that the killed process is started with.
const FOLDER: &str = "FOLDER_OF_THE_KILLED_DEVICE";
const CONNECTION_STRING: &str = "CONNECTION_STRING_OF_THE_KILLED_DEVICE";
const CA: &str = "CA_OF_THE_KILLED_DEVICE";
const PORT: &str = "PORT_OF_THE_KILLED_DEVICE";
const COUNT: &str = "COUNT_OF_THE_KILLED_DEVICE";

/// Prints the number of each message before the device has it. The next one follows when the device has that one.
#[derive(Clone)]
struct Numbered(u64);

impl Application for Numbered {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new(
        "telemetry",
        |numbered, message, _: &mut Context<'_>| {
            numbered.0 += 1;
            let number = numbered.0;
            let mut out = std::io::stdout().lock();
            writeln!(out, "measured {number} .").unwrap();
            out.flush().unwrap();
            message.object(|object| {
                object.integer("count", number.try_into().unwrap());
            });
        },
    )];
}

#[test]
#[ignore = "the process that the test below starts and kills; alone it would only wait"]
fn runs_a_device_until_it_is_killed() {
    let variable = |name: &str| env::var(name).unwrap();
    let identity = ConnectionString::parse(&variable(CONNECTION_STRING)).unwrap();
    let roots = roots_from_file(Path::new(&variable(CA))).unwrap();
    let mut options = Options::new("killed", roots).unwrap();
    options.status_lines = false;
    options.storage = FileStorage::in_folder(variable(FOLDER)).unwrap();
    let mut settings = Settings {
        address: Some("127.0.0.1".into()),
        port: variable(PORT).parse().unwrap(),
        telemetry_interval: Some(Duration::from_millis(20)),
        backoff: backoff::Config {
            max: Duration::from_millis(500),
            ..backoff::Config::default()
        },
        ..Settings::default()
    };
    settings.queue.mode = Mode::Always;
    settings.queue.rate = 1000;
    let application = Numbered(variable(COUNT).parse().unwrap());
    let _device = DeviceThread::start(identity, settings, options, application).unwrap();
    sleep(PATIENCE * 2);
}

/// A device that is started again and again.
struct Device {
    folder: PathBuf,
    connection_string: String,
    ca: PathBuf,
    hub: SocketAddr,
    measured: u64,
}

impl Device {
    fn start(&self) -> Program {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "durable::kills::runs_a_device_until_it_is_killed",
            ])
            .args(["--ignored", "--nocapture"])
            .env(FOLDER, &self.folder)
            .env(CONNECTION_STRING, &self.connection_string)
            .env(CA, &self.ca)
            .env(PORT, self.hub.port().to_string())
            .env(COUNT, self.measured.to_string());
        Program::spawn(command, None)
    }

    /// Waits for this many messages more, and kills it at once. Gives the last number, which it may not have accepted.
    fn run_and_kill(&mut self, messages: u64) -> u64 {
        let mut program = self.start();
        program.wait_for(&format!("measured {} .", self.measured + messages));
        program.kill();
        let (_, lines) = program.finish();
        let numbers = lines.iter().filter_map(|line| {
            let (_, rest) = line.split_once("measured ")?;
            rest.strip_suffix(" .")?.parse().ok()
        });
        self.measured = numbers.max().unwrap();
        self.measured
    }

    /// The numbers of the messages in the queue's file.
    fn in_file(&self) -> BTreeSet<u64> {
        let mut numbers = BTreeSet::new();
        let mut queue = FileQueue::open_existing(&self.folder).unwrap().unwrap();
        queue
            .visit(&mut |record| {
                let text = String::from_utf8_lossy(record);
                if let Some((_, rest)) = text.rsplit_once("\"count\":") {
                    numbers.insert(rest.trim_end_matches('}').parse().unwrap());
                }
                Visit::Next
            })
            .unwrap();
        numbers
    }
}

#[test]
fn no_message_that_the_queue_has_accepted_is_lost_when_device_and_hub_are_killed_under_load() {
    const KILLS: u64 = 12;
    let state = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hub = serve(state.path(), ([127, 0, 0, 1], 0).into());
    let mut device = Device {
        folder: folder.path().to_owned(),
        connection_string: hub.create_sas_device("device").unwrap(),
        ca: state.path().join("ca.pem"),
        hub: hub.endpoint(),
        measured: 0,
    };
    hub.shutdown();
    let mut last_ones = BTreeSet::new();
    let mut seen_in_file = BTreeSet::new();
    let mut hub = None;
    for kill in 0..KILLS {
        // A third of the lives has no hub, and in a third it is killed meanwhile.
        match kill % 3 {
            0 => hub = Some(HubProcess::start(state.path(), device.hub)),
            1 => {
                let killed = hub.take();
                let killer = std::thread::spawn(move || {
                    sleep(Duration::from_millis(100 * kill));
                    drop(killed);
                });
                last_ones.insert(device.run_and_kill(10 + 7 * kill));
                killer.join().unwrap();
                seen_in_file.extend(device.in_file());
                continue;
            }
            _ => {}
        }
        last_ones.insert(device.run_and_kill(10 + 7 * kill));
        seen_in_file.extend(device.in_file());
    }
    assert!(folder.path().join(FILE_NAME).exists());
    assert!(
        seen_in_file.len() > 100,
        "{} messages waited",
        seen_in_file.len()
    );

    // In the end all of them come. What was measured last in a life may not have been accepted.
    let hub = serve(state.path(), device.hub);
    let program = device.start();
    let wanted: BTreeSet<u64> = (1..=device.measured)
        .filter(|number| !last_ones.contains(number) || seen_in_file.contains(number))
        .collect();
    let complete = |events: &[local_hub::Event]| {
        let got: BTreeSet<u64> = events.iter().map(count).collect();
        got.is_superset(&wanted)
    };
    let (complete, _) = hub.wait_for_events(PATIENCE, complete);
    let numbers: Vec<u64> = hub.events().iter().map(count).collect();
    let got: BTreeSet<u64> = numbers.iter().copied().collect();
    let missing: Vec<_> = wanted.difference(&got).collect();
    assert!(complete, "{missing:?} of {} are lost", device.measured);
    drop(program);
    let mut firsts = BTreeSet::new();
    let in_order = numbers.iter().filter(|number| firsts.insert(**number));
    assert!(in_order.is_sorted(), "{numbers:?}");
    // The queue's window, and twice what is under way, for each end of a connection.
    let copies = numbers.len() - firsts.len();
    assert!(
        copies as u64 <= (8 + 2 * 4) * (2 * KILLS),
        "{copies} copies"
    );
}
