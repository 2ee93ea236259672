//! `local-hub serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use log::LevelFilter;

use super::output::written;
use super::{Failure, State, logger};
use crate::config::{CertificateFault, Chain, Config};
use crate::hub::Hub;
use crate::quota::DailyQuota;
use crate::shown;
use crate::tier::Tier;

#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    state: State,
    /// Address for MQTT over TLS; port 0 for any. Microsoft's SDKs know port 8883 only
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8883")]
    listen: SocketAddr,
    /// Address for the operator's interface, which the other commands use
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    operator_listen: SocketAddr,
    /// Serve the Device Provisioning Service there too; it is always served where the hub is
    #[arg(long, value_name = "ADDRESS:PORT")]
    provisioning_listen: Option<SocketAddr>,
    /// Serve the page for a browser there, or `off`; port 0 for the one of the last start, or any
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = parse_page)]
    page: PageAt,
    /// Plug and Play models (DTDL) of devices, from which the page makes its forms
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// The name in the certificate, in connection strings and in tokens
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    host_name: String,
    /// Answer SNTP on this UDP port, for devices without another clock; port 0 for any
    #[arg(long, value_name = "ADDRESS:PORT")]
    sntp: Option<SocketAddr>,
    /// Serve files of updates over HTTP there, or `off`; port 0 for any
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = parse_page)]
    updates: PageAt,
    /// Serve files of updates over TLS, with the hub's certificate
    #[arg(long)]
    updates_tls: bool,
    /// The name or address by which devices find files of updates, if it is another one
    #[arg(long, value_name = "HOST")]
    updates_host: Option<String>,
    /// Accept addresses that other machines can reach
    #[arg(long)]
    allow_remote: bool,
    /// The kind of keys in the server's chain
    #[arg(long, value_enum, default_value_t)]
    chain: Chain,
    /// The least size of the TLS Certificate message, such as 4500 or 6k. Azure's has 3.5 to 5 KB
    #[arg(long, value_name = "BYTES", default_value = "4500", value_parser = parse_size)]
    certificate_size: usize,
    /// Serve a certificate with a fault, to see a client refuse it
    #[arg(long, value_enum, value_name = "FAULT")]
    certificate_fault: Option<CertificateFault>,
    /// The most bytes in one TLS record, for devices whose input buffer is smaller. Azure's are not documented
    #[arg(long, value_name = "BYTES", default_value_t = 16_384,
        value_parser = clap::value_parser!(u16).range(512..=16_384))]
    tls_record_size: u16,
    /// Seconds that a SAS token still counts after its se
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    sas_skew: u64,
    /// Seconds that the hub's clock is ahead of this machine's
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    clock_offset: i64,
    /// Seconds that SNTP answers are ahead of the hub's clock, to give devices a wrong time
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    sntp_offset: i64,
    /// Grant and serve filters that IoT Hub does not have, instead of closing the connection
    #[arg(long)]
    lenient_subscriptions: bool,
    /// Refuse what exceeds the rates and the daily quota of this tier, and the provisioning service's rates
    #[arg(long, value_enum, value_name = "TIER")]
    throttle: Option<Tier>,
    /// Units of the tier; the free tier has one
    #[arg(long, value_name = "N", default_value_t = 1, requires = "throttle",
        value_parser = clap::value_parser!(u32).range(1..=200))]
    units: u32,
    /// Refuse more than this many messages a day (UTC), instead of the tier's own number or without a tier
    #[arg(long, value_name = "MESSAGES")]
    daily_quota: Option<u64>,
    /// Level of the log on standard error: off, error, warn, info or debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
}

/// Address of the page, if it is served.
#[derive(Clone, Copy)]
struct PageAt(Option<SocketAddr>);

/// An address, or `off`.
fn parse_page(text: &str) -> Result<PageAt, String> {
    match text {
        "off" => Ok(PageAt(None)),
        _ => text
            .parse()
            .map(|address| PageAt(Some(address)))
            .map_err(|_| "give an address with a port, such as 127.0.0.1:8080, or off".into()),
    }
}

/// `4500`, `6k` or `6kb`: bytes, at most what one TLS record holds.
fn parse_size(text: &str) -> Result<usize, String> {
    const LARGEST: usize = 16_000;
    let text = text.to_ascii_lowercase();
    let digits = text.trim_end_matches("kb").trim_end_matches('k');
    let unit = if digits.len() == text.len() { 1 } else { 1024 };
    match digits
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
    {
        Some(size) if size <= LARGEST => Ok(size),
        _ => Err(format!(
            "give a number of bytes up to {LARGEST}, such as 4500 or 6k"
        )),
    }
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        logger::start(self.log);
        open_many_files();
        let hub = Hub::start(self.config()).map_err(|error| Failure(error.to_string()))?;
        let waiting = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure(format!("cannot wait for signals: {error}")))?;
        // Before `ready` is printed: whoever reads it may send a signal at once.
        let interrupted = waiting.block_on(async { Interrupted::new() })?;
        match announce(&hub) {
            // Whoever read the announcement went away, as `| head -1` does: devices still want the hub.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                log::warn!("nobody reads standard output any more; the hub serves on");
            }
            result => written(result)?,
        }
        waiting.block_on(interrupted.wait());
        hub.shutdown();
        Ok(())
    }

    fn config(self) -> Config {
        let mut config = Config::in_directory(self.state.directory);
        config.listen = self.listen;
        config.operator_listen = self.operator_listen;
        config.provisioning_listen = self.provisioning_listen;
        config.page = self.page.0;
        config.models = self.models;
        config.updates = self.updates.0;
        config.updates_tls = self.updates_tls;
        config.updates_host = self.updates_host;
        config.host_name = self.host_name;
        config.sntp = self.sntp;
        config.allow_remote = self.allow_remote;
        config.certificate.chain = self.chain;
        config.certificate.message_size = self.certificate_size;
        config.certificate.fault = self.certificate_fault;
        config.tls_record_size = self.tls_record_size.into();
        config.limits.sas_skew = Duration::from_secs(self.sas_skew);
        config.clock_offset = self.clock_offset;
        config.sntp_offset = self.sntp_offset;
        config.lenient_subscriptions = self.lenient_subscriptions;
        config.throttling = self.throttle.map(|tier| tier.throttling(self.units));
        let of_tier = self.throttle.map(|tier| tier.daily_quota(self.units));
        config.daily_quota = match self.daily_quota {
            Some(messages) => Some(DailyQuota {
                messages,
                ..of_tier.unwrap_or(DailyQuota::new(messages))
            }),
            None => of_tier,
        };
        config
    }
}

/// Ctrl-C, or a polite kill.
struct Interrupted {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Interrupted {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let watch = |kind| {
            signal(kind).map_err(|error| Failure(format!("cannot watch for signals: {error}")))
        };
        Ok(Self {
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
        })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Interrupted {
    fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    async fn wait(self) {
        // Without a way to be told, the hub runs until it is killed, which it survives.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Lets this process open as many files as the system allows it: each connection is one.
#[cfg(unix)]
fn open_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        log::debug!("no more files than at first can be opened: {error}");
    }
}

#[cfg(not(unix))]
const fn open_many_files() {}

fn announce(hub: &Hub) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "mqtt      {} (TLS, host name {})",
        hub.endpoint(),
        hub.host_name()
    )?;
    writeln!(out, "operator  https://{}", hub.operator_endpoint())?;
    let provisioning = hub.provisioning_endpoint().unwrap_or(hub.endpoint());
    writeln!(
        out,
        "dps       {provisioning} (id scope {})",
        hub.id_scope()
    )?;
    if let Some(sntp) = hub.sntp_endpoint() {
        writeln!(out, "sntp      {sntp}")?;
    }
    if let Some(updates) = hub.updates_address() {
        writeln!(out, "updates   {updates}")?;
    }
    if let Some(page) = hub.page_address() {
        writeln!(out, "page      {page}")?;
    }
    let ca = hub.state_directory().join("ca.pem").display().to_string();
    writeln!(out, "ca        {}", shown::line(&ca))?;
    writeln!(
        out,
        "certificate message of {} bytes",
        hub.certificate_message_size()
    )?;
    writeln!(out, "ready")?;
    out.flush()
}

impl ValueEnum for Chain {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Rsa, Self::Ecc]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(match self {
            Self::Rsa => clap::builder::PossibleValue::new("rsa")
                .help("RSA-2048, as Azure serves by default"),
            Self::Ecc => clap::builder::PossibleValue::new("ecc").help("P-256 under a P-384 root"),
        })
    }
}

impl ValueEnum for Tier {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Free, Self::S1, Self::S2, Self::S3]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let value = clap::builder::PossibleValue::new;
        Some(match self {
            Self::Free => value("free").help("8000 messages of 0.5 KB a day; the rates of S1"),
            Self::S1 => value("s1").help("400,000 messages of 4 KB a day and unit"),
            Self::S2 => value("s2").help("6,000,000 messages a day and unit"),
            Self::S3 => value("s3").help("300,000,000 messages a day and unit"),
        })
    }
}

impl ValueEnum for CertificateFault {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::WrongHostName,
            Self::Expired,
            Self::NotYetValid,
            Self::UnknownAuthority,
            Self::SelfSigned,
        ]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::WrongHostName => "wrong-host-name",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::UnknownAuthority => "unknown-authority",
            Self::SelfSigned => "self-signed",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_are_bytes_or_kilobytes() {
        assert_eq!(parse_size("4500"), Ok(4500));
        assert_eq!(parse_size("6k"), Ok(6144));
        assert_eq!(parse_size("6KB"), Ok(6144));
        for bad in ["", "k", "-1", "6m", "17000", "99999999999999999999k"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
