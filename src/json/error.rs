//! The reasons why a text is not JSON (RFC 8259) that this device reads.

use core::fmt;

/// The deepest nesting of arrays and objects that is read. A device twin has ten levels at most (Microsoft,
/// "Understand and use device twins"), and what surrounds it two.
pub const MAX_DEPTH: u32 = 32;

/// Reason why a text is not JSON that this device reads. Positions are in bytes from the start.
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
