//! THE APPLICATION: what this product measures, sends and does with messages. Change this file.

use core::str;

use log::info;

use crate::application::{Application, CloudMessage};
use crate::json::Object;
use crate::port::Sensor;

/// The longest part of a message's body that is printed, in bytes.
const PRINTED: usize = 256;

/// Sends every reading of the sensor and prints what arrives.
#[derive(Debug, Default)]
pub struct App {
    sent: u32,
}

impl Application for App {
    fn telemetry(&mut self, sensor: &mut dyn Sensor, message: &mut Object<'_, '_>) {
        self.sent = self.sent.wrapping_add(1);
        message.integer("count", self.sent.into());
        let sampled = sensor.sample(&mut |reading| {
            message.thousandths(reading.name, reading.thousandths);
        });
        if let Err(error) = sampled {
            log::warn!("sensor: no reading (error {})", error.0);
        }
    }

    fn cloud_message(&mut self, message: &CloudMessage<'_>) {
        let again = if message.redelivered { ", again" } else { "" };
        info!(
            "cloud-to-device message of {} bytes{again}: {}",
            message.body.len(),
            Printable(message.body)
        );
    }
}

/// A body as text, as far as it is text.
struct Printable<'a>(&'a [u8]);

impl core::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let shown = self.0.get(..PRINTED).unwrap_or(self.0);
        let text = match str::from_utf8(shown) {
            Ok(text) => text,
            // A cut character at the end is no reason to call it binary.
            Err(error) if error.error_len().is_none() => {
                str::from_utf8(shown.get(..error.valid_up_to()).unwrap_or_default())
                    .unwrap_or_default()
            }
            Err(_) => return f.write_str("(binary)"),
        };
        for character in text.chars() {
            // Control characters could rewrite a terminal.
            if character.is_control() {
                write!(f, "{}", character.escape_default())?
            } else {
                write!(f, "{character}")?
            }
        }
        if self.0.len() > shown.len() {
            f.write_str("…")
        } else {
            Ok(())
        }
    }
}
