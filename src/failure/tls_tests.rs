//! Each failure of TLS has a sentence and a remedy of its own.

use std::collections::BTreeSet;
use std::string::{String, ToString};

use super::*;
use crate::failure::ConnectError;
use crate::failure::Failure;

fn text(failure: TlsFailure) -> String {
    Failure::Connect(ConnectError::Tls(failure, Code(0))).to_string()
}

#[test]
fn every_defect_of_a_certificate_and_every_failure_has_its_own_sentence_and_a_remedy() {
    use CertificateDefect as Defect;
    let defects = [
        Defect::Missing,
        Defect::Malformed,
        Defect::Version,
        Defect::Signature,
        Defect::WeakSignature,
        Defect::SmallKey,
        Defect::Algorithm,
        Defect::Purpose,
        Defect::KeyUsage,
        Defect::IssuerKeyUsage,
        Defect::IssuerNotCa,
        Defect::CaAsServer,
        Defect::PathLength,
        Defect::NameConstraints,
        Defect::CriticalExtension,
        Defect::NoHostName,
        Defect::Other,
    ];
    let others = [
        TlsFailure::UnknownAuthority,
        TlsFailure::SelfSigned,
        TlsFailure::WrongHostName,
        TlsFailure::Expired,
        TlsFailure::NotYetValid,
        TlsFailure::Negotiation,
        TlsFailure::Downgrade,
        TlsFailure::Compression,
        TlsFailure::NotTls,
        TlsFailure::MessageTooLong,
        TlsFailure::RecordTooLong {
            bytes: 8021,
            limit: 6912,
        },
        TlsFailure::ClientCredential,
        TlsFailure::Interrupted,
        TlsFailure::Other,
    ];
    let alerts = [40, 42, 43, 44, 45, 46, 48, 49, 51, 70, 71, 80, 112, 116].map(TlsFailure::Alert);
    let all = defects
        .into_iter()
        .map(TlsFailure::Certificate)
        .chain(others)
        .chain(alerts);
    let mut seen = BTreeSet::new();
    for failure in all {
        let text = text(failure);
        let (what, remedy) = text.split_once("; ").unwrap();
        assert!(what.starts_with("TLS: ") && remedy.len() > 10, "{text}");
        assert!(seen.insert(String::from(what)), "twice: {text}");
    }
}

#[test]
fn a_record_that_is_too_long_names_the_sizes_and_the_symbol_and_backs_off() {
    let failure = TlsFailure::RecordTooLong {
        bytes: 8021,
        limit: 6912,
    };
    let text = text(failure);
    for part in ["8021 bytes", "6912", "CONFIG_AZURE_TLS_IN_CONTENT_LEN"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(reaction(failure), Reaction::BackOff);
}
