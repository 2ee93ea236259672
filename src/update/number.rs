//! Decimal numbers in texts of others.

/// Number of decimal digits alone. `None` if it is something else, or larger than 64 bits.
pub(super) fn number(text: &str) -> Option<u64> {
    let mut number = None;
    for byte in text.bytes() {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        let tens = number.unwrap_or(0_u64).checked_mul(10)?;
        number = Some(tens.checked_add(Some(digit).filter(|digit| *digit < 10)?)?);
    }
    number
}

/// The same, for a smaller type.
pub(super) fn small<T: TryFrom<u64>>(text: &str) -> Option<T> {
    T::try_from(number(text)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_alone_and_fits_its_type() {
        for (text, value) in [("0", 0), ("007", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(number(text), Some(value));
        }
        for text in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "x",
            "٣",
            "18446744073709551616",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(small::<u16>("65535"), Some(65535));
        assert_eq!(small::<u16>("65536"), None);
    }
}
