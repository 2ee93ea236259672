//! The name of an object's member, decoded as it comes, and the check that a string is UTF-8.

use core::fmt;

use crate::text::Visible;

/// The longest name that is kept whole, in bytes. A name of a Plug and Play model has 64 characters at most
/// (DTDL version 2, "Property"); one of a device twin may have 1 KB (Microsoft, "Understand and use device
/// twins in IoT Hub").
pub const MAX_NAME: usize = 64;

/// A member's name without its escapes. It is cut after [`MAX_NAME`] bytes, and then equals no other.
#[derive(Clone)]
pub struct Name {
    bytes: [u8; MAX_NAME],
    length: u8,
    cut: bool,
    /// The number of the escape that is being read.
    unit: u16,
    /// The first half of a surrogate pair, whose second half is due; 0 if there is none.
    high: u16,
}

impl Name {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; MAX_NAME],
            length: 0,
            cut: false,
            unit: 0,
            high: 0,
        }
    }

    pub(super) const fn clear(&mut self) {
        self.length = 0;
        self.cut = false;
        self.unit = 0;
        self.high = 0;
    }

    /// True if it is this one.
    pub fn is(&self, name: &str) -> bool {
        !self.cut && self.bytes() == name.as_bytes()
    }

    /// The bytes that are kept.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    /// True if it was longer than what is kept.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// A byte that stands for itself.
    pub(super) fn push(&mut self, byte: u8) {
        self.end();
        self.append(&[byte]);
    }

    /// A digit of an escape such as `\u00e9`. A surrogate without its partner becomes U+FFFD.
    pub(super) fn push_digit(&mut self, digit: u32, is_last: bool) {
        self.unit = self.unit << 4 | (digit & 0xf) as u16;
        if !is_last {
            return;
        }
        let unit = core::mem::take(&mut self.unit);
        if self.high != 0 && (0xdc00..0xe000).contains(&unit) {
            let high = u32::from(core::mem::take(&mut self.high)) - 0xd800;
            self.push_code(0x1_0000 + (high << 10) + (u32::from(unit) - 0xdc00));
            return;
        }
        self.end();
        match unit {
            0xd800..0xdc00 => self.high = unit,
            _ => self.push_code(unit.into()),
        }
    }

    /// No second half of a surrogate pair follows.
    pub(super) fn end(&mut self) {
        if core::mem::take(&mut self.high) != 0 {
            self.push_code(u32::from(char::REPLACEMENT_CHARACTER));
        }
    }

    fn push_code(&mut self, code: u32) {
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.append(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn append(&mut self, bytes: &[u8]) {
        let start = usize::from(self.length);
        match self.bytes.get_mut(start..start + bytes.len()) {
            Some(space) if !self.cut => {
                space.copy_from_slice(bytes);
                self.length += bytes.len() as u8;
            }
            _ => self.cut = true,
        }
    }
}

/// Shows control characters by their numbers, and that it was cut.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match core::str::from_utf8(self.bytes()) {
            Ok(text) => text,
            // A character that was cut in the middle.
            Err(error) => {
                let whole = self.bytes().get(..error.valid_up_to()).unwrap_or_default();
                core::str::from_utf8(whole).unwrap_or_default()
            }
        };
        write!(f, "{}", Visible(text))?;
        match self.cut {
            true => f.write_str("..."),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", format_args!("{self}"))
    }
}

/// The state of a check for UTF-8 (RFC 3629, section 4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Utf8 {
    /// Bytes of the character that are still due.
    left: u8,
    /// Bytes of it that were read.
    read: u8,
    /// The next byte lies between these.
    low: u8,
    high: u8,
}

impl Utf8 {
    pub(super) const fn new() -> Self {
        Self {
            left: 0,
            read: 0,
            low: 0,
            high: 0,
        }
    }

    /// Bytes of the unfinished character.
    pub(super) fn behind(self) -> usize {
        self.read.into()
    }

    /// True if this byte may come next.
    pub(super) fn accepts(&mut self, byte: u8) -> bool {
        if self.left > 0 {
            let fits = (self.low..=self.high).contains(&byte);
            if fits {
                self.left -= 1;
                self.read = if self.left == 0 { 0 } else { self.read + 1 };
                (self.low, self.high) = (0x80, 0xbf);
            }
            return fits;
        }
        let (left, low, high) = match byte {
            0..0x80 => return true,
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            // No surrogates.
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return false,
        };
        (self.left, self.read, self.low, self.high) = (left, 1, low, high);
        true
    }
}
