//! Percent-encoding against RFC 3986 and what the hub sends.

use super::*;
use std::string::{String, ToString};
use std::{format, vec};

#[test]
fn exactly_the_unreserved_characters_stand_for_themselves() {
    let kept: String = (0..=0x7f)
        .map(char::from)
        .filter(|character| {
            Encoded(character.encode_utf8(&mut [0; 4]))
                .to_string()
                .len()
                == 1
        })
        .collect();
    assert_eq!(
        kept,
        "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
    );
}

#[test]
fn everything_else_is_encoded_byte_by_byte_in_upper_case() {
    for (plain, encoded) in [
        ("", ""),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("application/json", "application%2Fjson"),
        ("$.ct", "%24.ct"),
        ("100%", "100%25"),
        ("é€😀", "%C3%A9%E2%82%AC%F0%9F%98%80"),
        ("\0\u{7f}", "%00%7F"),
        ("!'()*", "%21%27%28%29%2A"),
    ] {
        assert_eq!(Encoded(plain).to_string(), encoded);
        let mut buffer = vec![0; encoded.len()];
        assert_eq!(encode(plain, &mut buffer), Ok(encoded));
        assert_eq!(decode(encoded, &mut buffer), Ok(plain));
    }
}

#[test]
fn an_encoded_text_that_does_not_fit_is_an_error() {
    let mut buffer = [0; 4];
    assert_eq!(encode("a b", &mut buffer), Err(Overflow { capacity: 4 }));
    assert_eq!(decode("abcde", &mut buffer), Err(DecodeError::Overflow));
    assert_eq!(decode("a%20%62c", &mut buffer), Ok("a bc"));
}

#[test]
fn digits_of_either_case_are_decoded_and_a_plus_stays_a_plus() {
    for (encoded, plain) in [
        ("a%2fb%2Fc", "a/b/c"),
        ("a+b%2bc", "a+b+c"),
        ("(raw; text)", "(raw; text)"),
        ("é%C3%a9", "éé"),
    ] {
        let escaped = Escaped::parse(encoded).unwrap();
        assert_eq!(escaped.to_string(), plain);
        assert_eq!(escaped.to_cow(), plain);
        assert_eq!(escaped.raw(), encoded);
        assert!(escaped.is(plain));
        assert!(!escaped.is("a") && !escaped.is(""));
        let mut buffer = [0; 16];
        assert_eq!(escaped.decode(&mut buffer), Ok(plain));
        assert_eq!(
            escaped.decode(&mut buffer[..1]),
            Err(Overflow { capacity: 1 })
        );
    }
}

#[test]
fn only_text_with_an_escape_is_copied_to_the_heap() {
    let borrowed = Escaped::parse("plain").unwrap().to_cow();
    assert!(matches!(borrowed, Cow::Borrowed("plain")));
    let owned = Escaped::parse("es%63aped").unwrap().to_cow();
    assert!(matches!(owned, Cow::Owned(text) if text == "escaped"));
}

#[test]
fn damaged_escapes_are_rejected_with_their_place() {
    for (text, error, reason) in [
        (
            "ab%",
            DecodeError::Truncated { at: 2 },
            "byte 2 is cut short",
        ),
        (
            "ab%4",
            DecodeError::Truncated { at: 2 },
            "byte 2 is cut short",
        ),
        ("%g0", DecodeError::NotHexadecimal { at: 0 }, "% at byte 0"),
        ("%0g", DecodeError::NotHexadecimal { at: 0 }, "% at byte 0"),
        ("%+1", DecodeError::NotHexadecimal { at: 0 }, "% at byte 0"),
        ("a%é", DecodeError::NotHexadecimal { at: 1 }, "% at byte 1"),
        ("%%41", DecodeError::NotHexadecimal { at: 0 }, "% at byte 0"),
        // Bytes that never start a character, cut ones, an overlong one, a surrogate, one past U+10FFFF.
        (
            "a%80",
            DecodeError::NotUtf8 { at: 1 },
            "escapes at byte 1 are not UTF-8",
        ),
        (
            "%FF",
            DecodeError::NotUtf8 { at: 0 },
            "escapes at byte 0 are not UTF-8",
        ),
        (
            "%C3",
            DecodeError::NotUtf8 { at: 0 },
            "escapes at byte 0 are not UTF-8",
        ),
        (
            "%C3a",
            DecodeError::NotUtf8 { at: 0 },
            "escapes at byte 0 are not UTF-8",
        ),
        (
            "%E2%82a",
            DecodeError::NotUtf8 { at: 0 },
            "escapes at byte 0 are not UTF-8",
        ),
        (
            "%C0%AF",
            DecodeError::NotUtf8 { at: 0 },
            "escapes at byte 0 are not UTF-8",
        ),
        (
            "%ED%A0%80",
            DecodeError::NotUtf8 { at: 0 },
            "escapes at byte 0 are not UTF-8",
        ),
        (
            "%F4%90%80%80",
            DecodeError::NotUtf8 { at: 0 },
            "escapes at byte 0 are not UTF-8",
        ),
        (
            "%C3%",
            DecodeError::Truncated { at: 3 },
            "byte 3 is cut short",
        ),
    ] {
        assert_eq!(Escaped::parse(text), Err(error), "{text}");
        assert_eq!(decode(text, &mut [0; 16]), Err(error), "{text}");
        let message = error.to_string();
        assert!(message.contains(reason), "{message}");
        assert!(message.contains("right"), "{message}");
    }
    assert!(DecodeError::Overflow.to_string().contains("enlarge"));
}

#[test]
fn escaped_text_prints_as_it_was_received_in_debug() {
    assert_eq!(
        format!("{:?}", Escaped::parse("a%20b").unwrap()),
        "\"a%20b\""
    );
}
