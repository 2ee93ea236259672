//! Pastes, good and bad.

use super::*;
use std::format;
use std::string::String;
use std::vec::Vec;

/// A SEQUENCE of `length` bytes, as far as its first byte shows it.
fn der(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
    bytes[0] = 0x30;
    bytes
}

fn pem(label: &str, der: &[u8], newline: &str) -> String {
    let mut base64 = std::vec![0; der.len().div_ceil(3) * 4];
    let length = STANDARD.encode_slice(der, &mut base64).unwrap();
    let lines: Vec<&str> = base64[..length]
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----{newline}{}{newline}-----END {label}-----{newline}",
        lines.join(newline)
    )
}

/// All blocks of `text`, or the first error.
fn decode_all(text: &str, capacity: usize) -> Result<Vec<(Label, Vec<u8>)>, PemError> {
    let mut decoder = Decoder::default();
    let mut out = std::vec![0; capacity];
    let mut blocks = Vec::new();
    for byte in text.bytes() {
        if let Some(block) = decoder.push(byte, &mut out)? {
            blocks.push((block.label, out[..block.length].to_vec()));
        }
    }
    Ok(blocks)
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
        let blocks = decode_all(&pem(label, &der(121), "\n"), 256).unwrap();
        assert_eq!(blocks, [(Label::PrivateKey, der(121))]);
    }
}

#[test]
fn a_block_may_fill_the_buffer_to_the_last_group() {
    assert!(decode_all(&pem("CERTIFICATE", &der(96), "\n"), 96).is_ok());
    assert!(matches!(
        decode_all(&pem("CERTIFICATE", &der(97), "\n"), 96),
        Err(PemError::TooLong { .. })
    ));
}

#[test]
fn what_cannot_be_used_is_rejected_with_its_remedy() {
    let good = pem("PRIVATE KEY", &der(60), "\n");
    for (text, error, remedy) in [
        (
            pem("ENCRYPTED PRIVATE KEY", &der(60), "\n"),
            PemError::Encrypted,
            "openssl pkey",
        ),
        (
            good.replacen(
                '\n',
                "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n",
                1,
            ),
            PemError::Encrypted,
            "openssl pkey",
        ),
        (
            pem("PUBLIC KEY", &der(60), "\n"),
            PemError::Label,
            "-----BEGIN CERTIFICATE-----",
        ),
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
            pem("CERTIFICATE", b"hello", "\n"),
            PemError::NotDer,
            "ASN.1",
        ),
    ] {
        let found = decode_all(&text, 256).unwrap_err();
        assert_eq!(found, error, "{text}");
        assert!(format!("{found}").contains(remedy), "{found}");
    }
}

#[test]
fn nothing_of_a_rejected_block_stays_in_the_buffer() {
    let mut decoder = Decoder::default();
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
        let mut decoder = Decoder::default();
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
