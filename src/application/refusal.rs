//! Reasons that an application gives an operator.

use core::fmt::{self, Display};

/// Reason why a value or a call is refused, for the operator who sent it.
///
/// It is a fixed text in which each `{}` stands for one of two numbers, so that it can wait in the twin's memory until it
/// is reported: `Refusal::with("must be from {} to {}", [0, 60])`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    text: &'static str,
    numbers: [i64; 2],
    /// Decimals of the numbers.
    decimals: u8,
}

impl Refusal {
    /// A reason without numbers.
    pub const fn new(text: &'static str) -> Self {
        Self::with(text, [0; 2])
    }

    /// A reason whose first two `{}` are these numbers.
    pub const fn with(text: &'static str, numbers: [i64; 2]) -> Self {
        Self {
            text,
            numbers,
            decimals: 0,
        }
    }

    /// The same with numbers that have so many decimals: 215 with one decimal is `21.5`.
    pub const fn decimals(self, decimals: u8) -> Self {
        Self { decimals, ..self }
    }
}

impl From<&'static str> for Refusal {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.text;
        for number in self.numbers {
            let Some((before, after)) = rest.split_once("{}") else {
                break;
            };
            let number = crate::json::Decimal::new(number, self.decimals);
            write!(f, "{before}{number}")?;
            rest = after;
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_reason_has_its_numbers_in_their_places() {
        let range = Refusal::with("must be from {} to {}", [-5, 60]);
        assert_eq!(range.to_string(), "must be from -5 to 60");
        assert_eq!(range.decimals(1).to_string(), "must be from -0.5 to 6");
        assert_eq!(Refusal::from("no numbers").to_string(), "no numbers");
        assert_eq!(
            Refusal::with("{}", [i64::MIN, 0]).to_string(),
            "-9223372036854775808"
        );
    }
}
