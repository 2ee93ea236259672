//! The place for one value.

use core::fmt::{self, Display, Write};

use super::super::{Decimal, Value};
use super::{Array, Object, TooLong};
use crate::text::Text;

/// Place for exactly one value. Each function writes it and takes the place away.
///
/// A slot that is dropped without a value is `null`, so that the text is JSON in any case.
#[derive(Debug)]
pub struct Slot<'t, 'b> {
    out: &'t mut Text<'b>,
    /// The list's, and true while the slot is open: one that never ends (`mem::forget`) is an error too.
    failed: &'t mut bool,
    is_open: bool,
}

impl<'t, 'b> Slot<'t, 'b> {
    /// One that is not open stands where something failed before: what is written to it is lost.
    pub(super) const fn new(out: &'t mut Text<'b>, failed: &'t mut bool, is_open: bool) -> Self {
        *failed = true;
        Self {
            out,
            failed,
            is_open,
        }
    }

    /// Writes an integer.
    pub fn integer(self, value: i64) {
        self.write(|out| out.write_integer(value));
    }

    /// Writes a decimal number.
    pub fn decimal(self, value: Decimal) {
        self.write(|out| value.write(out));
    }

    /// Writes a decimal number, given in thousandths: 21,500 is written as `21.5`.
    pub fn thousandths(self, value: i64) {
        self.decimal(Decimal::new(value, 3));
    }

    /// Writes `true` or `false`.
    pub fn boolean(self, value: bool) {
        self.write(|out| out.write_str(if value { "true" } else { "false" }));
    }

    /// Writes `null`.
    pub fn null(self) {
        drop(self);
    }

    /// Writes a string, escaped as RFC 8259, section 7 wants it.
    pub fn string(self, value: impl Display) {
        self.escaped(&value);
    }

    /// Writes a value that was read before, as it is.
    pub fn raw(self, value: Value<'_>) {
        self.write(|out| out.write_str(value.text()));
    }

    /// Writes an object, whose members `fill` writes.
    pub fn object(self, fill: impl FnOnce(&mut Object<'_, 'b>)) {
        self.write(|out| {
            let mut object = Object::new(out);
            fill(&mut object);
            object.finish().map_err(|TooLong| fmt::Error)
        });
    }

    /// Writes an array, whose elements `fill` writes.
    pub fn array(self, fill: impl FnOnce(&mut Array<'_, 'b>)) {
        self.write(|out| {
            let mut array = Array::new(out);
            fill(&mut array);
            array.finish().map_err(|TooLong| fmt::Error)
        });
    }

    /// Writes a string. One function for all types keeps the image small.
    fn escaped(self, value: &dyn Display) {
        self.write(|out| {
            out.write_str("\"")?;
            write!(Escape(out), "{value}")?;
            out.write_str("\"")
        });
    }

    pub(in super::super) fn write(mut self, value: impl FnOnce(&mut Text<'b>) -> fmt::Result) {
        if core::mem::take(&mut self.is_open) {
            *self.failed = value(self.out).is_err();
        }
    }
}

impl Drop for Slot<'_, '_> {
    fn drop(&mut self) {
        if self.is_open {
            *self.failed = self.out.write_str("null").is_err();
        }
    }
}

/// Escapes what passes through it for the inside of a JSON string.
pub(super) struct Escape<'t, 'b>(pub(super) &'t mut Text<'b>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        // All of them are ASCII, so that no cut goes through a character.
        while let Some(at) = rest.bytes().position(needs_escape) {
            let (harmless, tail) = rest.split_at(at);
            self.0.write_str(harmless)?;
            let (byte, tail) = tail.split_at(1);
            match byte {
                "\"" => self.0.write_str("\\\"")?,
                "\\" => self.0.write_str("\\\\")?,
                "\n" => self.0.write_str("\\n")?,
                control => {
                    let code = control.bytes().next().unwrap_or_default();
                    self.0.write_str("\\u00")?;
                    self.0.write_str(if code < 0x10 { "0" } else { "1" })?;
                    let digit = char::from_digit(u32::from(code) % 0x10, 0x10);
                    self.0.write_char(digit.unwrap_or_default())?;
                }
            }
            rest = tail;
        }
        self.0.write_str(rest)
    }
}

/// True for what may not stand for itself in a string (RFC 8259, section 7).
const fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}
