//! Lines for the person at the terminal, on streams that may be gone.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes a line to standard error. A line that nobody can read any more is no reason to stop, nor to panic as
/// `eprintln!` does.
pub fn tell(line: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a line to standard output.
///
/// # Errors
///
/// A sentence for the person who started the program: the disk is full, the reader is gone.
pub fn say(line: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{line}")
        .and_then(|()| io::stdout().flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))
}
