//! Messages that C writes and reads.

use core::ffi::{c_char, c_int, c_void};

use azure_device::application::Message;
use azure_device::json::Value;
use azure_device::properties::Bag;

use super::{failed, result, write_text};
use crate::ffi::c::{AZURE_ERRNO_INVALID, AZURE_ERRNO_NOT_FOUND};
use crate::ffi::c_api::{c, elements, text};

/// The message that C got in the function of a stream; `None` if it is NULL.
///
/// # Safety
/// It is NULL, or comes from `Registered::sample`, whose call has not ended.
unsafe fn message<'m>(message: *mut c::azure_iot_hub_message) -> Option<&'m mut Message<'m>> {
    // SAFETY: `Registered::sample` made it of such a reference, and does not use it during the call.
    unsafe { message.cast::<Message<'m>>().as_mut() }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_message_json(
    to: *mut c::azure_iot_hub_message,
    json: *const c_char,
) -> c_int {
    // SAFETY: see the module above.
    let (to, json) = unsafe { (message(to), text(json)) };
    let json = json.and_then(|json| Value::parse(json.as_bytes()).ok());
    result(to.zip(json).map(|(to, json)| to.text(json)))
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_message_bytes(
    to: *mut c::azure_iot_hub_message,
    content_type: *const c_char,
    body: *const c_void,
    length: usize,
) -> c_int {
    if body.is_null() && length > 0 {
        return failed(AZURE_ERRNO_INVALID);
    }
    // SAFETY: see the module above.
    let (to, content_type) = unsafe { (message(to), text(content_type)) };
    // SAFETY: the same.
    let body = unsafe { elements(body.cast::<u8>(), length) };
    result(
        to.zip(content_type)
            .map(|(to, content_type)| to.bytes(content_type, body)),
    )
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_message_property(
    to: *mut c::azure_iot_hub_message,
    key: *const c_char,
    value: *const c_char,
) -> c_int {
    // SAFETY: see the module above.
    let (to, key, value) = unsafe { (message(to), text(key), text(value)) };
    result(
        to.zip(key.zip(value))
            .map(|(to, (key, value))| to.property(key, value)),
    )
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_message_component(
    to: *mut c::azure_iot_hub_message,
    component: *const c_char,
) -> c_int {
    // SAFETY: see the module above.
    let (to, component) = unsafe { (message(to), text(component)) };
    result(
        to.zip(component)
            .map(|(to, component)| to.component(component)),
    )
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_message_correlation_id(
    to: *mut c::azure_iot_hub_message,
    id: *const c_char,
) -> c_int {
    // SAFETY: see the module above.
    let (to, id) = unsafe { (message(to), text(id)) };
    result(to.zip(id).map(|(to, id)| to.correlation_id(id)))
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_message_at_most_once(
    to: *mut c::azure_iot_hub_message,
) -> c_int {
    // SAFETY: see the module above.
    result(unsafe { message(to) }.map(Message::at_most_once))
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_message_reading(
    from: *const c::azure_iot_hub_message,
    name: *const c_char,
    thousandths: *mut i64,
) -> c_int {
    // SAFETY: see the module above.
    let (from, name) = unsafe { (message(from.cast_mut()), text(name)) };
    // SAFETY: the same.
    let to = unsafe { thousandths.as_mut() };
    let Some(((from, name), to)) = from.zip(name).zip(to) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    match from.readings().iter().find(|reading| reading.name == name) {
        Some(reading) => {
            *to = reading.thousandths;
            0
        }
        None => failed(AZURE_ERRNO_NOT_FOUND),
    }
}

// SAFETY: the name is declared in azure_iot_hub.h, and nothing else has it.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn azure_iot_hub_cloud_property(
    from: *const c::azure_iot_hub_cloud_message,
    key: *const c_char,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: see the module above.
    let (from, key) = unsafe { (from.as_ref(), text(key)) };
    let Some((from, key)) = from.zip(key) else {
        return failed(AZURE_ERRNO_INVALID);
    };
    let bag = &from.properties;
    // SAFETY: the same.
    let bag = unsafe { elements(bag.text.cast::<u8>(), bag.length) };
    let bag = Bag::new(core::str::from_utf8(bag).unwrap_or_default());
    let Some(value) = bag.get(key) else {
        return failed(AZURE_ERRNO_NOT_FOUND);
    };
    let write = |text: &mut azure_device::text::Text<'_>| {
        value.value.is_none_or(|value| text.append(value).is_ok())
    };
    // SAFETY: the same.
    unsafe { write_text(buffer, size, write) }
}
