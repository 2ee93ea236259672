//! The `log` crate's macros in a form that takes a third of the code: a level and a text, no source line.
//!
//! The `log` crate's own macros work beside them, and so do its loggers, its levels at run time
//! ([`log::set_max_level`]) and those that its features compile out ([`log::STATIC_MAX_LEVEL`]). Lines name the
//! module that wrote them on a host, and nothing on a device, which has no use for it.

use core::fmt;

use log::Record;
#[doc(hidden)]
pub use log::{Level, STATIC_MAX_LEVEL};

pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace,
    __log_warn as warn,
};

/// Target of the macros.
#[doc(hidden)]
#[inline(never)]
pub fn write(level: Level, target: &'static str, text: fmt::Arguments<'_>) {
    if level <= log::max_level() {
        log::logger().log(
            &Record::builder()
                .level(level)
                .target(target)
                .args(text)
                .build(),
        );
    }
}

/// Target of the macros on a device.
#[doc(hidden)]
#[inline(never)]
pub fn write_anonymous(level: Level, text: fmt::Arguments<'_>) {
    write(level, "", text);
}

#[doc(hidden)]
#[macro_export]
#[cfg(not(target_os = "none"))]
macro_rules! __log_line {
    ($level:ident, $($text:tt)+) => {
        if $crate::logging::Level::$level <= $crate::logging::STATIC_MAX_LEVEL {
            $crate::logging::write($crate::logging::Level::$level, ::core::module_path!(), ::core::format_args!($($text)+))
        }
    };
}

#[doc(hidden)]
#[macro_export]
#[cfg(target_os = "none")]
macro_rules! __log_line {
    ($level:ident, $($text:tt)+) => {
        if $crate::logging::Level::$level <= $crate::logging::STATIC_MAX_LEVEL {
            $crate::logging::write_anonymous($crate::logging::Level::$level, ::core::format_args!($($text)+))
        }
    };
}

/// A line that a person must read: the device needs help, or lost something.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($text:tt)+) => { $crate::__log_line!(Error, $($text)+) };
}

/// A line about something that is wrong.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($text:tt)+) => { $crate::__log_line!(Warn, $($text)+) };
}

/// A line about something that happened.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($text:tt)+) => { $crate::__log_line!(Info, $($text)+) };
}

/// A line that helps to find an error.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($text:tt)+) => { $crate::__log_line!(Debug, $($text)+) };
}

/// A line for each step.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace {
    ($($text:tt)+) => { $crate::__log_line!(Trace, $($text)+) };
}
