//! Log lines on standard error: the time, who, and what, after the level unless it is information. Foreign text cannot
//! act on the terminal.

use std::io::Write;
use std::thread;

use anstyle::Style;
use azure_device_host::line;
use log::{Level, LevelFilter, Record};

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
        .format(move |out, record| write(out, record, verbosity > 0))
        .init();
}

fn write(
    out: &mut env_logger::fmt::Formatter,
    record: &Record<'_>,
    detailed: bool,
) -> std::io::Result<()> {
    let style = match record.level() {
        Level::Info => Style::new(),
        level => out.default_level_style(level),
    };
    let thread = thread::current();
    let who = thread
        .name()
        .filter(|name| *name != "main")
        .unwrap_or_default();
    let mut text = String::new();
    if record.level() != Level::Info {
        text = format!("{:5} ", record.level());
    }
    if detailed {
        text += &format!("{}: ", record.target());
    }
    text += &record.args().to_string();
    let columns = line::columns(&std::io::stderr());
    out.write_all(line::format(style, who, &text, columns).as_bytes())
}
