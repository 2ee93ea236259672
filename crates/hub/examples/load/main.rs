//! Many devices on one hub: how much of a machine do they take, and how long do they wait?
//!
//! # Theory of operation
//! A hub runs as a process of its own, so that what it takes can be told from what its devices take; devices
//! are tasks of this process. Each shakes hands over verified TLS 1.2, connects with a SAS token, subscribes to
//! cloud-to-device messages, and sends a message with QoS 1 every `--interval` seconds, the next one not before
//! the PUBACK of the last. At the end the hub is killed (SIGKILL), and every message that it acknowledged must be
//! in its state directory.
//!
//! ```text
//! cargo run --release -p local-hub --example load -- --devices 2000 --interval 10 --seconds 60
//! ```
//!
//! The devices take part of the machine: on two processors, the system has both to share between the hub and them. The
//! times of answers are those that devices see, their own part and the waiting for a processor included; the CPU time and
//! the memory are the hub's alone.
//!
//! # Limits
//! Linux, for `/proc`. It ends by itself: `--seconds` of sending are 3600 at most, and no wait is longer than
//! 30 s. It fails if a connection or a message is lost, never because of a time: the machine may be busy.

mod beside;
mod client;
mod figures;
mod hub;
mod page;
mod process;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::builder::ArgPredicate;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use client::{Credentials, Plan, Sent};
use figures::{Figures, Phase, goals, report};
use hub::Prepared;
use page::Page;
use process::Usage;

/// Files that a process has open beside those of its devices.
const MORE_FILES: u64 = 50;

/// Connects devices to a local hub of its own, has them send, and prints what that takes.
#[derive(Parser)]
struct Arguments {
    /// Number of devices
    #[arg(
        long,
        default_value = "2000",
        default_value_if("beside", ArgPredicate::IsPresent, "300")
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=50_000))]
    devices: u32,
    /// Seconds from one message of a device to its next
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    interval: u64,
    /// Seconds of sending
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Seconds with everyone connected and nobody sending
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=600))]
    idle: u64,
    /// Bytes of a message
    #[arg(
        long,
        default_value = "200",
        default_value_if("beside", ArgPredicate::IsPresent, "128")
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=262_000))]
    payload: u32,
    /// Devices that connect at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connecting: u32,
    /// All devices send at the same moment, instead of spread over the interval
    #[arg(long)]
    together: bool,
    /// Read the page meanwhile, as a browser does that shows the list of devices and one of them
    #[arg(long)]
    page: bool,
    /// More arguments for `local-hub serve`, such as "--chain ecc"
    #[arg(
        long,
        value_name = "ARGUMENTS",
        default_value = "",
        allow_hyphen_values = true
    )]
    serve: String,
    /// Run the hub under this program, such as "valgrind --tool=callgrind"; it is then ended by SIGTERM
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "",
        allow_hyphen_values = true
    )]
    wrapper: String,
    /// Compare the hub with this other broker instead, of which `mosquitto` is known: devices connect, and send
    /// messages, one after another
    #[arg(long, value_name = "PROGRAM")]
    beside: Option<String>,
    /// Messages to each of both, with --beside
    #[arg(long, default_value_t = 18_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    messages: u32,
}

fn main() -> ExitCode {
    // The hub is this program too.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return local_hub::cli::run();
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    process::raise_open_files(u64::from(arguments.devices) + MORE_FILES)?;
    if let Some(program) = &arguments.beside {
        return beside::run(arguments, program);
    }
    let prepared = Prepared::new(arguments.devices)?;
    let mut serving = prepared.serve(&arguments.wrapper, &arguments.serve)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let (figures, phases) = runtime.block_on(measure(arguments, &prepared, &serving))?;
    serving.end()?;
    let stored = prepared.stored()?;
    let report = report(arguments.devices, &figures, &phases);
    writeln!(
        std::io::stdout(),
        "{report}\nstored     {stored} events in the ended hub's state, {} acknowledged\n{}",
        figures.acknowledged(),
        goals(arguments.devices, &figures, &phases, stored)
    )
    .map_err(|error| format!("cannot write to standard output: {error}"))?;
    figures.verdict(stored)
}

/// Connects everyone, waits, lets everyone send; gives what the devices saw and what the hub took.
async fn measure(
    arguments: &Arguments,
    prepared: &Prepared,
    serving: &hub::Serving,
) -> Result<(Figures, Vec<Phase>), String> {
    let (start, started) = watch::channel(None);
    let mut phases = Vec::new();
    let mut last = (Instant::now(), serving.usage()?);
    let page = match arguments.page {
        true => Some(Page::open(serving.page().unwrap_or_default()).await?),
        false => None,
    };
    let (mut devices, mut connected) = spawn(arguments, prepared, serving, &started)?;
    let mut figures = Figures::default();
    while let Some(result) = connected.recv().await {
        figures.connected(result);
    }
    let mut phase = |name, usage: Usage| {
        let now = Instant::now();
        phases.push(Phase::new(name, now - last.0, &last.1, &usage));
        last = (now, usage);
    };
    phase("connect", serving.usage()?);
    sleep(Duration::from_secs(arguments.idle)).await;
    phase("idle", serving.usage()?);
    let begin = Instant::now();
    let end = begin + Duration::from_secs(arguments.seconds);
    let _ = start.send(Some((begin, end)));
    while let Some(sent) = devices.join_next().await {
        figures.sent(sent.map_err(|error| error.to_string())?);
    }
    phase("send", serving.usage()?);
    figures.page_bytes = page.map(|page| page.told());
    Ok((figures, phases))
}

/// Time that each device took to connect, or the reason why it did not.
type Connected = UnboundedReceiver<Result<Duration, String>>;

/// Starts every device. They connect, tell so, and wait for the start of sending.
fn spawn(
    arguments: &Arguments,
    prepared: &Prepared,
    serving: &hub::Serving,
    started: &watch::Receiver<Option<(Instant, Instant)>>,
) -> Result<(JoinSet<Sent>, Connected), String> {
    let connecting = Arc::new(Semaphore::new(arguments.connecting as usize));
    let tls = client::tls_config(&prepared.ca_pem()?)?;
    let (report, connected) = tokio::sync::mpsc::unbounded_channel();
    let mut devices = JoinSet::new();
    for (number, connection_string) in prepared.connection_strings().iter().enumerate() {
        let plan = Plan {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            of: arguments.devices,
            interval: Duration::from_secs(arguments.interval),
            payload: arguments.payload as usize,
            together: arguments.together,
            endpoint: serving.mqtt(),
        };
        let credentials = Credentials::from_connection_string(connection_string)?;
        devices.spawn(client::live(
            plan,
            credentials,
            Arc::clone(&tls),
            Arc::clone(&connecting),
            report.clone(),
            started.clone(),
        ));
    }
    Ok((devices, connected))
}
