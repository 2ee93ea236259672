//! Lines that people read: the time, who, and what.
//!
//! On a terminal no line is wider than it is. Text goes on below, after a space or between two members of JSON; what has
//! neither, such as a long address, gets a line for itself, from the left edge. In a file or a pipe each line is whole,
//! for programs that look for something in it.

use std::io::IsTerminal;
use std::time::{SystemTime, UNIX_EPOCH};

use anstyle::Style;
use azure_device::text::Visible;
use azure_device::time::UnixTime;

/// Columns of a terminal that does not say how many it has, and the fewest that are used of one that does.
const COLUMNS: usize = 80;
/// The fewest columns that a line is laid out for.
const FEWEST: usize = 40;
/// Columns by which a line is indented that goes on with the one before.
const INDENT: usize = 2;

/// A line, or several on a narrow terminal, each with its line feed. The name is in `style`.
pub fn format(style: Style, name: &str, text: &str, columns: Option<usize>) -> String {
    let name = Visible(name).to_string();
    let text = Visible(text).to_string();
    let (time, name) = (time_of_day(), format!("{name:<11}"));
    let head = time.chars().count() + name.chars().count() + 2;
    let room = columns.map_or(usize::MAX, |columns| {
        columns.max(FEWEST).saturating_sub(head).max(FEWEST / 2)
    });
    let mut lines = String::new();
    for part in wrapped(&text, room) {
        match part {
            Part::Line(text) => lines.push_str(&format!("{time} {style}{name}{style:#} {text}\n")),
            Part::Alone(text) => lines.push_str(&format!("{text}\n")),
        }
    }
    lines
}

/// Columns of the terminal behind `stream`; `None` if it is none.
#[cfg(unix)]
pub fn columns(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    stream.is_terminal().then(|| {
        let size = rustix::termios::tcgetwinsize(stream).ok();
        let columns = size.map(|size| usize::from(size.ws_col));
        columns.filter(|columns| *columns > 0).unwrap_or(COLUMNS)
    })
}

/// Columns of the terminal behind `stream`; `None` if it is none.
#[cfg(not(unix))]
pub fn columns(stream: &impl IsTerminal) -> Option<usize> {
    stream.is_terminal().then_some(COLUMNS)
}

/// The time of day in UTC: `23:59:59.999`.
fn time_of_day() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = UnixTime::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)).to_string();
    // `2026-01-01T00:00:00.000Z`.
    now.get(11..23).unwrap_or(&now).to_owned()
}

/// Part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// It fits.
    Line(String),
    /// It cannot be broken and is too long.
    Alone(String),
}

/// The text in parts of `room` columns.
fn wrapped(text: &str, room: usize) -> Vec<Part> {
    let length = |text: &str| text.chars().count();
    let mut parts = Vec::new();
    let mut line = String::new();
    let (mut empty, mut first) = (true, true);
    let mut put = |piece: &str, gap: &str, parts: &mut Vec<Part>| {
        let indent = if first { 0 } else { INDENT };
        let joined = length(&line) + length(gap) + length(piece);
        if !empty && joined > room {
            parts.push(Part::Line(std::mem::take(&mut line)));
            (empty, first) = (true, false);
            return Put::Again;
        }
        if empty && indent + length(piece) > room {
            parts.push(Part::Alone(piece.to_owned()));
            first = false;
            return Put::Done;
        }
        if empty {
            line = " ".repeat(indent);
        } else {
            line.push_str(gap);
        }
        line.push_str(piece);
        empty = false;
        Put::Done
    };
    let mut place =
        |piece: &str, gap: &str| while matches!(put(piece, gap, &mut parts), Put::Again) {};
    for word in words(text) {
        if length(word) <= room.saturating_sub(INDENT) {
            place(word, " ");
            continue;
        }
        for (number, member) in members(word).into_iter().enumerate() {
            place(member, if number == 0 { " " } else { "" });
        }
    }
    if !line.is_empty() {
        parts.push(Part::Line(line));
    }
    if parts.is_empty() {
        parts.push(Part::Line(String::new()));
    }
    parts
}

/// Outcome of an attempt to place something.
enum Put {
    Done,
    /// The line was full, and a new one has begun.
    Again,
}

/// Pieces between spaces, but for those in JSON.
fn words(text: &str) -> Vec<&str> {
    let words = cut(text, |byte, depth, in_string| {
        byte == b' ' && depth == 0 && !in_string
    });
    let words = words.into_iter().map(|word| word.trim_end_matches(' '));
    words.filter(|word| !word.is_empty()).collect()
}

/// Pieces of JSON that end after a comma.
fn members(json: &str) -> Vec<&str> {
    cut(json, |byte, depth, in_string| {
        byte == b',' && depth > 0 && !in_string
    })
}

/// Cuts a text after each byte of which `ends` says true: it gets the byte, in how many objects and arrays it is, and
/// whether it is in a string of one.
fn cut(text: &str, ends: impl Fn(u8, usize, bool) -> bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut depth, mut in_string, mut escaped, mut start) = (0_usize, false, false, 0);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' if depth > 0 => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        // Only ASCII ends a piece, so that it is cut between characters.
        if ends(byte, depth, in_string) {
            pieces.extend(text.get(start..=place));
            start = place + 1;
        }
    }
    pieces.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, room: usize) -> Vec<String> {
        let parts = wrapped(text, room).into_iter();
        let shown = parts.map(|part| match part {
            Part::Line(text) => text,
            Part::Alone(text) => format!("!{text}"),
        });
        shown.collect()
    }

    #[test]
    fn text_goes_on_below_after_a_space_and_json_between_members() {
        assert_eq!(texts("", 10), [""]);
        assert_eq!(texts("one two three", 13), ["one two three"]);
        assert_eq!(texts("one two three", 10), ["one two", "  three"]);
        let json = r#"stored {"a":"x, y {","b":[1,2],"c":3}"#;
        assert_eq!(texts(json, usize::MAX), [json]);
        // It fits below as a whole.
        let below = ["stored", r#"  {"a":"x, y {","b":[1,2],"c":3}"#];
        assert_eq!(texts(json, 33), below);
        let between = [r#"stored {"a":"x, y {","#, r#"  "b":[1,2],"c":3}"#];
        assert_eq!(texts(json, 24), between);
    }

    #[test]
    fn what_cannot_be_broken_is_alone() {
        let address = "http://127.0.0.1/#token=0123456789";
        let alone = format!("!{address}");
        let expected = ["the page is", alone.as_str(), "  in a browser"];
        let text = format!("the page is {address} in a browser");
        assert_eq!(texts(&text, 20), expected);
        let member = r#"{"a":"0123456789 0123456789","b":1}"#;
        let expected = [r#"!{"a":"0123456789 0123456789","#, r#"  "b":1}"#];
        assert_eq!(texts(member, 20), expected);
    }

    #[test]
    fn each_line_has_the_time_and_the_name_and_none_is_too_long() {
        let text = "word ".repeat(60);
        let lines = format(Style::new(), "sas-device", &text, Some(80));
        assert!(lines.lines().count() > 4);
        for line in lines.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line.get(12..25), Some(" sas-device  "), "{line}");
        }
        let whole = format(Style::new(), "sas-device", &text, None);
        assert_eq!(whole.lines().count(), 1);
    }
}
