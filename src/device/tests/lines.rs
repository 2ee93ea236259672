//! The log, as a test sees it.

use core::cell::RefCell;
use std::string::{String, ToString};
use std::sync::Once;
use std::vec::Vec;

/// Keeps the lines of the thread that wants them.
struct Lines;

std::thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.push(record.args().to_string());
            }
        });
    }

    fn flush(&self) {}
}

/// Runs `work` and gives what was logged meanwhile.
pub(crate) fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Lines).expect("the only one");
        log::set_max_level(log::LevelFilter::Trace);
    });
    LINES.set(Some(Vec::new()));
    let result = work();
    (result, LINES.take().unwrap_or_default())
}

/// Those lines that contain `part`.
pub(crate) fn containing(lines: &[String], part: &str) -> Vec<String> {
    let found = lines.iter().filter(|line| line.contains(part));
    found.cloned().collect()
}
