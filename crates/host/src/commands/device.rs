//! `azure-device device`: one device against Azure, a local hub or another broker.

use std::env;
use std::time::Duration;

use anstyle::AnsiColor;
use azure_device::identity::{ConnectionString, Credential, Identity};
use azure_device::mqtt;
use azure_device::queue::{self, Mode};
use azure_device::report::Report;
use azure_device::update::Channel;
use azure_device_app::{App, MODEL_ID};
use azure_device_host::Options;
use azure_device_host::access::OwnedAccess;
use azure_device_host::clock::Source;
use azure_device_host::connector::Timeouts;
use azure_device_host::indicator::print_line;
use azure_device_host::runner::{DeviceThread, Settings};
use azure_device_host::storage::file_name;
use azure_device_host::text_file::read_text;
use azure_device_host::tls::{ClientIdentity, azure_roots, roots_from_file};
use azure_device_host::update::{RootKeys, UpdateOptions};
use zeroize::Zeroizing;

use super::person::Person;
use super::{CommandError, provisioning, state};
use crate::cli::{self, ConnectionStringSource, Device, Endpoint};

/// Environment variable with the connection string. It is read if no option gives one.
const VARIABLE: &str = "AZURE_IOT_HUB_CONNECTION_STRING";

/// SNTP's port (RFC 4330).
const SNTP_PORT: u16 = 123;

/// Runs until Ctrl-C.
pub(crate) fn run(arguments: &Device) -> Result<(), CommandError> {
    let queue = queue(arguments)?;
    let (access, options) = match provisioning::access(arguments)? {
        Some((access, storage)) => {
            let mut options = options(arguments, access.name())?;
            options.storage = storage;
            (access, options)
        }
        None => {
            let identity = identity(&arguments.connection)?;
            check_options(arguments, identity.credential())?;
            let name = identity.client_id().to_string();
            let mut options = options(arguments, &name)?;
            // Without a queue nothing of such a device has to last. To switch it off is to send what it has.
            if arguments.state.is_some() || arguments.queue.queue.is_some() {
                let hub = identity.host_name().as_str();
                options.storage = state::folder(arguments, hub, &file_name(&name))?;
            }
            (OwnedAccess::Hub(identity), options)
        }
    };
    let name = options.name.clone();
    let settings = settings(arguments, queue);
    let person = Person::listen()?;
    let device = DeviceThread::start(access, settings, options, App::default())?;
    person.takes(device.remote());
    let report = device.join();
    print_line(AnsiColor::Cyan, &name, &summary(&report));
    Ok(())
}

/// One line about all telemetry of a device that has ended.
pub(super) fn summary(report: &Report) -> String {
    let acknowledged = report.telemetry_acknowledged;
    let mut text = format!("has ended: {acknowledged} messages acknowledged");
    match report.dropped.total() {
        0 => text += ", none dropped",
        _ => text += &format!(", dropped {}", report.dropped),
    }
    match report.queued_in_flash {
        0 => {}
        left => {
            text += &format!("; {left} stay in the queue's file and are sent after the next start")
        }
    }
    text
}

/// The queue as it was asked for. By default it is used if the device has a folder that lasts.
fn queue(arguments: &Device) -> Result<queue::Config, CommandError> {
    let lasts = arguments.state.is_some() || arguments.provisioning.id_scope.is_some();
    let default = if lasts { Mode::Spill } else { Mode::Off };
    let options = &arguments.queue;
    let mode = options.queue.map_or(default, cli::Mode::into_core);
    if mode == Mode::Off && options.is_configured() {
        return Err(
            "--queue-order, --queue-overflow, --queue-rate and --queue-size are for messages in a file, and \
                    there is none: add --queue spill or --queue always"
                .into(),
        );
    }
    Ok(options.config(mode))
}

fn identity(source: &ConnectionStringSource) -> Result<Identity, CommandError> {
    let (text, origin) = connection_string(source)?;
    ConnectionString::parse(text.trim()).map_err(|error| format!("{origin}: {error}").into())
}

/// The text and what to call it. The text is wiped when it is no longer needed.
fn connection_string(
    source: &ConnectionStringSource,
) -> Result<(Zeroizing<String>, String), CommandError> {
    if let Some(text) = &source.connection_string {
        return Ok((text.0.clone(), "--connection-string".into()));
    }
    if let Some(path) = &source.connection_string_file {
        let text = read_text("connection string", path)?;
        return Ok((text, path.display().to_string()));
    }
    match env::var(VARIABLE) {
        Ok(text) => Ok((Zeroizing::new(text), VARIABLE.into())),
        Err(_) => Err(format!(
            "no connection string; give a file with --connection-string-file, or set {VARIABLE}; or have \
             the Device Provisioning Service say which hub it is, with --id-scope and --registration-id"
        )
        .into()),
    }
}

/// Refuses options that this credential has no use for, and one that lacks an option.
fn check_options(arguments: &Device, credential: &Credential) -> Result<(), CommandError> {
    let given = arguments.certificate.is_some();
    let text = match credential {
        Credential::X509 if !given => {
            "the connection string says x509=true, so the device needs its certificate and key: add --certificate \
             FILE and --key FILE"
        }
        Credential::SharedAccessKey(_) | Credential::SasToken(_) if given => {
            "the connection string has a shared access key or token, which the hub would take, and not the \
             certificate: leave --certificate and --key away, or give a connection string with x509=true"
        }
        Credential::X509 | Credential::SasToken(_) if arguments.token_life.is_some() => TOKEN_LIFE,
        _ => return Ok(()),
    };
    Err(text.into())
}

/// Said of an option that would be passed over.
pub(super) const TOKEN_LIFE: &str = "--token-life is for tokens that the device signs with a shared access key, and it \
     has none: leave it away";

fn options(arguments: &Device, name: &str) -> Result<Options, CommandError> {
    let roots = match &arguments.ca {
        Some(file) => roots_from_file(file)?,
        None => azure_roots()?,
    };
    let mut options = Options::new(name, roots)?;
    options.identity = match (&arguments.certificate, &arguments.key) {
        (Some(certificate), Some(key)) => Some(ClientIdentity::from_files(certificate, key)?),
        _ => None,
    };
    if let Some(size) = arguments.queue.queue_size {
        options.queue_size = size;
    }
    let updates = &arguments.updates;
    if let (Some(folder), Some(keys)) = (&updates.update_folder, &updates.update_root_keys) {
        let by_sessions = updates.update_channel == cli::ChannelName::Dps;
        if by_sessions && arguments.provisioning.id_scope.is_none() {
            return Err("--update-channel dps is for a device that the provisioning service provisions: add --id-scope \
                 and --registration-id, or leave it away"
                .into());
        }
        let (maker, model) = (&updates.update_manufacturer, &updates.update_model);
        let mut chosen = UpdateOptions::new(folder, maker, model, RootKeys::read(keys)?);
        chosen.rate = updates.update_rate;
        if by_sessions {
            chosen.channel = Channel::Provisioning {
                poll: Duration::from_secs(updates.update_poll.into()),
            };
        }
        options.updates = Some(chosen);
    }
    options.timeouts = Timeouts::all(arguments.connect_timeout);
    options.clock = match &arguments.sntp {
        Some(Endpoint { host, port }) => {
            // An IPv6 address needs its brackets again.
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host.clone()
            };
            Source::Sntp(format!("{host}:{}", port.unwrap_or(SNTP_PORT)))
        }
        None => Source::System,
    };
    Ok(options)
}

fn settings(arguments: &Device, queue: queue::Config) -> Settings {
    let defaults = Settings::default();
    // What refuses new messages in the file does so in RAM.
    let overflow = match queue.overflow {
        queue::Overflow::RefuseNewest => mqtt::OverflowPolicy::RefuseNewest,
        _ => defaults.mqtt.overflow,
    };
    let endpoint = arguments.endpoint.clone();
    let (address, port) = endpoint.map_or((None, None), |endpoint| {
        (Some(endpoint.host), endpoint.port)
    });
    Settings {
        address,
        port: port.unwrap_or(defaults.port),
        token_life: arguments.token_life.unwrap_or(defaults.token_life),
        telemetry_interval: arguments.interval.0,
        model_id: match &arguments.model_id {
            Some(model) => model.0.clone(),
            // Plug and Play needs the twin.
            None => (!arguments.no_twin).then(|| MODEL_ID.to_owned()),
        },
        will: arguments.will.clone(),
        twin: !arguments.no_twin,
        stop_timeout: arguments.stop_timeout,
        mqtt: mqtt::Config {
            keepalive: arguments.keep_alive,
            overflow,
            ..defaults.mqtt
        },
        queue,
        ..defaults
    }
}
