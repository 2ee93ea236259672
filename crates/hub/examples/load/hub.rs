//! The hub as a process, and what it takes of the machine.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use local_hub::{Config, Hub};

use super::process::Usage;

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

    /// Place of the state.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
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
        let (mut mqtt, mut page) = (None, None);
        let mut ready = false;
        for line in lines {
            if let Some(rest) = line.strip_prefix("mqtt") {
                let address = rest.split_whitespace().next();
                mqtt = address.and_then(|address| address.parse().ok());
            }
            if let Some(address) = line.strip_prefix("page") {
                page = Some(address.trim().to_owned());
            }
            ready = line == "ready";
            if ready {
                break;
            }
        }
        let serving = |mqtt| Serving {
            child,
            mqtt,
            page,
            wrapped: !wrapper.is_empty(),
        };
        mqtt.filter(|_| ready)
            .map(serving)
            .ok_or_else(|| "the hub did not start; it says why above".into())
    }

    /// Number of events in the state, once nobody serves it.
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
    page: Option<String>,
    wrapped: bool,
}

impl Serving {
    /// Id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) const fn mqtt(&self) -> SocketAddr {
        self.mqtt
    }

    /// The address of the page, if it is served.
    pub(crate) fn page(&self) -> Option<&str> {
        self.page.as_deref()
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

    /// Resources that the hub, and this process, took until now.
    pub(crate) fn usage(&self) -> Result<Usage, String> {
        Usage::of(&self.child.id().to_string())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already ended, unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
