//! PEM, one byte at a time: certificates and keys as people paste them into a console.
//!
//! A [`Decoder`] takes bytes and writes the content (DER) of one block after the other into the caller's
//! buffer. Text around the blocks is skipped, as RFC 7468, section 2, wants it. Memory: one line and the
//! caller's buffer. Limits: the base64 of a line is decoded line by line, so a line's length has to be a
//! multiple of 4, which the 64 characters of RFC 7468 are.

use core::fmt;

use base64::DecodeSliceError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize;

use crate::text::find;

/// The longest line inside a block, in bytes. RFC 7468 has 64, older writers 76.
const MAX_LINE: usize = 80;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Label {
    /// An X.509 certificate.
    Certificate,
    /// A private key: PKCS#8, PKCS#1 (RSA) or SEC 1 (EC).
    PrivateKey,
}

impl Label {
    fn parse(text: &str) -> Result<Self, PemError> {
        match text {
            "CERTIFICATE" => Ok(Self::Certificate),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Ok(Self::PrivateKey),
            "ENCRYPTED PRIVATE KEY" => Err(PemError::Encrypted),
            _ => Err(PemError::Label),
        }
    }
}

/// A whole block: its content is the first `length` bytes of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it holds.
    pub label: Label,
    /// Length of the content, in bytes.
    pub length: usize,
}

/// Decodes a sequence of PEM blocks. Wiped when dropped: keys pass through it.
pub struct Decoder {
    line: [u8; MAX_LINE],
    /// Bytes of the line so far; more than [`MAX_LINE`] if it was too long.
    length: usize,
    block: Option<Block>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            line: [0; MAX_LINE],
            length: 0,
            block: None,
        }
    }
}

impl Decoder {
    /// Whether a block has begun and not ended.
    pub const fn is_inside(&self) -> bool {
        self.block.is_some()
    }

    /// Takes a byte. Gives a block when `byte` ended its last line; its content is in `out` then.
    ///
    /// # Errors
    ///
    /// Any [`PemError`]; the decoder has forgotten the block, and `out` is wiped.
    pub fn push(&mut self, byte: u8, out: &mut [u8]) -> Result<Option<Block>, PemError> {
        if byte != b'\n' && byte != b'\r' {
            if let Some(place) = self.line.get_mut(self.length) {
                *place = byte;
            }
            self.length = self.length.saturating_add(1);
            return Ok(None);
        }
        let result = self.end_line(out);
        self.line.zeroize();
        self.length = 0;
        if result.is_err() {
            self.block = None;
            out.zeroize();
        }
        result
    }

    fn end_line(&mut self, out: &mut [u8]) -> Result<Option<Block>, PemError> {
        let line = self
            .line
            .get(..self.length)
            .and_then(|line| str::from_utf8(line).ok());
        let line = line.map(str::trim_ascii);
        match (&mut self.block, line) {
            (None, None) | (Some(_), Some("")) => Ok(None),
            (None, Some(line)) => {
                if let Some(label) = boundary(line, BEGIN) {
                    self.block = Some(Block {
                        label: Label::parse(label)?,
                        length: 0,
                    });
                }
                Ok(None)
            }
            (Some(_), None) => Err(PemError::NotBase64),
            (Some(block), Some(line)) => {
                if let Some(label) = boundary(line, END) {
                    let block = *block;
                    self.block = None;
                    return finish(block, label, out).map(Some);
                }
                if line.as_bytes().contains(&b':') {
                    return Err(if find(line, "ENCRYPTED").is_some() {
                        PemError::Encrypted
                    } else {
                        PemError::NotBase64
                    });
                }
                block.length += decode(line, out.get_mut(block.length..).unwrap_or_default())?;
                Ok(None)
            }
        }
    }
}

/// The label of a boundary line.
fn boundary<'l>(line: &'l str, kind: &str) -> Option<&'l str> {
    line.strip_prefix(kind)?.strip_suffix(DASHES)
}

/// Decodes a line into the start of `out`, and gives the number of bytes.
fn decode(line: &str, out: &mut [u8]) -> Result<usize, PemError> {
    let capacity = out.len();
    STANDARD
        .decode_slice(line, out)
        .map_err(|error| match error {
            // The crate asks for room for a whole last group, of which padding leaves less.
            DecodeSliceError::OutputSliceTooSmall => PemError::TooLong { spare: capacity },
            DecodeSliceError::DecodeError(_) => PemError::NotBase64,
        })
}

fn finish(block: Block, label: &str, out: &[u8]) -> Result<Block, PemError> {
    /// The tag of an ASN.1 SEQUENCE, which certificates and keys are (X.690, section 8.9).
    const SEQUENCE: u8 = 0x30;
    if Label::parse(label) != Ok(block.label) {
        return Err(PemError::End);
    }
    if out.first() != Some(&SEQUENCE) || block.length == 0 {
        return Err(PemError::NotDer);
    }
    Ok(block)
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.line.zeroize();
    }
}

/// Shows nothing of the content.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}

/// Why text was rejected as PEM. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemError {
    /// The key is encrypted with a passphrase.
    Encrypted,
    /// A block of another kind than certificate or private key.
    Label,
    /// A line inside a block is not base64, or was cut.
    NotBase64,
    /// The content exceeds the buffer.
    TooLong {
        /// Bytes that were left in the buffer.
        spare: usize,
    },
    /// A block ends with another label than it began with.
    End,
    /// The content is no ASN.1 structure.
    NotDer,
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str(
                "the key is encrypted, and nobody is here to type its passphrase: decrypt it, such as by `openssl pkey -in KEY -out PLAIN`",
            ),
            Self::Label => f.write_str(
                "the block is neither a certificate nor a private key: it must begin with -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----",
            ),
            Self::NotBase64 => {
                f.write_str("a line inside the block is not base64, or was cut: paste the whole block again")
            }
            Self::TooLong { .. } => f.write_str(
                "the block is too long for its buffer: use a P-256 or RSA-2048 certificate, or raise the buffer",
            ),
            Self::End => f.write_str("the block ends with another label than it began with: paste the whole block again"),
            Self::NotDer => f.write_str("the block holds no ASN.1: it is not what its label says"),
        }
    }
}

impl core::error::Error for PemError {}

#[cfg(test)]
#[path = "pem_tests.rs"]
mod tests;
