use super::*;
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

fn written(value: Decimal) -> String {
    let mut buffer = [0; MAX_TEXT];
    let mut text = Text::new(&mut buffer);
    value.write(&mut text).unwrap();
    text.as_str().into()
}

#[test]
fn a_decimal_has_no_needless_digits() {
    for (mantissa, decimals, text) in [
        (215, 1, "21.5"),
        (21_500, 3, "21.5"),
        (-500, 3, "-0.5"),
        (1_013_250, 3, "1013.25"),
        (7, 3, "0.007"),
        (40_000, 3, "40"),
        (40, 0, "40"),
        (-40, 1, "-4"),
        (1_010, 3, "1.01"),
        (0, 9, "0"),
        (i64::MIN, 3, "-9223372036854775.808"),
        (i64::MIN, 18, "-9.223372036854775808"),
        (i64::MAX, 19, "0.9223372036854775807"),
        (i64::MIN, 20, "-0.09223372036854775808"),
        (1, 21, "0.000000000000000000001"),
    ] {
        let decimal = Decimal::new(mantissa, decimals);
        assert_eq!(written(decimal), text);
        assert_eq!(decimal.to_string(), text);
    }
}

#[test]
fn the_longest_decimals_fit_their_texts() {
    assert_eq!(written(Decimal::new(-1, 255)).len(), MAX_TEXT);
    assert_eq!(written(Decimal::new(i64::MIN, 255)).len(), MAX_TEXT);
}

#[test]
fn a_decimal_is_padded_as_other_numbers_are() {
    let decimal = Decimal::new(-215, 1);
    assert_eq!(
        format!("{decimal:>7}|{decimal:07}|{decimal:.0}"),
        "  -21.5|-0021.5|-21.5"
    );
}

#[test]
fn a_decimal_is_scaled_exactly_or_not_at_all() {
    for (mantissa, decimals, to, scaled) in [
        (215, 1, 2, Some(2150)),
        (2150, 2, 1, Some(215)),
        (2155, 2, 1, None),
        (i64::MAX, 0, 1, None),
        (0, 255, 0, Some(0)),
        (0, 0, 255, Some(0)),
        (1, 255, 0, None),
        (i64::MIN, 18, 18, Some(i64::MIN)),
    ] {
        assert_eq!(Decimal::new(mantissa, decimals).scaled(to), scaled);
    }
}

#[test]
fn decimals_are_ordered_by_their_value() {
    let ordered = [
        Decimal::new(i64::MIN, 0),
        Decimal::new(i64::MIN, 1),
        Decimal::new(-215, 1),
        Decimal::new(-2149, 2),
        Decimal::new(-1, 255),
        Decimal::default(),
        Decimal::new(1, 255),
        Decimal::new(2149, 2),
        Decimal::new(215, 1),
        Decimal::new(i64::MAX, 1),
        Decimal::from(i64::MAX),
    ];
    for (index, one) in ordered.iter().enumerate() {
        for (other_index, other) in ordered.iter().enumerate() {
            assert_eq!(one.cmp(other), index.cmp(&other_index), "{one} and {other}");
        }
    }
    assert_eq!(Decimal::new(215, 1), Decimal::new(21_500, 3));
    assert_eq!(Decimal::new(0, 7), Decimal::default());
}

proptest! {
    #[test]
    fn a_decimal_says_what_its_digits_are(mantissa: i64, shift in 0_u32..63, decimals in 0_u8..30) {
        let mantissa = mantissa >> shift;
        let text = written(Decimal::new(mantissa, decimals));
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        prop_assert!(fraction.len() <= decimals.into());
        prop_assert!(!fraction.ends_with('0'));
        let zeros = "0".repeat(usize::from(decimals) - fraction.len());
        let digits: Vec<_> = [whole, fraction, &zeros].into();
        prop_assert_eq!(digits.concat().parse::<i64>().unwrap(), mantissa);
    }

    #[test]
    fn order_is_that_of_a_wider_type(one: i32, ones in 0_u8..9, other: i32, others in 0_u8..9) {
        let wide = |mantissa: i32, decimals: u8| i128::from(mantissa) * 10_i128.pow(18 - u32::from(decimals));
        let ours = Decimal::new(one.into(), ones).cmp(&Decimal::new(other.into(), others));
        prop_assert_eq!(ours, wide(one, ones).cmp(&wide(other, others)));
    }
}
