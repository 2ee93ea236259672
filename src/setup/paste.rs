//! A secret or a certificate that is pasted into a console: bytes and the time go in, what to store comes out.
//!
//! From the moment when a [`Paste`] begins, every byte belongs to it, even if the paste is wrong. So no part of a
//! secret reaches a shell that would run or echo it. It is over when its outcome is known *and* nothing has
//! come for a while: half a second after a complete paste, and two seconds after anything else, which may come line by
//! line. Ctrl-C and Ctrl-D count as such only when nothing follows them: binary files hold them.
//!
//! ```text
//!            a line, a key, Ctrl-D            silence
//!   taking ──────────────────────► outcome ───────────► over
//!      │                              ▲ │
//!      └── an error, Ctrl-C ──────────┘ └─ more bytes are passed over
//! ```
//!
//! Memory: the content of one item, of the size that the owner sets, on the heap. It is wiped when the paste ends
//! or is refused.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use zeroize::Zeroize;

use crate::pem::{Decoder, Label, PemError};
use crate::time::Instant;

/// Silence that ends a complete paste. Terminals that wait after each line wait for up to 300 ms.
pub const SETTLED: Duration = Duration::from_millis(500);
/// Silence that ends a refused paste, and one that holds nothing of what was asked for.
pub const QUIET: Duration = Duration::from_secs(2);
/// Silence within a PEM block that makes it an incomplete one.
pub const INCOMPLETE: Duration = Duration::from_secs(10);
/// Silence that ends a paste of which nothing, or too little, came: the person has gone.
pub const ABANDONED: Duration = Duration::from_secs(300);
/// Age at which a line feed is that of the command's own line, from a terminal that ends lines with two characters.
const COMMAND_LINE: Duration = Duration::from_millis(50);

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Kind of credential that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One line of text, ended by Enter.
    Line,
    /// One private key in PEM, ended by its last line.
    Key,
    /// One certificate or several in PEM, ended by Ctrl-D.
    Certificates,
}

/// A part of a paste that can be checked and stored. If it cannot be used, call [`Paste::reject`].
#[derive(PartialEq, Eq)]
pub enum Item<'p> {
    /// The line, without its end.
    Line(&'p str),
    /// The key, in DER.
    Key(&'p [u8]),
    /// The next certificate, in DER.
    Certificate(&'p [u8]),
}

/// Shows nothing of the content.
impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line(_) => "Line",
            Self::Key(_) => "Key",
            Self::Certificate(_) => "Certificate",
        })
    }
}

/// End of a paste.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// All that was asked for has come.
    Complete,
    /// The person gave up.
    GivenUp,
    /// The paste is not what was asked for.
    Refused(PasteError),
    /// The owner rejected an item.
    Rejected,
}

/// State of a paste.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on. Ask again with the next byte, and at this time if none comes.
    Open {
        /// Time at which silence will mean something.
        until: Instant,
    },
    /// It is over: the next byte belongs to somebody else.
    Over(Outcome),
}

/// A paste under way.
pub struct Paste {
    wanted: Wanted,
    decoder: Decoder,
    /// The line, or the content of a PEM block.
    content: Box<[u8]>,
    length: usize,
    /// Certificates that were given.
    certificates: usize,
    hints: Hints,
    outcome: Option<Outcome>,
    /// Silence that ends the paste, once the outcome is known.
    quiet: Duration,
    /// Time at which it began, or at which the last byte came.
    last: Instant,
    touched: bool,
}

impl Paste {
    /// A paste of which nothing has come, with room for a line, or for the DER of a PEM block, of `size` bytes.
    pub fn new(wanted: Wanted, size: usize, now: Instant) -> Self {
        Self {
            wanted,
            decoder: Decoder::new(match wanted {
                Wanted::Certificates => Label::Certificate,
                Wanted::Key | Wanted::Line => Label::PrivateKey,
            }),
            content: alloc::vec![0; size].into_boxed_slice(),
            length: 0,
            certificates: 0,
            hints: Hints::new(),
            outcome: None,
            quiet: SETTLED,
            last: now,
            touched: false,
        }
    }

    /// Certificates that were given so far.
    pub const fn certificates(&self) -> usize {
        self.certificates
    }

    /// Takes a byte, and gives an item if the byte completed one.
    pub fn push(&mut self, byte: u8, now: Instant) -> Option<Item<'_>> {
        let first = !core::mem::replace(&mut self.touched, true);
        let age = now.since(self.last);
        self.last = now;
        if self.outcome.is_some() {
            self.pass_over(byte);
            return None;
        }
        if first && byte == b'\n' && age <= COMMAND_LINE {
            return None;
        }
        match (byte, self.wanted) {
            (CTRL_C, _) => {
                self.end(Outcome::GivenUp, SETTLED);
                None
            }
            (CTRL_D, Wanted::Key | Wanted::Certificates) => {
                self.end_of_input();
                None
            }
            (_, Wanted::Line) => self.push_text(byte),
            (_, Wanted::Key | Wanted::Certificates) => self.push_pem(byte),
        }
    }

    /// Rejects the item that [`Paste::push`] gave. The rest of the paste is passed over.
    pub fn reject(&mut self) {
        self.end(Outcome::Rejected, QUIET);
    }

    /// State of the paste by now. Not a getter: silence is an event.
    pub fn poll(&mut self, now: Instant) -> Progress {
        if self.outcome.is_none() {
            let (silence, outcome) = self.meaning_of_silence();
            let until = self.last.after(silence);
            if now < until {
                return Progress::Open { until };
            }
            self.end(outcome, silence);
        }
        let until = self.last.after(self.quiet);
        match self.outcome {
            Some(outcome) if now >= until => Progress::Over(outcome),
            _ => Progress::Open { until },
        }
    }

    /// The time without input after which no more is to be expected, and what follows.
    const fn meaning_of_silence(&self) -> (Duration, Outcome) {
        if self.decoder.is_inside() {
            return (INCOMPLETE, Outcome::Refused(PasteError::Incomplete));
        }
        let useless = self.certificates == 0 && self.hints.saw_something();
        match self.wanted {
            Wanted::Key | Wanted::Certificates if useless => {
                (QUIET, Outcome::Refused(self.hints.reason(self.wanted)))
            }
            _ => (ABANDONED, Outcome::Refused(PasteError::Abandoned)),
        }
    }

    fn end(&mut self, outcome: Outcome, quiet: Duration) {
        if outcome != Outcome::Complete {
            self.content.zeroize();
        }
        self.outcome = Some(outcome);
        self.quiet = quiet;
    }

    fn refuse(&mut self, error: PasteError) {
        self.end(Outcome::Refused(error), QUIET);
    }

    fn refuse_too_long(&mut self) {
        let capacity = self.content.len();
        self.refuse(PasteError::TooLong { capacity });
    }

    /// The outcome is known; only the silence after the last byte counts any more.
    fn pass_over(&mut self, byte: u8) {
        if matches!(byte, CTRL_C | CTRL_D) {
            self.quiet = SETTLED;
        } else if self.outcome != Some(Outcome::Complete) {
            self.quiet = QUIET;
        }
    }

    fn end_of_input(&mut self) {
        let outcome = if self.decoder.is_inside() {
            Outcome::Refused(PasteError::Incomplete)
        } else if self.certificates > 0 {
            Outcome::Complete
        } else if self.hints.saw_something() {
            Outcome::Refused(self.hints.reason(self.wanted))
        } else {
            Outcome::GivenUp
        };
        self.end(outcome, SETTLED);
    }

    fn push_text(&mut self, byte: u8) -> Option<Item<'_>> {
        match byte {
            b'\r' | b'\n' | CTRL_D => return self.end_line(),
            BACKSPACE | DELETE => self.erase_character(),
            CTRL_U => self.length = 0,
            0..=0x1f if byte != b'\t' => self.refuse(PasteError::Binary),
            _ => match self.content.get_mut(self.length) {
                Some(place) => {
                    *place = byte;
                    self.length += 1;
                }
                None => self.refuse_too_long(),
            },
        }
        None
    }

    /// Removes the last character, with the bytes that continue it (RFC 3629, section 3).
    fn erase_character(&mut self) {
        while self.length > 0 {
            self.length -= 1;
            if !matches!(self.content.get(self.length), Some(0x80..=0xbf)) {
                return;
            }
        }
    }

    fn end_line(&mut self) -> Option<Item<'_>> {
        let line = self.content.get(..self.length).unwrap_or_default();
        match str::from_utf8(line).map(|line| line.trim_start_matches(BYTE_ORDER_MARK)) {
            Err(_) => self.refuse(PasteError::Binary),
            Ok(line) if line.trim_ascii_start().starts_with("-----BEGIN ") => {
                self.refuse(PasteError::PemForLine);
            }
            Ok(_) => {
                self.end(Outcome::Complete, SETTLED);
                let line = self.content.get(..self.length).unwrap_or_default();
                let line = str::from_utf8(line).unwrap_or_default();
                return Some(Item::Line(line.trim_start_matches(BYTE_ORDER_MARK)));
            }
        }
        None
    }

    fn push_pem(&mut self, byte: u8) -> Option<Item<'_>> {
        if !self.decoder.is_inside() {
            self.hints.look_at(byte);
        }
        let block = match self.decoder.push(byte, &mut self.content) {
            Ok(block) => block?,
            Err(PemError::TooLong) => {
                self.refuse_too_long();
                return None;
            }
            Err(error) => {
                self.refuse(PasteError::Pem(error));
                return None;
            }
        };
        match (self.wanted, block.label) {
            (Wanted::Certificates, Label::Certificate) => {
                self.certificates += 1;
                let content = self.content.get(..block.length).unwrap_or_default();
                return Some(Item::Certificate(content));
            }
            (Wanted::Key, Label::PrivateKey) => {
                self.end(Outcome::Complete, SETTLED);
                let content = self.content.get(..block.length).unwrap_or_default();
                return Some(Item::Key(content));
            }
            (Wanted::Key, Label::EncryptedPrivateKey) => self.refuse(PasteError::Encrypted),
            (Wanted::Key, Label::OpenSshPrivateKey) => self.refuse(PasteError::OpenSsh),
            (_, label) => self.hints.note(label),
        }
        None
    }
}

impl Drop for Paste {
    fn drop(&mut self) {
        self.content.zeroize();
    }
}

/// Shows nothing of the content.
impl fmt::Debug for Paste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paste")
            .field("wanted", &self.wanted)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// The start of a field of a connection string, one of which each has.
const FIELD: &[u8] = b"HostName=";

/// Text that came instead of PEM of the kind that was asked for: for the reason in words.
struct Hints {
    /// Something that is no white space.
    text: bool,
    /// A byte that no text holds.
    binary: bool,
    /// As many bytes of [`FIELD`] as the last ones are; all of them if it was there.
    field: usize,
    /// A block of another kind.
    label: Option<Label>,
}

impl Hints {
    const fn new() -> Self {
        Self {
            text: false,
            binary: false,
            field: 0,
            label: None,
        }
    }

    const fn saw_something(&self) -> bool {
        self.text || self.label.is_some()
    }

    fn look_at(&mut self, byte: u8) {
        self.text |= !byte.is_ascii_whitespace();
        self.binary |= byte.is_ascii_control() && !byte.is_ascii_whitespace();
        match FIELD.get(self.field) {
            None => {}
            Some(expected) if *expected == byte => self.field += 1,
            Some(_) => self.field = usize::from(FIELD.first() == Some(&byte)),
        }
    }

    /// The first kind that says something counts.
    fn note(&mut self, label: Label) {
        if matches!(self.label, None | Some(Label::Other)) {
            self.label = Some(label);
        }
    }

    const fn reason(&self, wanted: Wanted) -> PasteError {
        match (self.label, wanted) {
            (Some(Label::Certificate), _) => PasteError::CertificateForKey,
            (
                Some(Label::PrivateKey | Label::EncryptedPrivateKey | Label::OpenSshPrivateKey),
                _,
            ) => PasteError::KeyForCertificate,
            (Some(Label::PublicKey), _) => PasteError::PublicKey,
            (Some(Label::CertificateRequest), _) => PasteError::CertificateRequest,
            (Some(Label::Other), Wanted::Key) => PasteError::NoKey,
            (Some(Label::Other), _) => PasteError::NoCertificate,
            (None, _) if self.field == FIELD.len() => PasteError::ConnectionString,
            (None, _) if self.binary => PasteError::Binary,
            (None, _) => PasteError::NoPem,
        }
    }
}

/// Reason why a paste was refused. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasteError {
    /// A block is malformed.
    Pem(PemError),
    /// The line or the content of a block exceeds the buffer.
    TooLong {
        /// Size of the buffer, in bytes.
        capacity: usize,
    },
    /// A block has no end.
    Incomplete,
    /// Nothing came for [`ABANDONED`].
    Abandoned,
    /// The key is encrypted with a passphrase.
    Encrypted,
    /// The key is in OpenSSH's own format.
    OpenSsh,
    /// A certificate where a key was asked for.
    CertificateForKey,
    /// A private key where a certificate was asked for.
    KeyForCertificate,
    /// A public key.
    PublicKey,
    /// A certificate signing request.
    CertificateRequest,
    /// PEM, without a private key in it.
    NoKey,
    /// PEM, without a certificate in it.
    NoCertificate,
    /// PEM where a line of text was asked for.
    PemForLine,
    /// A connection string where PEM was asked for.
    ConnectionString,
    /// No text: DER, UTF-16 or other bytes.
    Binary,
    /// Text without a `-----BEGIN` line.
    NoPem,
}

impl fmt::Display for PasteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem(error) => return write!(f, "{error}"),
            Self::TooLong { capacity } => {
                return write!(
                    f,
                    "that was longer than the {capacity} bytes that fit: use a P-256 or RSA-2048 certificate, or raise the buffer"
                );
            }
            Self::Incomplete => "the block has no -----END line: paste all of it again",
            Self::Abandoned => "nothing came for 5 minutes: start again",
            Self::Encrypted => {
                "the key is encrypted, and nobody is here to type its passphrase: decrypt it, such as by `openssl pkey -in KEY -out PLAIN`"
            }
            Self::OpenSsh => {
                "the key is in OpenSSH's own format: make one in PEM, such as by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
            }
            Self::CertificateForKey => {
                "that is a certificate, and the private key is asked for: azure set certificate takes it"
            }
            Self::KeyForCertificate => {
                "that is a private key, and a certificate is asked for: azure set key takes it"
            }
            Self::PublicKey => {
                "that is a public key: a certificate begins with -----BEGIN CERTIFICATE-----, a private key with -----BEGIN PRIVATE KEY-----"
            }
            Self::CertificateRequest => {
                "that is a signing request: have a CA sign it, and paste the certificate that comes of it"
            }
            Self::NoKey => {
                "there is no private key in it: it must have a block that begins with -----BEGIN PRIVATE KEY-----"
            }
            Self::NoCertificate => {
                "there is no certificate in it: it must have a block that begins with -----BEGIN CERTIFICATE-----"
            }
            Self::PemForLine => {
                "that is PEM, and one line of text is asked for: azure set certificate and azure set key take PEM"
            }
            Self::ConnectionString => {
                "that is a connection string, and PEM is asked for: azure set connection-string takes it"
            }
            Self::Binary => {
                "that was no text: paste PEM or text in UTF-8 (DER becomes PEM by `openssl x509 -inform DER` or `openssl pkey -inform DER`)"
            }
            Self::NoPem => "there was no -----BEGIN line: paste PEM",
        })
    }
}

impl core::error::Error for PasteError {}

#[cfg(test)]
#[path = "paste_tests.rs"]
mod tests;
