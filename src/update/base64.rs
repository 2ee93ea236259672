//! Base64 that is decoded where it lies.
//!
//! Microsoft's signing key has its modulus in base64 with `+`, `/` and padding, although RFC 7517 says base64url. So
//! both alphabets are read, with and without padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Characters that are decoded at a time: a multiple of four.
const PIECE: usize = 64;

/// Decodes a text to the front of its own memory, and gives the length. `None` if it is not base64.
pub(super) fn decode_in_place(text: &mut [u8]) -> Option<usize> {
    let characters = length_without_padding(text)?;
    let mut written = 0;
    let mut read = 0;
    while read < characters {
        let end = characters.min(read + PIECE);
        let mut bytes = [0; PIECE / 4 * 3];
        let length = decode(text.get(read..end)?, &mut bytes)?;
        text.get_mut(written..written + length)?
            .copy_from_slice(bytes.get(..length)?);
        written += length;
        read = end;
    }
    Some(written)
}

/// Decodes a text into `out`, and gives the length. `None` if it is not base64, or does not fit.
pub(super) fn decode_into(text: &str, out: &mut [u8]) -> Option<usize> {
    decode_pieces(text, false, out)
}

/// Decodes a number into `out`, without the zeros that it begins with, and gives its length in bytes. `None` as
/// [`decode_into`].
pub(super) fn decode_number(text: &str, out: &mut [u8]) -> Option<usize> {
    decode_pieces(text, true, out)
}

fn decode_pieces(text: &str, is_number: bool, out: &mut [u8]) -> Option<usize> {
    let text = text.as_bytes();
    let characters = length_without_padding(text)?;
    let mut written = 0;
    for piece in text.get(..characters)?.chunks(PIECE) {
        let mut bytes = [0; PIECE / 4 * 3];
        let length = decode(piece, &mut bytes)?;
        let mut bytes = bytes.get(..length)?;
        while is_number && written == 0 && bytes.first() == Some(&0) {
            bytes = bytes.get(1..)?;
        }
        let end = written + bytes.len();
        out.get_mut(written..end)?.copy_from_slice(bytes);
        written = end;
    }
    Some(written)
}

/// A SHA-256 digest in base64.
pub(super) fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    (decode_into(text, &mut digest)? == digest.len()).then_some(digest)
}

/// Padding is `=` or `==`, and completes four characters.
fn length_without_padding(text: &[u8]) -> Option<usize> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let is_right = match padding {
        0 => text.len() % 4 != 1,
        1 | 2 => text.len().is_multiple_of(4),
        _ => false,
    };
    is_right.then_some(text.len() - padding)
}

/// Decodes one piece, of either alphabet.
fn decode(piece: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let mut standard = [0; PIECE];
    let standard = standard.get_mut(..piece.len())?;
    for (to, from) in standard.iter_mut().zip(piece) {
        *to = match from {
            b'-' => b'+',
            b'_' => b'/',
            same => *same,
        };
    }
    STANDARD_NO_PAD.decode_slice_unchecked(standard, bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::tests::{base64, url64};
    use std::vec::Vec;

    #[test]
    fn both_alphabets_are_decoded_at_every_length_in_place_and_elsewhere() {
        for length in 0..300_usize {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 167 + length) as u8).collect();
            for text in [base64(&bytes), url64(&bytes)] {
                let mut place = text.clone().into_bytes();
                let decoded = decode_in_place(&mut place).expect("base64");
                assert_eq!(place.get(..decoded), Some(&*bytes));
                let mut out = [0; 300];
                assert_eq!(decode_into(&text, &mut out), Some(length));
                assert_eq!(out.get(..length), Some(&*bytes));
                if length > 0 {
                    assert_eq!(decode_into(&text, &mut out[..length - 1]), None);
                }
            }
        }
    }

    #[test]
    fn a_number_is_decoded_without_the_zeros_before_it() {
        for zeros in 0..100 {
            for length in 0..60 {
                let mut bytes = std::vec![0; zeros];
                let number: Vec<u8> = (0..length).map(|at| (at * 5 + 1) as u8).collect();
                bytes.extend_from_slice(&number);
                // A zero behind the first byte stays.
                if length > 0 {
                    bytes.push(0);
                }
                let expected = bytes.get(zeros..).unwrap();
                let mut out = [9; 61];
                let decoded = decode_number(&url64(&bytes), out.get_mut(..expected.len()).unwrap());
                assert_eq!(decoded, Some(expected.len()));
                assert_eq!(out.get(..expected.len()), Some(expected));
            }
        }
        assert_eq!(decode_number(&url64([0, 1, 2]), &mut [0; 1]), None);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in [
            "A", "AAAAA", "A===", "AA=", "AA==A", "A A=", "AB", "AAB", "é", "A\0AA", "====",
        ] {
            let mut place = text.as_bytes().to_vec();
            assert_eq!(decode_in_place(&mut place), None, "{text}");
            assert_eq!(decode_into(text, &mut [0; 8]), None, "{text}");
        }
    }
}
