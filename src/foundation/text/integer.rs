//! Integers as decimal digits, written in place.
//!
//! The formatter of `core` copies the digits twice and goes through tables and padding. A message has a dozen
//! integers, and on a microcontroller they would be a good part of its work.

use core::fmt;

use super::Text;

/// Largest power of ten that fits 32 bits. A microcontroller divides 64 bits by a library function, so that
/// a larger value is divided once for each part of nine digits.
const PART: u64 = 1_000_000_000;
/// Digits of a part.
const PART_DIGITS: usize = 9;
/// Digits of the largest value, 18,446,744,073,709,551,615.
const MAX_DIGITS: usize = 20;

impl Text<'_> {
    /// Appends a whole number in decimal digits, with `-` before one below zero.
    pub(crate) fn write_integer(&mut self, value: i64) -> fmt::Result {
        if value < 0 {
            fmt::Write::write_str(self, "-")?;
        }
        self.write_digits(value.unsigned_abs(), 1)
    }

    /// Appends a whole number in decimal digits, with zeros before it up to `width` digits, of which there are 20
    /// at most.
    pub(crate) fn write_digits(&mut self, value: u64, width: usize) -> fmt::Result {
        let mut digits = [b'0'; MAX_DIGITS];
        let mut start = MAX_DIGITS;
        let mut rest = value;
        while rest >= PART {
            let part = (rest % PART) as u32;
            rest /= PART;
            start -= PART_DIGITS;
            put(&mut digits, start + PART_DIGITS, part);
        }
        // What is left fits 32 bits.
        let first = put(&mut digits, start, rest as u32);
        let first = first.min(MAX_DIGITS.saturating_sub(width));
        let digits = digits.get(first..).unwrap_or_default();
        let end = self.length.checked_add(digits.len()).ok_or(fmt::Error)?;
        let room = self.buffer.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(digits);
        self.length = end;
        Ok(())
    }
}

/// Puts the digits of `value` before the index `end`. Returns the index of the first.
fn put(digits: &mut [u8; MAX_DIGITS], end: usize, value: u32) -> usize {
    let mut rest = value;
    let mut at = end;
    while rest > 0
        && let Some(before) = at.checked_sub(1)
        && let Some(digit) = digits.get_mut(before)
    {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        at = before;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    fn written(value: i64) -> std::string::String {
        let mut buffer = [0; MAX_DIGITS];
        let mut text = Text::new(&mut buffer);
        text.write_integer(value).unwrap();
        text.as_str().into()
    }

    #[test]
    fn an_integer_at_each_change_of_its_length_has_the_digits_of_cores_formatter() {
        let mut power = 1_i64;
        while let Some(next) = power.checked_mul(10) {
            for value in [power - 1, power, power + 1, 1 - power, -power, -power - 1] {
                assert_eq!(written(value), format!("{value}"));
            }
            power = next;
        }
        for value in [0, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(written(value), format!("{value}"));
        }
    }

    #[test]
    fn zeros_fill_up_to_the_width_and_no_digit_is_lost() {
        let mut buffer = [0; 64];
        let mut text = Text::new(&mut buffer);
        for (value, width) in [(7, 3), (0, 2), (1234, 2), (u64::MAX, 25), (0, 0)] {
            text.write_digits(value, width).unwrap();
            text.append(' ').unwrap();
        }
        assert_eq!(text.as_str(), "007 00 1234 18446744073709551615  ");
    }

    #[test]
    fn an_integer_that_does_not_fit_is_an_error() {
        for size in 0..4 {
            let mut buffer = std::vec![0; size];
            let mut text = Text::new(&mut buffer);
            assert!(text.write_integer(-123).is_err(), "{size} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_integer_has_the_digits_of_cores_formatter(value: i64, shift in 0_u32..63) {
            let value = value >> shift;
            prop_assert_eq!(written(value), format!("{value}"));
        }
    }
}
