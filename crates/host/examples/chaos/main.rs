//! A device under faults: does it lose a message, and does it always come back?
//!
//! # Theory of operation
//! A site is a hub, a proxy and a device; hub and device are processes, so that they can be killed and stopped.
//! The device sends telemetry all the time. One fault after the other is provoked in the network, in the hub, or
//! in a process; after each, the device must take a cloud-to-device message, which proves that it is back. A fault
//! counts only if it had an effect. At the end the hub is killed, and what is in its state is held against what
//! the device has measured: nothing is missing, everything is in order, and each copy is marked as one.
//!
//! ```text
//! cargo run --release -p azure-device-host --example chaos -- --faults 1000 --sites 4
//! ```
//!
//! # Limits
//! Linux, for signals and `/proc`. The device keeps each message in its queue's file before it sends it, and is killed
//! like the hub; with `--no-queue` it is not, since what waits in RAM would be lost with it. Faults come one at a time. It ends by itself: a device that is not back within 60 s ends the run. The order
//! of the faults follows from `--seed`, their moment does not.

mod device;
mod journal;
mod kinds;
mod ledger;
mod process;
mod proxy;
mod random;
mod report;
mod site;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use kinds::{Effect, Kind};
use random::Random;
use report::{Outcome, Totals};
use site::Site;

/// Provokes faults around devices of its own, and checks that no message is lost.
#[derive(Parser)]
struct Arguments {
    /// Number of faults to provoke; those without an effect do not count
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    faults: u32,
    /// Number of devices at the same time, each with a hub of its own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    sites: u32,
    /// Milliseconds from one message of a device to its next
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    interval: u64,
    /// Decides the order of the faults; printed at the start
    #[arg(long)]
    seed: Option<u64>,
    /// Only this kind, by a part of its name; may be given several times
    #[arg(long, value_name = "TEXT")]
    kind: Vec<String>,
    /// Devices without a queue in a file, which are not killed
    #[arg(long)]
    no_queue: bool,
}

fn main() -> ExitCode {
    // Hub, device and operator are this program too.
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((first, rest)) if first == "device" => return device::run(rest),
        Some((first, _)) if !first.starts_with('-') => return local_hub::cli::run(),
        _ => {}
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
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    let kinds = chosen(&arguments.kind, !arguments.no_queue)?;
    eprintln!("seed {seed}, {} kinds of faults", kinds.len());
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let run = Run {
        arguments,
        kinds,
        effective: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        start: Instant::now(),
    };
    let sites: Vec<Result<Outcome, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.sites)
            .map(|number| {
                let (run, folder) = (&run, folder.path().join(number.to_string()));
                let seed = seed.wrapping_add(u64::from(number) << 32);
                scope.spawn(move || run.site(&folder, Random::new(seed)))
            })
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".into()))
        };
        threads.into_iter().map(join).collect()
    });
    let mut totals = Totals::new(run.start);
    let mut errors = Vec::new();
    for site in sites {
        match site {
            Ok(outcome) => totals.add(outcome),
            Err(error) => errors.push(error),
        }
    }
    println!("{totals}");
    let verdict = match errors.is_empty() {
        true => totals.verdict(),
        false => Err(errors.join("; ")),
    };
    // The logs of a failure are worth keeping.
    verdict.map_err(|error| format!("{error}; logs are in {}", folder.keep().display()))
}

fn seed_of_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

fn chosen(parts: &[String], queue: bool) -> Result<Vec<Kind>, String> {
    let wanted = |kind: &Kind| {
        let named =
            parts.is_empty() || parts.iter().any(|part| kind.name().contains(part.as_str()));
        named && (queue || !kind.kills_device())
    };
    let kinds: Vec<_> = Kind::ALL.into_iter().filter(wanted).collect();
    if kinds.is_empty() {
        let names = Kind::ALL.map(Kind::name).join("\n  ");
        return Err(format!(
            "no kind is called like that; there are:\n  {names}"
        ));
    }
    Ok(kinds)
}

/// All sites of one run.
struct Run<'a> {
    arguments: &'a Arguments,
    kinds: Vec<Kind>,
    effective: AtomicUsize,
    failed: AtomicBool,
    start: Instant,
}

impl Run<'_> {
    fn is_over(&self) -> bool {
        self.failed.load(Ordering::Acquire)
            || self.effective.load(Ordering::Acquire) >= self.arguments.faults as usize
    }

    /// One site, from its start to its account.
    fn site(&self, folder: &Path, random: Random) -> Result<Outcome, String> {
        let result = self.live(folder, random);
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    fn live(&self, folder: &Path, mut random: Random) -> Result<Outcome, String> {
        std::fs::create_dir(folder).map_err(|error| format!("no folder: {error}"))?;
        let interval = Duration::from_millis(self.arguments.interval);
        let mut site = Site::start(folder, interval, !self.arguments.no_queue)?;
        let mut outcome = Outcome::default();
        let mut queue = Vec::new();
        while !self.is_over() {
            if queue.is_empty() {
                queue.clone_from(&self.kinds);
                random.shuffle(&mut queue);
            }
            let Some(kind) = queue.pop() else { break };
            let recovery = self.fault(kind, &mut site, &mut random)?;
            outcome.count(kind, recovery, site.resident());
        }
        outcome.end(site.end()?);
        Ok(outcome)
    }

    /// One fault and the recovery from it; gives the time that took, `None` if the fault had no effect.
    fn fault(
        &self,
        kind: Kind,
        site: &mut Site,
        random: &mut Random,
    ) -> Result<Option<Duration>, String> {
        let name = kind.name();
        let (seen, affected) = (site.seen(), site.proxy().affected());
        let failed = |error| format!("{name}: {error}");
        kind.provoke(site, random).map_err(failed)?;
        let lifted = Instant::now();
        site.probe().map_err(failed)?;
        let recovery = lifted.elapsed();
        let effective = match kind.effect() {
            Effect::Failure => site.has_failed_since(seen),
            Effect::Bytes => site.proxy().affected() > affected,
            Effect::Seen => true,
        };
        if !effective {
            eprintln!("no effect: {name}");
            return Ok(None);
        }
        let done = self.effective.fetch_add(1, Ordering::AcqRel) + 1;
        if done.is_multiple_of(20) {
            let seconds = self.start.elapsed().as_secs();
            eprintln!("{done} faults of {} in {seconds} s", self.arguments.faults);
        }
        Ok(Some(recovery))
    }
}
