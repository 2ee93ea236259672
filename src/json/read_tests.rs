use super::super::{MAX_DEPTH, ParseError};
use super::*;
use std::format;
use std::string::ToString;

fn parse(text: &str) -> Value<'_> {
    Value::parse(text.as_bytes()).unwrap()
}

#[test]
fn members_are_found_whatever_surrounds_them() {
    let value = parse(" { \"a\" : 1 , \"b\":{\"c\":[1,{\"d\":null}],\"e\":\"x\"},\"t\":true } ");
    assert_eq!(value.get("a").unwrap().as_i64(), Some(1));
    assert_eq!(
        value
            .get("b")
            .unwrap()
            .get("e")
            .unwrap()
            .as_text()
            .unwrap()
            .to_string(),
        "x"
    );
    assert_eq!(
        value.get("b").unwrap().get("c").unwrap().text(),
        "[1,{\"d\":null}]"
    );
    assert_eq!(value.get("t").unwrap().as_bool(), Some(true));
    assert!(value.get("z").is_none());
    assert_eq!(value.members().count(), 3);
    assert_eq!(parse("[1,2]").members().count(), 0);
    assert_eq!(parse("{}").members().count(), 0);
}

#[test]
fn strings_are_unescaped() {
    let text = |json: &str| parse(json).as_text().unwrap().to_string();
    assert_eq!(text(r#""a\"\\\/\b\f\n\r\té""#), "a\"\\/\u{8}\u{c}\n\r\té");
    assert_eq!(text(r#""\u0041\ud83d\ude00""#), "A😀");
    assert_eq!(text(r#""\ud83d""#), "\u{fffd}");
    assert_eq!(text(r#""\ud83dx\ude00""#), "\u{fffd}x\u{fffd}");
    assert!(parse(r#"{"\u0061":7}"#).get("a").is_some());
}

#[test]
fn integers_are_exact_or_nothing() {
    assert_eq!(parse("-9223372036854775808").as_i64(), Some(i64::MIN));
    assert_eq!(parse("3.0e1").as_i64(), Some(30));
    for json in [
        "9223372036854775808",
        "1.5",
        "1e-3",
        "\"1\"",
        "true",
        "null",
    ] {
        assert_eq!(parse(json).as_i64(), None, "{json}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    use ParseError::{Incomplete, NotUtf8, Unexpected};
    for (text, error) in [
        ("", Incomplete),
        ("{", Incomplete),
        ("{\"a\"", Incomplete),
        ("{\"a\":1,}", Unexpected(7)),
        ("[1,]", Unexpected(3)),
        ("[1}", Unexpected(2)),
        ("{\"a\":1]", Unexpected(6)),
        ("01", Unexpected(1)),
        ("1.", Incomplete),
        ("\"\n\"", Unexpected(1)),
        ("\"\\x\"", Unexpected(2)),
        ("nul", Incomplete),
        ("{} {}", Unexpected(3)),
        ("{a:1}", Unexpected(1)),
    ] {
        assert_eq!(Value::parse(text.as_bytes()), Err(error), "{text}");
    }
    assert_eq!(Value::parse(b"\"\xc3"), Err(NotUtf8(1)));
}

#[test]
fn a_thousand_levels_are_refused_without_a_thousand_frames() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let limit = MAX_DEPTH as usize;
        assert!(Value::parse(nested(limit).as_bytes()).is_ok());
        assert!(matches!(
            Value::parse(nested(limit + 1).as_bytes()),
            Err(ParseError::TooDeep(_))
        ));
        assert!(matches!(
            Value::parse(nested(1000).as_bytes()),
            Err(ParseError::TooDeep(_))
        ));
    }
}

#[test]
fn a_decimal_is_read_exactly_or_not_at_all() {
    for json in ["30", "30.0", "3e1", "300e-1"] {
        assert_eq!(parse(json).as_decimal(1), Some(300), "{json}");
    }
    assert_eq!(parse("2.150").as_decimal(2), Some(215));
    assert_eq!(parse("-0.05").as_decimal(2), Some(-5));
    for json in ["21.55", "\"1\"", "null", "true", "[1]", "1e19"] {
        assert_eq!(parse(json).as_decimal(1), None, "{json}");
    }
}

#[test]
fn elements_come_in_their_order_whatever_separates_them() {
    let texts = |json| -> Option<std::vec::Vec<_>> {
        let elements = parse(json).as_array()?;
        Some(elements.map(Value::text).collect())
    };
    assert_eq!(texts("[]"), Some([].into()));
    assert_eq!(texts(" [ ] "), Some([].into()));
    assert_eq!(
        texts(" [ 1 ,\"a,]\\\"\", [2,[ ]] ,{\"b\":[3]},null\n, true]"),
        Some(["1", "\"a,]\\\"\"", "[2,[ ]]", "{\"b\":[3]}", "null", "true"].into())
    );
    for json in ["{}", "1", "\"[1]\"", "null"] {
        assert_eq!(texts(json), None, "{json}");
    }
    let mut inner = parse("[[1,2],[3]]").as_array().unwrap();
    let first: Option<i64> = inner
        .next()
        .unwrap()
        .as_array()
        .unwrap()
        .map(Value::as_i64)
        .sum();
    assert_eq!((first, inner.count()), (Some(3), 1));
}

#[test]
fn a_choice_is_the_place_of_its_string_in_the_table() {
    let choices = ["off", "auto", "on"];
    assert_eq!(parse("\"off\"").as_choice(&choices), Some(0));
    assert_eq!(parse("\"\\u006fn\"").as_choice(&choices), Some(2));
    for json in ["\"On\"", "\"\"", "0", "null", "[\"on\"]"] {
        assert_eq!(parse(json).as_choice(&choices), None, "{json}");
    }
}

#[test]
fn elements_do_not_show_what_they_hold() {
    let elements = parse("[\"secret\"]").as_array();
    assert_eq!(format!("{elements:?}"), "Some(elements of 8 bytes)");
}
