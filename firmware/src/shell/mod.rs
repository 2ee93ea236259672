//! The shell's commands: provisioning, checked on the spot, and status.
//!
//! Runs in the shell's thread. A command that asks for a secret reads the console itself until it is complete, so
//! that nothing of it is echoed.

#![forbid(unsafe_code)]

mod certificates;
#[cfg(CONFIG_AZURE_DPS)]
mod enrollment;
mod paste;
mod send;
mod status;
#[cfg(CONFIG_AZURE_UPDATE)]
mod update;

use core::fmt;
use core::time::Duration;

use azure_device::identity::{ConnectionString, Credential, Identity, IdentityError};
use azure_device::pair::PairError;
use azure_device::paste::PasteError;
use azure_device::port::StorageError;
use azure_device::sas::{self, SasError};
use azure_device::server::{self, ServerError};
use azure_device::text::Visible;
use azure_device::time::UnixTime;
use zeroize::Zeroizing;

use crate::configuration::{self, MAX_TEXT};
use crate::ffi::{self, Shell};
use crate::logger::Line;
#[cfg(CONFIG_AZURE_DPS)]
use crate::provisioning;
use crate::{requests, storage};
use paste::{Target, ask};

/// The longest line that a command prints, in bytes.
const LINE: usize = 320;

macro_rules! say {
    ($shell:expr, $($text:tt)*) => {
        $crate::shell::print($shell, format_args!($($text)*))
    };
}
use say;

fn print(shell: Shell<'_>, line: fmt::Arguments<'_>) {
    shell.print(Line::<LINE>::of(format_args!("{}", Visible(line))).as_c_str());
}

/// Reason why a command was refused.
enum Refusal {
    Because(&'static str),
    Identity(IdentityError),
    Signing(SasError),
    Paste(PasteError),
    Pair(PairError),
    Server(ServerError),
    NotStored(StorageError),
    #[cfg(CONFIG_AZURE_DPS)]
    Enrollment(provisioning::EnrollmentError),
    #[cfg(CONFIG_AZURE_DPS)]
    Configuration(configuration::ConfigurationError),
    /// mbedTLS's error for a certificate or key.
    Unusable(&'static str, i32),
}

#[cfg(CONFIG_AZURE_DPS)]
impl From<provisioning::EnrollmentError> for Refusal {
    fn from(problem: provisioning::EnrollmentError) -> Self {
        Self::Enrollment(problem)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(reason) => f.write_str(reason),
            Self::Identity(error) => write!(f, "{error}"),
            Self::Signing(error) => write!(f, "{error}"),
            Self::Paste(error) => write!(f, "{error}"),
            Self::Pair(error) => write!(f, "{error}"),
            Self::Server(error) => write!(f, "{error}"),
            #[cfg(CONFIG_AZURE_DPS)]
            Self::Enrollment(problem) => write!(f, "{problem}"),
            #[cfg(CONFIG_AZURE_DPS)]
            Self::Configuration(problem) => write!(f, "{problem}"),
            Self::NotStored(error) => {
                write!(f, "it could not be stored ({error}): is the storage full?")
            }
            Self::Unusable(what, code) => write!(
                f,
                "mbedTLS cannot use this {what} (-0x{:04x}): it must be RSA, or EC on P-256 or P-384",
                code.unsigned_abs()
            ),
        }
    }
}

/// Runs a command. Gives 0, or what the shell takes as a failure.
pub(crate) fn command(
    shell: Shell<'_>,
    set: bool,
    name: &str,
    arguments: [Option<&str>; 2],
) -> i32 {
    /// `-EINVAL` of most C libraries; the shell only looks whether it is zero.
    const FAILED: i32 = -22;
    let result = run(shell, set, name, arguments);
    match result {
        Ok(()) => 0,
        Err(refusal) => {
            say!(shell, "{refusal}");
            FAILED
        }
    }
}

fn run(
    shell: Shell<'_>,
    set: bool,
    name: &str,
    arguments: [Option<&str>; 2],
) -> Result<(), Refusal> {
    if set || name == "forget" {
        wait_for_storage()?;
    }
    match (set, name, arguments[0]) {
        (true, "connection-string", Some(text)) => {
            let stored = set_connection_string(shell, text)?;
            done(shell, stored);
            Ok(())
        }
        (true, "connection-string", None) => ask(shell, Target::ConnectionString),
        (true, "certificate", _) => ask(shell, Target::Certificate),
        (true, "key", _) => ask(shell, Target::Key),
        (true, "root-ca", _) => ask(shell, Target::Root),
        (true, "address", Some(text)) => set_address(shell, text),
        (true, "sntp", Some(text)) => set_time_servers(shell, text),
        (true, "port", Some(text)) => set_port(shell, text),
        #[cfg(CONFIG_AZURE_DPS)]
        (true, "provisioning", Some(id_scope)) => {
            enrollment::set_provisioning(shell, id_scope, arguments[1])
        }
        #[cfg(CONFIG_AZURE_DPS)]
        (true, "provisioning-host", Some(name)) => enrollment::set_host(shell, name),
        #[cfg(CONFIG_AZURE_DPS)]
        (true, "symmetric-key", _) => ask(shell, Target::SymmetricKey),
        #[cfg(CONFIG_AZURE_DPS)]
        (true, "group-key", _) => ask(shell, Target::GroupKey),
        #[cfg(CONFIG_AZURE_WIFI)]
        (true, "wifi", Some(ssid)) => paste::ask_wifi(shell, ssid),
        (false, "status", _) => {
            status::print_status(shell);
            Ok(())
        }
        (false, "send", _) => send::send(shell),
        #[cfg(CONFIG_AZURE_QUEUE)]
        (false, "queue", None) => {
            status::print_queue(shell);
            Ok(())
        }
        #[cfg(CONFIG_AZURE_QUEUE)]
        (false, "queue", Some("clear")) => {
            requests::clear_queue();
            say!(shell, "Asked for: what was not sent yet is erased.");
            Ok(())
        }
        #[cfg(CONFIG_AZURE_QUEUE)]
        (false, "queue", Some(_)) => {
            Err(Refusal::Because("write: azure queue, or azure queue clear"))
        }
        #[cfg(CONFIG_AZURE_UPDATE)]
        (false, "update", argument) => update::run(shell, argument),
        (false, "forget", _) => forget(shell),
        #[cfg(CONFIG_AZURE_TEST_PANIC)]
        (false, "panic", _) => panic!("asked for over the shell"),
        _ => Err(Refusal::Because("no such command: azure --help")),
    }
}

/// Waits until the storage is mounted: right after the start nothing can be read or kept.
fn wait_for_storage() -> Result<(), Refusal> {
    const PATIENCE: Duration = Duration::from_secs(10);
    const STEP_MS: u32 = 20;
    let until = ffi::uptime().after(PATIENCE);
    while !requests::is_ready() {
        if ffi::uptime() > until {
            return Err(Refusal::Because(
                "the device is still starting, and nothing was changed: try again in a second",
            ));
        }
        ffi::sleep_ms(STEP_MS);
    }
    Ok(())
}

/// Message about what was stored, and what follows.
#[derive(Clone, Copy)]
struct Stored(&'static str, Then);

/// Reaction of the device to what was stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It ends, and starts again with it.
    Reconfigure,
    /// It connects again with it, and keeps its queue.
    Reconnect,
    /// It goes on.
    Nothing,
}

/// Says what was stored, and has the device go on with it.
fn done(shell: Shell<'_>, stored: Stored) {
    let lasting = if storage::LASTING {
        ""
    } else {
        " until the next restart: this board keeps nothing"
    };
    say!(shell, "{} stored{lasting}.", stored.0);
    match stored.1 {
        Then::Reconfigure => requests::reconfigure(),
        Then::Reconnect => requests::reconnect(),
        Then::Nothing => {}
    }
}

fn set_text(shell: Shell<'_>, name: &'static str, text: &str) -> Result<(), Refusal> {
    storage::store(name, text.as_bytes()).map_err(Refusal::NotStored)?;
    done(shell, Stored(name, Then::Reconfigure));
    Ok(())
}

fn set_address(shell: Shell<'_>, text: &str) -> Result<(), Refusal> {
    match server::split(text).map_err(Refusal::Server)? {
        (host, None) => set_text(shell, configuration::ADDRESS, host),
        (_, Some(_)) => Err(Refusal::Because(
            "the port has a command of its own: azure set port",
        )),
    }
}

fn set_time_servers(shell: Shell<'_>, text: &str) -> Result<(), Refusal> {
    let servers = text.split(';').map(str::trim_ascii);
    for one in servers.filter(|one| !one.is_empty()) {
        server::split(one).map_err(Refusal::Server)?;
    }
    set_text(shell, configuration::SNTP, text)
}

fn set_port(shell: Shell<'_>, text: &str) -> Result<(), Refusal> {
    match text.parse::<u16>() {
        Ok(1..) => set_text(shell, configuration::PORT, text),
        _ => Err(Refusal::Because(
            "a port is a number from 1 to 65535; IoT Hub's is 8883",
        )),
    }
}

/// Checks fields, ids and base64 by parsing, and signs a token on trial.
fn set_connection_string(shell: Shell<'_>, text: &str) -> Result<Stored, Refusal> {
    let text = text.trim_ascii();
    let identity = ConnectionString::parse(text).map_err(Refusal::Identity)?;
    if text.len() > MAX_TEXT {
        return Err(Refusal::Because(
            "the connection string is longer than 1024 bytes",
        ));
    }
    sign_on_trial(&identity)?;
    storage::store(configuration::CONNECTION_STRING, text.as_bytes())
        .map_err(Refusal::NotStored)?;
    #[cfg(CONFIG_AZURE_DPS)]
    enrollment::forget().map_err(Refusal::NotStored)?;
    say!(
        shell,
        "{} {} of {}, with {}.",
        if identity.module_id().is_none() {
            "Device"
        } else {
            "Module"
        },
        identity.client_id(),
        identity.host_name().as_str(),
        match identity.credential() {
            Credential::SharedAccessKey(_) => "a shared access key",
            Credential::SasToken(_) => "a ready-made SAS token",
            Credential::X509 => "a certificate: azure set certificate, azure set key",
        }
    );
    Ok(Stored("Connection string", Then::Reconfigure))
}

fn sign_on_trial(identity: &Identity) -> Result<(), Refusal> {
    let Credential::SharedAccessKey(key) = identity.credential() else {
        return Ok(());
    };
    // On the heap: the shell's stack is small.
    let mut token = Zeroizing::new(alloc::vec![0; sas::MAX_TOKEN_LEN]);
    sas::sign(
        key,
        identity.resource(),
        UnixTime::from_secs(0),
        None,
        &mut token,
    )
    .map(|_| ())
    .map_err(Refusal::Signing)
}

#[inline(never)] // Its table of names is not on the stack of the other commands.
fn forget(shell: Shell<'_>) -> Result<(), Refusal> {
    let names = [
        configuration::CONNECTION_STRING,
        configuration::ADDRESS,
        configuration::PORT,
        configuration::SNTP,
        #[cfg(CONFIG_AZURE_DPS)]
        provisioning::HOST,
        #[cfg(CONFIG_AZURE_WIFI)]
        configuration::WIFI,
    ];
    // Its messages are not sent under the next identity.
    requests::clear_queue();
    for name in names {
        storage::remove(name).map_err(Refusal::NotStored)?;
    }
    certificates::forget().map_err(Refusal::NotStored)?;
    #[cfg(CONFIG_AZURE_DPS)]
    enrollment::forget().map_err(Refusal::NotStored)?;
    say!(shell, "Everything that \"azure set\" brought is forgotten.");
    requests::reconfigure();
    Ok(())
}
