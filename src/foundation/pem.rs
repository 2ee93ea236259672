//! PEM, one byte at a time: certificates and keys as people paste them into a console.
//!
//! A [`Decoder`] takes bytes and writes the content (DER) of one block after the other into the caller's
//! buffer. Text around the blocks is skipped, as RFC 7468, section 2, wants it, and so is the content of blocks
//! that are not wanted. Lines may be indented and have any length, and the last one may lack its line end.
//! Memory: one line and the caller's buffer.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use crate::text::find;

/// The longest boundary line, and the piece of a longer line that is decoded at a time, in bytes. Lines of base64
/// have 64 in RFC 7468, 76 from older writers, and some tools write all of it in one line.
const MAX_LINE: usize = 80;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The UTF-8 byte order mark, with which some editors begin a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The kind of a block, by its label (RFC 7468, sections 5 to 13; OpenSSL's pem.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Label {
    /// An X.509 certificate.
    Certificate,
    /// A private key: PKCS#8, PKCS#1 (RSA) or SEC 1 (EC).
    PrivateKey,
    /// A private key that a passphrase protects: PKCS#8, or a `Proc-Type` line in one of the others.
    EncryptedPrivateKey,
    /// A private key in OpenSSH's own format.
    OpenSshPrivateKey,
    /// A public key.
    PublicKey,
    /// A certificate signing request.
    CertificateRequest,
    /// Anything else, such as the parameters that `openssl ecparam -genkey` writes before the key.
    Other,
}

impl Label {
    fn parse(text: &str) -> Self {
        match text {
            "CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Self::PrivateKey,
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedPrivateKey,
            "OPENSSH PRIVATE KEY" => Self::OpenSshPrivateKey,
            "PUBLIC KEY" | "RSA PUBLIC KEY" | "EC PUBLIC KEY" => Self::PublicKey,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::CertificateRequest,
            _ => Self::Other,
        }
    }
}

/// A whole block: its content is the first `length` bytes of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Content of the block.
    pub label: Label,
    /// Length of the content, in bytes; 0 for a block that was not wanted.
    pub length: usize,
}

/// Decodes the blocks of one kind in a sequence of PEM blocks. Wiped when dropped: keys pass through it.
pub struct Decoder {
    wanted: Label,
    line: [u8; MAX_LINE],
    /// Bytes of the line so far; more than [`MAX_LINE`] if it was too long.
    length: usize,
    block: Option<Block>,
    /// Characters of base64 that are no whole group of four yet.
    group: [u8; 4],
    group_length: usize,
    /// A group with padding came: nothing may follow it.
    padded: bool,
}

impl Decoder {
    /// A decoder that gives the content of blocks of this kind, and only the labels of others.
    pub const fn new(wanted: Label) -> Self {
        Self {
            wanted,
            line: [0; MAX_LINE],
            length: 0,
            block: None,
            group: [0; 4],
            group_length: 0,
            padded: false,
        }
    }

    /// True if a block has begun and not ended.
    pub const fn is_inside(&self) -> bool {
        self.block.is_some()
    }

    /// Takes a byte. Gives a block when `byte` ended it; its content is in `out` then.
    ///
    /// # Errors
    ///
    /// Any [`PemError`]; the decoder has forgotten the block, and `out` is wiped.
    pub fn push(&mut self, byte: u8, out: &mut [u8]) -> Result<Option<Block>, PemError> {
        let result = self.take(byte, out);
        if result.is_err() {
            self.block = None;
            self.forget_line();
            out.zeroize();
        }
        result
    }

    fn take(&mut self, byte: u8, out: &mut [u8]) -> Result<Option<Block>, PemError> {
        if byte == b'\n' || byte == b'\r' {
            return self.end_line(out);
        }
        if self.length == 0 && byte.is_ascii_whitespace() {
            return Ok(None);
        }
        if let Some(place) = self.line.get_mut(self.length) {
            *place = byte;
        }
        self.length = self.length.saturating_add(1);
        if self.block.is_none() {
            return Ok(None);
        }
        // A block is complete with its last dash: not every file ends with a line end.
        if byte == b'-' && boundary(self.line(), END).is_some() {
            return self.end_line(out);
        }
        if self.is_decoding() && self.length == MAX_LINE {
            self.decode_line(out)?;
            self.forget_line();
        }
        Ok(None)
    }

    fn is_decoding(&self) -> bool {
        self.block.is_some_and(|block| block.label == self.wanted)
    }

    /// The line without white space around it; empty if it was too long or is no text.
    fn line(&self) -> &str {
        let line = self.line.get(..self.length).unwrap_or_default();
        str::from_utf8(line).unwrap_or_default().trim_ascii()
    }

    fn forget_line(&mut self) {
        self.line.zeroize();
        self.length = 0;
    }

    fn end_line(&mut self, out: &mut [u8]) -> Result<Option<Block>, PemError> {
        let ended = self.block.and(boundary(self.line(), END)).map(Label::parse);
        let result = match (self.block, ended) {
            (Some(block), Some(label)) => self.end_block(block, label, out).map(Some),
            (Some(_), None) => self.body_line(out).map(|()| None),
            (None, _) => {
                let line = self.line().trim_start_matches(BYTE_ORDER_MARK).trim_ascii();
                if let Some(label) = boundary(line, BEGIN).map(Label::parse) {
                    self.begin_block(label);
                }
                Ok(None)
            }
        };
        self.forget_line();
        result
    }

    fn begin_block(&mut self, label: Label) {
        self.block = Some(Block { label, length: 0 });
        self.group.zeroize();
        self.group_length = 0;
        self.padded = false;
    }

    fn body_line(&mut self, out: &mut [u8]) -> Result<(), PemError> {
        // RFC 1421, section 4.6: lines with a colon are headers, and they say that the key is encrypted.
        let is_header = self.line().as_bytes().contains(&b':');
        if is_header && find(self.line(), "ENCRYPTED").is_some() {
            out.zeroize();
            self.block = Some(Block {
                label: Label::EncryptedPrivateKey,
                length: 0,
            });
        }
        if self.is_decoding() {
            self.decode_line(out)?;
        }
        Ok(())
    }

    /// Decodes the characters of the line, by groups of four that may go over its end.
    fn decode_line(&mut self, out: &mut [u8]) -> Result<(), PemError> {
        let line = Zeroizing::new(self.line);
        let line = line.get(..self.length).ok_or(PemError::NotBase64)?;
        for byte in line.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            if self.padded {
                return Err(PemError::NotBase64);
            }
            if let Some(place) = self.group.get_mut(self.group_length) {
                *place = *byte;
            }
            self.group_length += 1;
            if self.group_length == self.group.len() {
                self.group_length = 0;
                self.decode_group(out)?;
            }
        }
        Ok(())
    }

    fn decode_group(&mut self, out: &mut [u8]) -> Result<(), PemError> {
        let Some(block) = &mut self.block else {
            return Ok(());
        };
        let mut bytes = Zeroizing::new([0; 3]);
        let count = STANDARD
            .decode_slice(self.group, bytes.as_mut_slice())
            .map_err(|_| PemError::NotBase64)?;
        let place = out.get_mut(block.length..block.length + count);
        let place = place.ok_or(PemError::TooLong)?;
        place.copy_from_slice(bytes.get(..count).unwrap_or_default());
        block.length += count;
        self.padded = count < bytes.len();
        Ok(())
    }

    fn end_block(&mut self, block: Block, label: Label, out: &[u8]) -> Result<Block, PemError> {
        /// The tag of an ASN.1 SEQUENCE, which certificates and keys are (X.690, section 8.9).
        const SEQUENCE: u8 = 0x30;
        self.block = None;
        // An encrypted key of the older kind ends with the label of a plain one.
        let expected = match block.label {
            Label::EncryptedPrivateKey if label == Label::PrivateKey => label,
            expected => expected,
        };
        if label != expected {
            return Err(PemError::End);
        }
        if block.label == self.wanted {
            if self.group_length != 0 {
                return Err(PemError::NotBase64);
            }
            if out.first() != Some(&SEQUENCE) || block.length == 0 {
                return Err(PemError::NotDer);
            }
        }
        Ok(block)
    }
}

/// The label of a boundary line.
fn boundary<'l>(line: &'l str, kind: &str) -> Option<&'l str> {
    line.strip_prefix(kind)?.strip_suffix(DASHES)
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.line.zeroize();
        self.group.zeroize();
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

/// Reason why text was rejected as PEM. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemError {
    /// A line inside a block is not base64, or was cut.
    NotBase64,
    /// The content exceeds the buffer.
    TooLong,
    /// A block ends with another label than it began with.
    End,
    /// The content is no ASN.1 structure.
    NotDer,
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64 => {
                f.write_str("a line inside the block is not base64, or was cut: paste the whole block again")
            }
            Self::TooLong => f.write_str(
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
pub(crate) mod tests;
