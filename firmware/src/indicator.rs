//! The LEDs: green while it starts, blue while it sends or is updated, red when it cannot go on.

#![forbid(unsafe_code)]

use azure_device::report::Status;

use crate::ffi::{Led, set_led};

/// Shows a status: at most one LED shines, none while the device is connected and idle.
pub(crate) fn show(status: Status) {
    let shining = match status {
        Status::Starting => Some(Led::Starting),
        Status::Connected | Status::Off => None,
        Status::Sending | Status::Updating => Some(Led::Sending),
        Status::Failed => Some(Led::Failed),
    };
    for led in [Led::Starting, Led::Sending, Led::Failed] {
        set_led(led, shining == Some(led));
    }
}
