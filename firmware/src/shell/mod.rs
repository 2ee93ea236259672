//! The shell's commands: provisioning, checked on the spot, and status.
//!
//! Runs in the shell's thread. What is typed after a command that asks for a secret is not echoed; it is
//! taken by [`pasted`] until it is complete.

#![forbid(unsafe_code)]

#[cfg(CONFIG_AZURE_DPS)]
mod enrollment;
mod paste;
mod status;

use core::fmt;

use azure_device::identity::{ConnectionString, Credential, Identity, IdentityError};
use azure_device::pem::PemError;
use azure_device::port::StorageError;
use azure_device::sas::{self, SasError};
use azure_device::time::UnixTime;
use zeroize::Zeroizing;

use crate::configuration::{self, MAX_TEXT};
use crate::credentials::{self, CHAIN, stored_name};
use crate::ffi::Shell;
use crate::logger::Line;
#[cfg(CONFIG_AZURE_DPS)]
use crate::provisioning;
use crate::{requests, storage};
pub(crate) use paste::pasted;
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
    shell.print(Line::<LINE>::of(line).as_c_str());
}

/// Why a command was refused.
enum Refusal {
    Because(&'static str),
    Identity(IdentityError),
    Signing(SasError),
    Pem(PemError),
    NotStored(StorageError),
    #[cfg(CONFIG_AZURE_DPS)]
    Enrollment(provisioning::Problem),
    #[cfg(CONFIG_AZURE_DPS)]
    Configuration(configuration::Problem),
    /// mbedTLS's error for a certificate or key.
    Unusable(&'static str, i32),
}

#[cfg(CONFIG_AZURE_DPS)]
impl From<provisioning::Problem> for Refusal {
    fn from(problem: provisioning::Problem) -> Self {
        Self::Enrollment(problem)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(reason) => f.write_str(reason),
            Self::Identity(error) => write!(f, "{error}"),
            Self::Signing(error) => write!(f, "{error}"),
            Self::Pem(error) => write!(f, "{error}"),
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
    match (set, name, arguments[0]) {
        (true, "connection-string", Some(text)) => set_connection_string(shell, text),
        (true, "connection-string", None) => ask(
            shell,
            Target::ConnectionString,
            "Paste the connection string and press Enter; it is not shown.",
        ),
        (true, "certificate", _) => ask(
            shell,
            Target::Certificate,
            "Paste the certificate in PEM, then press Ctrl-D.",
        ),
        (true, "key", _) => ask(
            shell,
            Target::Key,
            "Paste the private key in PEM; it is not shown.",
        ),
        (true, "root-ca", _) => ask(
            shell,
            Target::Root,
            "Paste the root CAs in PEM, then press Ctrl-D.",
        ),
        (true, "address", Some(text)) => set_text(shell, configuration::ADDRESS, text),
        (true, "sntp", Some(text)) => set_text(shell, configuration::SNTP, text),
        (true, "port", Some(text)) => set_port(shell, text),
        #[cfg(CONFIG_AZURE_DPS)]
        (true, "provisioning", Some(id_scope)) => {
            enrollment::set_provisioning(shell, id_scope, arguments[1])
        }
        #[cfg(CONFIG_AZURE_DPS)]
        (true, "provisioning-host", Some(name)) => enrollment::set_host(shell, name),
        #[cfg(CONFIG_AZURE_DPS)]
        (true, "symmetric-key", _) => ask(
            shell,
            Target::SymmetricKey,
            "Paste the enrolment's symmetric key and press Enter; it is not shown.",
        ),
        #[cfg(CONFIG_AZURE_DPS)]
        (true, "group-key", _) => ask(
            shell,
            Target::GroupKey,
            "Paste the group's symmetric key and press Enter; it is neither shown nor kept.",
        ),
        #[cfg(CONFIG_AZURE_WIFI)]
        (true, "wifi", Some(ssid)) => paste::ask_wifi(shell, ssid),
        (false, "status", _) => {
            status::print_status(shell);
            Ok(())
        }
        (false, "send", _) => {
            requests::send_now();
            Ok(())
        }
        (false, "forget", _) => forget(shell),
        _ => Err(Refusal::Because("no such command: azure --help")),
    }
}

fn done(shell: Shell<'_>, what: &str) -> Result<(), Refusal> {
    let lasting = if storage::LASTING {
        ""
    } else {
        " until the next restart: this board keeps nothing"
    };
    say!(shell, "{what} stored{lasting}.");
    requests::reconfigure();
    Ok(())
}

fn set_text(shell: Shell<'_>, name: &str, text: &str) -> Result<(), Refusal> {
    storage::store(name, text.as_bytes()).map_err(Refusal::NotStored)?;
    done(shell, name)
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
fn set_connection_string(shell: Shell<'_>, text: &str) -> Result<(), Refusal> {
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
        "Device {} of {}, with {}.",
        identity.device_id().as_str(),
        identity.host_name().as_str(),
        match identity.credential() {
            Credential::SharedAccessKey(_) => "a shared access key",
            Credential::SasToken(_) => "a ready-made SAS token",
            Credential::X509 => "a certificate: azure set certificate, azure set key",
        }
    );
    done(shell, "Connection string")
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
    for name in names {
        storage::remove(name).map_err(Refusal::NotStored)?;
    }
    for prefix in [
        credentials::CERTIFICATE,
        credentials::ROOT,
        credentials::KEY,
    ] {
        for index in 0..CHAIN {
            storage::remove(stored_name(prefix, index).as_str()).map_err(Refusal::NotStored)?;
        }
    }
    #[cfg(CONFIG_AZURE_DPS)]
    enrollment::forget().map_err(Refusal::NotStored)?;
    say!(shell, "Everything that \"azure set\" brought is forgotten.");
    requests::reconfigure();
    Ok(())
}
