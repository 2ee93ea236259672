//! Text that grows inside a buffer of the caller.
//!
//! Topics, user names and tokens are written with `write!` into a [`Text`], which owns no memory: the
//! caller decides how large each of them may become, and what does not fit is an error instead of a heap
//! allocation. A piece that does not fit leaves the text as it was before.

use core::fmt::{self, Write};

mod integer;

/// UTF-8 text at the start of a borrowed buffer.
pub struct Text<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Text<'a> {
    /// Empty text that can grow to `buffer.len()` bytes.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Text that was written so far.
    pub fn as_str(&self) -> &str {
        written(self.buffer, self.length)
    }

    /// Text that was written, for as long as the buffer lives.
    pub fn into_str(self) -> &'a str {
        written(self.buffer, self.length)
    }

    /// Bytes written so far.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// True if nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that fit in all.
    pub const fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// Shortens the text to its first `length` bytes. Does nothing if it is not longer than that, or if
    /// the cut would go through a character.
    pub fn truncate(&mut self, length: usize) {
        if length < self.length && self.as_str().is_char_boundary(length) {
            self.length = length;
        }
    }

    /// Forgets what was written. The bytes stay in the buffer until they are overwritten.
    pub const fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends what `value` displays, all or nothing.
    pub fn append(&mut self, value: impl fmt::Display) -> Result<(), Overflow> {
        let before = self.length;
        fmt::Write::write_fmt(self, format_args!("{value}")).map_err(|fmt::Error| {
            self.length = before;
            Overflow {
                capacity: self.buffer.len(),
            }
        })
    }
}

/// The first `length` bytes of a buffer that a [`Text`] wrote.
///
/// Only whole `str`s are ever copied into the buffer, and [`Text::truncate`] keeps to their boundaries, so
/// that the empty fallback is never taken.
pub(crate) fn written(buffer: &[u8], length: usize) -> &str {
    buffer
        .get(..length)
        .and_then(|bytes| core::str::from_utf8(bytes).ok())
        .unwrap_or_default()
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let end = self.length.checked_add(piece.len()).ok_or(fmt::Error)?;
        let room = self.buffer.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(piece.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Writes what `value` displays to the start of `buffer`.
pub fn render(buffer: &mut [u8], value: impl fmt::Display) -> Result<&str, Overflow> {
    let mut text = Text::new(buffer);
    text.append(value)?;
    Ok(text.into_str())
}

/// Displays a value for a terminal, in one line: each character that [`is_hidden`] is shown by its number.
///
/// The loggers and the shell show each line through it, so that no id, topic, property, body or server's text
/// can move the cursor, reverse the reading order or begin a line of its own.
#[derive(Clone, Copy, Debug)]
pub struct Visible<D>(pub D);

impl<D: fmt::Display> fmt::Display for Visible<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(VisibleWriter(f), "{}", self.0)
    }
}

/// Passes text on as [`Visible`] shows it.
struct VisibleWriter<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for VisibleWriter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, hidden)) = rest.char_indices().find(|&(_, found)| is_hidden(found)) {
            let (plain, tail) = rest.split_at(at);
            self.0.write_str(plain)?;
            write!(self.0, "\\u{{{:x}}}", u32::from(hidden))?;
            rest = tail.get(hidden.len_utf8()..).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

/// True if a terminal acts on the character instead of showing it: control characters (C0, DEL, C1), line ends, and
/// the format characters that hide text or change its direction (The Unicode Standard, general categories Cc, Zl
/// and Zp, the property Bidi_Control, and what is Default_Ignorable_Code_Point beside variation selectors 1 to 16,
/// which emoji need).
pub const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Byte offset at which `part`, which is not empty, first stands in `text`. Short texts do without the kilobyte and
/// a half of the standard library's search.
pub(crate) fn find(text: &str, part: &str) -> Option<usize> {
    text.as_bytes()
        .windows(part.len())
        .position(|window| window == part.as_bytes())
}

/// A text was longer than its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// The size of the buffer, in bytes.
    pub capacity: usize,
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the text is longer than its buffer of {} bytes: shorten the text or enlarge the buffer",
            self.capacity
        )
    }
}

impl core::error::Error for Overflow {}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    #[test]
    fn text_fills_its_buffer_to_the_last_byte_and_refuses_the_next_one() {
        let mut buffer = [0; 5];
        let mut text = Text::new(&mut buffer);
        assert!(text.is_empty());
        assert_eq!(write!(text, "ab{}", 12), Ok(()));
        assert_eq!(text.append("é"), Err(Overflow { capacity: 5 }));
        assert_eq!(text.append('c'), Ok(()));
        assert_eq!(
            (text.as_str(), text.len(), text.capacity()),
            ("ab12c", 5, 5)
        );
        assert_eq!(text.into_str(), "ab12c");
    }

    #[test]
    fn a_value_that_fits_only_in_part_leaves_no_part_behind() {
        let mut buffer = [0; 4];
        let mut text = Text::new(&mut buffer);
        assert_eq!(text.append('a'), Ok(()));
        let two_pieces = format_args!("{}{}", "bc", "de");
        assert_eq!(text.append(two_pieces), Err(Overflow { capacity: 4 }));
        assert_eq!(text.as_str(), "a");
    }

    #[test]
    fn text_is_never_cut_through_a_character() {
        let mut buffer = [0; 8];
        let mut text = Text::new(&mut buffer);
        assert_eq!(text.append("aé"), Ok(()));
        text.truncate(2);
        assert_eq!(text.as_str(), "aé");
        text.truncate(1);
        assert_eq!(text.as_str(), "a");
        text.truncate(7);
        assert_eq!(text.as_str(), "a");
        text.clear();
        assert_eq!(text.as_str(), "");
    }

    /// Characters with which a stranger's text can mislead a terminal or its reader.
    const HIDDEN: &str = "\0\t\n\r\u{1b}[2J\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{206f}\u{feff}\u{fffb}\u{e0041}";

    #[test]
    fn no_character_that_a_terminal_obeys_is_shown() {
        let mut buffer = [0; 1024];
        let shown = render(&mut buffer, Visible(HIDDEN)).unwrap();
        assert!(!shown.chars().any(is_hidden), "{shown}");
        assert!(
            shown.starts_with("\\u{0}\\u{9}\\u{a}\\u{d}\\u{1b}[2J\\u{7f}\\u{85}\\u{9b}"),
            "{shown}"
        );
        for character in '\0'..=char::MAX {
            let must = character.is_control()
                || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
                || matches!(
                    character,
                    '\u{2060}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
                );
            assert!(is_hidden(character) || !must, "{character:?}");
        }
    }

    #[test]
    fn what_people_write_is_shown_as_it_is() {
        let mut buffer = [0; 128];
        for text in [
            "",
            "21.5 °C",
            "Zürich, São Paulo, Київ",
            "温度 مرحبا שלום",
            "a ❤️ b",
        ] {
            assert_eq!(render(&mut buffer, Visible(text)), Ok(text));
        }
        // A value is displayed in pieces; a piece can begin or end anywhere.
        let value = format_args!("{}{:?}{}", "a\n", 'x', "\u{9b}");
        assert_eq!(render(&mut buffer, Visible(value)), Ok("a\\u{a}'x'\\u{9b}"));
    }

    #[test]
    fn an_empty_buffer_takes_only_empty_text() {
        assert_eq!(render(&mut [], ""), Ok(""));
        assert_eq!(render(&mut [], "a"), Err(Overflow { capacity: 0 }));
    }
}
