//! The program's log: one line each on standard error.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::clock::{Clock, iso_8601};
use crate::{logged, shown};

/// Name of this crate in its records.
const OWN: &str = "local_hub";

struct Stderr;

impl Log for Stderr {
    /// Other crates' records of their insides are for trace only.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let own = target
            .strip_prefix(OWN)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        own || log::max_level() == LevelFilter::Trace
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let millis = Clock::new(0).unix_millis();
        let now = iso_8601(millis);
        let level = record.level().as_str().to_ascii_lowercase();
        // A log that cannot be written has nowhere to complain.
        let text = record.args().to_string();
        let text = shown::line(&text);
        let _ = writeln!(std::io::stderr(), "{now} {level:5} {text}");
        logged::keep(millis, record.level(), &text);
    }

    fn flush(&self) {}
}

/// Logs everything of this level and above.
pub(super) fn start(level: LevelFilter) {
    // The only logger of the program: this cannot be the second one.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}
