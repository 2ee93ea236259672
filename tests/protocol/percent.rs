use azure_device::percent::{Encoded, Escaped, decode};
use proptest::prelude::*;

use crate::arbitrary;

/// Percent-decoding over a byte vector, written for clarity: `None` if the text is damaged.
fn reference_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

/// Percent-encoding byte by byte: what Python's `quote(text, safe="")` does.
pub(crate) fn reference_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(text in any::<String>()) {
        let encoded = Encoded(&text).to_string();
        prop_assert_eq!(&encoded, &reference_encode(&text));
        let escaped = Escaped::parse(&encoded).unwrap();
        prop_assert_eq!(escaped.to_cow(), text.as_str());
        prop_assert!(escaped.is(&text));
        let mut buffer = vec![0; text.len()];
        prop_assert_eq!(decode(&encoded, &mut buffer), Ok(text.as_str()));
    }

    #[test]
    fn arbitrary_text_decodes_as_the_reference_says(text in arbitrary::text()) {
        let expected = reference_decode(&text);
        let mut buffer = vec![0; text.len()];
        prop_assert_eq!(decode(&text, &mut buffer).ok(), expected.as_deref());
        let escaped = Escaped::parse(&text).ok();
        prop_assert_eq!(escaped.map(|escaped| escaped.to_string()), expected.clone());
        prop_assert_eq!(escaped.map(|escaped| escaped.to_cow().into_owned()), expected);
    }
}
