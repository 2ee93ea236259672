//! The functions of `include/azure_iot_hub.h`, to which firmware/build.rs holds them.
//!
//! Common to all: what C passes is valid during the call, as the header demands; a pointer that may be NULL is looked at.

mod json;
mod message;

use core::ffi::{c_char, c_int};
use core::slice;

use azure_device::json::Value;
use azure_device::logging::error;
use azure_device::mqtt::AckToken;
use azure_device::outlet::{SendError, Submission};

use self::json::*;
use self::message::*;
use crate::c_api;
use crate::ffi::c::{
    AZURE_ERRNO_AGAIN, AZURE_ERRNO_ALREADY, AZURE_ERRNO_INVALID, AZURE_ERRNO_NO_ROOM,
    AZURE_ERRNO_NOT_FOUND, AZURE_ERRNO_TOO_LONG,
};
use crate::ffi::c_api::{Done, Registered, Table, c, elements, errno_of, start_thread, text};
use crate::requests::{self, Started};
use crate::{logger, status};

include!(concat!(env!("OUT_DIR"), "/azure_iot_hub_exports.rs"));

/// The most application properties of a message.
const MESSAGE_PROPERTIES: usize = c::AZURE_IOT_HUB_MESSAGE_PROPERTIES as usize;

/// Negative errno.
fn failed(kind: u32) -> c_int {
    -errno_of(kind)
}

/// 0, or the errno.
fn result(result: Option<()>) -> c_int {
    result.map_or_else(|| failed(AZURE_ERRNO_INVALID), |()| 0)
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_start(
    application: *const c::azure_iot_hub_application,
) -> c_int {
    // SAFETY: the header demands a description that stays.
    let Some(application) = (unsafe { application.as_ref() }) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    // SAFETY: the same.
    let application = unsafe { Registered::new(application) };
    // The device's thread, which does it too, may not have begun.
    logger::init();
    if let Err(wrong) = c_api::check(application) {
        error!("azure_iot_hub_start: {wrong}");
        return failed(AZURE_ERRNO_INVALID);
    }
    match requests::start(|| application.register()) {
        Started::First => start_thread(),
        Started::Again => {}
        Started::Already => return failed(AZURE_ERRNO_ALREADY),
    }
    0
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_stop() {
    requests::pause();
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_restart() {
    c_api::restart();
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_set_timer(milliseconds: u32) {
    c_api::set_timer(milliseconds);
}

/// Works with the entry that C names.
///
/// # Safety
/// `name` is NULL or ends with a zero.
unsafe fn with_entry(
    tables: &[Table],
    name: *const c_char,
    work: impl FnOnce(Table, usize),
) -> c_int {
    // SAFETY: the caller vouches for it.
    let Some(name) = (unsafe { text(name) }) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    let found = tables
        .iter()
        .find_map(|table| Some((*table, c_api::find(*table, name)?)));
    match found {
        Some((table, index)) => {
            work(table, index);
            0
        }
        None => failed(AZURE_ERRNO_NOT_FOUND),
    }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_request(stream: *const c_char) -> c_int {
    // SAFETY: see the module.
    unsafe { with_entry(&[Table::Streams], stream, |_, index| c_api::send_now(index)) }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_set_interval(stream: *const c_char, interval_ms: u32) -> c_int {
    // SAFETY: see the module.
    unsafe {
        with_entry(&[Table::Streams], stream, |_, index| {
            c_api::set_interval(index, interval_ms);
        })
    }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_report_changed(property: *const c_char) -> c_int {
    let tables = [Table::Reported, Table::Properties];
    // SAFETY: see the module.
    unsafe { with_entry(&tables, property, c_api::report_changed) }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_keep(name: *const c_char) -> c_int {
    // SAFETY: see the module.
    unsafe { with_entry(&[Table::Kept], name, |_, index| c_api::keep(index)) }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_acknowledge(token: u64) -> c_int {
    match AckToken::from_bits(token).map(c_api::acknowledge) {
        Some(true) => 0,
        Some(false) => failed(AZURE_ERRNO_NO_ROOM),
        None => failed(AZURE_ERRNO_INVALID),
    }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_send(message: *const c::azure_iot_hub_telemetry) -> c_int {
    // SAFETY: see the module.
    let Some(message) = (unsafe { message.as_ref() }) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    if !requests::is_started() {
        return failed(AZURE_ERRNO_AGAIN);
    }
    let mut properties = [("", ""); MESSAGE_PROPERTIES];
    // SAFETY: see the module.
    let submission = unsafe { submission(message, &mut properties) };
    let Some(submission) = submission else {
        return failed(AZURE_ERRNO_INVALID);
    };
    match c_api::send(&submission, Done::of(message)) {
        Ok(()) => 0,
        Err(SendError::TooLarge { .. }) => failed(AZURE_ERRNO_TOO_LONG),
        Err(SendError::Full | SendError::TooManyTickets) => failed(AZURE_ERRNO_NO_ROOM),
        Err(_) => failed(AZURE_ERRNO_INVALID),
    }
}

/// A message of C; `None` if it is not as the header demands.
///
/// # Safety
/// Memory that the message points to is valid.
unsafe fn submission<'m>(
    message: &'m c::azure_iot_hub_telemetry,
    properties: &'m mut [(&'m str, &'m str); MESSAGE_PROPERTIES],
) -> Option<Submission<'m>> {
    if message.body.is_null() && message.length > 0 {
        return None;
    }
    // SAFETY: the caller vouches for it.
    let body = unsafe { elements(message.body.cast::<u8>(), message.length) };
    let optional = |pointer: *const c_char| match pointer.is_null() {
        true => Some(""),
        // SAFETY: the same.
        false => unsafe { text(pointer) },
    };
    let submission = match message.content_type.is_null() {
        true => Submission::json(Value::parse(body).ok()?.text()),
        false => {
            let content_type = optional(message.content_type)?;
            Submission::bytes(body).content(content_type, optional(message.content_encoding)?)
        }
    };
    // SAFETY: the same.
    let given = unsafe { elements(message.properties, message.property_count) };
    for (index, property) in given.iter().enumerate() {
        // SAFETY: the same.
        let pair = unsafe { (text(property.key)?, text(property.value)?) };
        *properties.get_mut(index)? = pair;
    }
    let mut submission = submission.properties(properties.get(..given.len())?);
    if !message.component.is_null() {
        submission = submission.of_component(optional(message.component)?);
    }
    if !message.correlation_id.is_null() {
        submission = submission.correlation_id(optional(message.correlation_id)?);
    }
    if !message.message_id.is_null() {
        submission = submission.message_id(optional(message.message_id)?);
    }
    Some(match message.at_most_once {
        true => submission.at_most_once(),
        false => submission,
    })
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_iot_hub_get_status(to: *mut c::azure_iot_hub_status) -> c_int {
    // SAFETY: see the module.
    let Some(to) = (unsafe { to.as_mut() }) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    let report = status::current_report();
    let mut last_failure = [0; 32];
    let stage = report.last_failure.map_or("", |failure| failure.stage());
    // The last byte stays a zero.
    for (to, byte) in last_failure.iter_mut().take(31).zip(stage.bytes()) {
        *to = byte as c_char;
    }
    *to = c::azure_iot_hub_status {
        connected: report.joined,
        connections: report.connections,
        failures: report.failures,
        messages: report.telemetry_due,
        acknowledged: report.telemetry_acknowledged,
        queued: report.queued,
        dropped: u32::try_from(report.dropped.total()).unwrap_or(u32::MAX),
        last_failure,
    };
    0
}

/// Writes a text with a zero behind it. Gives its length.
///
/// # Safety
/// `buffer` is NULL, or has `size` bytes that may be written.
unsafe fn write_text(
    buffer: *mut c_char,
    size: usize,
    write: impl FnOnce(&mut azure_device::text::Text<'_>) -> bool,
) -> c_int {
    if buffer.is_null() {
        return failed(AZURE_ERRNO_INVALID);
    }
    // SAFETY: the caller vouches for it.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), size) };
    let Some((last, _)) = buffer.split_last_mut() else {
        return failed(AZURE_ERRNO_TOO_LONG);
    };
    *last = 0;
    let length = size - 1;
    let mut text = azure_device::text::Text::new(buffer.get_mut(..length).unwrap_or_default());
    let written = write(&mut text).then(|| text.len());
    let end = buffer.get_mut(written.unwrap_or(0));
    end.into_iter().for_each(|end| *end = 0);
    match written.map(c_int::try_from) {
        Some(Ok(length)) => length,
        _ => failed(AZURE_ERRNO_TOO_LONG),
    }
}
