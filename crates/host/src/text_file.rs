//! Text files as people have them: with a byte order mark, in UTF-16, indented, or none at all.
//!
//! Windows' tools write UTF-16 (PowerShell's `>`), or UTF-8 with a mark (Notepad). Files are read up to a limit, so
//! that a device file or an endless pipe ends in an error; a pipe, as a shell's `<(command)` gives, is welcome.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use crate::error::SetupError;

/// Longest file that is read, in bytes: a bundle of all public roots has some 250 KB.
const MAX_LEN: u64 = 1024 * 1024;

/// Byte order mark (Unicode, section 23.8).
const BOM: char = '\u{feff}';

/// The text of the file; `what` names it in errors, such as `certificate`.
///
/// # Errors
///
/// [`SetupError::Unreadable`] for a file that cannot be read, is too long, or is no text.
pub fn read_text(what: &'static str, path: &Path) -> Result<Zeroizing<String>, SetupError> {
    let read = || {
        let mut bytes = Zeroizing::new(Vec::new());
        // No copy of a growing secret is left behind: one that fits needs no second allocation.
        bytes.reserve_exact(64 * 1024);
        File::open(path)?
            .take(MAX_LEN + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_LEN {
            return Err(invalid("it has more than 1 MB: it is another file"));
        }
        text_of(&bytes).ok_or_else(|| {
            invalid("it is no text, neither UTF-8 nor UTF-16; a DER file converts to PEM with `openssl x509 \
                     -inform der` (a certificate) or `openssl pkey -inform der` (a key)")
        })
    };
    read().map_err(|cause| SetupError::Unreadable {
        what,
        path: path.to_owned(),
        cause,
    })
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The text that the bytes encode, without its byte order mark; `None` if they encode none.
pub(crate) fn text_of(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes)?,
        // Without a mark: the zeros beside ASCII tell.
        [1..=u8::MAX, 0, ..] => utf_16(bytes, u16::from_le_bytes)?,
        [0, 1..=u8::MAX, ..] => utf_16(bytes, u16::from_be_bytes)?,
        _ => Zeroizing::new(str::from_utf8(bytes).ok()?.to_owned()),
    };
    match text.strip_prefix(BOM) {
        Some(rest) => Some(Zeroizing::new(rest.to_owned())),
        None => Some(text),
    }
}

fn utf_16(bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> Option<Zeroizing<String>> {
    let (pairs, []) = bytes.as_chunks() else {
        return None;
    };
    let units = pairs.iter().map(|pair| unit(*pair));
    // Three bytes of UTF-8 at most for each unit: the text never moves.
    let mut text = Zeroizing::new(String::with_capacity(3 * pairs.len()));
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => {
                text.zeroize();
                return None;
            }
        }
    }
    Some(text)
}

/// The lines of a PEM text without what is around them: editors and chats indent.
pub(crate) fn unindented(text: &str) -> Zeroizing<String> {
    let mut lines = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.lines() {
        lines.push_str(line.trim());
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn utf_16_file(text: &str, bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn text_is_read_from_every_encoding_that_editors_write() {
        let text = "HostName=h;DeviceId=\u{e4}\u{1f980}";
        let marked = format!("\u{feff}{text}");
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf_16_file(text, u16::to_le_bytes),
            utf_16_file(&marked, u16::to_le_bytes),
            utf_16_file(text, u16::to_be_bytes),
            utf_16_file(&marked, u16::to_be_bytes),
        ] {
            assert_eq!(**text_of(&bytes).unwrap(), *text, "{bytes:02x?}");
        }
        assert_eq!(**text_of(b"").unwrap(), *"");
        for bytes in [
            &[0x30, 0x82, 0x01][..],
            &[0xff, 0xfe, 0x41],
            &[0xff, 0xfe, 0, 0xd8],
        ] {
            assert!(text_of(bytes).is_none(), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_file_without_end_is_an_error_and_a_pipe_is_not() {
        let error = read_text("certificate", "/dev/zero".as_ref()).unwrap_err();
        assert!(error.to_string().contains("more than 1 MB"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let writing = fifo.clone();
        let writer = std::thread::spawn(move || std::fs::write(writing, "text\n"));
        assert_eq!(**read_text("certificate", &fifo).unwrap(), *"text\n");
        writer.join().unwrap().unwrap();
    }
}
