//! Numbers: their grammar, and the exact value of those that a device computes with.

/// A part of a number (RFC 8259, section 6), by what was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigit,
}

impl Part {
    /// Begins a number; `None` if this byte begins none.
    pub(super) const fn first(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Whole),
            _ => None,
        }
    }

    /// Goes on; `None` if this byte does not belong to the number.
    pub(super) const fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'-') => None,
            (Self::Minus, _) => Self::first(byte),
            (Self::Whole, b'0'..=b'9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::ExponentSign),
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigit, b'0'..=b'9') => {
                Some(Self::ExponentDigit)
            }
            _ => None,
        }
    }

    /// True if the number may end here.
    pub(super) const fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::ExponentDigit
        )
    }
}

/// The value of this JSON number in units of ten to the power of minus `decimals`, exactly: 21.5 with two decimals
/// is 2150. JSON does not tell 30 from 30.0 and 3e1 (RFC 8259, section 6): what counts is the value.
///
/// `None` if it has more decimals than these, and for what does not fit.
pub(super) fn scaled(number: &str, decimals: u8) -> Option<i64> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (number, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa),
    };
    let fraction = digits.split_once('.').map_or(0, |(_, digits)| digits.len());
    let mut value = 0_i64;
    // Zeros that count only if another digit follows.
    let mut zeros = 0_i64;
    for digit in digits.bytes().filter(u8::is_ascii_digit) {
        match (digit, value) {
            (b'0', 0) => {}
            (b'0', _) => zeros += 1,
            _ => {
                value = shift(value, zeros + 1)?.checked_sub(i64::from(digit - b'0'))?;
                zeros = 0;
            }
        }
    }
    let scale = exponent
        .checked_sub(i64::try_from(fraction).ok()?)?
        .checked_add(zeros)?
        .checked_add(decimals.into())?;
    // Below zero there is room for one number more.
    match (shift(value, scale)?, negative) {
        (value, true) => Some(value),
        (value, false) => value.checked_neg(),
    }
}

/// An exponent. One that does not fit is so large that it decides alone, unless the value is 0.
fn exponent_of(text: &str) -> Option<i64> {
    const HUGE: i64 = i64::MAX / 4;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = digits.bytes().try_fold(0_i64, |size, digit| {
        digit.is_ascii_digit().then(|| {
            size.saturating_mul(10)
                .saturating_add((digit - b'0').into())
        })
    })?;
    let size = size.min(HUGE);
    Some(if negative { -size } else { size })
}

/// `value` times ten to the power of `places`; `None` if that is no whole number, or does not fit.
fn shift(value: i64, places: i64) -> Option<i64> {
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10_i64.checked_pow(u32::try_from(places).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn whole(number: &str) -> Option<i64> {
        scaled(number, 0)
    }

    #[test]
    fn a_decimal_is_exact_or_nothing() {
        for (text, decimals, value) in [
            ("2.150", 2, Some(215)),
            ("2.150", 3, Some(2150)),
            ("2.150", 1, None),
            ("30", 1, Some(300)),
            ("30.0", 1, Some(300)),
            ("3e1", 1, Some(300)),
            ("-0.05", 2, Some(-5)),
            ("21.5e-1", 2, Some(215)),
            ("1e-9", 9, Some(1)),
            ("1e-255", 255, Some(1)),
            ("1e-256", 255, None),
            ("0.0", 255, Some(0)),
            ("1", 19, None),
            ("9.223372036854775807", 18, Some(i64::MAX)),
            ("-9.223372036854775808", 18, Some(i64::MIN)),
            ("9.223372036854775808", 18, None),
        ] {
            assert_eq!(scaled(text, decimals), value, "{text} with {decimals}");
        }
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (text, value) in [
            ("2.0", 2),
            ("30.0", 30),
            ("3e1", 30),
            ("1.5e1", 15),
            ("1E2", 100),
            ("1e+2", 100),
            ("1200e-2", 12),
            ("0.000012e6", 12),
            ("-0", 0),
            ("-0.0", 0),
            ("0e999999999999999999999999", 0),
            ("0.000e-999999999999999999999999", 0),
            ("10.50e1", 105),
            ("100000000000000000000000e-20", 1000),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-9223372036854775808.000", i64::MIN),
            ("9.223372036854775807e18", i64::MAX),
            ("-922337203685477580.8e1", i64::MIN),
        ] {
            assert_eq!(whole(text), Some(value), "{text}");
        }
    }

    #[test]
    fn a_fraction_and_what_does_not_fit_is_no_whole_number() {
        for text in [
            "0.5",
            "1.5",
            "15e-1",
            "1e-1",
            "-0.1",
            "1.05e1",
            "9223372036854775808",
            "-9223372036854775809",
            "1e19",
            "1e999999999999999999999999",
            "-1e999999999999999999999999",
            "1e-999999999999999999999999",
            "92233720368547758070e-0",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
        let long = format!("1{}", "0".repeat(40_000));
        assert_eq!(whole(&long), None);
        assert_eq!(whole(&format!("{long}e-40000")), Some(1));
        assert_eq!(whole(&format!("0.{}1e40001", "0".repeat(40_000))), Some(1));
    }
}
