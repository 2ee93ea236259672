//! Commands: text that ends with a carriage return, formatted into a buffer of its own.

use core::fmt::{self, Write};

use zeroize::Zeroize;

/// The longest command, in bytes: a name of 253 bytes to resolve (RFC 1035, section 2.3.4).
const CAPACITY: usize = 260;

/// A command, complete with its carriage return.
pub(crate) struct Command {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Command {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; CAPACITY],
            length: 0,
        }
    }

    /// Formats a command and gives its bytes; `None` if it is too long, or if an argument would end it early.
    pub(crate) fn format(&mut self, text: fmt::Arguments<'_>) -> Option<&[u8]> {
        self.length = 0;
        self.write_fmt(text).ok()?;
        let text = self.bytes.get(..self.length)?;
        if text.iter().any(u8::is_ascii_control) {
            return None;
        }
        self.append(b"\r").ok()?;
        self.bytes.get(..self.length)
    }

    /// Forgets the command, which had the password.
    pub(crate) fn wipe(&mut self) {
        self.bytes.zeroize();
    }

    fn append(&mut self, text: &[u8]) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text);
        self.length = end;
        Ok(())
    }
}

impl Write for Command {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn a_command_ends_with_a_carriage_return() {
        let mut command = Command::new();
        let bytes = command.format(format_args!("P0={}", 3));
        assert_eq!(bytes, Some(&b"P0=3\r"[..]));
    }

    #[test]
    fn an_argument_cannot_end_a_command_early_or_overflow_it() {
        let mut command = Command::new();
        assert!(command.format(format_args!("C1={}", "a\rC0")).is_none());
        assert!(command.format(format_args!("D0={}", "a\nb")).is_none());
        let long = String::from_utf8(std::vec![b'a'; CAPACITY]).unwrap();
        assert!(command.format(format_args!("D0={long}")).is_none());
    }
}
