//! `--timeout` of the commands that wait for something.

use std::time::{Duration, Instant};

use clap::Args;

/// Time without anything new, after which a command ends.
#[derive(Args)]
pub(super) struct Patience {
    /// End after so many seconds without anything new; 0 for never
    #[arg(
        long,
        visible_alias = "to",
        value_name = "SECONDS",
        default_value_t = 0
    )]
    timeout: u64,
}

impl Patience {
    /// The time; `None` if there is no end.
    pub(super) fn limit(&self) -> Option<Duration> {
        (self.timeout > 0).then(|| Duration::from_secs(self.timeout))
    }

    /// True if nothing has come for so long since `last`.
    pub(super) fn is_over(&self, last: Instant) -> bool {
        self.limit().is_some_and(|limit| last.elapsed() >= limit)
    }
}
