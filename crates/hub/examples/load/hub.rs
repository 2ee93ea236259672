//! The hub as a process, and what it takes of the machine.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local_hub::{Config, Hub};

/// Clock ticks of a second in `/proc/PID/stat`: USER_HZ, 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Refuses to start what the limit of open files would break.
pub(crate) fn check_open_files(needed: u64) -> Result<(), String> {
    let limits = std::fs::read_to_string("/proc/self/limits")
        .map_err(|error| format!("cannot read /proc/self/limits: {error}; this needs Linux"))?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    match soft.and_then(|soft| soft.parse::<u64>().ok()) {
        Some(soft) if soft < needed => Err(format!(
            "a process may open {soft} files here, and this needs {needed}; say `ulimit -n {needed}` before"
        )),
        _ => Ok(()),
    }
}

/// A state directory with registered devices.
pub(crate) struct Prepared {
    directory: tempfile::TempDir,
    connection_strings: Vec<String>,
}

impl Prepared {
    pub(crate) fn new(devices: u32) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let hub = open(&directory)?;
        let connection_strings = (0..devices)
            .map(|number| hub.create_sas_device(&format!("device-{number:05}")))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        hub.shutdown();
        Ok(Self {
            directory,
            connection_strings,
        })
    }

    pub(crate) fn connection_strings(&self) -> &[String] {
        &self.connection_strings
    }

    /// The root certificate of the hub that serves now; `--chain` may have changed it.
    pub(crate) fn ca_pem(&self) -> Result<String, String> {
        let path = self.directory.path().join("ca.pem");
        std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))
    }

    /// Starts the hub, under another program if `wrapper` names one.
    pub(crate) fn serve(&self, wrapper: &str, arguments: &str) -> Result<Serving, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut words = wrapper.split_whitespace();
        let mut command = match words.next() {
            None => Command::new(program),
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(program);
                command
            }
        };
        let mut child = command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "warn",
                "--state",
            ])
            .arg(self.directory.path())
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the hub: {error}"))?;
        let lines = child.stdout.take().map(BufReader::new).into_iter();
        let lines = lines.flat_map(BufRead::lines).map_while(Result::ok);
        let mut mqtt = None;
        let mut ready = false;
        for line in lines {
            if let Some(rest) = line.strip_prefix("mqtt") {
                let address = rest.split_whitespace().next();
                mqtt = address.and_then(|address| address.parse().ok());
            }
            ready = line == "ready";
            if ready {
                break;
            }
        }
        let serving = |mqtt| Serving {
            child,
            mqtt,
            wrapped: !wrapper.is_empty(),
        };
        mqtt.filter(|_| ready)
            .map(serving)
            .ok_or_else(|| "the hub did not start; it says why above".into())
    }

    /// How many events the state holds, once nobody serves it.
    pub(crate) fn stored(&self) -> Result<u64, String> {
        let hub = open(&self.directory)?;
        let last = hub.events().pop();
        // They are numbered from 0, without gaps.
        Ok(last.map_or(0, |event| event.sequence_number + 1))
    }
}

fn open(directory: &tempfile::TempDir) -> Result<Hub, String> {
    let config = Config {
        state: Some(directory.path().to_owned()),
        ..Config::temporary()
    };
    Hub::start(config).map_err(|error| error.to_string())
}

/// A hub that is killed when this is dropped.
pub(crate) struct Serving {
    child: Child,
    mqtt: SocketAddr,
    wrapped: bool,
}

impl Serving {
    pub(crate) const fn mqtt(&self) -> SocketAddr {
        self.mqtt
    }

    /// `kill -9`: nothing that was acknowledged may depend on a polite end. A wrapper has something to write
    /// down yet.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        let ended = if self.wrapped {
            let id = self.child.id().to_string();
            Command::new("kill").args(["-TERM", &id]).status().map(drop)
        } else {
            self.child.kill()
        };
        let ended = ended.and_then(|()| self.child.wait());
        ended.map(drop).map_err(|error| error.to_string())
    }

    /// What the hub, and this process, took until now.
    pub(crate) fn usage(&self) -> Result<Usage, String> {
        let hub = self.child.id().to_string();
        Ok(Usage {
            hub_cpu: cpu(&hub)?,
            devices_cpu: cpu("self")?,
            resident: status(&hub, "VmRSS:")?,
            peak: status(&hub, "VmHWM:")?,
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already ended, unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was taken until a moment.
pub(crate) struct Usage {
    /// User and system time of the hub.
    pub(crate) hub_cpu: Duration,
    /// User and system time of all devices.
    pub(crate) devices_cpu: Duration,
    /// The hub's resident memory, in KB.
    pub(crate) resident: u64,
    /// Its largest, in KB.
    pub(crate) peak: u64,
}

fn read(process: &str, file: &str) -> Result<String, String> {
    let path = format!("/proc/{process}/{file}");
    std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
}

/// `utime` and `stime` of proc_pid_stat(5).
fn cpu(process: &str) -> Result<Duration, String> {
    let stat = read(process, "stat")?;
    // The name of the program, in parentheses, may contain anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = |field: usize| {
        fields
            .get(field)
            .and_then(|field| field.parse::<f64>().ok())
    };
    let ticks = ticks(11)
        .zip(ticks(12))
        .ok_or("/proc/PID/stat is not what it should be")?;
    Ok(Duration::from_secs_f64(
        (ticks.0 + ticks.1) / TICKS_PER_SECOND,
    ))
}

/// A line of proc_pid_status(5), in KB.
fn status(process: &str, name: &str) -> Result<u64, String> {
    let text = read(process, "status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("/proc/{process}/status has no {name}"))
}
