//! A short text that owns its memory.

use core::fmt;

use crate::text::{Text, written};

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
        let mut space = Text::new(&mut label.bytes);
        space.append(text).ok()?;
        label.length = u16::try_from(space.len()).ok()?;
        Some(label)
    }

    /// As much of a text as fits.
    pub fn cut(text: impl fmt::Display) -> Self {
        struct Cut<'b, const N: usize>(&'b mut Label<N>);

        impl<const N: usize> fmt::Write for Cut<'_, N> {
            fn write_char(&mut self, character: char) -> fmt::Result {
                let start = usize::from(self.0.length);
                let end = start + character.len_utf8();
                let space = self.0.bytes.get_mut(start..end).ok_or(fmt::Error)?;
                character.encode_utf8(space);
                self.0.length = u16::try_from(end).map_err(|_| fmt::Error)?;
                Ok(())
            }

            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars()
                    .try_for_each(|character| self.write_char(character))
            }
        }

        let mut label = Self::EMPTY;
        // An error is the end of the space.
        let _ = fmt::Write::write_fmt(&mut Cut(&mut label), format_args!("{text}"));
        label
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
