//! The report, and its verdict.

use std::time::Duration;

use super::client::Sent;
use super::process::Usage;

/// Failures that are printed.
const SHOWN: usize = 10;

/// Figures of all devices.
#[derive(Default)]
pub(crate) struct Figures {
    connects: Vec<Duration>,
    latencies: Vec<Duration>,
    messages: u64,
    failures: Vec<String>,
    /// Bytes that an open page was told.
    pub(crate) page_bytes: Option<u64>,
}

impl Figures {
    pub(crate) fn connected(&mut self, result: Result<Duration, String>) {
        match result {
            Ok(time) => self.connects.push(time),
            Err(failure) => self.failures.push(failure),
        }
    }

    pub(crate) fn sent(&mut self, sent: Sent) {
        self.messages += sent.messages;
        self.latencies.extend(sent.latencies);
        self.failures.extend(sent.failure);
    }

    pub(crate) const fn acknowledged(&self) -> usize {
        self.latencies.len()
    }

    /// Every connection stayed, every message was acknowledged, and is stored once.
    pub(crate) fn verdict(&self, stored: u64) -> Result<(), String> {
        for failure in self.failures.iter().take(SHOWN) {
            eprintln!("{failure}");
        }
        if !self.failures.is_empty() {
            return Err(format!("{} devices failed", self.failures.len()));
        }
        if stored != self.messages || stored != self.acknowledged() as u64 {
            return Err(format!(
                "{} messages were sent, {} acknowledged and {stored} stored",
                self.messages,
                self.acknowledged()
            ));
        }
        Ok(())
    }
}

/// Cost of a part of the run.
pub(crate) struct Phase {
    name: &'static str,
    time: Duration,
    hub_cpu: Duration,
    devices_cpu: Duration,
    /// At its end, in KB.
    resident: u64,
    peak: u64,
}

impl Phase {
    pub(crate) fn new(name: &'static str, time: Duration, before: &Usage, after: &Usage) -> Self {
        Self {
            name,
            time,
            hub_cpu: after.hub_cpu.saturating_sub(before.hub_cpu),
            devices_cpu: after.devices_cpu.saturating_sub(before.devices_cpu),
            resident: after.resident,
            peak: after.peak,
        }
    }

    fn line(&self) -> String {
        let (time, cpu) = (self.time.as_secs_f64(), self.hub_cpu.as_secs_f64());
        format!(
            "{:<8} {time:>8.1} {cpu:>10.2} {:>11.1}% {:>15.2} {:>11.1} {:>8.1}",
            self.name,
            cpu / time * 100.0,
            self.devices_cpu.as_secs_f64(),
            megabytes(self.resident),
            megabytes(self.peak),
        )
    }
}

/// Percentiles in milliseconds: 50, 90, 99, 99.9 and the largest.
fn percentiles(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = |per_mille: usize| format!("{:.2}", at(&times, per_mille));
    format!(
        "p50 {} ms, p90 {} ms, p99 {} ms, p99.9 {} ms, largest {} ms",
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000)
    )
}

/// Percentile of `times`, which are in order, in milliseconds.
fn at(times: &[Duration], per_mille: usize) -> f64 {
    let index = times.len().saturating_sub(1) * per_mille / 1000;
    let time = times.get(index).copied().unwrap_or_default();
    time.as_secs_f64() * 1000.0
}

/// A goal of the hub, and its result: a figure, its limit, and the figure of the run.
pub(crate) fn goals(devices: u32, figures: &Figures, phases: &[Phase], stored: u64) -> String {
    let mut times = figures.latencies.clone();
    times.sort_unstable();
    let peak = phases.iter().map(|phase| phase.peak).max().unwrap_or(0);
    let connect = phases.iter().find(|phase| phase.name == "connect");
    let seconds = connect.map_or(f64::INFINITY, |phase| phase.time.as_secs_f64());
    let lost = figures.messages.saturating_sub(stored) + u64::from(devices)
        - figures.connects.len() as u64;
    let rows = [
        ("connections or messages lost", 0.0, to_float(lost), false),
        (
            "connections a second, at least",
            200.0,
            count(figures.connects.len()) / seconds,
            true,
        ),
        ("ms to PUBACK, 99 % within", 20.0, at(&times, 990), false),
        (
            "KB of memory a device, all of the hub's",
            40.0,
            to_float(peak) / f64::from(devices),
            false,
        ),
    ];
    let mut lines = vec![format!("{:<42} {:>8} {:>10}", "goal", "limit", "run")];
    lines.extend(rows.iter().map(|(name, limit, run, at_least)| {
        let held = if *at_least {
            run >= limit
        } else {
            run <= limit
        };
        let word = if held { "held" } else { "MISSED" };
        format!("{name:<42} {limit:>8.0} {run:>10.2}  {word}")
    }));
    lines.join("\n")
}

/// Cost of a run, as a table and some lines.
pub(crate) fn report(devices: u32, figures: &Figures, phases: &[Phase]) -> String {
    let mut lines = vec![
        "phase      time s  hub CPU s  of one core  devices' CPU s  hub RSS MB  peak MB".to_owned(),
    ];
    lines.extend(phases.iter().map(Phase::line));
    let of = |name: &str, what: fn(&Phase) -> Duration| {
        let phase = phases.iter().find(|phase| phase.name == name);
        phase.map_or(0.0, |phase| what(phase).as_secs_f64())
    };
    let each = |cpu: f64, count: f64| cpu * 1e6 / count.max(1.0);
    let (connects, messages) = (count(figures.connects.len()), count(figures.acknowledged()));
    lines.push(format!(
        "connected  {connects} of {devices}, {:.0} a second; {:.0} us of the hub's CPU each",
        connects / of("connect", |phase| phase.time),
        each(of("connect", |phase| phase.hub_cpu), connects)
    ));
    lines.push(format!("connecting {}", percentiles(&figures.connects)));
    lines.push(format!(
        "messages   {messages} acknowledged of {}, {:.0} a second; {:.0} us of the hub's CPU each",
        figures.messages,
        messages / of("send", |phase| phase.time),
        each(of("send", |phase| phase.hub_cpu), messages)
    ));
    lines.push(format!("to PUBACK  {}", percentiles(&figures.latencies)));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    if let Some(send) = phases.iter().find(|phase| phase.name == "send") {
        let percent = |cpu: Duration| cpu.as_secs_f64() / send.time.as_secs_f64() * 100.0;
        lines.push(format!(
            "machine    {processors} processors; while sending, the hub took {:.0} % of one and the devices {:.0} %",
            percent(send.hub_cpu),
            percent(send.devices_cpu)
        ));
    }
    if let Some(bytes) = figures.page_bytes {
        lines.push(format!("page       open, was told {bytes} bytes"));
    }
    lines.join("\n")
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn to_float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn megabytes(kilobytes: u64) -> f64 {
    f64::from(u32::try_from(kilobytes).unwrap_or(u32::MAX)) / 1024.0
}
