//! Pastes, good and bad.

use super::*;
use std::format;
use std::string::String;
use std::vec::Vec;

/// A SEQUENCE of `length` bytes, as far as its first byte shows it.
pub(crate) fn der(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
    bytes[0] = 0x30;
    bytes
}

/// A block as OpenSSL writes it.
pub(crate) fn pem(label: &str, der: &[u8], newline: &str) -> String {
    wrapped(label, der, newline, 64)
}

/// A block with lines of `width` characters.
fn wrapped(label: &str, der: &[u8], newline: &str, width: usize) -> String {
    let mut base64 = std::vec![0; der.len().div_ceil(3) * 4];
    let length = STANDARD.encode_slice(der, &mut base64).unwrap();
    let lines: Vec<&str> = base64[..length]
        .chunks(width)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----{newline}{}{newline}-----END {label}-----{newline}",
        lines.join(newline)
    )
}

/// All blocks of `text`, or the first error.
fn decode(wanted: Label, text: &str, capacity: usize) -> Result<Vec<(Label, Vec<u8>)>, PemError> {
    let mut decoder = Decoder::new(wanted);
    let mut out = std::vec![0; capacity];
    let mut blocks = Vec::new();
    for byte in text.bytes() {
        if let Some(block) = decoder.push(byte, &mut out)? {
            blocks.push((block.label, out[..block.length].to_vec()));
        }
    }
    assert!(!decoder.is_inside());
    Ok(blocks)
}

/// All certificates of `text`, or the first error.
fn decode_all(text: &str, capacity: usize) -> Result<Vec<(Label, Vec<u8>)>, PemError> {
    decode(Label::Certificate, text, capacity)
}

#[test]
fn blocks_of_every_length_come_back_byte_by_byte() {
    for length in 1..200 {
        let der = der(length);
        for newline in ["\n", "\r", "\r\n"] {
            let blocks = decode_all(&pem("CERTIFICATE", &der, newline), 256).unwrap();
            assert_eq!(blocks, [(Label::Certificate, der.clone())]);
        }
    }
}

#[test]
fn a_chain_with_text_between_gives_its_blocks_in_order() {
    let (leaf, root) = (der(700), der(300));
    let text = format!(
        "subject=/CN=sensor-01, a line that is longer than any line of base64 in a PEM file may ever be\n{}\n  \n{}bye\n",
        pem("CERTIFICATE", &leaf, "\n"),
        pem("CERTIFICATE", &root, "\n")
    );
    let blocks = decode_all(&text, 1024).unwrap();
    assert_eq!(
        blocks,
        [(Label::Certificate, leaf), (Label::Certificate, root)]
    );
}

#[test]
fn keys_of_all_three_forms_are_keys() {
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        let text = pem(label, &der(121), "\n");
        let blocks = decode(Label::PrivateKey, &text, 256).unwrap();
        assert_eq!(blocks, [(Label::PrivateKey, der(121))]);
    }
}

#[test]
fn lines_may_have_any_length_and_indentation_and_the_last_one_no_end() {
    let content = der(301);
    for width in (1..100).chain([1000]) {
        for (before, newline) in [("", "\n"), ("\u{feff}", "\r\n    "), (" \t", " \n\t\n ")] {
            let text = wrapped("CERTIFICATE", &content, newline, width);
            let text = format!("{before}{}", text.trim_end());
            let blocks = decode_all(&text, 512).unwrap();
            assert_eq!(blocks, [(Label::Certificate, content.clone())], "{width}");
        }
    }
}

#[test]
fn blocks_that_are_not_wanted_are_named_and_passed_over() {
    // The content of the parameters is an object identifier, and no SEQUENCE.
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let key = pem("EC PRIVATE KEY", &der(121), "\n");
    let text = [
        parameters,
        &pem("CERTIFICATE", &der(900), "\n"),
        &pem("PUBLIC KEY", &der(90), "\n"),
        &pem("NEW CERTIFICATE REQUEST", &der(90), "\n"),
        &pem("OPENSSH PRIVATE KEY", b"openssh-key-v1", "\n"),
        &key,
    ];
    let blocks = decode(Label::PrivateKey, &text.concat(), 256).unwrap();
    let nothing = Vec::new;
    assert_eq!(
        blocks,
        [
            (Label::Other, nothing()),
            (Label::Certificate, nothing()),
            (Label::PublicKey, nothing()),
            (Label::CertificateRequest, nothing()),
            (Label::OpenSshPrivateKey, nothing()),
            (Label::PrivateKey, der(121)),
        ]
    );
}

#[test]
fn encrypted_keys_of_both_kinds_are_told_from_plain_ones() {
    let newer = pem("ENCRYPTED PRIVATE KEY", &der(60), "\n");
    let header = "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00AA\n\n";
    let older = pem("RSA PRIVATE KEY", &der(60), "\n").replacen('\n', header, 1);
    for text in [newer, older] {
        let blocks = decode(Label::PrivateKey, &text, 256).unwrap();
        assert_eq!(blocks, [(Label::EncryptedPrivateKey, Vec::new())]);
    }
}

#[test]
fn a_block_may_fill_the_buffer_to_the_last_group() {
    assert!(decode_all(&pem("CERTIFICATE", &der(96), "\n"), 96).is_ok());
    assert!(matches!(
        decode_all(&pem("CERTIFICATE", &der(97), "\n"), 96),
        Err(PemError::TooLong)
    ));
}

#[test]
fn what_cannot_be_used_is_rejected_with_its_remedy() {
    let good = pem("PRIVATE KEY", &der(60), "\n");
    for (text, error, remedy) in [
        (
            good.replacen("MAEC", "MAE", 1),
            PemError::NotBase64,
            "again",
        ),
        (
            good.replace("END PRIVATE KEY", "END CERTIFICATE"),
            PemError::End,
            "again",
        ),
        (
            pem("PRIVATE KEY", b"hello", "\n"),
            PemError::NotDer,
            "ASN.1",
        ),
        (
            good.replace("==\n", "==\nMAEC\n")
                .replacen("MAECAwQF", "MAECAw==", 1),
            PemError::NotBase64,
            "again",
        ),
        (
            pem("PRIVATE KEY", &der(500), "\n"),
            PemError::TooLong,
            "too long",
        ),
    ] {
        let found = decode(Label::PrivateKey, &text, 256).unwrap_err();
        assert_eq!(found, error, "{text}");
        assert!(format!("{found}").contains(remedy), "{found}");
    }
}

#[test]
fn nothing_of_a_rejected_block_stays_in_the_buffer() {
    let mut decoder = Decoder::new(Label::PrivateKey);
    let mut out = [0; 256];
    let text = pem("PRIVATE KEY", &der(150), "\n").replace("-----END", "-----BAD:");
    let error = text
        .bytes()
        .find_map(|byte| decoder.push(byte, &mut out).err());
    assert_eq!(error, Some(PemError::NotBase64));
    assert_eq!(out, [0; 256]);
    assert!(!decoder.is_inside());
}

#[test]
fn no_input_panics() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let good = pem("CERTIFICATE", &der(90), "\n").into_bytes();
    for _ in 0..20_000 {
        let mut decoder = Decoder::new(Label::Certificate);
        let mut out = [0; 80];
        let mut text = good.clone();
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = state as usize % text.len();
            text[at] = (state >> 32) as u8;
        }
        for byte in text {
            let _ = decoder.push(byte, &mut out);
        }
    }
}
