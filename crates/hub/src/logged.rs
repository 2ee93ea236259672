//! The last lines of the program's log, for the page.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use log::Level;
use serde::Serialize;

use crate::shown;

/// Lines that are kept.
const MAX_LINES: usize = 1000;
/// Most bytes of a line that are kept.
const MAX_LINE: usize = 2000;

/// A line of the log.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// Counts up by one.
    pub(crate) number: u64,
    /// Milliseconds since 1970 on this machine's clock.
    time: u64,
    level: String,
    text: String,
}

#[derive(Debug)]
struct Lines {
    kept: VecDeque<Line>,
    next: u64,
}

/// A program has one log, whatever hubs it runs.
static LINES: Mutex<Lines> = Mutex::new(Lines {
    kept: VecDeque::new(),
    next: 0,
});

/// Keeps a line.
pub(crate) fn keep(time: u64, level: Level, text: &str) {
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.kept.len() == MAX_LINES {
        lines.kept.pop_front();
    }
    let number = lines.next;
    lines.next += 1;
    lines.kept.push_back(Line {
        number,
        time,
        level: level.as_str().to_ascii_lowercase(),
        text: shown::beginning(text, MAX_LINE).to_owned(),
    });
}

/// Kept lines from `number` on, and the number of the next one.
pub(crate) fn since(number: u64) -> (Vec<Line>, u64) {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let found = lines.kept.iter().filter(|line| line.number >= number);
    (found.cloned().collect(), lines.next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_numbered() {
        for number in 0..MAX_LINES + 5 {
            keep(1, Level::Warn, &number.to_string());
        }
        let (lines, next) = since(0);
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!((lines[0].number, lines[0].text.as_str()), (5, "5"));
        assert_eq!(since(next - 1).0.len(), 1);
        assert!(since(next).0.is_empty());
        keep(1, Level::Info, &"ü".repeat(MAX_LINE));
        assert!(since(next).0[0].text.len() <= MAX_LINE);
    }
}
