//! Reading and writing JSON for C.

use core::ffi::{c_char, c_int};

use azure_device::json::{Decimal, Kind, Value, write_value};
use azure_device::text::Text;

use super::{failed, result, write_text};
use crate::ffi::c::{AZURE_ERRNO_INVALID, AZURE_ERRNO_NOT_FOUND};
use crate::ffi::c_api::{self, c, elements, text};

/// The value that C passes; `None` if it is NULL or no JSON.
///
/// # Safety
/// `json` is NULL, or points to a text that is valid.
unsafe fn value<'j>(json: *const c::azure_iot_hub_json) -> Option<Value<'j>> {
    // SAFETY: the caller vouches for it.
    let json = unsafe { json.as_ref() }?;
    // SAFETY: the same.
    Value::parse(unsafe { elements(json.text.cast::<u8>(), json.length) }).ok()
}

/// Gives C what was read.
///
/// # Safety
/// `to` is NULL, or may be written.
unsafe fn give<T>(to: *mut T, read: Option<T>) -> c_int {
    // SAFETY: the caller vouches for it.
    result(
        unsafe { to.as_mut() }
            .zip(read)
            .map(|(to, read)| *to = read),
    )
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_is_null(
    json: *const c::azure_iot_hub_json,
) -> bool {
    // SAFETY: see the module above.
    unsafe { value(json) }.is_some_and(Value::is_null)
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_integer(
    json: *const c::azure_iot_hub_json,
    to: *mut i64,
) -> c_int {
    // SAFETY: see the module above.
    unsafe { give(to, value(json).and_then(Value::as_i64)) }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_decimal(
    json: *const c::azure_iot_hub_json,
    decimals: u8,
    to: *mut i64,
) -> c_int {
    // SAFETY: see the module above.
    unsafe { give(to, value(json).and_then(|value| value.as_decimal(decimals))) }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_boolean(
    json: *const c::azure_iot_hub_json,
    to: *mut bool,
) -> c_int {
    // SAFETY: see the module above.
    unsafe { give(to, value(json).and_then(Value::as_bool)) }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_string(
    json: *const c::azure_iot_hub_json,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: see the module above.
    let Some(string) = (unsafe { value(json) }).and_then(Value::as_text) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    // SAFETY: the same.
    unsafe { write_text(buffer, size, |text| text.append(string).is_ok()) }
}

/// Finds a part of a value.
///
/// # Safety
/// `json` is NULL, or points to a text that is valid; `to` is NULL, or may be written.
unsafe fn find<'j>(
    json: *const c::azure_iot_hub_json,
    to: *mut c::azure_iot_hub_json,
    part: impl FnOnce(Value<'j>) -> Option<Option<Value<'j>>>,
) -> c_int {
    // SAFETY: the caller vouches for it.
    match unsafe { value(json) }.and_then(part) {
        None => failed(AZURE_ERRNO_INVALID),
        Some(None) => failed(AZURE_ERRNO_NOT_FOUND),
        // SAFETY: the same.
        Some(Some(part)) => unsafe { give(to, Some(c_api::json(part))) },
    }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_member(
    json: *const c::azure_iot_hub_json,
    name: *const c_char,
    to: *mut c::azure_iot_hub_json,
) -> c_int {
    // SAFETY: see the module above.
    let Some(name) = (unsafe { text(name) }) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    let is_object = |value: &Value<'_>| value.kind() == Kind::Object;
    // SAFETY: the same.
    unsafe {
        find(json, to, |value| {
            Some(value).filter(is_object).map(|value| value.get(name))
        })
    }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_element(
    json: *const c::azure_iot_hub_json,
    index: usize,
    to: *mut c::azure_iot_hub_json,
) -> c_int {
    // SAFETY: see the module above.
    unsafe { find(json, to, |value| Some(value.as_array()?.nth(index))) }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_write_decimal(
    buffer: *mut c_char,
    size: usize,
    value: i64,
    decimals: u8,
) -> c_int {
    // SAFETY: see the module above.
    unsafe {
        write_text(buffer, size, |text| {
            text.append(Decimal::new(value, decimals)).is_ok()
        })
    }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_json_write_string(
    buffer: *mut c_char,
    size: usize,
    string: *const c_char,
) -> c_int {
    // SAFETY: see the module above.
    let Some(string) = (unsafe { text(string) }) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    let write = |text: &mut Text<'_>| write_value(text, |slot| slot.string(string)).is_ok();
    // SAFETY: the same.
    unsafe { write_text(buffer, size, write) }
}
