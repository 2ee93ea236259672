//! Decimal numbers without floating point.

use core::cmp::Ordering;
use core::fmt::{self, Display, Write};

use crate::text::Text;

/// Decimal number, exactly: a whole number and the number of its digits behind the point.
///
/// `Decimal::new(215, 1)` is 21.5. It is written with no more digits behind the point than it needs, and equals
/// `Decimal::new(21_500, 3)`. Any number of decimals is allowed; a whole number of 64 bits has 19 digits at most.
#[derive(Clone, Copy, Default)]
pub struct Decimal {
    mantissa: i64,
    decimals: u8,
}

/// Bytes of the longest text: the sign, `0.`, and 255 digits.
const MAX_TEXT: usize = 258;

impl Decimal {
    /// `mantissa` divided by ten to the power of `decimals`.
    #[must_use]
    pub const fn new(mantissa: i64, decimals: u8) -> Self {
        Self { mantissa, decimals }
    }

    /// All digits as a whole number.
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// Digits behind the point.
    #[must_use]
    pub const fn decimals(self) -> u8 {
        self.decimals
    }

    /// The number as a whole number of units of ten to the power of minus `decimals`: 21.5 with two decimals is
    /// 2150. `None` if it has more decimals than these, or does not fit: nothing is rounded.
    #[must_use]
    pub fn scaled(self, decimals: u8) -> Option<i64> {
        match decimals.checked_sub(self.decimals) {
            Some(more) => multiplied(self.mantissa, more),
            None => {
                let divisor = multiplied(1, self.decimals - decimals);
                match divisor {
                    Some(divisor) if self.mantissa % divisor == 0 => Some(self.mantissa / divisor),
                    None if self.mantissa == 0 => Some(0),
                    _ => None,
                }
            }
        }
    }

    /// Without zeros at the end of the digits behind the point.
    const fn shortened(self) -> Self {
        let Self {
            mut mantissa,
            mut decimals,
        } = self;
        while decimals > 0 && mantissa % 10 == 0 {
            if mantissa == 0 {
                return Self::new(0, 0);
            }
            mantissa /= 10;
            decimals -= 1;
        }
        Self::new(mantissa, decimals)
    }

    pub(super) fn write(self, out: &mut Text<'_>) -> fmt::Result {
        let Self { mantissa, decimals } = self.shortened();
        if decimals == 0 {
            return out.write_integer(mantissa);
        }
        if mantissa < 0 {
            out.write_str("-")?;
        }
        let digits = mantissa.unsigned_abs();
        let Some(divisor) = 10_u64.checked_pow(decimals.into()) else {
            // More digits behind the point than a mantissa has.
            out.write_str("0.")?;
            for _ in WIDEST..decimals.into() {
                out.write_str("0")?;
            }
            return out.write_digits(digits, WIDEST);
        };
        out.write_digits(digits / divisor, 1)?;
        out.write_str(".")?;
        out.write_digits(digits % divisor, decimals.into())
    }
}

/// Digits of the longest mantissa, and one more.
const WIDEST: usize = 20;

/// `value` times ten to the power of `places`, if that fits.
fn multiplied(value: i64, places: u8) -> Option<i64> {
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10_i64.checked_pow(places.into())?)
}

/// A whole number.
impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::new(value, 0)
    }
}

impl Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; MAX_TEXT];
        let mut text = Text::new(&mut buffer);
        self.write(&mut text)?;
        let digits = text.as_str();
        f.pad_integral(
            self.mantissa >= 0,
            "",
            digits.strip_prefix('-').unwrap_or(digits),
        )
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.decimals > other.decimals {
            return other.cmp(self).reverse();
        }
        match multiplied(self.mantissa, other.decimals - self.decimals) {
            Some(mantissa) => mantissa.cmp(&other.mantissa),
            // It is larger than any mantissa, on its side of zero.
            None => self.mantissa.cmp(&0),
        }
    }
}

#[cfg(test)]
#[path = "decimal_tests.rs"]
mod tests;
