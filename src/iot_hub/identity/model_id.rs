//! Ids of Plug and Play models: DTMIs.
//!
//! `dtmi:com:example:Thermostat;1`: segments of letters, digits and `_` between colons, and a version (Microsoft,
//! "Digital Twins Definition Language", section "Digital Twin Model Identifier").

/// Longest model id, in bytes: of an interface (DTDL version 2).
pub const MAX_LEN: usize = 128;

/// Checks whether IoT Hub accepts `text` as a model id. If not, a hub closes the connection without a message.
///
/// `const`, so that an image with a wrong one is not built.
pub const fn is_model_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() > MAX_LEN {
        return false;
    }
    let Some(mut rest) = after_scheme(bytes) else {
        return false;
    };
    loop {
        match segment(rest) {
            Some((b':', more)) => rest = more,
            Some((b';', version)) => return is_version(version),
            _ => return false,
        }
    }
}

const fn after_scheme(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'd', b't', b'm', b'i', b':', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// The byte that ends a segment, and what follows. A segment begins with a letter and does not end with `_`.
const fn segment(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = bytes;
    let mut last = b'_';
    let mut first = true;
    while let [byte, more @ ..] = rest {
        if matches!(*byte, b':' | b';') {
            return if last == b'_' {
                None
            } else {
                Some((*byte, more))
            };
        }
        let fits =
            byte.is_ascii_alphabetic() || (!first && (byte.is_ascii_digit() || *byte == b'_'));
        if !fits {
            return None;
        }
        first = false;
        last = *byte;
        rest = more;
    }
    None
}

/// One to nine digits, the first of which is not 0.
const fn is_version(bytes: &[u8]) -> bool {
    if !matches!(bytes, [b'1'..=b'9', ..]) || bytes.len() > 9 {
        return false;
    }
    let mut rest = bytes;
    while let [byte, more @ ..] = rest {
        if !byte.is_ascii_digit() {
            return false;
        }
        rest = more;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_ids_are_taken_by_the_grammar_of_dtdl() {
        for text in [
            "dtmi:azure_device:Device;1",
            "dtmi:com:example:Thermostat;1",
            "dtmi:a;999999999",
            "dtmi:a_b:c__d1;10",
        ] {
            assert!(is_model_id(text), "{text}");
        }
        let long = std::format!("dtmi:{};1", "a".repeat(MAX_LEN));
        for text in [
            "",
            "foo",
            "dtmi:",
            "dtmi:;1",
            "dtmi:a",
            "dtmi:a;",
            "dtmi:a;0",
            "dtmi:a;01",
            "dtmi:a;1.0",
            "dtmi:a;1234567890",
            "dtmi:a::b;1",
            "dtmi:a:;1",
            "dtmi:1a;1",
            "dtmi:_a;1",
            "dtmi:a_;1",
            "dtmi:a_:b;1",
            "dtmi:a-b;1",
            "dtmi:\u{e4};1",
            "DTMI:a;1",
            " dtmi:a;1",
            "dtmi:a;1 ",
            &long,
        ] {
            assert!(!is_model_id(text), "{text}");
        }
    }
}
