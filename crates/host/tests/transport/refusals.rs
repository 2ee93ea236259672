//! Every way in which a server or this device can be refused has a name of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use azure_device::failure::{Code, ConnectError, TcpFailure, TlsFailure};
use azure_device::port::Endpoint;
use azure_device_host::clock::Source;
use azure_device_host::tls::ClientIdentity;
use rcgen::{BasicConstraints, IsCa, date_time_ymd};

use crate::support::{
    Authority, Certified, Client, Server, handshake_only, localhost, open, server_config,
    strict_server_config,
};

const A_CENTURY: i64 = 100 * 365 * 86_400;

#[track_caller]
fn assert_refused(client: Client, served: Certified, because: TlsFailure) {
    let server = handshake_only(server_config(served));
    let result = client.connect(server.port);
    assert_eq!(result.unwrap_err(), ConnectError::Tls(because, Code(0)));
    // The server hears of it too: no half-open connection stays behind.
    assert!(server.join().is_err());
}

#[test]
fn a_server_under_a_trusted_authority_is_accepted() {
    let authority = Authority::new("Test Root");
    let server = handshake_only(server_config(authority.certify("localhost", |_| {})));
    assert!(Client::trusting(&authority).connect(server.port).is_ok());
    server.join().unwrap();
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new("Test Root");
    let served = authority.certify("contoso.azure-devices.net", |_| {});
    assert_refused(
        Client::trusting(&authority),
        served,
        TlsFailure::WrongHostName,
    );
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new("Test Root");
    let served = authority.certify("localhost", |leaf| {
        leaf.not_after = date_time_ymd(2025, 1, 1)
    });
    assert_refused(Client::trusting(&authority), served, TlsFailure::Expired);
}

#[test]
fn a_certificate_from_the_future_is_refused() {
    let authority = Authority::new("Test Root");
    let served = authority.certify("localhost", |leaf| {
        leaf.not_before = date_time_ymd(2999, 1, 1)
    });
    assert_refused(
        Client::trusting(&authority),
        served,
        TlsFailure::NotYetValid,
    );
}

#[test]
fn dates_are_judged_by_the_clock_of_the_device() {
    let authority = Authority::new("Test Root");
    for (offset, because) in [
        (A_CENTURY, TlsFailure::Expired),
        (-A_CENTURY / 2, TlsFailure::NotYetValid),
    ] {
        let served = authority.certify("localhost", |leaf| {
            leaf.not_before = date_time_ymd(2020, 1, 1);
            leaf.not_after = date_time_ymd(2100, 1, 1);
        });
        let mut client = Client::trusting(&authority);
        client.clock = Source::SystemOffBy(offset);
        assert_refused(client, served, because);
    }
}

#[test]
fn a_device_without_a_date_trusts_nobody() {
    let authority = Authority::new("Test Root");
    let mut client = Client::trusting(&authority);
    client.clock = Source::Nowhere;
    assert_refused(
        client,
        authority.certify("localhost", |_| {}),
        TlsFailure::Other,
    );
}

#[test]
fn a_certificate_under_an_unknown_authority_is_refused() {
    let client = Client::trusting(&Authority::new("Test Root"));
    let served = Authority::new("Another Root").certify("localhost", |_| {});
    assert_refused(client, served, TlsFailure::UnknownAuthority);
}

#[test]
fn an_authority_that_was_made_anew_under_its_old_name_is_unknown() {
    let client = Client::trusting(&Authority::new("Test Root"));
    let served = Authority::new("Test Root").certify("localhost", |_| {});
    assert_refused(client, served, TlsFailure::UnknownAuthority);
}

#[test]
fn a_self_signed_certificate_is_refused_by_that_name_however_it_was_made() {
    for is_ca in [
        IsCa::NoCa,
        IsCa::ExplicitNoCa,
        IsCa::Ca(BasicConstraints::Unconstrained),
    ] {
        let client = Client::trusting(&Authority::new("Test Root"));
        assert_refused(
            client,
            Certified::self_signed("localhost", is_ca),
            TlsFailure::SelfSigned,
        );
    }
}

#[test]
fn a_self_signed_certificate_is_accepted_if_it_is_the_trusted_one() {
    let served = Certified::self_signed("localhost", IsCa::NoCa);
    let mut client = Client::trusting(&Authority::new("Test Root"));
    client.roots = crate::credentials::pem("CERTIFICATE", &served.chain[0]);
    let server = handshake_only(server_config(served));
    assert!(client.connect(server.port).is_ok());
    server.join().unwrap();
}

#[test]
fn a_server_that_demands_a_certificate_says_so_by_an_alert() {
    let authority = Authority::new("Test Root");
    let config = strict_server_config(authority.certify("localhost", |_| {}), &authority);
    let server = handshake_only(config);
    let error = Client::trusting(&authority)
        .connect(server.port)
        .unwrap_err();
    // certificate_required is TLS 1.3's; handshake_failure 40 or certificate_required 116 tell the same.
    let alert = matches!(
        error,
        ConnectError::Tls(TlsFailure::Alert(40 | 42 | 116), _)
    );
    assert!(alert, "{error:?}");
    assert!(server.join().is_err());
}

#[test]
fn a_device_certificate_that_the_server_does_not_trust_is_answered_by_an_alert() {
    let authority = Authority::new("Test Root");
    let device = Authority::new("Another Root").certify("device", |_| {});
    let mut client = Client::trusting(&authority);
    client.identity = Some(identity(&device));
    let config = strict_server_config(authority.certify("localhost", |_| {}), &authority);
    let server = handshake_only(config);
    let error = client.connect(server.port).unwrap_err();
    // unknown_ca, RFC 5246 section 7.2.2.
    assert_eq!(error, ConnectError::Tls(TlsFailure::Alert(48), Code(0)));
    assert!(server.join().is_err());
}

#[test]
fn a_device_certificate_that_the_server_trusts_is_presented() {
    let authority = Authority::new("Test Root");
    let device = authority.certify("device", |_| {});
    let expected = device.chain.clone();
    let mut client = Client::trusting(&authority);
    client.identity = Some(identity(&device));
    let config = strict_server_config(authority.certify("localhost", |_| {}), &authority);
    let server = Server::tls(config, |tls| {
        tls.map(|tls| tls.conn.peer_certificates().unwrap().to_vec())
    });
    let stream = client.connect(server.port).unwrap();
    assert_eq!(server.join().unwrap(), expected);
    drop(stream);
}

pub(crate) fn identity(certified: &Certified) -> ClientIdentity {
    let certificate = crate::credentials::pem("CERTIFICATE", &certified.chain[0]);
    let key = certified.key.serialize_pem();
    ClientIdentity::from_pem((certificate.as_bytes(), "test"), (key.as_bytes(), "test")).unwrap()
}

#[test]
fn a_server_that_does_not_speak_tls_is_no_silent_success() {
    let authority = Authority::new("Test Root");
    let server = Server::tcp(|mut socket| {
        assert!(socket.read(&mut [0; 512]).unwrap() > 0);
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let error = Client::trusting(&authority)
        .connect(server.port)
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Tls(TlsFailure::NotTls, _)),
        "{error:?}"
    );
    server.join();
}

#[test]
fn a_server_that_hangs_up_during_the_handshake_interrupted_it() {
    let authority = Authority::new("Test Root");
    let server = Server::tcp(|mut socket| {
        assert!(socket.read(&mut [0; 512]).unwrap() > 0);
    });
    let error = Client::trusting(&authority)
        .connect(server.port)
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Tls(TlsFailure::Interrupted, _)),
        "{error:?}"
    );
    server.join();
}

#[test]
fn a_server_that_falls_silent_during_the_handshake_is_left_in_time() {
    let authority = Authority::new("Test Root");
    let server = Server::tcp(|mut socket| while socket.read(&mut [0; 512]).unwrap() > 0 {});
    let mut client = Client::trusting(&authority);
    client.timeouts.handshake = Duration::from_millis(200);
    let start = Instant::now();
    let error = client.connect(server.port).unwrap_err();
    assert_eq!(error, ConnectError::Tls(TlsFailure::Interrupted, Code(0)));
    assert!(
        (0.2..10.0).contains(&start.elapsed().as_secs_f64()),
        "{:?}",
        start.elapsed()
    );
    server.join();
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = Client::trusting(&Authority::new("Test Root"))
        .connect(port)
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Tcp(TcpFailure::Refused, Code(1..))),
        "{error:?}"
    );
}

#[test]
fn a_name_that_does_not_resolve_is_a_failure_of_dns() {
    let mut platform = Client::trusting(&Authority::new("Test Root")).platform();
    // A label of 64 letters fits no query (RFC 1035, section 2.3.4), so that none is sent.
    let too_long = "a".repeat(64);
    let endpoint = Endpoint {
        address: &too_long,
        ..localhost(8883)
    };
    let error = open(&mut platform, endpoint).unwrap_err();
    assert!(matches!(error, ConnectError::Dns(_)), "{error:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_host_that_does_not_answer_is_left_in_time() {
    use socket2::{Domain, SockAddr, Socket, Type};
    // Linux ignores a SYN while the queue of connections that nobody accepts is full: here, with two.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&SockAddr::from(any_port)).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let filling: Vec<_> = (0..3)
        .map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100)))
        .collect();
    assert!(filling.iter().any(Result::is_err));

    let mut client = Client::trusting(&Authority::new("Test Root"));
    client.timeouts.connect = Duration::from_millis(200);
    let start = Instant::now();
    let error = client.connect(address.port()).unwrap_err();
    assert_eq!(error, ConnectError::Tcp(TcpFailure::TimedOut, Code(0)));
    assert!(
        (0.2..10.0).contains(&start.elapsed().as_secs_f64()),
        "{:?}",
        start.elapsed()
    );
}
