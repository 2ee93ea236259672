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
