//! Looking into JSON where it lies.

use core::fmt;
use core::str;

use super::error::ParseError;
use super::number;
use super::pieces::Reader;

/// A value, as the text that it is. It was checked: looking into it cannot fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'j>(&'j str);

/// Kind of the value.
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

impl Value<'static> {
    /// `null`.
    pub const NULL: Self = Self("null");
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
        let mut reader = Reader::new();
        reader.feed(bytes, &mut ())?;
        reader.finish(&mut ())?;
        Ok(Self(text.trim_matches([' ', '\t', '\n', '\r'])))
    }

    /// The value's own text, without white space around it.
    pub const fn text(self) -> &'j str {
        self.0
    }

    /// Kind of the value.
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

    /// True if it is `null`: in a merge patch, a member that is deleted (RFC 7396).
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

    /// A whole number that fits, however it is written: `30`, `30.0` and `3e1` are the same.
    pub fn as_i64(self) -> Option<i64> {
        self.as_decimal(0)
    }

    /// A number as a whole number of units of ten to the power of minus `decimals`, however it is written: with one
    /// decimal, `30`, `30.0` and `3e1` are 300, and `21.5` is 215.
    ///
    /// `None` for a number with more decimals than these, such as `21.55`, and for one that does not fit: nothing is
    /// rounded, so that a device never acknowledges a value that it does not keep.
    pub fn as_decimal(self, decimals: u8) -> Option<i64> {
        match self.kind() {
            Kind::Number => number::scaled(self.0, decimals),
            _ => None,
        }
    }

    /// A string.
    pub fn as_text(self) -> Option<JsonString<'j>> {
        let inside = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(JsonString(inside))
    }

    /// A string that is one of these: its place in the table. `None` for another string, and for any other kind.
    pub fn as_choice(self, choices: &[&str]) -> Option<usize> {
        let text = self.as_text()?;
        choices.iter().position(|choice| text.is(choice))
    }

    /// An array: its elements in their order. `None` for any other kind.
    pub fn as_array(self) -> Option<Elements<'j>> {
        let inside = self.0.strip_prefix('[')?.strip_suffix(']')?;
        Some(Elements(Tokens(inside)))
    }

    /// An object's members in their order; none for any other kind.
    pub fn members(self) -> Members<'j> {
        Members(Tokens(match self.kind() {
            Kind::Object => self.0.get(1..).unwrap_or_default(),
            _ => "",
        }))
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

/// Values that stand one after the other in a text that was checked: what is left of it.
#[derive(Clone)]
struct Tokens<'j>(&'j str);

impl<'j> Tokens<'j> {
    /// Passes over white space, and the commas and colons that separate names and values.
    fn separate(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r', ',', ':']);
    }

    /// The next value. `None` at the end of what is around them.
    fn value(&mut self) -> Option<Value<'j>> {
        self.separate();
        let length = length(self.0.as_bytes());
        let (value, rest) = self.0.split_at_checked(length).filter(|_| length > 0)?;
        self.0 = rest;
        Some(Value(value))
    }
}

/// Bytes of the value at the start of a checked text.
fn length(text: &[u8]) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => continue,
            b'{' | b'[' => depth += 1,
            // The end of what is around the value.
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' if depth == 0 => return at,
            _ => continue,
        }
        if depth == 0 && !in_string && !escaped && matches!(byte, b'}' | b']' | b'"') {
            return at + 1;
        }
    }
    text.len()
}

/// The members of an object: see [`Value::members`].
#[derive(Clone)]
pub struct Members<'j>(Tokens<'j>);

impl<'j> Iterator for Members<'j> {
    type Item = (JsonString<'j>, Value<'j>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.value()?.as_text()?;
        Some((name, self.0.value()?))
    }
}

/// The elements of an array: see [`Value::as_array`].
#[derive(Clone)]
pub struct Elements<'j>(Tokens<'j>);

impl<'j> Iterator for Elements<'j> {
    type Item = Value<'j>;

    fn next(&mut self) -> Option<Value<'j>> {
        self.0.value()
    }
}

/// Elements may be secrets, as members.
impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "elements of {} bytes", self.0.0.len())
    }
}

/// The inside of a JSON string, escapes and all. Displays decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonString<'j>(&'j str);

impl<'j> JsonString<'j> {
    /// The characters. A surrogate without its partner becomes U+FFFD.
    pub fn chars(self) -> impl Iterator<Item = char> + Clone + use<'j> {
        Unescape(self.0)
    }

    /// The text, if it has no escapes.
    pub fn plain(self) -> Option<&'j str> {
        (!self.0.contains('\\')).then_some(self.0)
    }

    /// True if it decodes to `plain`.
    pub fn is(self, plain: &str) -> bool {
        self.chars().eq(plain.chars())
    }
}

impl fmt::Display for JsonString<'_> {
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
