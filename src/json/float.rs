//! Numbers in floating point, behind the feature `float`: reading and printing them takes tens of
//! kilobytes of code.

use core::fmt::{self, Write};

use super::{Array, Kind, Object, Slot, Value};
use crate::text::Text;

mod sealed {
    pub trait Sealed {}

    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`.
pub trait Float: Copy + fmt::Debug + sealed::Sealed {
    /// True for a number; infinity and NaN are none, and JSON has no form for them (RFC 8259, section 6).
    fn is_number(self) -> bool;
}

impl Float for f32 {
    fn is_number(self) -> bool {
        self.is_finite()
    }
}

impl Float for f64 {
    fn is_number(self) -> bool {
        self.is_finite()
    }
}

/// The shortest digits that are read as this number again, with an exponent where it is very large or small. `Debug`
/// has it so, `Display` prints all zeros.
fn write(out: &mut Text<'_>, value: impl Float) -> fmt::Result {
    if value.is_number() {
        write!(out, "{value:?}")
    } else {
        Err(fmt::Error)
    }
}

impl Slot<'_, '_> {
    /// Writes a number in floating point. Infinity and NaN make the whole an error: JSON does not have them.
    pub fn float(self, value: impl Float) {
        self.write(|out| write(out, value));
    }
}

impl Object<'_, '_> {
    /// A member whose value is a number in floating point. Infinity and NaN make the whole an error: JSON does not
    /// have them.
    pub fn float(&mut self, name: &str, value: impl Float) -> &mut Self {
        self.slot(name).float(value);
        self
    }
}

impl Array<'_, '_> {
    /// An element that is a number in floating point. Infinity and NaN make the whole an error: JSON does not have
    /// them.
    pub fn float(&mut self, value: impl Float) -> &mut Self {
        self.slot().float(value);
        self
    }
}

impl<'j> Value<'j> {
    /// The number of floating point that is nearest to this number. `None` for one that is too large, and for any
    /// other kind.
    pub fn as_f64(self) -> Option<f64> {
        let value: f64 = self.number()?.parse().ok()?;
        Some(value).filter(|value| value.is_finite())
    }

    /// The number of single precision that is nearest to this number. `None` for one that is too large, and for any
    /// other kind.
    pub fn as_f32(self) -> Option<f32> {
        let value: f32 = self.number()?.parse().ok()?;
        Some(value).filter(|value| value.is_finite())
    }

    fn number(self) -> Option<&'j str> {
        (self.kind() == Kind::Number).then(|| self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TooLong, write_value};
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    fn written(value: impl Float) -> Result<String, TooLong> {
        let mut buffer = [0; 32];
        let mut text = Text::new(&mut buffer);
        write_value(&mut text, |slot| slot.float(value))?;
        Ok(text.as_str().into())
    }

    fn parse(text: &str) -> Value<'_> {
        Value::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_float_has_the_shortest_digits_of_its_precision() {
        assert_eq!(written(0.1_f32).as_deref(), Ok("0.1"));
        assert_eq!(written(0.1_f64).as_deref(), Ok("0.1"));
        assert_eq!(written(-21.0_f64).as_deref(), Ok("-21.0"));
        assert_eq!(written(f64::MAX).as_deref(), Ok("1.7976931348623157e308"));
        assert_eq!(
            written(f64::MIN_POSITIVE).as_deref(),
            Ok("2.2250738585072014e-308")
        );
    }

    #[test]
    fn infinity_and_nan_make_the_whole_an_error() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(written(value), Err(TooLong));
            assert_eq!(written(value as f32), Err(TooLong));
            let mut buffer = [0; 64];
            let mut text = Text::new(&mut buffer);
            let mut object = Object::new(&mut text);
            object.array("list", |list| {
                list.float(1.5_f32).float(value);
            });
            object.float("next", 1.0_f64);
            assert_eq!(object.finish(), Err(TooLong));
        }
    }

    #[test]
    fn a_number_that_is_too_large_and_any_other_kind_is_no_float() {
        assert_eq!(parse("1e309").as_f64(), None);
        assert_eq!(parse("-1e309").as_f64(), None);
        assert_eq!(parse("1e39").as_f32(), None);
        assert_eq!(parse("1e39").as_f64(), Some(1e39));
        assert_eq!(parse("1e-999").as_f64(), Some(0.0));
        for other in ["\"1\"", "null", "true", "[1]", "\"inf\"", "{}"] {
            assert_eq!(parse(other).as_f64(), None, "{other}");
            assert_eq!(parse(other).as_f32(), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_float_that_is_written_is_read_as_it_was(bits: u64) {
            let (double, single) = (f64::from_bits(bits), f32::from_bits(bits as u32));
            if double.is_finite() {
                let text = written(double).unwrap();
                prop_assert_eq!(parse(&text).as_f64(), Some(double));
            }
            if single.is_finite() {
                prop_assert_eq!(parse(&written(single).unwrap()).as_f32(), Some(single));
            }
        }
    }
}
