//! The format of a file of records: a line that names the format, then one line a record.
//!
//! A record is a checksum (16 hexadecimal digits), a space, JSON, and a line feed. Nothing here does I/O:
//! [`scan`] judges the bytes of a whole file, and says where they are wrong.
//!
//! # What may be wrong with a file
//! Records are written with one `write` each, in order. A process that is killed, or a disk that is full, can
//! leave the beginning of one record at the end, and nothing else. This is [`Tail::Partial`], the only thing that
//! is ever cut. Everything else is [`Damage`], and whoever opened the file has to leave it as it is.

use std::ops::Range;

/// First line of a kind of file, and the start of its records.
#[derive(Debug)]
pub(crate) struct Format {
    /// The whole first line, without its line feed.
    pub(crate) header: &'static str,
    /// The first byte of a record's JSON.
    pub(crate) begins: u8,
}

/// Hexadecimal digits of a checksum.
const CHECKSUM: usize = 16;

/// A record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record<'b> {
    /// Its JSON.
    pub(crate) json: &'b [u8],
    /// Its place in the file, checksum and line feed included.
    pub(crate) place: Position,
}

/// Place of a line in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// From 1; line 1 is the header.
    pub(crate) line: usize,
    /// In bytes.
    pub(crate) bytes: Range<usize>,
}

/// End of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// With a line feed.
    Whole,
    /// With a whole record whose line feed is missing.
    Unterminated,
    /// With the beginning of a record, which nobody was told of: it begins at this place.
    Partial(Position),
}

/// Reason why a file is not what the hub wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It does not begin with the header; the text says what is there.
    Foreign(&'static str),
    /// This line is wrong; the text says in what way.
    Line(Position, String),
}

/// The header's line.
pub(crate) fn header(format: &Format) -> Vec<u8> {
    format!("{}\n", format.header).into_bytes()
}

/// One line.
pub(crate) fn encode(json: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(CHECKSUM + 2 + json.len());
    begin(&mut line);
    line.extend(json);
    end(&mut line);
    line
}

/// Begins a line in `line`, after which its JSON is written, and [`end`] called.
pub(crate) fn begin(line: &mut Vec<u8>) {
    line.clear();
    line.resize(CHECKSUM, b'0');
    line.push(b' ');
}

/// Ends the line that [`begin`] began.
pub(crate) fn end(line: &mut Vec<u8>) {
    if let Some((sum, json)) = line.split_at_mut_checked(CHECKSUM) {
        sum.copy_from_slice(&checksum(json.get(1..).unwrap_or_default()));
    }
    line.push(b'\n');
}

/// The JSON of a line that was read and judged before.
pub(crate) fn json(line: &[u8]) -> &[u8] {
    line.get(CHECKSUM + 1..).unwrap_or_default()
}

/// The first 8 bytes of SHA-256 in hexadecimal: enough to tell a damaged line from a whole one.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut text = [0; CHECKSUM];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest.as_ref()) {
        pair.copy_from_slice(&[
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
    text
}

/// Reads every record of a file, and how it ends.
pub(crate) fn scan<'b>(
    bytes: &'b [u8],
    format: &Format,
) -> Result<(Vec<Record<'b>>, Tail), Damage> {
    let header = header(format);
    if !bytes.starts_with(&header) {
        return Err(Damage::Foreign(look(bytes)));
    }
    let mut records = Vec::new();
    let mut start = header.len();
    let lines = bytes.get(start..).unwrap_or_default();
    for (number, text) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let place = Position {
            line: number + 2,
            bytes: start..start + text.len(),
        };
        start = place.bytes.end;
        let ended = text.strip_suffix(b"\n");
        match (decode(ended.unwrap_or(text)), ended) {
            (Ok(json), Some(_)) => records.push(Record { json, place }),
            (Ok(json), None) => {
                records.push(Record { json, place });
                return Ok((records, Tail::Unterminated));
            }
            (Err(_), None) if is_beginning(text, format) => {
                return Ok((records, Tail::Partial(place)));
            }
            (Err(why), _) => return Err(Damage::Line(place, why.to_owned())),
        }
    }
    Ok((records, Tail::Whole))
}

/// The JSON of a line, without its line feed.
fn decode(line: &[u8]) -> Result<&[u8], &'static str> {
    if line.iter().all(|byte| *byte == 0) && !line.is_empty() {
        return Err("consists of zeros");
    }
    let (sum, rest) = line.split_at_checked(CHECKSUM).ok_or("is too short")?;
    let json = rest.strip_prefix(b" ").ok_or("is no record")?;
    if checksum(json) != sum {
        return Err("does not match its checksum");
    }
    Ok(json)
}

/// Says that bytes without a line feed are what a cut `write` of a record leaves.
///
/// That is a checksum, or its beginning, and JSON that has not ended. JSON that has ended is a whole record with
/// a line feed that was damaged: somebody may have been told of it.
fn is_beginning(text: &[u8], format: &Format) -> bool {
    let (sum, rest) = text.split_at(text.len().min(CHECKSUM));
    if !sum.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return false;
    }
    let Some((space, json)) = rest.split_first() else {
        return true;
    };
    let Some(first) = json.first() else {
        return *space == b' ';
    };
    let is_text = match std::str::from_utf8(json) {
        Ok(_) => true,
        // A character may have been cut.
        Err(error) => error.error_len().is_none(),
    };
    *space == b' '
        && *first == format.begins
        && is_text
        && json.iter().all(|byte| *byte >= b' ')
        && is_open(json)
}

/// Says that not every array, object and string in `json` has ended.
fn is_open(json: &[u8]) -> bool {
    let (mut open, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => open += 1,
            b']' | b'}' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 && !in_string {
            return false;
        }
    }
    true
}

/// Start of a file without the header.
fn look(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "it is empty";
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return "it consists of zeros";
    }
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if decode(line).is_ok() || line.starts_with(b"{\"sequence_number\":") {
        return "a version of this hub before 0.1.0 wrote it";
    }
    if line.starts_with(b"local-hub ") {
        return "another version of this hub wrote it";
    }
    "it does not begin with the line that this hub writes first"
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
