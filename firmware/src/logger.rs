//! The `log` facade over Zephyr's shell and console.
//!
//! Lines are formatted into a buffer on the stack and handed to the shim, which prints them, or logs them as
//! module `azure` where Zephyr's logging is more than its minimal one: nothing is allocated, and longer lines
//! are cut, and foreign text in them cannot act on the terminal ([`Visible`]). The levels are
//! `CONFIG_AZURE_LOG_LEVEL`'s; Zephyr has no trace, so that `trace!` appears as debug, if `CONFIG_AZURE_LOG_TRACE`
//! asks for it.

#![forbid(unsafe_code)]

use core::fmt::{self, Write};

use crate::kconfig;
use azure_device::text::Visible;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::ffi::{self, c};

/// The longest line, in bytes, with the zero that ends it for C.
const LINE: usize = kconfig::CONFIG_AZURE_LOG_LINE.unsigned_abs();

/// The end of a line that was too long.
const CUT: &str = "...";

struct Logger;

static LOGGER: Logger = Logger;

/// Sends the crate's and the core's log to Zephyr.
pub(crate) fn init() {
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(level());
    }
}

fn level() -> LevelFilter {
    if cfg!(CONFIG_AZURE_LOG_TRACE) {
        return LevelFilter::Trace;
    }
    match kconfig::CONFIG_AZURE_LOG_LEVEL as u32 {
        c::AZURE_LEVEL_OFF => LevelFilter::Off,
        c::AZURE_LEVEL_ERROR => LevelFilter::Error,
        c::AZURE_LEVEL_WARNING => LevelFilter::Warn,
        c::AZURE_LEVEL_INFO => LevelFilter::Info,
        _ => LevelFilter::Debug,
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = Line::<LINE>::new();
        if write!(line, "{}", Visible(record.args())).is_err() {
            line.mark_cut();
        }
        let level = match record.level() {
            Level::Error => ffi::Level::Error,
            Level::Warn => ffi::Level::Warning,
            Level::Info => ffi::Level::Info,
            Level::Debug | Level::Trace => ffi::Level::Debug,
        };
        ffi::log(level, line.as_c_str());
    }

    fn flush(&self) {}
}

/// Text of at most `N - 1` bytes for C.
pub(crate) struct Line<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Line<N> {
    /// No text.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    /// The text of `arguments`, cut if it is too long.
    pub(crate) fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut line = Self::new();
        let _ = line.write_fmt(arguments);
        line
    }

    /// Ends the text, which was cut, with a mark that says so.
    fn mark_cut(&mut self) {
        let mut keep = self.length.min(N.saturating_sub(1 + CUT.len()));
        while !self.as_str().is_char_boundary(keep) {
            keep -= 1;
        }
        self.length = keep;
        let _ = append(&mut self.bytes, &mut self.length, CUT);
        if let Some(rest) = self.bytes.get_mut(self.length..) {
            rest.fill(0);
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        self.bytes
            .get(..self.length)
            .and_then(|text| str::from_utf8(text).ok())
            .unwrap_or_default()
    }

    /// The text, up to its first zero byte.
    pub(crate) fn as_c_str(&self) -> &core::ffi::CStr {
        core::ffi::CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl<const N: usize> Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        append(&mut self.bytes, &mut self.length, text)
    }
}

/// Appends what fits, one byte less than there is room for. One function for lines of every size.
fn append(bytes: &mut [u8], length: &mut usize, text: &str) -> fmt::Result {
    let room = bytes.len().saturating_sub(*length + 1);
    let mut fits = text.len().min(room);
    while !text.is_char_boundary(fits) {
        fits -= 1;
    }
    let end = *length + fits;
    if let (Some(to), Some(from)) = (bytes.get_mut(*length..end), text.as_bytes().get(..fits)) {
        to.copy_from_slice(from);
        *length = end;
    }
    if fits == text.len() {
        Ok(())
    } else {
        Err(fmt::Error)
    }
}

impl<const N: usize> Drop for Line<N> {
    fn drop(&mut self) {
        // Texts for C may be secrets (a password on its way to the Wi-Fi driver).
        zeroize::Zeroize::zeroize(&mut self.bytes[..]);
    }
}
