//! The board: log, clock, random numbers, LEDs, watchdog, restart, memory and sensors.

#![allow(unsafe_code)]

use core::ffi::CStr;

use azure_device::sensor::Scale;
use azure_device::time::{Instant, UnixTime};

pub(crate) use super::c::azure_memory as Memory;
pub(crate) use super::c::azure_reading as RawReading;
use super::{Error, c, length, value};

/// Level of a log line: `enum azure_level`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Level {
    Error = c::AZURE_LEVEL_ERROR,
    Warning = c::AZURE_LEVEL_WARNING,
    Info = c::AZURE_LEVEL_INFO,
    Debug = c::AZURE_LEVEL_DEBUG,
}

/// LED, by its meaning: `enum azure_led`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Led {
    Starting = c::AZURE_LED_STARTING,
    Sending = c::AZURE_LED_SENDING,
    Failed = c::AZURE_LED_FAILED,
}

/// Logs through Zephyr.
pub(crate) fn log(level: Level, line: &CStr) {
    // SAFETY: `line` ends with a zero; the shim has printed or copied it when it returns.
    unsafe { c::azure_log(level as u32, line.as_ptr()) }
}

/// Time since the start.
pub(crate) fn uptime() -> Instant {
    // SAFETY: takes nothing; Zephyr's uptime can be read in every context.
    Instant::from_millis(unsafe { c::azure_uptime_ms() })
}

/// Sleeps.
pub(crate) fn sleep_ms(milliseconds: u32) {
    // SAFETY: takes a number; called in threads only, never in an interrupt.
    unsafe { c::azure_sleep_ms(milliseconds) }
}

/// The shared clock, once it is set.
pub(crate) fn unix_time() -> Option<UnixTime> {
    // SAFETY: takes nothing; Zephyr locks its clock itself.
    match unsafe { c::azure_unix_ms() } {
        0 => None,
        milliseconds => Some(UnixTime::from_millis(milliseconds)),
    }
}

/// Sets the shared clock.
pub(crate) fn set_unix_time(time: UnixTime) {
    // SAFETY: takes a number; Zephyr locks its clock itself.
    unsafe { c::azure_set_unix_ms(time.as_millis()) }
}

/// Random bytes from Zephyr's cryptographic generator.
pub(crate) fn random(buffer: &mut [u8]) -> Result<(), Error> {
    // SAFETY: exactly `buffer.len()` bytes are written.
    value(unsafe { c::azure_random(buffer.as_mut_ptr(), length(buffer)) }).map(|_| ())
}

/// Switches an LED, if the board has it.
pub(crate) fn set_led(led: Led, on: bool) {
    // SAFETY: takes numbers; the shim checks the first.
    unsafe { c::azure_led_set(led as u32, on) }
}

/// Configures LEDs and button. For the device's thread, whose stack [`memory`] tells of.
pub(crate) fn init_board() {
    // SAFETY: takes nothing; called once.
    unsafe { c::azure_board_init() }
}

/// Starts the watchdog; from now on it has to be fed.
pub(crate) fn start_watchdog() {
    // SAFETY: takes nothing; called once.
    unsafe { c::azure_watchdog_start() }
}

/// Feeds the watchdog: the device makes progress.
pub(crate) fn feed_watchdog() {
    // SAFETY: takes nothing.
    unsafe { c::azure_watchdog_feed() }
}

/// Reason why the processor started, in words.
pub(crate) fn reset_cause() -> &'static str {
    // SAFETY: the shim gives a zero-terminated text that it does not change any more.
    unsafe { CStr::from_ptr(c::azure_reset_cause()) }
        .to_str()
        .unwrap_or("unknown")
}

/// The fault that ended the last run: what it was, where, and from where; empty if none did.
pub(crate) fn last_fault() -> &'static str {
    // SAFETY: the shim gives a zero-terminated text that it does not change any more.
    unsafe { CStr::from_ptr(c::azure_last_fault()) }
        .to_str()
        .unwrap_or_default()
}

/// The id that the processor's maker gave it, as far as it fits; `None` if it has none.
#[cfg(CONFIG_AZURE_DPS)]
pub(crate) fn hardware_id(id: &mut [u8; 16]) -> Option<&[u8]> {
    // SAFETY: at most `id.len()` bytes are written.
    let count =
        value(unsafe { c::azure_hardware_id(id.as_mut_ptr(), length(id.as_slice())) }).ok()?;
    id.get(..count).filter(|id| !id.is_empty())
}

/// Restarts the processor, after the log is out.
pub(crate) fn restart() {
    // SAFETY: takes nothing, and does not come back.
    unsafe { c::azure_restart() }
}

/// Zephyr's version.
pub(crate) fn zephyr_version() -> &'static str {
    // SAFETY: the shim gives a string constant.
    unsafe { CStr::from_ptr(c::azure_zephyr_version()) }
        .to_str()
        .unwrap_or("unknown")
}

/// This application's version.
pub(crate) fn application_version() -> &'static str {
    // SAFETY: the shim gives a string constant.
    unsafe { CStr::from_ptr(c::azure_application_version()) }
        .to_str()
        .unwrap_or("unknown")
}

/// Heap of the image, stack of the device's thread.
pub(crate) fn memory() -> Memory {
    let mut memory = Memory::default();
    // SAFETY: `memory` is writable, and every bit pattern is a `Memory`.
    unsafe { c::azure_memory(&raw mut memory) };
    memory
}

/// Number of readings that the board's devicetree names.
pub(crate) fn readings_count() -> u32 {
    // SAFETY: gives a constant.
    unsafe { c::azure_readings_count() }
}

/// Name and scale of the reading with this index.
pub(crate) fn reading_scale(index: u32) -> (&'static str, Scale) {
    // SAFETY: whatever the index, the shim gives a constant of the image.
    let scale = unsafe { &*c::azure_reading_scale(index) };
    // SAFETY: its name is a string constant.
    let name = unsafe { CStr::from_ptr(scale.name) };
    let scale = Scale {
        multiplier: scale.multiplier,
        divisor: scale.divisor,
    };
    (name.to_str().unwrap_or_default(), scale)
}

/// Measures the reading with this index, or gives errno. A round begins with the index 0 and leaves none out.
pub(crate) fn measure(index: u32) -> Result<RawReading, i32> {
    let mut reading = RawReading::default();
    // SAFETY: a reading is written at most, and every bit pattern is a `RawReading`.
    match unsafe { c::azure_reading_measure(index, &raw mut reading) } {
        0 => Ok(reading),
        error => Err(-error),
    }
}

/// Options of the simulator's command line: connection string, address, port, time servers.
pub(crate) fn arguments() -> [Option<&'static str>; 4] {
    #[cfg(CONFIG_ARCH_POSIX)]
    {
        let mut arguments = c::azure_arguments {
            connection_string: core::ptr::null(),
            address: core::ptr::null(),
            port: core::ptr::null(),
            sntp_servers: core::ptr::null(),
        };
        // SAFETY: four pointers are written, each null or to a zero-terminated text of the process's
        // command line, which lives as long as the process and is not changed.
        unsafe { c::azure_arguments(&raw mut arguments) };
        let texts = [
            arguments.connection_string,
            arguments.address,
            arguments.port,
            arguments.sntp_servers,
        ];
        texts.map(|text| {
            // SAFETY: see above; null was excluded.
            (!text.is_null())
                .then(|| unsafe { CStr::from_ptr(text) }.to_str().ok())
                .flatten()
        })
    }
    #[cfg(not(CONFIG_ARCH_POSIX))]
    [None; 4]
}
