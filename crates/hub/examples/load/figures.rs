//! What is printed, and whether it was right.

use std::time::Duration;

use super::client::Sent;
use super::hub::Usage;

/// Failures that are printed.
const SHOWN: usize = 10;

/// What all devices saw.
#[derive(Default)]
pub(crate) struct Figures {
    connects: Vec<Duration>,
    latencies: Vec<Duration>,
    messages: u64,
    failures: Vec<String>,
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

/// What a part of the run took.
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
}

/// Percentiles in milliseconds: 50, 90, 99, 99.9 and the largest.
fn percentiles(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = |per_mille: usize| {
        let index = times.len().saturating_sub(1) * per_mille / 1000;
        let time = times.get(index).copied().unwrap_or_default();
        format!("{:.2}", time.as_secs_f64() * 1000.0)
    };
    format!(
        "p50 {} ms, p90 {} ms, p99 {} ms, p99.9 {} ms, largest {} ms",
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000)
    )
}

pub(crate) fn print(devices: u32, figures: &Figures, phases: &[Phase]) {
    println!("phase      time s  hub CPU s  of one core  devices' CPU s  hub RSS MB  peak MB");
    for phase in phases {
        let (time, cpu) = (phase.time.as_secs_f64(), phase.hub_cpu.as_secs_f64());
        println!(
            "{:<8} {:>8.1} {:>10.2} {:>11.1}% {:>15.2} {:>11.1} {:>8.1}",
            phase.name,
            time,
            cpu,
            cpu / time * 100.0,
            phase.devices_cpu.as_secs_f64(),
            megabytes(phase.resident),
            megabytes(phase.peak),
        );
    }
    let cpu = |name: &str| {
        let phase = phases.iter().find(|phase| phase.name == name);
        phase.map_or(0.0, |phase| phase.hub_cpu.as_secs_f64())
    };
    let (connects, messages) = (figures.connects.len(), figures.acknowledged());
    let time = |name: &str| {
        let phase = phases.iter().find(|phase| phase.name == name);
        phase.map_or(f64::NAN, |phase| phase.time.as_secs_f64())
    };
    let each = |cpu: f64, count: usize| {
        cpu * 1e6 / f64::from(u32::try_from(count).unwrap_or(u32::MAX).max(1))
    };
    println!(
        "connected  {connects} of {devices}, {:.0} a second; {:.0} us of the hub's CPU each",
        f64::from(u32::try_from(connects).unwrap_or(u32::MAX)) / time("connect"),
        each(cpu("connect"), connects)
    );
    println!("connecting {}", percentiles(&figures.connects));
    println!(
        "messages   {messages} acknowledged of {}, {:.0} a second; {:.0} us of the hub's CPU each",
        figures.messages,
        f64::from(u32::try_from(messages).unwrap_or(u32::MAX)) / time("send"),
        each(cpu("send"), messages)
    );
    println!("to PUBACK  {}", percentiles(&figures.latencies));
}

fn megabytes(kilobytes: u64) -> f64 {
    f64::from(u32::try_from(kilobytes).unwrap_or(u32::MAX)) / 1024.0
}
