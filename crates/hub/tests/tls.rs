//! The handshake: versions, suites, certificates, no resumption.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use common::*;
use local_hub::{CertificateFault, Chain, Hub};
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore,
    SupportedCipherSuite,
};
use tokio_rustls::rustls;

/// A client that offers this suite only.
fn offering(hub: &Hub, suite: SupportedCipherSuite) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(hub.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let mut provider = default_provider();
    provider.cipher_suites = vec![suite];
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[test]
fn azures_gcm_suites_are_served_and_no_other() {
    let hub = hub();
    let served = [
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ];
    for suite in served {
        let client = Client::open_with(hub.endpoint(), offering(&hub, suite));
        assert_eq!(
            client.tls().negotiated_cipher_suite().unwrap().suite(),
            suite.suite()
        );
        assert_eq!(
            client.tls().protocol_version(),
            Some(ProtocolVersion::TLSv1_2)
        );
    }
    let chacha = cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256;
    assert!(Client::try_open(hub.endpoint(), offering(&hub, chacha), "localhost").is_err());
}

#[test]
fn a_client_with_tls_1_3_only_is_refused() {
    let hub = hub();
    let mut provider = default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.tls13().is_some());
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    assert!(Client::try_open(hub.endpoint(), config, "localhost").is_err());
    assert!(
        hub.wait_for_close(PATIENCE, |close| close.reason.contains("TLS handshake"))
            .is_some()
    );
}

#[test]
fn a_client_of_both_kinds_is_served_rsa_and_one_of_ecdsa_only_the_other_leaf() {
    let hub = hub();
    let client = Client::open(&hub);
    let suite = client.tls().negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384);
    let ecdsa = cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;
    let ecc = Client::open_with(hub.endpoint(), offering(&hub, ecdsa));
    assert_ne!(
        client.tls().peer_certificates().unwrap()[0],
        ecc.tls().peer_certificates().unwrap()[0]
    );
}

#[test]
fn every_connection_is_a_full_handshake() {
    let hub = hub();
    // One configuration: its session store is what a client would resume from.
    let config = Arc::new(client_config(hub.ca_pem(), None));
    for _ in 0..3 {
        let tcp = TcpStream::connect(hub.endpoint()).unwrap();
        let name = "localhost".try_into().unwrap();
        let connection = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
}

#[test]
fn a_client_without_sni_is_served_too() {
    let hub = hub();
    let mut config = client_config(hub.ca_pem(), None);
    config.enable_sni = false;
    Client::open_with(hub.endpoint(), config);
}

#[test]
fn every_client_is_asked_for_a_certificate_and_none_needs_one() {
    let hub = hub();
    let (_, server_flight) = first_flight(&hub);
    let kinds: Vec<u8> = messages(&server_flight)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    // ServerHello, Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone.
    assert_eq!(kinds, [2, 11, 12, 13, 14]);
    Client::open(&hub);
}

#[test]
fn the_certificate_message_has_azures_size_and_comes_in_one_record() {
    let (records, flight) = first_flight(&hub());
    assert_eq!(records, 1);
    let size = certificate_size(&flight);
    assert!((4500..4600).contains(&size), "{size} bytes");
}

#[test]
fn the_certificate_message_can_be_made_larger() {
    let hub = hub_with(|config| config.certificate.message_size = 6 * 1024);
    let (records, flight) = first_flight(&hub);
    assert_eq!(records, 1);
    let size = certificate_size(&flight);
    assert!((6144..6244).contains(&size), "{size} bytes");
    assert_eq!(size, hub.certificate_message_size());
    Client::open(&hub);
}

#[test]
fn the_natural_size_of_both_chains_is_smaller() {
    for (chain, size) in [(Chain::Rsa, 1800..2600), (Chain::Ecc, 900..1700)] {
        let hub = hub_with(|config| {
            config.certificate.chain = chain;
            config.certificate.message_size = 0;
        });
        let actual = hub.certificate_message_size();
        assert!(size.contains(&actual), "{chain:?}: {actual} bytes");
        Client::open(&hub);
    }
}

#[test]
fn an_ecc_chain_is_served_with_ecdsa() {
    let hub = hub_with(|config| config.certificate.chain = Chain::Ecc);
    let client = Client::open(&hub);
    let suite = client.tls().negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
}

#[test]
fn another_host_name_is_in_the_certificate_and_localhost_too() {
    let hub = hub_with(|config| config.host_name = "my-hub.azure-devices.example".into());
    let open = |name| Client::try_open(hub.endpoint(), client_config(hub.ca_pem(), None), name);
    for name in ["my-hub.azure-devices.example", "localhost", "127.0.0.1"] {
        open(name).unwrap();
    }
    assert!(open("other.azure-devices.example").is_err());
    assert!(
        hub.create_sas_device("d")
            .unwrap()
            .starts_with("HostName=my-hub.azure-devices.example;")
    );
}

#[test]
fn each_fault_of_a_certificate_is_recognised_by_a_client_that_verifies() {
    let faults = [
        (CertificateFault::WrongHostName, "not valid for name"),
        (CertificateFault::Expired, "expired"),
        (CertificateFault::NotYetValid, "not valid yet"),
        (CertificateFault::UnknownAuthority, "UnknownIssuer"),
        (CertificateFault::SelfSigned, "UnknownIssuer"),
    ];
    for (fault, words) in faults {
        for chain in [Chain::Rsa, Chain::Ecc] {
            let hub = hub_with(|config| {
                config.certificate.chain = chain;
                config.certificate.fault = Some(fault);
            });
            let config = client_config(hub.ca_pem(), None);
            let error = Client::try_open(hub.endpoint(), config, "localhost")
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(words), "{fault:?}: {error}");
            let close =
                hub.wait_for_close(PATIENCE, |close| close.reason.contains("TLS handshake"));
            let reason = close.unwrap().reason;
            assert!(
                reason.contains("; the client"),
                "{fault:?}: {reason:?} says what to do"
            );
        }
    }
}

/// The server's answer to a ClientHello: the number of records up to ServerHelloDone,
/// and their contents.
fn first_flight(hub: &Hub) -> (usize, Vec<u8>) {
    let mut tcp = TcpStream::connect(hub.endpoint()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = Arc::new(client_config(hub.ca_pem(), None));
    let mut client = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    client.write_tls(&mut tcp).unwrap();
    let (mut records, mut flight) = (0, Vec::new());
    loop {
        let mut header = [0; 5];
        tcp.read_exact(&mut header).unwrap();
        assert_eq!(header[..3], [22, 3, 3], "a handshake record of TLS 1.2");
        let mut fragment = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        tcp.read_exact(&mut fragment).unwrap();
        records += 1;
        flight.extend(fragment);
        if messages(&flight).iter().any(|(kind, _)| *kind == 14) {
            return (records, flight);
        }
    }
}

/// Type and length, header included, of each handshake message.
fn messages(mut flight: &[u8]) -> Vec<(u8, usize)> {
    let mut messages = Vec::new();
    while let [kind, a, b, c, ..] = flight {
        let length = 4 + usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        if flight.len() < length {
            break;
        }
        messages.push((*kind, length));
        flight = &flight[length..];
    }
    messages
}

fn certificate_size(flight: &[u8]) -> usize {
    messages(flight)
        .into_iter()
        .find(|(kind, _)| *kind == 11)
        .unwrap()
        .1
}
