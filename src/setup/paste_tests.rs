//! Pastes as tools and people make them, byte by byte, with pauses.

use super::*;
use crate::pem::tests::{der, pem};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const SIZE: usize = 1024;

/// Milliseconds from one byte to the next at 115,200 baud, rounded up.
const BYTE: u64 = 1;

/// View that a shell has of a paste: the items, the outcome, and the bytes behind the end.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    lines: Vec<String>,
    ders: Vec<Vec<u8>>,
    outcome: Option<Outcome>,
    /// Bytes that the shell would have run and echoed.
    leaked: usize,
    /// Milliseconds from the last byte to the end.
    silence: u64,
}

/// Pastes bursts of bytes, each `pause` milliseconds after the one before, and then waits.
fn paste_in_bursts(wanted: Wanted, bursts: &[&[u8]], pause: u64) -> Seen {
    let mut now = 1_000;
    let mut paste = Paste::new(wanted, SIZE, Instant::from_millis(now));
    now += 1_000;
    let mut seen = Seen {
        lines: Vec::new(),
        ders: Vec::new(),
        outcome: None,
        leaked: 0,
        silence: 0,
    };
    for burst in bursts {
        for byte in *burst {
            let at = Instant::from_millis(now);
            if seen.outcome.is_none()
                && let Progress::Over(outcome) = paste.poll(at)
            {
                seen.outcome = Some(outcome);
            }
            if seen.outcome.is_some() {
                seen.leaked += 1;
            } else {
                match paste.push(*byte, at) {
                    Some(Item::Line(line)) => seen.lines.push(line.into()),
                    Some(Item::Key(der) | Item::Certificate(der)) => seen.ders.push(der.to_vec()),
                    None => {}
                }
            }
            now += BYTE;
        }
        now += pause;
    }
    let last = now - pause - BYTE;
    while seen.outcome.is_none() {
        match paste.poll(Instant::from_millis(now)) {
            Progress::Over(outcome) => {
                seen.outcome = Some(outcome);
                seen.silence = now - last;
            }
            Progress::Open { until } => {
                assert!(until.as_millis() > now, "time goes on");
                now = until.as_millis();
            }
        }
    }
    seen
}

fn paste(wanted: Wanted, text: &str) -> Seen {
    paste_in_bursts(wanted, &[text.as_bytes()], 0)
}

fn key() -> String {
    pem("PRIVATE KEY", &der(121), "\n")
}

fn certificate() -> String {
    pem("CERTIFICATE", &der(400), "\n")
}

fn parameters() -> String {
    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n".into()
}

/// The file that `openssl pkcs12 -nodes` writes.
fn pkcs12() -> String {
    let attributes =
        "Bag Attributes\n    localKeyID: 54 69 6D 65 20 31\n    friendlyName: device\n";
    format!(
        "{attributes}Key Attributes: <No Attributes>\n{}{attributes}subject=CN = device\n\nissuer=CN = device\n\n{}",
        key(),
        certificate()
    )
}

/// The start of what `openssl x509 -text` writes before the certificate.
const TEXT_BEFORE: &str = "Certificate:\n    Data:\n        Version: 3 (0x2)\n        Serial Number:\n            7a:31:9c\n        Signature Algorithm: ecdsa-with-SHA256\n        Subject Public Key Info:\n            X509v3 Basic Constraints: critical\n                CA:FALSE\n";

fn encrypted() -> [String; 2] {
    let header = "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00AA\n\n";
    [
        pem("ENCRYPTED PRIVATE KEY", &der(160), "\n"),
        pem("EC PRIVATE KEY", &der(121), "\n").replacen('\n', header, 1),
    ]
}

#[test]
fn keys_are_taken_in_every_shape_that_tools_write() {
    let sec1 = pem("EC PRIVATE KEY", &der(121), "\n");
    for text in [
        key(),
        sec1.clone(),
        pem("RSA PRIVATE KEY", &der(121), "\n"),
        // `openssl ecparam -genkey`.
        parameters() + &sec1,
        pkcs12(),
        format!("{}{}", certificate(), key()),
        // A file of several keys: the first one counts.
        key() + &pem("PRIVATE KEY", &der(300), "\n"),
        format!("{TEXT_BEFORE}{}", key()),
        pem("PRIVATE KEY", &der(121), "\r\n"),
        pem("PRIVATE KEY", &der(121), "\r"),
        pem("PRIVATE KEY", &der(121), "\n    "),
        format!("\u{feff}{}", key()),
        format!("\n\r\n  {}", key()),
        key().trim_end().into(),
        key() + "\n\n\u{4}",
    ] {
        let seen = paste(Wanted::Key, &text);
        assert_eq!(seen.outcome, Some(Outcome::Complete), "{text}");
        assert_eq!((seen.ders, seen.leaked), (std::vec![der(121)], 0), "{text}");
        assert_eq!(seen.silence, 500);
    }
}

#[test]
fn certificates_are_taken_in_every_shape_that_tools_write() {
    let chain = certificate() + &pem("CERTIFICATE", &der(700), "\n");
    for (text, count) in [
        (certificate(), 1),
        (pem("X509 CERTIFICATE", &der(400), "\n"), 1),
        (chain.clone(), 2),
        (chain.replace('\n', "\r\n"), 2),
        (chain.replace('\n', "\n\t "), 2),
        (format!("\u{feff}{chain}"), 2),
        (format!("{TEXT_BEFORE}{chain}"), 2),
        (pkcs12(), 1),
        (chain.trim_end().into(), 2),
    ] {
        let seen = paste(Wanted::Certificates, &(text.clone() + "\u{4}"));
        assert_eq!(seen.outcome, Some(Outcome::Complete), "{text}");
        assert_eq!(seen.ders[0], der(400));
        assert_eq!((seen.ders.len(), seen.leaked), (count, 0), "{text}");
    }
}

#[test]
fn a_chain_may_come_in_several_pastes_until_ctrl_d() {
    let (first, second) = (certificate(), certificate() + "\u{4}");
    let bursts = [first.as_bytes(), second.as_bytes()];
    let seen = paste_in_bursts(Wanted::Certificates, &bursts, 60_000);
    assert_eq!(seen.outcome, Some(Outcome::Complete));
    assert_eq!((seen.ders.len(), seen.leaked), (2, 0));
}

/// Wrong pastes for each prompt, what is wrong with them, and a word of the remedy.
fn wrong() -> Vec<(Wanted, Vec<u8>, PasteError, &'static str)> {
    use PasteError as E;
    use Wanted::{Certificates, Key, Line};
    let [newer, older] = encrypted();
    let bad = key().replacen("MAEC", "MA!C", 1);
    let request = pem("CERTIFICATE REQUEST", &der(200), "\n");
    let connection_string = "HostName=h;DeviceId=d;SharedAccessKey=QUJDREVGRw==\n";
    let mut list: Vec<(Wanted, Vec<u8>, PasteError, &'static str)> = Vec::new();
    let mut add = |wanted, text: &str, error, remedy| {
        list.push((wanted, text.as_bytes().to_vec(), error, remedy));
    };
    add(Key, &newer, E::Encrypted, "openssl pkey");
    add(Key, &older, E::Encrypted, "openssl pkey");
    let openssh = pem("OPENSSH PRIVATE KEY", b"openssh-key-v1", "\n");
    add(Key, &openssh, E::OpenSsh, "openssl genpkey");
    add(
        Key,
        &certificate(),
        E::CertificateForKey,
        "azure set certificate",
    );
    let public = pem("PUBLIC KEY", &der(91), "\n");
    add(Key, &public, E::PublicKey, "-----BEGIN PRIVATE KEY-----");
    add(Key, &request, E::CertificateRequest, "CA sign it");
    add(Key, &parameters(), E::NoKey, "-----BEGIN PRIVATE KEY-----");
    add(
        Key,
        connection_string,
        E::ConnectionString,
        "connection-string",
    );
    add(Key, "c2VjcmV0IGtleQ==\n", E::NoPem, "paste PEM");
    add(Key, &bad, E::Pem(PemError::NotBase64), "again");
    let long = pem("PRIVATE KEY", &der(SIZE + 1), "\n");
    add(Key, &long, E::TooLong { capacity: SIZE }, "RSA-2048");
    let cut = key().replacen("-----END PRIVATE KEY-----\n", "", 1);
    add(Key, &cut, E::Incomplete, "again");
    add(Key, &(cut + "\u{4}"), E::Incomplete, "again");
    let end = key().replace("END PRIVATE KEY", "END CERTIFICATE");
    add(Key, &end, E::Pem(PemError::End), "again");
    add(Certificates, &key(), E::KeyForCertificate, "azure set key");
    add(Certificates, &newer, E::KeyForCertificate, "azure set key");
    add(Certificates, &request, E::CertificateRequest, "CA sign it");
    add(
        Certificates,
        &public,
        E::PublicKey,
        "-----BEGIN CERTIFICATE-----",
    );
    add(
        Certificates,
        &parameters(),
        E::NoCertificate,
        "-----BEGIN CERTIFICATE-----",
    );
    add(
        Certificates,
        connection_string,
        E::ConnectionString,
        "connection-string",
    );
    let half = certificate() + &certificate().replacen("MAEC", "MA!C", 1);
    add(Certificates, &half, E::Pem(PemError::NotBase64), "again");
    add(Line, &key(), E::PemForLine, "azure set key");
    add(Line, &certificate(), E::PemForLine, "azure set certificate");
    add(
        Line,
        &"x".repeat(SIZE + 1),
        E::TooLong { capacity: SIZE },
        "fit",
    );
    add(Line, "a\u{1b}[200~b\n", E::Binary, "UTF-8");
    let utf16: Vec<u8> = key().encode_utf16().flat_map(u16::to_le_bytes).collect();
    // Every byte, Ctrl-C and Ctrl-D among them, as in DER.
    let binary: Vec<u8> = (0..=255).cycle().skip(0x30).take(5_000).collect();
    list.push((Key, utf16.clone(), E::Binary, "UTF-8"));
    list.push((Line, utf16, E::Binary, "UTF-8"));
    list.push((Line, b"\xff\xfea\n".to_vec(), E::Binary, "UTF-8"));
    list.push((Line, binary, E::Binary, "openssl pkey -inform DER"));
    list
}

#[test]
fn nothing_of_a_wrong_paste_reaches_the_shell_and_each_has_its_sentence() {
    for (wanted, bytes, error, remedy) in wrong() {
        let text = String::from_utf8_lossy(&bytes);
        let seen = paste_in_bursts(wanted, &[&bytes], 0);
        assert_eq!(seen.outcome, Some(Outcome::Refused(error)), "{text}");
        assert_eq!(seen.leaked, 0, "{text}");
        assert!(error.to_string().contains(remedy), "{error}");
        assert!(seen.silence >= 500, "{text}");
    }
}

#[test]
fn nothing_of_a_wrong_paste_reaches_the_shell_when_it_comes_line_by_line() {
    for (wanted, bytes, ..) in wrong() {
        for lines in [bytes.as_slice(), &[&*bytes, key().as_bytes()].concat()] {
            let bursts: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
            let seen = paste_in_bursts(wanted, &bursts, 400);
            assert_eq!(
                seen.leaked,
                0,
                "{wanted:?}: {}",
                String::from_utf8_lossy(lines)
            );
        }
    }
}

#[test]
fn what_follows_a_complete_paste_belongs_to_it_too() {
    let behind = key() + &certificate() + "azure forget\n";
    for (wanted, text) in [
        (Wanted::Line, "HostName=h\n".to_string()),
        (Wanted::Key, key()),
        (Wanted::Certificates, certificate() + "\u{4}"),
    ] {
        let seen = paste(wanted, &(text + &behind));
        assert_eq!(seen.outcome, Some(Outcome::Complete), "{wanted:?}");
        assert_eq!(seen.leaked, 0, "{wanted:?}");
    }
}

#[test]
fn binary_files_never_reach_the_shell() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for wanted in [Wanted::Line, Wanted::Key, Wanted::Certificates] {
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..600)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    // Many control characters.
                    (state >> 40) as u8 & if state & 1 == 0 { 0xff } else { 0x1f }
                })
                .collect();
            assert_eq!(paste_in_bursts(wanted, &[&bytes], 0).leaked, 0);
        }
    }
}

#[test]
fn an_endless_paste_is_passed_over_in_the_memory_of_one_item() {
    for wanted in [Wanted::Line, Wanted::Key, Wanted::Certificates] {
        let mut paste = Paste::new(wanted, 64, Instant::from_millis(0));
        for at in 0..1_000_000_u64 {
            let now = Instant::from_millis(at);
            assert_eq!(paste.push(b'x', now), None);
            assert!(matches!(paste.poll(now), Progress::Open { .. }), "{at}");
        }
        let over = paste.poll(Instant::from_millis(1_010_000));
        assert!(matches!(over, Progress::Over(Outcome::Refused(_))));
    }
}

#[test]
fn a_rejected_item_ends_the_paste_after_a_silence() {
    let mut paste = Paste::new(Wanted::Key, SIZE, Instant::from_millis(0));
    let text = key();
    let mut now = 0;
    for byte in text.bytes() {
        now += BYTE;
        if paste.push(byte, Instant::from_millis(now)).is_some() {
            paste.reject();
        }
    }
    assert!(paste.content.iter().all(|byte| *byte == 0), "it is wiped");
    let at = |milliseconds| Instant::from_millis(now + milliseconds);
    assert!(matches!(paste.poll(at(1_500)), Progress::Open { .. }));
    assert_eq!(paste.push(b'x', at(1_900)), None);
    assert!(matches!(paste.poll(at(3_800)), Progress::Open { .. }));
    assert_eq!(paste.poll(at(3_900)), Progress::Over(Outcome::Rejected));
}

#[test]
fn a_person_can_correct_a_line_and_give_up() {
    let backspaces = "pass\u{7f}\u{8}\u{7f}aé\u{7f}ss\r";
    assert_eq!(paste(Wanted::Line, backspaces).lines, ["pass"]);
    assert_eq!(
        paste(Wanted::Line, "wrong\u{15}right\u{4}").lines,
        ["right"]
    );
    assert_eq!(paste(Wanted::Line, "\u{7f}\r\n").lines, [""]);
    assert_eq!(
        paste(Wanted::Line, "\u{feff}text\t \r\n").lines,
        ["text\t "]
    );
    for (wanted, text) in [
        (Wanted::Line, "secr\u{3}"),
        (Wanted::Key, "\u{4}"),
        (Wanted::Key, "-----BEGIN PRIVATE KEY-----\nMA\u{3}"),
        (Wanted::Certificates, "\u{3}"),
    ] {
        let seen = paste(wanted, text);
        assert_eq!(seen.outcome, Some(Outcome::GivenUp), "{text}");
        assert_eq!((seen.lines.len(), seen.silence), (0, 500));
    }
}

#[test]
fn the_line_feed_of_the_command_itself_is_no_empty_line() {
    let now = Instant::from_millis(70);
    let mut paste = Paste::new(Wanted::Line, SIZE, now);
    assert_eq!(paste.push(b'\n', now), None);
    assert!(matches!(paste.poll(now), Progress::Open { .. }));
    assert_eq!(paste.push(b'a', now), None);
    assert_eq!(paste.push(b'\n', now), Some(Item::Line("a")));
}

#[test]
fn a_paste_that_never_comes_is_given_up_after_five_minutes() {
    for (wanted, text) in [
        (Wanted::Line, ""),
        (Wanted::Line, "half a li"),
        (Wanted::Key, "\n"),
        (Wanted::Certificates, &*certificate()),
    ] {
        let seen = paste(wanted, text);
        let refused = Outcome::Refused(PasteError::Abandoned);
        assert_eq!(seen.outcome, Some(refused), "{text}");
        assert!(seen.silence >= 300_000 || text.is_empty());
    }
}

#[test]
fn nothing_that_is_printed_holds_the_paste() {
    let mut paste = Paste::new(Wanted::Line, SIZE, Instant::from_millis(0));
    for byte in *b"secret" {
        paste.push(byte, Instant::from_millis(1));
    }
    let shown = format!("{paste:?}");
    let item = format!("{:?}", paste.push(b'\r', Instant::from_millis(1)));
    assert!(!(shown + &item).contains("secret"));
}
