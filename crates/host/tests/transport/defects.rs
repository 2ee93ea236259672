//! Each defect of a server's chain, and each way to break the handshake, has a name of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use azure_device::failure::{CertificateDefect, Code, ConnectError, TlsFailure};
use azure_device::port::Stream;
use azure_device_host::connector::Timeouts;
use embedded_io::{Read as _, Write as _};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData, SignatureAlgorithm,
};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rustls::pki_types::CertificateDer;

use crate::support::{
    Authority, Certified, Client, Server, careless_server_config, handshake_only, server_config,
    strict_server_config_of,
};

#[track_caller]
fn assert_defect(client: Client, served: Certified, defect: CertificateDefect) {
    let server = handshake_only(careless_server_config(served));
    let error = client.connect(server.port).unwrap_err();
    let expected = ConnectError::Tls(TlsFailure::Certificate(defect), Code(0));
    assert_eq!(error, expected);
    assert!(server.join().is_err());
}

/// Serves what a root, an intermediate and a server's certificate are after they were spoilt.
#[track_caller]
fn assert_chain_defect(
    intermediate: impl FnOnce(&mut CertificateParams),
    server: impl FnOnce(&mut CertificateParams),
    defect: CertificateDefect,
) {
    let root = Authority::new("Test Root");
    let issuer = root.intermediate("Test Issuer", intermediate);
    let mut served = issuer.certify("localhost", server);
    served.chain.push(issuer.der());
    assert_defect(Client::trusting(&root), served, defect);
}

#[test]
fn every_extension_that_forbids_the_use_is_named() {
    use CertificateDefect as Defect;
    let sound = |_: &mut CertificateParams| {};
    assert_chain_defect(
        sound,
        |server| server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        Defect::Purpose,
    );
    assert_chain_defect(
        sound,
        |server| server.key_usages = vec![KeyUsagePurpose::KeyEncipherment],
        Defect::KeyUsage,
    );
    assert_chain_defect(
        |issuer| issuer.key_usages = vec![KeyUsagePurpose::DigitalSignature],
        sound,
        Defect::IssuerKeyUsage,
    );
    assert_chain_defect(
        |issuer| issuer.is_ca = IsCa::ExplicitNoCa,
        sound,
        Defect::IssuerNotCa,
    );
    assert_chain_defect(
        sound,
        |server| server.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        Defect::CaAsServer,
    );
    assert_chain_defect(
        |issuer| {
            issuer.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".into())],
                excluded_subtrees: vec![],
            });
        },
        sound,
        Defect::NameConstraints,
    );
    assert_chain_defect(
        sound,
        |server| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            unknown.set_criticality(true);
            server.custom_extensions.push(unknown);
        },
        Defect::CriticalExtension,
    );
    assert_chain_defect(
        sound,
        |server| server.subject_alt_names.clear(),
        Defect::NoHostName,
    );
}

#[test]
fn key_usages_that_allow_the_use_are_no_hindrance() {
    let root = Authority::new("Test Root");
    let issuer = root.intermediate("Test Issuer", |issuer| {
        issuer.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    let mut served = issuer.certify("localhost", |server| {
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    served.chain.push(issuer.der());
    let server = handshake_only(server_config(served));
    assert!(Client::trusting(&root).connect(server.port).is_ok());
    server.join().unwrap();
}

#[test]
fn a_chain_that_is_longer_than_an_authority_allows_is_named() {
    let root = Authority::new("Test Root");
    let upper = root.intermediate("Upper", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let lower = upper.intermediate("Lower", |_| {});
    let mut served = lower.certify("localhost", |_| {});
    served.chain.extend([lower.der(), upper.der()]);
    assert_defect(
        Client::trusting(&root),
        served,
        CertificateDefect::PathLength,
    );
}

/// The server's certificate after a change of its bytes.
fn patched(mut served: Certified, change: impl FnOnce(&mut Vec<u8>)) -> Certified {
    let mut bytes = served.chain[0].to_vec();
    change(&mut bytes);
    served.chain[0] = CertificateDer::from(bytes);
    served
}

/// Replaces every occurrence.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let places: Vec<_> = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

#[test]
fn a_certificate_of_version_1_a_malformed_one_and_one_with_a_wrong_signature_are_named() {
    let root = Authority::new("Test Root");
    let version_1 = |bytes: &mut Vec<u8>| replace(bytes, &[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 0]);
    let served = patched(root.certify("localhost", |_| {}), version_1);
    assert_defect(Client::trusting(&root), served, CertificateDefect::Version);

    let served = patched(root.certify("localhost", |_| {}), |bytes| {
        *bytes = vec![0x30, 0]
    });
    assert_defect(
        Client::trusting(&root),
        served,
        CertificateDefect::Malformed,
    );

    let issuer = root.intermediate("Test Issuer", |_| {});
    let mut served = patched(issuer.certify("localhost", |_| {}), |bytes| {
        *bytes.last_mut().unwrap() ^= 1;
    });
    served.chain.push(issuer.der());
    assert_defect(
        Client::trusting(&root),
        served,
        CertificateDefect::Signature,
    );
}

fn rsa_key(bits: usize) -> rsa::RsaPrivateKey {
    rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap()
}

#[test]
fn a_signature_with_sha_1_and_one_of_an_unknown_kind_are_told_apart() {
    let key = rsa_key(2048).to_pkcs8_pem(LineEnding::LF).unwrap();
    let root = Authority::with_key("Test Root", KeyPair::from_pem(&key).unwrap());
    // sha256WithRSAEncryption is 1.2.840.113549.1.1.11; 5 is the one with SHA-1, 14 the one with SHA-224.
    let with_sha_256 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    for (number, defect) in [
        (5, CertificateDefect::WeakSignature),
        (4, CertificateDefect::WeakSignature),
        (14, CertificateDefect::Algorithm),
    ] {
        let mut other = with_sha_256;
        other[8] = number;
        let served = patched(root.certify("localhost", |_| {}), |bytes| {
            replace(bytes, &with_sha_256, &other);
        });
        assert_defect(Client::trusting(&root), served, defect);
    }
}

#[test]
fn a_key_of_1024_bits_is_named() {
    struct Small(Vec<u8>);
    impl PublicKeyData for Small {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }
        fn algorithm(&self) -> &'static SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }
    let public = rsa_key(1024).to_public_key();
    let root = Authority::new("Test Root");
    let served = root.certify_key(
        "localhost",
        &Small(public.to_pkcs1_der().unwrap().as_bytes().to_vec()),
    );
    assert_defect(Client::trusting(&root), served, CertificateDefect::SmallKey);
}

#[test]
fn a_root_that_is_trusted_and_shown_as_a_server_s_own_certificate_is_not_answered_by_its_installation()
 {
    let served = Certified::self_signed("localhost", IsCa::Ca(BasicConstraints::Unconstrained));
    let mut client = Client::trusting(&Authority::new("Test Root"));
    client.roots = crate::credentials::pem("CERTIFICATE", &served.chain[0]);
    assert_defect(client, served, CertificateDefect::CaAsServer);
}

/// Answers the ClientHello with a ServerHello of TLS 1.2 (RFC 5246, section 7.4.1.3).
#[track_caller]
fn assert_hello_refused(end_of_random: [u8; 8], suite: u16, compression: u8, because: TlsFailure) {
    let server = Server::tcp(move |mut socket| {
        assert!(socket.read(&mut [0; 2048]).unwrap() > 0);
        let [high, low] = suite.to_be_bytes();
        let hello = [
            &[0x16, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3][..],
            &[7; 24],
            &end_of_random,
            &[0, high, low, compression],
        ]
        .concat();
        socket.write_all(&hello).unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let error = Client::trusting(&Authority::new("Test Root"))
        .connect(server.port)
        .unwrap_err();
    assert_eq!(error, ConnectError::Tls(because, Code(0)));
    server.join();
}

#[test]
fn a_downgrade_compression_and_a_suite_that_was_not_offered_are_told_apart() {
    /// ECDHE_RSA with AES-128-GCM (RFC 5289), which the device offers, and RC4, which it does not.
    const OFFERED: u16 = 0xc02f;
    const RC4: u16 = 0x0005;
    assert_hello_refused([7; 8], OFFERED, 1, TlsFailure::Compression);
    assert_hello_refused([7; 8], RC4, 0, TlsFailure::Negotiation);
    // The mark of a server that knows TLS 1.3 (RFC 8446, section 4.1.3).
    assert_hello_refused(*b"DOWNGRD\x01", OFFERED, 0, TlsFailure::Downgrade);
}

#[test]
fn a_server_of_tls_1_3_that_refuses_the_device_after_the_handshake_is_heard() {
    let authority = Authority::new("Test Root");
    let stranger = Authority::new("Another Root").certify("device", |_| {});
    for (identity, alert) in [
        (None, 116),
        (Some(crate::refusals::identity(&stranger)), 48),
    ] {
        let served = authority.certify("localhost", |_| {});
        let config = strict_server_config_of(&rustls::version::TLS13, served, &authority);
        let server = handshake_only(config);
        let mut client = Client::trusting(&authority);
        client.identity = identity;
        let mut stream = client.connect(server.port).unwrap();
        assert!(server.join().is_err());
        // The device says CONNECT first, on a connection that may be gone.
        let written = stream.write_all(b"CONNECT").and_then(|()| stream.flush());
        if written.is_ok() {
            assert!(stream.read(&mut [0; 16]).is_err());
        }
        let failure = stream.tls_failure();
        assert_eq!(failure, Some((TlsFailure::Alert(alert), Code(0))));
    }
}

/// Passes bytes on in both directions, each piece `delay` later.
fn slow_link(to: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pass = move |mut from: TcpStream, mut to: TcpStream| {
        let mut piece = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            thread::sleep(delay);
            if to.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    };
    thread::spawn(move || {
        let (near, _) = listener.accept().unwrap();
        let far = TcpStream::connect(("127.0.0.1", to)).unwrap();
        let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        thread::spawn(move || pass(near, far));
        pass(far_too, near_too);
    });
    port
}

#[test]
fn a_link_as_slow_as_a_satellite_s_connects_within_the_time_that_is_configured() {
    // 5 seconds each way, and two round trips for TLS 1.2.
    assert!(Timeouts::default().handshake >= Duration::from_secs(2 * 2 * 5));
    let delay = Duration::from_millis(300);
    let connect = |timeouts: Timeouts| {
        let authority = Authority::new("Test Root");
        let server = handshake_only(server_config(authority.certify("localhost", |_| {})));
        let mut client = Client::trusting(&authority);
        client.timeouts = timeouts;
        client.connect(slow_link(server.port, delay)).map(drop)
    };
    let error = connect(Timeouts::all(delay)).unwrap_err();
    assert!(
        matches!(error, ConnectError::Tls(TlsFailure::Interrupted, _)),
        "{error:?}"
    );
    connect(Timeouts::default()).unwrap();
}
