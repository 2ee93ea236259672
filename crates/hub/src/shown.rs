//! Texts on a terminal: the one place where the program makes text from elsewhere harmless.
//!
//! Ids, topics, properties and bodies come from devices, and may hold characters that move the cursor, set
//! colours, ring, or turn the direction of what follows. Standard output, standard error and the log all go
//! through here.

use std::borrow::Cow;
use std::fmt::Write;

/// Text in which every line feed is a line's end, and every other control or format character is written as in a
/// JSON string: `\u202e`. JSON stays JSON, with the same value: it has such characters in strings only.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_harmful(c))
}

/// The same in one line: line feeds are escaped too.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_harmful)
}

/// The beginning of a text, of so many bytes at most, without half a character.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn escaped(text: &str, is_harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Control characters (category Cc of Unicode: C0, DEL, C1), format characters (Cf: marks of direction,
/// joiners, invisible operators, tags) and the separators of lines and paragraphs (Zl, Zp).
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_marks_of_direction_are_escaped_and_letters_are_not() {
        for (given, shown) in [
            ("\u{1b}[31m", "\\u001b[31m"),
            ("\u{9b}2J", "\\u009b2J"),
            ("a\u{7f}b\u{0}", "a\\u007fb\\u0000"),
            ("\u{202e}cba\u{202c}", "\\u202ecba\\u202c"),
            (
                "\u{2066}\u{2069}\u{200f}\u{61c}\u{feff}",
                "\\u2066\\u2069\\u200f\\u061c\\ufeff",
            ),
            ("\r\t\u{2028}", "\\u000d\\u0009\\u2028"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(line(given), shown);
            assert_eq!(text(given), shown);
        }
        let harmless = "Grüße, 你好, שלום, e\u{301} {\"a\": [1, \"~\\\"\"]} 🙂";
        assert!(matches!(line(harmless), Cow::Borrowed(same) if same == harmless));
    }

    #[test]
    fn a_beginning_ends_between_characters() {
        for (most, shown) in [(0, ""), (1, "a"), (2, "a"), (3, "aü"), (9, "aüb")] {
            assert_eq!(beginning("aüb", most), shown);
        }
    }

    #[test]
    fn a_line_has_no_line_feed_and_a_text_keeps_its_own() {
        assert_eq!(line("a\nb"), "a\\u000ab");
        assert_eq!(text("a\nb"), "a\nb");
    }

    #[test]
    fn every_string_is_the_same_after_it_was_shown_in_json() {
        let all: Vec<char> = (0..=0x0010_ffff).filter_map(char::from_u32).collect();
        for some in all.chunks(4096) {
            let string: String = some.iter().collect();
            let value = serde_json::json!({ "k": string });
            for json in [value.to_string(), format!("{value:#}")] {
                let shown = text(&json);
                assert!(!shown.contains(|c| c != '\n' && is_harmful(c)));
                let read: serde_json::Value =
                    serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(read, value);
            }
        }
    }
}
