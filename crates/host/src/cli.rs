//! The command line.

mod provisioning;
mod queue;
mod updates;

use std::convert::Infallible;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use azure_device::identity::{MAX_MODEL_ID_LEN, is_model_id};
use azure_device::mqtt;
use azure_device::secret::REDACTED;
use clap::{Args, Parser, Subcommand};
use command_line::{Advice, Stop};
use zeroize::Zeroizing;

pub(crate) use self::provisioning::Provisioning;
pub(crate) use self::queue::{Mode, Queue};
pub(crate) use self::updates::ChannelName;
use self::updates::Updates;

/// The longest time that an option can ask for, in seconds: a year.
const LONGEST: f64 = 365.0 * 86_400.0;

/// A device for Azure IoT Hub: the firmware's application, running on this computer.
///
/// Without a command it demonstrates itself: it starts a hub of its own on this machine, joins two devices
/// to it over verified TLS, one with a symmetric key and one with an X.509 certificate, has them send
/// telemetry, sends them cloud-to-device messages, changes a desired property and calls a method of each.
/// It prints the address of a page that shows all of it in a browser. Nothing leaves the machine.
#[derive(Debug, Parser)]
#[command(name = "azure-device", version, max_term_width = 100)]
#[command(
    after_help = "Enter sends a telemetry message at once, like the button of a board. \
    Ctrl-C sends what is queued, says goodbye to the hub and ends; a second one ends at once."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) demonstration: Demonstration,
    /// Say more: -v how the device connects, -vv everything (never a key or a token)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Places where secrets belong, and arguments that take any text.
const ADVICE: Advice = Advice {
    connection_string: "put it in a file and give that with --connection-string-file, or set the environment \
                        variable AZURE_IOT_HUB_CONNECTION_STRING to it",
    key: "put it in a file and give that with --symmetric-key-file or --group-key-file, or set the environment \
          variable AZURE_DPS_SYMMETRIC_KEY or AZURE_DPS_GROUP_KEY to it",
    pem: "give the path of the file, with --certificate, --key or --ca",
    takes_any_text: &["connection_string", "payload", "will"],
};

impl Cli {
    /// The arguments of this process; prints help or what is wrong with them, and exits.
    pub(crate) fn read() -> Self {
        let cli: Self = command_line::read(&ADVICE);
        if cli.command.is_some() && cli.demonstration.is_given() {
            let text = "--messages, --interval and --time-limit before a command belong to the demonstration, \
                        which has none; leave the command away, or give its options after it";
            Stop::Wrong(text.into()).exit();
        }
        cli
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one device against Azure IoT Hub, a local hub or another broker
    ///
    /// The connection string is the one that Azure shows for the device: `az iot hub device-identity
    /// connection-string show -n HUB -d DEVICE`. A device with an X.509 certificate has
    /// `HostName=HUB.azure-devices.net;DeviceId=DEVICE;x509=true`, and needs --certificate and --key.
    ///
    /// With --id-scope and --registration-id the Device Provisioning Service says which hub it is. The
    /// registration proves itself by --symmetric-key-file, or by --certificate and --key.
    Device(Device),
}

/// The demonstration's options.
#[derive(Args, Debug)]
pub(crate) struct Demonstration {
    /// End, successfully, once the hub has stored N messages of each device and each device has received
    /// a cloud-to-device message, reported a desired property and answered a method
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: Option<u64>,
    /// Seconds between a device's telemetry messages [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) interval: Option<Duration>,
    /// Seconds after which --messages gives up [default: 60 and twice the messages' time]
    #[arg(long, value_name = "SECONDS", requires = "messages", value_parser = seconds)]
    pub(crate) time_limit: Option<Duration>,
}

impl Demonstration {
    fn is_given(&self) -> bool {
        self.messages.is_some() || self.interval.is_some() || self.time_limit.is_some()
    }
}

/// The options of `device`.
#[derive(Args, Debug)]
pub(crate) struct Device {
    #[command(flatten)]
    pub(crate) connection: ConnectionStringSource,
    /// The device's X.509 certificate (PEM), with intermediates up to the CA that the hub knows
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM: PKCS#8, PKCS#1 or SEC1, not encrypted)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// Trust the root certificates in this file (PEM) instead of those of Azure's public cloud
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Connect to the hub there; the server must still prove that it is the connection string's host, or
    /// the one that the provisioning service assigned [default: that host, port 8883]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) endpoint: Option<Endpoint>,
    /// Seconds between telemetry messages; `never` for Enter only
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = Interval::from_str)]
    pub(crate) interval: Interval,
    /// Seconds that a SAS token is valid, from 120 on; it is renewed after 70 to 85 % of them. Only with a
    /// shared access key [default: 86400]
    #[arg(long, value_name = "SECONDS", value_parser = token_life)]
    pub(crate) token_life: Option<Duration>,
    /// Seconds of silence after which the device pings the hub, from 5 to 1177; IoT Hub keeps no more
    #[arg(long, value_name = "SECONDS", default_value = "240", value_parser = keep_alive)]
    pub(crate) keep_alive: Duration,
    /// Seconds that Ctrl-C, SIGTERM and a reboot take at most to send what is queued; 0 leaves at once
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = stop_timeout)]
    pub(crate) stop_timeout: Duration,
    /// Seconds that finding the host's address, TCP, and the TLS handshake may take each, from 1 to 600. A link
    /// whose answers take 10 seconds needs 20 for the handshake
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = connect_timeout)]
    pub(crate) connect_timeout: Duration,
    /// DTMI of the device's Plug and Play model; `none` announces none [default: this application's
    /// (docs/device.dtdl.json), none with --no-twin]
    #[arg(long, value_name = "DTMI", value_parser = Model::from_str)]
    pub(crate) model_id: Option<Model>,
    /// Telemetry that the hub sends in the device's name when the connection breaks
    #[arg(long, value_name = "TEXT")]
    pub(crate) will: Option<String>,
    /// Leave the device twin and direct methods alone, which neither IoT Hub's basic tier nor other brokers
    /// have
    #[arg(long)]
    pub(crate) no_twin: bool,
    /// Take the time from this SNTP server, as a board does, instead of from this computer
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) sntp: Option<Endpoint>,
    /// Folder of this device alone for what outlives a restart: the assignment and the queue [default: a folder in the
    /// user's state folder for each registration; for each device with --queue]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) queue: Queue,
    #[command(flatten)]
    pub(crate) provisioning: Provisioning,
    #[command(flatten)]
    pub(crate) updates: Updates,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct ConnectionStringSource {
    /// File with the device's connection string. Without any of these options the environment variable
    /// AZURE_IOT_HUB_CONNECTION_STRING is used
    #[arg(long, value_name = "FILE")]
    pub(crate) connection_string_file: Option<PathBuf>,
    /// The connection string itself; others on this computer may see it in the list of processes
    #[arg(long, value_name = "TEXT", value_parser = SecretText::from_str)]
    pub(crate) connection_string: Option<SecretText>,
}

/// Text that is wiped when it is no longer needed, and printed by no accident.
#[derive(Clone)]
pub(crate) struct SecretText(pub(crate) Zeroizing<String>);

impl FromStr for SecretText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// `HOST:PORT`, `HOST` (port 8883), `[IPV6]:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(rest))),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            None => None,
            Some(port) => match port.parse() {
                Ok(port @ 1..) => Some(port),
                _ => {
                    return Err(format!(
                        "`{port}` is no port; expected 1 to 65535, such as 8883"
                    ));
                }
            },
        };
        if host.is_empty() {
            return Err("the host is missing; expected HOST:PORT, such as localhost:8883".into());
        }
        Ok(Self {
            host: host.into(),
            port,
        })
    }
}

/// Seconds, or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval(pub(crate) Option<Duration>);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self(None)),
            text => seconds(text)
                .map(|interval| Self(Some(interval)))
                .map_err(|error| error + "; `never` sends when Enter is pressed only"),
        }
    }
}

/// As `CONFIG_AZURE_STOP_TIMEOUT_S`.
fn stop_timeout(text: &str) -> Result<Duration, String> {
    whole_seconds(text, 0..=300)
}

/// A model id, or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model(pub(crate) Option<String>);

impl FromStr for Model {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            text if is_model_id(text) => Ok(Self(Some(text.into()))),
            _ => Err(format!(
                "no DTMI of at most {MAX_MODEL_ID_LEN} bytes, which looks like dtmi:com:example:Thermostat;1; `none` \
                 announces none"
            )),
        }
    }
}

/// As `CONFIG_AZURE_TOKEN_LIFE_S`: a shorter life is over before a slow link has connected.
fn token_life(text: &str) -> Result<Duration, String> {
    whole_seconds(text, 120..=31_536_000)
}

/// As `CONFIG_AZURE_KEEPALIVE_S`: IoT Hub closes a connection that is silent for 1767 seconds, whatever was agreed.
fn keep_alive(text: &str) -> Result<Duration, String> {
    whole_seconds(text, 5..=mqtt::IOT_HUB_MAX_KEEPALIVE.as_secs())
}

fn connect_timeout(text: &str) -> Result<Duration, String> {
    whole_seconds(text, 1..=600)
}

fn whole_seconds(text: &str, range: RangeInclusive<u64>) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if range.contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "expected a whole number of seconds from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds above 0, such as 2 or 0.5".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_argument_is_repeated_in_an_error_and_no_secret_is_taken_where_none_belongs() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let connection_string = format!("HostName=hub;DeviceId=pump;SharedAccessKey={key}");
        let token = "SharedAccessSignature sr=hub%2fdevices%2fpump&sig=AAECAwQFBgcICQoLDA0%3d&se=1";
        let pem = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49";
        let secrets = [key, &connection_string, token, pem];
        command_line::check::no_argument_is_repeated::<Cli>(&ADVICE, &secrets);
    }

    #[test]
    fn endpoints_have_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("localhost:1234", "localhost", Some(1234)),
            ("localhost", "localhost", None),
            ("[::1]:8883", "::1", Some(8883)),
            ("[::1]", "::1", None),
        ] {
            let endpoint = Endpoint::from_str(text).unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port));
        }
        for text in [
            "",
            ":1",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "::1",
            "[::1]x",
            "[]:1",
        ] {
            assert!(Endpoint::from_str(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_the_range() {
        assert_eq!(token_life("120").unwrap(), Duration::from_secs(120));
        assert_eq!(keep_alive("1177").unwrap(), Duration::from_secs(1177));
        let model = Model::from_str("dtmi:com:example:Thing;1").unwrap();
        assert!(model.0.is_some());
        assert_eq!(Model::from_str("none").unwrap(), Model(None));
        for (result, says) in [
            (token_life("5").map(drop), "from 120 to 31536000"),
            (keep_alive("2000").map(drop), "from 5 to 1177"),
            (keep_alive("0").map(drop), "from 5 to 1177"),
            (keep_alive("240.5").map(drop), "a whole number"),
            (connect_timeout("0").map(drop), "from 1 to 600"),
            (
                Model::from_str("foo").map(drop),
                "dtmi:com:example:Thermostat;1",
            ),
            (Interval::from_str("0").map(drop), "`never`"),
        ] {
            let error = result.unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn times_are_positive_numbers_of_seconds() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        assert_eq!(Interval::from_str("never").unwrap(), Interval(None));
        for text in ["0", "-1", "", "1s", "NaN", "inf", "1e30"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
