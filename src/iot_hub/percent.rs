//! Percent-encoding as IoT Hub expects it (RFC 3986, section 2).
//!
//! Encoding keeps the unreserved characters `A-Z a-z 0-9 - . _ ~` and writes every other byte as `%XX`
//! with upper-case digits. Decoding takes digits of either case, and leaves `+` a plus: a space is `%20`
//! on IoT Hub, never `+`.
//!
//! Nothing allocates but [`Escaped::to_cow`]. Decoding yields one character at a time: an escape always
//! starts a character, because what surrounds it is text that is complete already.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::{self, Write};

use crate::text::{Overflow, Text, render};

/// True if a character stands for itself (RFC 3986, section 2.3).
pub const fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

/// Displays text percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded<'a>(pub &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Encoder(f).write_str(self.0)
    }
}

/// Percent-encodes all that is written through it.
#[derive(Debug)]
pub struct Encoder<W>(pub W);

impl<W: Write> Write for Encoder<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        // What stands for itself goes out in one piece. It is ASCII, so that no cut goes through a character.
        while let Some(at) = rest
            .bytes()
            .position(|byte| !is_unreserved(char::from(byte)))
        {
            let (plain, tail) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = tail.chars();
            let escaped = characters.next().unwrap_or_default();
            for byte in escaped.encode_utf8(&mut [0; 4]).bytes() {
                let escape = [b'%', hex_digit(byte >> 4), hex_digit(byte & 0xf)];
                self.0
                    .write_str(core::str::from_utf8(&escape).unwrap_or_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Writes `text` percent-encoded to the start of `buffer`.
pub fn encode<'b>(text: &str, buffer: &'b mut [u8]) -> Result<&'b str, Overflow> {
    render(buffer, Encoded(text))
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + nibble - 10,
    }
}

/// Text in which every escape is complete and stands for UTF-8: it can be decoded without fail.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Escaped<'t>(&'t str);

impl<'t> Escaped<'t> {
    /// Checks every escape of `text`.
    pub fn parse(text: &'t str) -> Result<Self, DecodeError> {
        let mut characters = Decoder { text, at: 0 };
        characters.try_for_each(|character| character.map(drop))?;
        Ok(Self(text))
    }

    /// The text with its escapes, as it was received.
    pub const fn raw(self) -> &'t str {
        self.0
    }

    /// The decoded characters.
    pub fn chars(self) -> impl Iterator<Item = char> + Clone + use<'t> {
        Decoder {
            text: self.0,
            at: 0,
        }
        .flatten()
    }

    /// True if `plain` is what this decodes to.
    pub fn is(self, plain: &str) -> bool {
        self.chars().eq(plain.chars())
    }

    /// Decodes to the start of `buffer`, which never needs to be larger than the escaped text.
    pub fn decode(self, buffer: &mut [u8]) -> Result<&str, Overflow> {
        render(buffer, self)
    }

    /// Decodes; allocates only if there is an escape.
    pub fn to_cow(self) -> Cow<'t, str> {
        if self.0.as_bytes().contains(&b'%') {
            let mut decoded = String::with_capacity(self.0.len());
            decoded.extend(self.chars());
            Cow::Owned(decoded)
        } else {
            Cow::Borrowed(self.0)
        }
    }
}

/// Displays the decoded text.
impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.as_bytes().contains(&b'%') {
            return f.write_str(self.0);
        }
        self.chars()
            .try_for_each(|character| f.write_char(character))
    }
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

/// Decodes `text` to the start of `buffer`.
pub fn decode<'b>(text: &str, buffer: &'b mut [u8]) -> Result<&'b str, DecodeError> {
    let mut decoded = Text::new(buffer);
    for character in (Decoder { text, at: 0 }) {
        decoded
            .write_char(character?)
            .map_err(|fmt::Error| DecodeError::Overflow)?;
    }
    Ok(decoded.into_str())
}

/// The characters of a text with escapes. Stops at the first error.
#[derive(Clone)]
struct Decoder<'t> {
    text: &'t str,
    at: usize,
}

impl Decoder<'_> {
    /// The byte of the escape at `self.at`; `None` if there is no escape.
    fn escape(&mut self) -> Result<Option<u8>, DecodeError> {
        let at = self.at;
        let bytes = self.text.as_bytes();
        if bytes.get(at) != Some(&b'%') {
            return Ok(None);
        }
        let digit = |offset: usize| match bytes.get(at + offset) {
            None => Err(DecodeError::Truncated { at }),
            Some(&digit) => char::from(digit)
                .to_digit(16)
                .ok_or(DecodeError::NotHexadecimal { at }),
        };
        // Two digits below 16 fit into eight bits.
        let byte = (digit(1)? << 4 | digit(2)?) as u8;
        self.at += 3;
        Ok(Some(byte))
    }

    /// The character whose first escape stands at `self.at`; `None` if there is no escape.
    fn escaped_character(&mut self) -> Result<Option<char>, DecodeError> {
        let at = self.at;
        let Some(first) = self.escape()? else {
            return Ok(None);
        };
        let mut bytes = [first, 0, 0, 0];
        let more = match first {
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => 0,
        };
        let (encoded, _) = bytes.split_at_mut(1 + more);
        for byte in encoded.iter_mut().skip(1) {
            *byte = self.escape()?.ok_or(DecodeError::NotUtf8 { at })?;
        }
        match core::str::from_utf8(encoded) {
            Ok(text) => Ok(text.chars().next()),
            Err(_) => Err(DecodeError::NotUtf8 { at }),
        }
    }
}

impl Iterator for Decoder<'_> {
    type Item = Result<char, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.escaped_character() {
            Ok(Some(character)) => Some(Ok(character)),
            Ok(None) => {
                let character = self.text.get(self.at..)?.chars().next()?;
                self.at += character.len_utf8();
                Some(Ok(character))
            }
            Err(error) => {
                self.at = self.text.len();
                Some(Err(error))
            }
        }
    }
}

/// Reason why a text could not be percent-decoded. Positions are byte offsets of a `%`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text ends within an escape.
    Truncated {
        /// Byte offset at which the escape starts.
        at: usize,
    },
    /// `%` is not followed by two hexadecimal digits.
    NotHexadecimal {
        /// Byte offset at which the escape starts.
        at: usize,
    },
    /// The escapes do not stand for a UTF-8 character.
    NotUtf8 {
        /// Byte offset at which the character's first escape starts.
        at: usize,
    },
    /// The buffer is too small for the decoded text.
    Overflow,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { at } => write!(
                f,
                "the escape at byte {at} is cut short: a right one is % and two hexadecimal digits, such as %20"
            ),
            Self::NotHexadecimal { at } => write!(
                f,
                "the % at byte {at} is not followed by two hexadecimal digits: a right escape looks like %20, and a percent sign itself is %25"
            ),
            Self::NotUtf8 { at } => write!(
                f,
                "the escapes at byte {at} are not UTF-8: a right one encodes each byte of the character, such as %C3%A9"
            ),
            Self::Overflow => f.write_str("the decoded text is longer than its buffer: enlarge it to the length of the encoded text"),
        }
    }
}

impl core::error::Error for DecodeError {}

#[cfg(test)]
#[path = "percent_tests.rs"]
mod tests;
