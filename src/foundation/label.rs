//! A short text that owns its memory.

use core::fmt;

use crate::text::written;

/// Text of at most `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label<const N: usize> {
    bytes: [u8; N],
    length: u16,
}

impl<const N: usize> Label<N> {
    /// No text.
    pub const EMPTY: Self = Self {
        bytes: [0; N],
        length: 0,
    };

    /// `None` if the text is longer than `N` bytes.
    pub fn new(text: impl fmt::Display) -> Option<Self> {
        let mut label = Self::EMPTY;
        label.length = fill(&mut label.bytes, &text, false)?;
        Some(label)
    }

    /// As much of a text as fits.
    pub fn cut(text: impl fmt::Display) -> Self {
        let mut label = Self::EMPTY;
        label.length = fill(&mut label.bytes, &text, true).unwrap_or(0);
        label
    }

    /// Takes the text away, where it lies: a long label is large for a stack.
    #[cfg(feature = "update")]
    pub(crate) fn clear(&mut self) {
        self.bytes.fill(0);
        self.length = 0;
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        written(&self.bytes, self.length.into())
    }

    /// True if there is no text.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl<const N: usize> Default for Label<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes a text to the front of `bytes`, and gives its length; `None` if it does not fit and may not be cut. One function
/// for labels of all lengths and for all texts keeps the image small.
#[inline(never)]
fn fill(bytes: &mut [u8], text: &dyn fmt::Display, may_cut: bool) -> Option<u16> {
    let mut filled = Filled { bytes, length: 0 };
    match fmt::write(&mut filled, format_args!("{text}")) {
        Err(fmt::Error) if !may_cut => None,
        // The error of a text that is cut is the end of the space.
        _ => u16::try_from(filled.length).ok(),
    }
}

/// A text that grows character by character.
struct Filled<'b> {
    bytes: &'b mut [u8],
    length: usize,
}

impl fmt::Write for Filled<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let end = self.length + character.len_utf8();
            let space = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
            character.encode_utf8(space);
            self.length = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_takes_what_fits_and_a_cut_one_its_start_up_to_a_whole_character() {
        assert_eq!(
            Label::<4>::new("abcd").map(|label| label.as_str().len()),
            Some(4)
        );
        assert_eq!(Label::<4>::new("abcde"), None);
        assert_eq!(Label::<4>::cut("abcde").as_str(), "abcd");
        assert_eq!(Label::<4>::cut("abcé").as_str(), "abc");
        assert_eq!(
            Label::<4>::cut(format_args!("{}-{}", 12, 34)).as_str(),
            "12-3"
        );
        assert!(Label::<4>::cut("").is_empty());
    }
}
