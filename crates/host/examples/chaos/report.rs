//! The account of a run: a table of the faults, what became of the messages, and memory.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::kinds::Kind;
use crate::ledger::Ledger;
use crate::site::{Counters, End};

/// Faults of a site from which on its memory is judged: before, buffers and caches still fill.
const WARM: usize = 40;
/// Memory in KB that a device may have gained at the end.
const GROWTH: u64 = 4096;

/// Messages that a device sends again after a kill, at most: the queue's window (8) and twice those in flight (4).
const COPIES: u64 = 8 + 2 * 4;

/// Results of one site.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    faults: BTreeMap<Kind, Vec<Duration>>,
    without_effect: u64,
    /// Resident memory of device and hub after each fault, in KB.
    resident: Vec<(u64, u64)>,
    counters: Counters,
    ledger: Ledger,
    unmarked_probes: u64,
    kills: u64,
}

impl Outcome {
    /// One fault; `None` if it had no effect.
    pub(crate) fn count(
        &mut self,
        kind: Kind,
        recovery: Option<Duration>,
        resident: Option<(u64, u64)>,
    ) {
        match recovery {
            Some(recovery) => self.faults.entry(kind).or_default().push(recovery),
            None => self.without_effect += 1,
        }
        self.resident.extend(resident);
    }

    /// The end of the site.
    pub(crate) fn end(&mut self, end: End) {
        self.ledger = Ledger::of(&end.events, &end.account);
        self.counters = end.counters;
        self.unmarked_probes = end.unmarked_probes;
        self.kills = end.kills;
    }
}

/// Results of all sites.
#[derive(Debug)]
pub(crate) struct Totals {
    start: Instant,
    sites: Vec<Outcome>,
    ledger: Ledger,
}

impl Totals {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            sites: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    pub(crate) fn add(&mut self, site: Outcome) {
        self.ledger.add(&site.ledger);
        self.sites.push(site);
    }

    fn sum(&self, figure: impl Fn(&Outcome) -> u64) -> u64 {
        self.sites.iter().map(figure).sum()
    }

    /// An error if a message was lost, came twice without a mark or out of order, or memory grew.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let refused = self.sum(|site| site.counters.refused);
        let ignored = self.sum(|site| site.counters.ignored);
        let unmarked = self.sum(|site| site.unmarked_probes);
        let kills = self.sum(|site| site.kills);
        if !self.ledger.is_clean(COPIES * kills) || refused > 0 || ignored > 0 || unmarked > 0 {
            return Err(
                "messages were lost, unmarked or out of order: see the figures above".into(),
            );
        }
        let grown = self
            .memory()
            .find(|(before, after)| *after > before + GROWTH);
        match grown {
            Some((before, after)) => Err(format!("a device grew from {before} to {after} KB")),
            None => Ok(()),
        }
    }

    /// The memory of each device that had enough faults, once warm and at the end, in KB.
    fn memory(&self) -> impl Iterator<Item = (u64, u64)> {
        self.sites.iter().filter_map(|site| {
            let warm = site.resident.get(WARM..)?;
            let median = |part: &[(u64, u64)]| {
                let mut sorted: Vec<_> = part.iter().map(|(device, _)| *device).collect();
                sorted.sort_unstable();
                sorted.get(sorted.len() / 2).copied()
            };
            let some = warm.len().min(10);
            Some((
                median(warm.get(..some)?)?,
                median(warm.get(warm.len() - some..)?)?,
            ))
        })
    }

    fn write_faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<36} {:>6} {:>12} {:>12}",
            "fault", "times", "median ms", "longest ms"
        )?;
        for kind in Kind::ALL {
            let of_kind = self.sites.iter().filter_map(|site| site.faults.get(&kind));
            let mut times: Vec<_> = of_kind.flatten().map(Duration::as_millis).collect();
            times.sort_unstable();
            if let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) {
                let (name, count) = (kind.name(), times.len());
                writeln!(f, "{name:<36} {count:>6} {median:>12} {longest:>12}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_faults(f)?;
        let count = |site: &Outcome| site.faults.values().map(Vec::len).sum::<usize>() as u64;
        writeln!(
            f,
            "faults     {} with an effect, {} without, in {} s",
            self.sum(count),
            self.sum(|site| site.without_effect),
            self.start.elapsed().as_secs()
        )?;
        let ledger = &self.ledger;
        writeln!(
            f,
            "messages   {} measured, {} lost, {} out of order; copies: {} marked, {} unmarked, {} changed",
            ledger.measured,
            ledger.lost,
            ledger.out_of_order,
            ledger.marked,
            ledger.unmarked,
            ledger.changed
        )?;
        writeln!(
            f,
            "           {} dropped by the queue, {} not measured in time, {} unknown to the device",
            self.sum(|site| site.counters.refused),
            ledger.unmeasured,
            ledger.unknown
        )?;
        writeln!(
            f,
            "kills      {} of a device; {} messages were not accepted yet",
            self.sum(|site| site.kills),
            ledger.unaccepted
        )?;
        writeln!(
            f,
            "to devices {} copies without a mark, {} messages passed over",
            self.sum(|site| site.unmarked_probes),
            self.sum(|site| site.counters.ignored)
        )?;
        for (before, after) in self.memory() {
            writeln!(
                f,
                "memory     device {before} KB once warm, {after} KB at the end"
            )?;
        }
        Ok(())
    }
}
