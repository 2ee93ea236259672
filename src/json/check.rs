//! Whether a text is JSON (RFC 8259), decided in one pass without recursion.

use core::fmt;

/// The deepest nesting of arrays and objects that is read. A device twin has ten levels at most (Microsoft,
/// "Understand and use device twins"), and what surrounds it two.
pub const MAX_DEPTH: u32 = 32;

/// Why a text is not JSON that this device reads. Positions are in bytes from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// It is not UTF-8 from here on.
    NotUtf8(usize),
    /// Something else was due here.
    Unexpected(usize),
    /// It ends in the middle of a value.
    Incomplete,
    /// It is nested more deeply than [`MAX_DEPTH`].
    TooDeep(usize),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8(at) => write!(f, "the JSON text is not UTF-8 at byte {at}"),
            Self::Unexpected(at) => write!(
                f,
                "the JSON text has a character at byte {at} that may not stand there"
            ),
            Self::Incomplete => f.write_str("the JSON text ends in the middle of a value"),
            Self::TooDeep(at) => {
                write!(
                    f,
                    "the JSON text is nested more than {MAX_DEPTH} levels deep at byte {at}"
                )
            }
        }
    }
}

impl core::error::Error for ParseError {}

/// A place in a text.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'j> {
    pub(super) text: &'j str,
    pub(super) at: usize,
}

impl<'j> Scanner<'j> {
    pub(super) const fn new(text: &'j str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over white space (RFC 8259, section 2) and looks at what follows.
    pub(super) fn next_token(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn expect(&mut self, byte: u8) -> Result<(), ParseError> {
        match self.next_token() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            found => Err(self.unexpected(found)),
        }
    }

    fn unexpected(&self, found: Option<u8>) -> ParseError {
        found.map_or(ParseError::Incomplete, |_| ParseError::Unexpected(self.at))
    }

    /// Passes over one value, whatever it holds.
    pub(super) fn value(&mut self) -> Result<(), ParseError> {
        // One bit a level, the innermost lowest: whether it is an object.
        let (mut objects, mut depth) = (0_u64, 0_u32);
        loop {
            if self.open(&mut objects, &mut depth)? {
                continue;
            }
            // A value is complete: close what ends here, or go on to the next one inside.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = objects & 1 == 1;
                match self.next_token() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if object => self.at += 1,
                    Some(b']') if !object => self.at += 1,
                    found => return Err(self.unexpected(found)),
                }
                objects >>= 1;
                depth -= 1;
            }
        }
    }

    /// Passes over a scalar or an empty container, or enters one: true if a value is due next.
    fn open(&mut self, objects: &mut u64, depth: &mut u32) -> Result<bool, ParseError> {
        let (object, end) = match self.next_token() {
            Some(b'{') => (true, b'}'),
            Some(b'[') => (false, b']'),
            _ => return self.scalar().map(|()| false),
        };
        if *depth == MAX_DEPTH {
            return Err(ParseError::TooDeep(self.at));
        }
        self.at += 1;
        if self.next_token() == Some(end) {
            self.at += 1;
            return Ok(false);
        }
        *depth += 1;
        *objects = *objects << 1 | u64::from(object);
        if object {
            self.key()?;
        }
        Ok(true)
    }

    /// Passes over a member's name and the colon behind it.
    pub(super) fn key(&mut self) -> Result<(), ParseError> {
        match self.next_token() {
            Some(b'"') => self.string()?,
            found => return Err(self.unexpected(found)),
        }
        self.expect(b':')
    }

    fn scalar(&mut self) -> Result<(), ParseError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            found => Err(self.unexpected(found)),
        }
    }

    fn literal(&mut self, literal: &str) -> Result<(), ParseError> {
        for byte in literal.bytes() {
            match self.peek() {
                Some(found) if found == byte => self.at += 1,
                found => return Err(self.unexpected(found)),
            }
        }
        Ok(())
    }

    /// RFC 8259, section 7.
    pub(super) fn string(&mut self) -> Result<(), ParseError> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(control) if control < 0x20 => return Err(ParseError::Unexpected(self.at)),
                Some(_) => self.at += 1,
                None => return Err(ParseError::Incomplete),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(digit) if digit.is_ascii_hexdigit() => self.at += 1,
                        found => return Err(self.unexpected(found)),
                    }
                }
                Ok(())
            }
            found => Err(self.unexpected(found)),
        }
    }

    /// RFC 8259, section 6.
    fn number(&mut self) -> Result<(), ParseError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            found => return Err(self.unexpected(found)),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), ParseError> {
        match self.peek() {
            Some(b'0'..=b'9') => {}
            found => return Err(self.unexpected(found)),
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }
}
