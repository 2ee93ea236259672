//! Log lines on standard error: the time, who, and what. Foreign text cannot act on the terminal.

use std::io::Write;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use azure_device::text::Visible;
use azure_device::time::UnixTime;
use log::{LevelFilter, Record};

/// Starts logging: at 0 what the device says, at 1 also how (`-v`), at 2 and above everything that any
/// part of the program says (`-vv`). `RUST_LOG` adds to it.
pub(crate) fn start(verbosity: u8) {
    let mut builder = env_logger::Builder::new();
    match verbosity {
        0 => {
            builder.filter_level(LevelFilter::Warn);
            builder.filter_module("azure_device", LevelFilter::Info);
        }
        1 => {
            builder.filter_level(LevelFilter::Warn);
            builder.filter_module("azure_device", LevelFilter::Debug);
            builder.filter_module("local_hub", LevelFilter::Debug);
        }
        _ => {
            builder.filter_level(LevelFilter::Trace);
        }
    }
    builder
        .parse_default_env()
        .format(move |out, record| line(out, record, verbosity > 0))
        .init();
}

fn line(
    out: &mut env_logger::fmt::Formatter,
    record: &Record<'_>,
    detailed: bool,
) -> std::io::Result<()> {
    let style = out.default_level_style(record.level());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = UnixTime::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)).to_string();
    // Only the time of day: `2026-01-01T00:00:00.000Z`.
    let time = now.get(11..23).unwrap_or(&now);
    let thread = thread::current();
    let who = thread
        .name()
        .filter(|name| *name != "main")
        .unwrap_or_default();
    write!(
        out,
        "{time} {style}{:5}{style:#} {who:<14} ",
        record.level()
    )?;
    if detailed {
        write!(out, "{}: ", record.target())?;
    }
    writeln!(out, "{}", Visible(record.args()))
}
