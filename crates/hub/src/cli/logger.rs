//! The program's log: one line each on standard error.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::clock::{Clock, iso_8601};

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let now = iso_8601(Clock::new(0).unix_millis());
        let level = record.level().as_str().to_ascii_lowercase();
        // A log that cannot be written has nowhere to complain.
        let _ = writeln!(std::io::stderr(), "{now} {level:5} {}", record.args());
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
