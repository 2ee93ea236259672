//! The options of the queue of messages.

use azure_device::queue;
use azure_device_host::queue::{MAX_SIZE, MIN_SIZE, PAGE};
use clap::{Args, ValueEnum};

/// The options of `device` for messages that wait.
#[derive(Args, Debug)]
#[command(next_help_heading = "Queue of messages")]
pub(crate) struct Queue {
    /// Stores messages in a file that survives restarts and power cuts [default: spill with --state or --id-scope,
    /// otherwise off]
    #[arg(long, value_name = "MODE")]
    pub(crate) queue: Option<Mode>,
    /// Order in which messages are sent after a time without the hub [default: oldest]
    #[arg(long, value_name = "ORDER")]
    pub(crate) queue_order: Option<Order>,
    /// Policy for messages for which the file has no room [default: drop-oldest]
    #[arg(long, value_name = "POLICY")]
    pub(crate) queue_overflow: Option<Overflow>,
    /// Messages a second, from 1 to 1000, that are sent of those in the file [default: 10]
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    pub(crate) queue_rate: Option<u16>,
    /// Size of the file in KB, a multiple of 4 from 16 to 16384; a file with messages keeps its size [default: 1024]
    #[arg(long, value_name = "KB", value_parser = size)]
    pub(crate) queue_size: Option<u32>,
}

impl Queue {
    /// True if an option was given that is of no use without a queue.
    pub(crate) const fn is_configured(&self) -> bool {
        self.queue_order.is_some()
            || self.queue_overflow.is_some()
            || self.queue_rate.is_some()
            || self.queue_size.is_some()
    }

    /// The core's settings, with this mode.
    pub(crate) fn config(&self, mode: queue::Mode) -> queue::Config {
        let defaults = queue::Config::default();
        queue::Config {
            mode,
            order: self.queue_order.map_or(defaults.order, Order::into_core),
            overflow: self
                .queue_overflow
                .map_or(defaults.overflow, Overflow::into_core),
            rate: self.queue_rate.unwrap_or(defaults.rate),
            ..defaults
        }
    }
}

/// [`queue::Mode`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Stores no message; sends those that an earlier start left
    Off,
    /// Stores messages when RAM fills, after a minute without the hub, and at the end
    Spill,
    /// Stores each message before it is sent
    Always,
}

impl Mode {
    pub(crate) const fn into_core(self) -> queue::Mode {
        match self {
            Self::Off => queue::Mode::Off,
            Self::Spill => queue::Mode::Spill,
            Self::Always => queue::Mode::Always,
        }
    }
}

/// [`queue::Order`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// The oldest message first
    Oldest,
    /// New messages first, and the older ones beside them
    Live,
}

impl Order {
    const fn into_core(self) -> queue::Order {
        match self {
            Self::Oldest => queue::Order::OldestFirst,
            Self::Live => queue::Order::LiveFirst,
        }
    }
}

/// [`queue::Overflow`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Overflow {
    /// The oldest make room
    DropOldest,
    /// The new one is dropped
    RefuseNewest,
    /// From half full on every second message is kept, from three quarters on every fourth, then every eighth
    ThinOut,
}

impl Overflow {
    const fn into_core(self) -> queue::Overflow {
        match self {
            Self::DropOldest => queue::Overflow::DropOldest,
            Self::RefuseNewest => queue::Overflow::RefuseNewest,
            Self::ThinOut => queue::Overflow::ThinOut,
        }
    }
}

fn rate(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(rate @ 1..=1000) => Ok(rate),
        _ => Err("expected a whole number of messages a second from 1 to 1000".into()),
    }
}

/// Bytes.
fn size(text: &str) -> Result<u32, String> {
    const KB: u32 = 1024;
    let pages =
        |kb: &u32| (MIN_SIZE / KB..=MAX_SIZE / KB).contains(kb) && kb.is_multiple_of(PAGE / KB);
    match text.parse().ok().filter(pages) {
        Some(kb) => Ok(kb * KB),
        None => Err(format!(
            "expected KB, a multiple of {} from {} to {}",
            PAGE / KB,
            MIN_SIZE / KB,
            MAX_SIZE / KB
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_and_a_size_out_of_range_are_refused_with_the_range() {
        assert_eq!(size("16"), Ok(16 * 1024));
        assert_eq!(size("16384"), Ok(MAX_SIZE));
        for text in ["", "0", "12", "17", "16388", "1M", "-4", "4294967295"] {
            let error = size(text).map(drop);
            assert_eq!(
                error,
                Err("expected KB, a multiple of 4 from 16 to 16384".into()),
                "{text}"
            );
        }
        assert_eq!(rate("1000"), Ok(1000));
        for text in ["0", "1001", "0.5", "fast"] {
            assert!(rate(text).is_err_and(|error| error.contains("from 1 to 1000")));
        }
    }
}
