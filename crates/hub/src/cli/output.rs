//! Output of the commands: made harmless for a terminal, and silent once nobody reads it.

use std::io::{ErrorKind, Write};

use super::Failure;
use crate::shown;

/// Prints a line, or several, to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    written(writeln!(std::io::stdout(), "{}", shown::text(text)))
}

/// Outcome of writing to standard output. A closed pipe, as behind `| head -1`, ends the command without a
/// complaint.
pub(super) fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::unread(),
        _ => Failure(format!("cannot write to standard output: {error}")),
    })
}

/// Says something to the one who typed the command, on standard error. If nobody hears it, nothing is lost.
pub(super) fn say(text: &str) {
    command_line::tell(format_args!("{}", shown::line(text)));
}
