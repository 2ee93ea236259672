//! One device with its hub and the proxy between them, and what has been seen of the device.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use local_hub::{Config, Event, Hub};
use serde_json::Value;

use crate::device;
use crate::journal::Account;
use crate::process::{HubPlace, PATIENCE, Process, ask_to_end, start_device};
use crate::proxy::Proxy;

/// The device's id.
pub(crate) const DEVICE: &str = "device";

/// Rest before the device is asked to end. A stop does not connect again, so that a link which is about to fail of
/// the last fault would leave its messages behind. Longer than the device's longest time-out (a PUBACK's 4 s), its
/// longest wait (1 s) and a connect.
const REST: Duration = Duration::from_secs(8);

/// Seconds of a jump of the hub's clock: longer than the life of a token and the hub's tolerance.
const JUMP: i64 = 2 * 86_400;

/// Counts of lines that the device has printed so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) connections: u64,
    pub(crate) failures: u64,
}

/// Counters that the device prints at its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) refused: u64,
    pub(crate) ignored: u64,
}

/// Result of a site's run.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) counters: Counters,
    pub(crate) account: Account,
    pub(crate) events: Vec<Event>,
    /// Probes that came again without a mark.
    pub(crate) unmarked_probes: u64,
    /// Kills of the device.
    pub(crate) kills: u64,
}

/// A device, a hub and a proxy.
#[derive(Debug)]
pub(crate) struct Site {
    place: HubPlace,
    hub: Option<Process>,
    proxy: Proxy,
    device: Process,
    arguments: device::Arguments,
    log: PathBuf,
    kills: u64,
    clock_offset: i64,
    seen: Seen,
    probes: u64,
    /// The last probe that the device took, and whether it came marked as sent before.
    taken: (u64, bool),
    /// Probes that came again without a mark.
    unmarked_probes: u64,
}

impl Site {
    /// Starts all three; `folder` exists, and keeps state and logs.
    pub(crate) fn start(folder: &Path, interval: Duration, queue: bool) -> Result<Self, String> {
        let place = HubPlace {
            state: folder.join("hub"),
            log: folder.join("hub.log"),
            sntp: free_udp_port()?,
        };
        let hub = open(&place.state)?;
        let connection_string = hub
            .create_sas_device(DEVICE)
            .map_err(|error| error.to_string())?;
        hub.shutdown();
        let (hub, mqtt) = place.serve(&[])?;
        let proxy = Proxy::start(mqtt).map_err(|error| format!("no proxy: {error}"))?;
        let arguments = device::Arguments {
            connection_string,
            ca: place.state.join("ca.pem"),
            port: proxy.address().port(),
            sntp: place.sntp.port(),
            interval: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            folder: folder.join("device"),
            queue,
        };
        let log = folder.join("device.log");
        let device = start_device(&arguments, &log)?;
        let mut site = Self {
            place,
            hub: Some(hub),
            proxy,
            device,
            arguments,
            log,
            kills: 0,
            clock_offset: 0,
            seen: Seen::default(),
            probes: 0,
            taken: (0, false),
            unmarked_probes: 0,
        };
        site.probe()?;
        Ok(site)
    }

    pub(crate) const fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub(crate) const fn seen(&self) -> Seen {
        self.seen
    }

    /// Resident memory of device and hub, in KB.
    pub(crate) fn resident(&self) -> Option<(u64, u64)> {
        Some((self.device.resident()?, self.hub.as_ref()?.resident()?))
    }

    pub(crate) fn kill_hub(&mut self) {
        // Dropping kills.
        self.hub = None;
    }

    pub(crate) fn kill_device(&mut self) {
        self.device.kill();
        self.kills += 1;
        // What it has said is still true.
        while let Some(line) = self.device.line(Instant::now()) {
            self.take(&line);
        }
        self.seen = Seen::default();
    }

    /// Starts the device again, with what it has kept.
    pub(crate) fn start_device(&mut self) -> Result<(), String> {
        self.device = start_device(&self.arguments, &self.log)?;
        Ok(())
    }

    /// The hub's clock differs by two days in its next life, or no longer does.
    pub(crate) fn jump(&mut self) {
        self.clock_offset = JUMP - self.clock_offset;
    }

    /// Serves the hub again, at another port behind the proxy.
    pub(crate) fn serve(&mut self, arguments: &[&str]) -> Result<(), String> {
        let offset = format!("--clock-offset={}", self.clock_offset);
        let (hub, mqtt) = self
            .place
            .serve(&[&[offset.as_str()], arguments].concat())?;
        self.proxy.set_hub(mqtt);
        self.hub = Some(hub);
        Ok(())
    }

    pub(crate) fn pause_hub(&self, time: Duration) -> Result<(), String> {
        let hub = self.hub.as_ref().ok_or("the hub is not running")?;
        hub.pause()?;
        sleep(time);
        hub.resume()
    }

    pub(crate) fn pause_device(&self, time: Duration) -> Result<(), String> {
        self.device.pause()?;
        sleep(time);
        self.device.resume()
    }

    /// Injects a fault of the hub into the device.
    pub(crate) fn fault(&self, words: &[&str]) -> Result<(), String> {
        let (verb, rest) = words.split_first().ok_or("no fault")?;
        self.place
            .operate(&[&["fault", verb, DEVICE], rest].concat())
            .map(drop)
    }

    /// Sends a cloud-to-device message and waits until the device has taken it.
    pub(crate) fn probe(&mut self) -> Result<(), String> {
        self.probes += 1;
        let body = format!("probe-{}", self.probes);
        self.place.operate(&["send-c2d", DEVICE, "--data", &body])?;
        self.watch(|site| site.taken.0 == site.probes)
    }

    /// The same for a message that the hub sends twice.
    pub(crate) fn probe_twice(&mut self) -> Result<(), String> {
        self.probe()?;
        self.watch(|site| site.taken == (site.probes, true))
    }

    /// Changes a desired property and waits until the device has acknowledged it.
    pub(crate) fn change_twin(&self) -> Result<(), String> {
        let words = ["device-twin", "update", DEVICE, "--desired"];
        let desired = format!("{{\"probe\":{}}}", self.probes);
        let twin = self.place.operate(&[&words[..], &[&desired]].concat())?;
        let wanted = pointer(&twin, "/properties/desired/$version")?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let twin = self.place.operate(&["device-twin", "show", DEVICE])?;
            if pointer(&twin, "/properties/reported/probe/av")
                .is_ok_and(|version| version == wanted)
            {
                return Ok(());
            }
            sleep(Duration::from_millis(200));
        }
        Err(format!("the twin does not report version {wanted}"))
    }

    /// Waits until the hub has stored this many messages more.
    pub(crate) fn wait_for_events(&self, more: u64) -> Result<(), String> {
        let count = more.to_string();
        let words = ["monitor-events", "--device", DEVICE, "--count", &count];
        self.place.operate(&words).map(drop)
    }

    /// Reads what the device prints until `done`.
    fn watch(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            let Some(line) = self.device.line(until) else {
                return Err(format!("no recovery within {} s", PATIENCE.as_secs()));
            };
            self.take(&line);
        }
        Ok(())
    }

    /// Waits for a further failure to be told, which the device does once it is connected again.
    pub(crate) fn has_failed_since(&mut self, before: Seen) -> bool {
        let until = Instant::now() + Duration::from_secs(5);
        while self.seen.failures == before.failures {
            match self.device.line(until) {
                Some(line) => self.take(&line),
                None => return false,
            }
        }
        true
    }

    fn take(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["connection", connections, "failures", failures] => {
                self.seen.connections = connections.parse().unwrap_or_default();
                self.seen.failures = failures.parse().unwrap_or_default();
            }
            ["took", probe, again @ ..] => {
                let number = probe
                    .strip_prefix("probe-")
                    .and_then(|number| number.parse().ok());
                let number: u64 = number.unwrap_or_default();
                if number <= self.taken.0 && again.is_empty() {
                    self.unmarked_probes += 1;
                }
                self.taken = (number.max(self.taken.0), !again.is_empty());
            }
            _ => {}
        }
    }

    /// Ends the device, then the hub; gives what each has.
    pub(crate) fn end(mut self) -> Result<End, String> {
        sleep(REST);
        ask_to_end(self.device.input());
        let until = Instant::now() + PATIENCE;
        let mut counters = Counters::default();
        loop {
            let line = self.device.line(until).ok_or("the device does not end")?;
            let number = |text: &str| {
                text.parse()
                    .map_err(|_| format!("the device says {line:?}"))
            };
            match line.split_once(' ') {
                Some(("refused", text)) => counters.refused = number(text)?,
                Some(("ignored", text)) => counters.ignored = number(text)?,
                None if line == "ended" => break,
                _ => self.take(&line),
            }
        }
        self.kill_hub();
        let hub = open(&self.place.state)?;
        let events = hub.events();
        hub.shutdown();
        let account = Account::read(&self.arguments.folder);
        Ok(End {
            counters,
            account: account.map_err(|error| format!("no journal: {error}"))?,
            events,
            unmarked_probes: self.unmarked_probes,
            kills: self.kills,
        })
    }
}

/// A number in an answer of the hub.
fn pointer(json: &str, path: &str) -> Result<u64, String> {
    let value: Value = serde_json::from_str(json).map_err(|error| format!("no JSON: {error}"))?;
    let number = value.pointer(path).and_then(Value::as_u64);
    number.ok_or_else(|| format!("the twin has no {path}"))
}

fn open(state: &Path) -> Result<Hub, String> {
    let config = Config {
        state: Some(state.to_owned()),
        ..Config::temporary()
    };
    Hub::start(config).map_err(|error| error.to_string())
}

/// A port of loopback for each life of the hub's SNTP server.
fn free_udp_port() -> Result<SocketAddr, String> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
    socket.map_err(|error| format!("no UDP port: {error}"))
}
