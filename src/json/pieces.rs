//! Reading JSON in pieces: a state machine that takes one byte after the other and keeps none of them.
//!
//! A document can be larger than any buffer. So [`Reader`] checks it as it comes (RFC 8259), and tells a
//! [`Sink`] where values begin and end and which bytes they consist of. The sink keeps what it wants. The
//! memory is fixed: one bit for each level of nesting, and the name of the member that was read last.
//!
//! Pieces reach a sink before the end of the document, and so before it is known whether the document
//! is valid: act on it after [`Reader::finish`] only.

use super::error::{MAX_DEPTH, ParseError};
use super::name::{Name, Utf8};
use super::number::Part;
use super::read::Kind;

/// Token of a document that a [`Reader`] tells. A depth is the number of arrays and objects around a value.
pub trait Sink {
    /// A value begins. `name` is the member's, if the value is one of an object; it may be cut.
    fn begin(&mut self, depth: u32, name: Option<&Name>, kind: Kind);

    /// The next byte of all values that are open: their text without the white space between tokens.
    fn byte(&mut self, byte: u8);

    /// The value that began last at this depth is complete.
    fn end(&mut self, depth: u32);
}

/// A sink for a document that is only checked.
impl Sink for () {
    fn begin(&mut self, _: u32, _: Option<&Name>, _: Kind) {}

    fn byte(&mut self, _: u8) {}

    fn end(&mut self, _: u32) {}
}

/// Tokens that may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value.
    Value,
    /// A value, or the end of an array that has none yet.
    FirstElement,
    /// A member's name, or the end of an object that has none yet.
    FirstName,
    /// A member's name.
    NextName,
    /// The colon behind a name.
    Colon,
    /// Bytes that separate values or end them; at depth 0, nothing but white space.
    Separator,
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Number(Part),
    /// The inside of a string.
    Text,
    /// Byte that follows a backslash.
    Escape,
    /// So many digits of `\u`.
    Hex(u8),
}

/// A document that comes in pieces.
#[derive(Clone, Debug)]
pub struct Reader {
    state: State,
    /// One bit a level, the innermost lowest: whether it is an object.
    objects: u32,
    depth: u32,
    /// Bytes that were read.
    at: usize,
    /// The string that is being read is a member's name.
    in_name: bool,
    name: Name,
    utf8: Utf8,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A document that has not begun.
    pub const fn new() -> Self {
        Self {
            state: State::Value,
            objects: 0,
            depth: 0,
            at: 0,
            in_name: false,
            name: Name::new(),
            utf8: Utf8::new(),
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// See [`ParseError`]. After an error, the reader is of no more use.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ParseError> {
        for byte in bytes {
            self.take(*byte, sink)?;
            self.at += 1;
        }
        Ok(())
    }

    /// The document has ended: checks that it is one value, and complete.
    ///
    /// # Errors
    ///
    /// [`ParseError::Incomplete`].
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Result<(), ParseError> {
        self.end_number(sink);
        match (self.state, self.depth) {
            (State::Separator, 0) => Ok(()),
            _ => Err(ParseError::Incomplete),
        }
    }

    const fn unexpected(&self) -> ParseError {
        ParseError::Unexpected(self.at)
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    fn take(&mut self, byte: u8, sink: &mut dyn Sink) -> Result<(), ParseError> {
        match self.state {
            State::Text => return self.text(byte, sink),
            State::Escape => self.escape(byte)?,
            State::Hex(left) => self.hex(byte, left)?,
            State::Literal(rest) => return self.literal(byte, rest, sink),
            State::Number(part) => {
                if let Some(part) = part.next(byte) {
                    self.state = State::Number(part);
                } else if part.may_end() {
                    self.end_number(sink);
                    return self.between(byte, sink);
                } else {
                    return Err(self.unexpected());
                }
            }
            _ => return self.between(byte, sink),
        }
        sink.byte(byte);
        Ok(())
    }

    /// A byte outside of strings, numbers and literals.
    fn between(&mut self, byte: u8, sink: &mut dyn Sink) -> Result<(), ParseError> {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(());
        }
        match (self.state, byte) {
            (State::Separator, b',') if self.depth > 0 => {
                self.state = match self.in_object() {
                    true => State::NextName,
                    false => State::Value,
                };
            }
            (State::FirstName | State::Separator, b'}') if self.depth > 0 && self.in_object() => {
                return self.close(byte, sink);
            }
            (State::FirstElement | State::Separator, b']')
                if self.depth > 0 && !self.in_object() =>
            {
                return self.close(byte, sink);
            }
            (State::FirstName | State::NextName, b'"') => {
                self.state = State::Text;
                self.in_name = true;
                self.name.clear();
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::Value | State::FirstElement, _) => return self.begin(byte, sink),
            _ => return Err(self.unexpected()),
        }
        sink.byte(byte);
        Ok(())
    }

    fn begin(&mut self, byte: u8, sink: &mut dyn Sink) -> Result<(), ParseError> {
        let (kind, state) = match byte {
            b'{' => (Kind::Object, State::FirstName),
            b'[' => (Kind::Array, State::FirstElement),
            b'"' => (Kind::String, State::Text),
            b't' => (Kind::Boolean, State::Literal(b"rue")),
            b'f' => (Kind::Boolean, State::Literal(b"alse")),
            b'n' => (Kind::Null, State::Literal(b"ull")),
            _ => match Part::first(byte) {
                Some(part) => (Kind::Number, State::Number(part)),
                None => return Err(self.unexpected()),
            },
        };
        let container = matches!(kind, Kind::Object | Kind::Array);
        if container && self.depth == MAX_DEPTH {
            return Err(ParseError::TooDeep(self.at));
        }
        let name = (self.depth > 0 && self.in_object()).then_some(&self.name);
        sink.begin(self.depth, name, kind);
        sink.byte(byte);
        self.state = state;
        self.in_name = false;
        if container {
            self.depth += 1;
            self.objects = self.objects << 1 | u32::from(kind == Kind::Object);
        }
        Ok(())
    }

    /// The end of an array or an object.
    fn close(&mut self, byte: u8, sink: &mut dyn Sink) -> Result<(), ParseError> {
        self.objects >>= 1;
        self.depth -= 1;
        sink.byte(byte);
        self.end_value(sink);
        Ok(())
    }

    fn end_value(&mut self, sink: &mut dyn Sink) {
        self.state = State::Separator;
        sink.end(self.depth);
    }

    /// A number has no last byte of its own.
    fn end_number(&mut self, sink: &mut dyn Sink) {
        if let State::Number(part) = self.state
            && part.may_end()
        {
            self.end_value(sink);
        }
    }

    fn literal(
        &mut self,
        byte: u8,
        rest: &'static [u8],
        sink: &mut dyn Sink,
    ) -> Result<(), ParseError> {
        match rest.split_first() {
            Some((due, rest)) if *due == byte => {
                sink.byte(byte);
                match rest {
                    [] => self.end_value(sink),
                    _ => self.state = State::Literal(rest),
                }
                Ok(())
            }
            _ => Err(self.unexpected()),
        }
    }

    /// RFC 8259, section 7.
    fn text(&mut self, byte: u8, sink: &mut dyn Sink) -> Result<(), ParseError> {
        match byte {
            _ if !self.utf8.accepts(byte) => {
                return Err(ParseError::NotUtf8(self.at - self.utf8.behind()));
            }
            b'"' => {
                sink.byte(byte);
                if self.in_name {
                    self.name.end();
                    self.state = State::Colon;
                } else {
                    self.end_value(sink);
                }
                return Ok(());
            }
            b'\\' => self.state = State::Escape,
            0..0x20 => return Err(self.unexpected()),
            _ if self.in_name => self.name.push(byte),
            _ => {}
        }
        sink.byte(byte);
        Ok(())
    }

    fn escape(&mut self, byte: u8) -> Result<(), ParseError> {
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.state = State::Hex(4);
                return Ok(());
            }
            _ => return Err(self.unexpected()),
        };
        if self.in_name {
            self.name.push(plain);
        }
        self.state = State::Text;
        Ok(())
    }

    fn hex(&mut self, byte: u8, left: u8) -> Result<(), ParseError> {
        let Some(digit) = char::from(byte).to_digit(16) else {
            return Err(self.unexpected());
        };
        if self.in_name {
            self.name.push_digit(digit, left == 1);
        }
        self.state = match left {
            1 => State::Text,
            _ => State::Hex(left - 1),
        };
        Ok(())
    }
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
