//! Percent-encoding as Azure's SDKs and service use it.

/// Encodes every byte but ASCII letters, digits and `-._~` as `%XX` in upper case (RFC 3986, section 2.3).
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Decodes `%XX`, in either case; everything else, `+` too, stands for itself.
///
/// `None` if a `%` is not followed by two hex digits, or the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(if byte == b'%' {
            hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay_as_they_are() {
        assert_eq!(
            encode("a/b:é +~_-.(*)'!"),
            "a%2Fb%3A%C3%A9%20%2B~_-.%28%2A%29%27%21"
        );
    }

    #[test]
    fn decoding_takes_both_cases_and_leaves_plus_alone() {
        assert_eq!(decode("a%2fb%2Fc+d%C3%a9").as_deref(), Some("a/b/c+dé"));
    }

    #[test]
    fn broken_escapes_and_broken_utf_8_are_refused() {
        for text in ["%", "%2", "%zz", "a%2", "%+1", "%C3", "%ff"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
