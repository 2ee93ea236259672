//! Looking into JSON where it lies.

use core::fmt;
use core::str;

use super::check::{ParseError, Scanner};

/// A value, as the text that it is. It was checked: looking into it cannot fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'j>(&'j str);

/// What kind of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 8259's own names")]
pub enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl<'j> Value<'j> {
    /// Checks that `bytes` are one JSON value and nothing else.
    ///
    /// # Errors
    ///
    /// See [`ParseError`].
    pub fn parse(bytes: &'j [u8]) -> Result<Self, ParseError> {
        let text =
            str::from_utf8(bytes).map_err(|error| ParseError::NotUtf8(error.valid_up_to()))?;
        let mut scanner = Scanner::new(text);
        scanner.next_token();
        let start = scanner.at;
        scanner.value()?;
        let end = scanner.at;
        match scanner.next_token() {
            None => Ok(Self(text.get(start..end).unwrap_or_default())),
            Some(_) => Err(ParseError::Unexpected(scanner.at)),
        }
    }

    /// The value's own text, without white space around it.
    pub const fn text(self) -> &'j str {
        self.0
    }

    /// What kind of value it is.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Null,
        }
    }

    /// Whether it is `null`: in a merge patch, a member that is deleted (RFC 7396).
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// An integer, written without fraction and exponent, that fits.
    pub fn as_i64(self) -> Option<i64> {
        match self.kind() {
            Kind::Number => self.0.parse().ok(),
            _ => None,
        }
    }

    /// A string.
    pub fn as_text(self) -> Option<Text<'j>> {
        let inside = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(Text(inside))
    }

    /// An object's members in their order; none for any other kind.
    pub fn members(self) -> Members<'j> {
        let mut scanner = Scanner::new(self.0);
        match self.kind() {
            Kind::Object => scanner.at = 1,
            _ => scanner.at = self.0.len(),
        }
        Members(scanner)
    }

    /// The member of this name. If there are several, the last, as most readers have it.
    pub fn get(self, name: &str) -> Option<Self> {
        self.members()
            .filter(|(key, _)| key.is(name))
            .last()
            .map(|(_, value)| value)
    }
}

/// Members may be secrets: only the kind and the size are printed.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} bytes", self.kind(), self.0.len())
    }
}

/// The members of an object: see [`Value::members`].
#[derive(Clone)]
pub struct Members<'j>(Scanner<'j>);

impl<'j> Iterator for Members<'j> {
    type Item = (Text<'j>, Value<'j>);

    fn next(&mut self) -> Option<Self::Item> {
        let scanner = &mut self.0;
        if scanner.next_token()? == b',' {
            scanner.at += 1;
        }
        if scanner.next_token()? != b'"' {
            return None;
        }
        let key = scanner.at;
        scanner.string().ok()?;
        let name = Value(scanner.text.get(key..scanner.at)?).as_text()?;
        scanner.at = key;
        scanner.key().ok()?;
        scanner.next_token()?;
        let start = scanner.at;
        scanner.value().ok()?;
        Some((name, Value(scanner.text.get(start..scanner.at)?)))
    }
}

/// The inside of a JSON string, escapes and all. Displays decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'j>(&'j str);

impl<'j> Text<'j> {
    /// The characters. A surrogate without its partner becomes U+FFFD.
    pub fn chars(self) -> impl Iterator<Item = char> + Clone + use<'j> {
        Unescape(self.0)
    }

    /// Whether it decodes to `plain`.
    pub fn is(self, plain: &str) -> bool {
        self.chars().eq(plain.chars())
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars()
            .try_for_each(|character| fmt::Write::write_char(f, character))
    }
}

#[derive(Clone)]
struct Unescape<'j>(&'j str);

impl Unescape<'_> {
    /// The four digits behind `\u`.
    fn unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(4)?;
        self.0 = rest;
        u32::from_str_radix(digits, 16).ok()
    }

    fn unicode(&mut self) -> char {
        let Some(high) = self.unit() else {
            return char::REPLACEMENT_CHARACTER;
        };
        let mut code = high;
        if (0xd800..0xdc00).contains(&high) {
            let mut ahead = self.clone();
            ahead.0 = match ahead.0.strip_prefix("\\u") {
                Some(rest) => rest,
                None => return char::REPLACEMENT_CHARACTER,
            };
            match ahead.unit() {
                Some(low) if (0xdc00..0xe000).contains(&low) => {
                    *self = ahead;
                    code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                }
                _ => return char::REPLACEMENT_CHARACTER,
            }
        }
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

impl Iterator for Unescape<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let first = chars.next()?;
        if first != '\\' {
            self.0 = chars.as_str();
            return Some(first);
        }
        let escape = chars.next()?;
        self.0 = chars.as_str();
        Some(match escape {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode(),
            same => same,
        })
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
