//! The three LEDs of a development board, as coloured lines.

use std::io::{self, Write};
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use azure_device::port::Indicator;
use azure_device::report::Report;
use azure_device::report::Status;
use azure_device::report::UpdateState;

use crate::line;

/// Prints a line on standard output whenever the status changes.
#[derive(Clone, Debug)]
pub struct StatusLine {
    name: String,
    shown: Option<Status>,
    queued: u32,
    in_file: u32,
    dropped: u64,
    dark: bool,
    update: UpdateState,
}

impl StatusLine {
    /// Lines that begin with the device's name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            shown: None,
            queued: 0,
            in_file: 0,
            dropped: 0,
            dark: false,
            update: UpdateState::Idle,
        }
    }

    /// Takes the counters that lines about the connection end with. While an operator keeps the indicator dark,
    /// the device's state is told from here.
    pub fn observe(&mut self, report: &Report) {
        self.queued = report.queued;
        self.in_file = report.queued_in_flash;
        self.dropped = report.dropped.total();
        self.observe_update(report.update);
        if self.dark != report.indicator_is_dark {
            self.dark = report.indicator_is_dark;
            let text = if self.dark {
                "keeps its indicator dark (indicator.enabled is false)"
            } else {
                "shows its indicator again"
            };
            print_line(AnsiColor::White, &self.name, text);
        }
        if self.dark {
            self.change(report.status);
        }
    }

    /// Tells another state of an update, and each tenth of a download.
    fn observe_update(&mut self, update: UpdateState) {
        let tenth = |state: UpdateState| state.percent().map(|percent| percent / 10);
        let (before, now) = (self.update, update);
        if (before.name(), tenth(before)) == (now.name(), tenth(now)) {
            return;
        }
        self.update = update;
        let text = match (now, now.percent()) {
            (_, Some(percent)) => format!("downloads an update: {percent} %"),
            (UpdateState::Idle, _) => "has no update under way".to_owned(),
            (UpdateState::Waiting, _) => "waits until its application allows the update".to_owned(),
            (UpdateState::Restarting, _) => "restarts into another image".to_owned(),
            (UpdateState::OnTrial, _) => "runs a new image on trial".to_owned(),
            (UpdateState::Failed, _) => {
                "could not be updated: the log and its twin say why".to_owned()
            }
            _ => return,
        };
        print_line(AnsiColor::Blue, &self.name, &text);
    }

    /// The messages that wait and those that were dropped, if there are any.
    fn counters(&self) -> String {
        let queued = match (self.queued, self.in_file) {
            (queued, 0) => format!("{queued} messages queued"),
            (queued, in_file) => format!("{queued} messages queued, {in_file} of them in the file"),
        };
        match (self.queued, self.dropped) {
            (0, 0) => String::new(),
            (_, 0) => format!(" ({queued})"),
            (_, dropped) => format!(" ({queued}, {dropped} dropped)"),
        }
    }

    fn change(&mut self, status: Status) {
        let before = self.shown.replace(status);
        let (colour, text) = match (before, status) {
            (Some(before), now) if before == now => return,
            // The blue LED goes out again: no news.
            (Some(Status::Sending), Status::Connected) => return,
            // Blinking goes dark twice a second: told once is enough.
            (Some(Status::Off), Status::Sending | Status::Connected) => return,
            (_, Status::Starting) => (AnsiColor::Yellow, "connects"),
            (_, Status::Connected) => (AnsiColor::Green, "is connected"),
            (_, Status::Sending) => (AnsiColor::Blue, "sends telemetry"),
            (_, Status::Updating) => (AnsiColor::Blue, "is being updated"),
            (_, Status::Off) => (AnsiColor::White, "blinks"),
            (_, Status::Failed) => (AnsiColor::Red, "is not connected"),
        };
        let counters = match status {
            Status::Connected | Status::Failed => self.counters(),
            _ => String::new(),
        };
        print_line(colour, &self.name, &format!("{text}{counters}"));
    }
}

impl Indicator for StatusLine {
    fn show(&mut self, status: Status) {
        if !self.dark {
            self.change(status);
        }
    }
}

/// One line about `name` on standard output, as [`Visible`](azure_device::text::Visible) shows it, whose colour is left
/// away where nobody could see it. It has the time, and goes on below where the terminal ends.
pub fn print_line(colour: AnsiColor, name: &str, text: &str) {
    let style = Style::new().fg_color(Some(colour.into()));
    let columns = line::columns(&io::stdout());
    let line = line::format(style, name, text, columns);
    let written = anstream::stdout().write_all(line.as_bytes());
    match written {
        // A reader that has gone is no reason to stop a device.
        Err(error)
            if error.kind() != io::ErrorKind::BrokenPipe
                && FAILURE.set(error.to_string()).is_ok() =>
        {
            log::error!("standard output is incomplete from here on: {error}");
        }
        _ => {}
    }
}

/// The first failure of a write to standard output; only the first one is logged.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Error of the first line that could not be written to standard output, such as to a full disk. A program whose
/// output is incomplete does not end with success.
pub fn write_failure() -> Option<&'static str> {
    FAILURE.get().map(String::as_str)
}
