//! One buffer, used for several short-lived texts at a time.

use core::fmt::Display;

use crate::text::{Overflow, Text};

/// Rest of a scratch buffer.
pub(crate) struct Scratch<'s> {
    rest: &'s mut [u8],
}

impl<'s> Scratch<'s> {
    pub(crate) fn new(buffer: &'s mut [u8]) -> Self {
        Self { rest: buffer }
    }

    /// Writes `value` and keeps it: later texts come behind it.
    pub(crate) fn render(&mut self, value: impl Display) -> Result<&'s str, Overflow> {
        let buffer = core::mem::take(&mut self.rest);
        let length = {
            let mut text = Text::new(&mut *buffer);
            text.append(value)?;
            text.len()
        };
        let (written, rest) = buffer.split_at_mut(length);
        self.rest = rest;
        // It was written as text just now.
        Ok(core::str::from_utf8(written).unwrap_or_default())
    }

    /// All that is left, for something that ends by itself.
    pub(crate) fn rest(self) -> &'s mut [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_beside_each_other_until_the_buffer_is_full() {
        let mut buffer = [0; 5];
        let mut scratch = Scratch::new(&mut buffer);
        let first = scratch.render("ab").expect("it fits");
        let second = scratch.render("cd").expect("it fits");
        assert_eq!((first, second), ("ab", "cd"));
        assert_eq!(scratch.render("ef"), Err(Overflow { capacity: 1 }));
    }
}
