//! An open connection: readiness, waiting, back-pressure, the end.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use azure_device::failure::ConnectError;
use azure_device::port::{Clock, Connector, Endpoint, Platform, Requests, Wake};
use azure_device::time::Instant;
use azure_device_host::HostPlatform;
use azure_device_host::stream::TlsStream;
use embedded_io::{Read, ReadReady, Write};

use crate::support::{Authority, Client, Server, Tls, localhost, open, server_config};

/// A platform, its connection and the server's end of it, which `serve` has.
fn connected<T: Send + 'static>(
    serve: impl FnOnce(Tls) -> T + Send + 'static,
) -> (HostPlatform, TlsStream, Server<T>) {
    let authority = Authority::new("Test Root");
    let config = server_config(authority.certify("localhost", |_| {}));
    let server = Server::tls(config, |tls| serve(tls.unwrap()));
    let mut platform = Client::trusting(&authority).platform();
    let stream = open(&mut platform, localhost(server.port)).unwrap();
    (platform, stream, server)
}

fn soon(platform: &HostPlatform) -> Instant {
    platform.now().after(Duration::from_secs(20))
}

#[test]
fn records_without_plaintext_neither_block_nor_wake() {
    let (go, gone) = mpsc::channel::<()>();
    // TLS 1.3 sends session tickets after the handshake: bytes for TCP, none for MQTT.
    let (mut platform, mut stream, server) = connected(move |mut tls| {
        tls.flush().unwrap();
        gone.recv().unwrap();
        tls.write_all(b"x").unwrap();
    });
    assert!(!stream.read_ready().unwrap());
    let until = platform.now().after(Duration::from_millis(100));
    assert_eq!(platform.wait(Some(&mut stream), until), Wake::Deadline);
    go.send(()).unwrap();
    let until = soon(&platform);
    assert_eq!(platform.wait(Some(&mut stream), until), Wake::Readable);
    assert!(stream.read_ready().unwrap());
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
    server.join();
}

#[test]
fn what_arrived_with_the_handshake_is_readable_at_once() {
    let (mut platform, mut stream, server) = connected(|mut tls| {
        tls.write_all(&[7; 3000]).unwrap();
    });
    server.join();
    let mut received = Vec::new();
    let mut buffer = [0; 999];
    loop {
        let until = soon(&platform);
        assert_eq!(platform.wait(Some(&mut stream), until), Wake::Readable);
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            length => received.extend_from_slice(&buffer[..length]),
        }
    }
    assert_eq!(received, [7; 3000]);
}

#[test]
fn the_end_is_readable_with_and_without_a_goodbye() {
    for polite in [true, false] {
        let (mut platform, mut stream, server) = connected(move |mut tls| {
            if polite {
                tls.conn.send_close_notify();
                tls.flush().unwrap();
            }
        });
        server.join();
        let until = soon(&platform);
        assert_eq!(platform.wait(Some(&mut stream), until), Wake::Readable);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "polite: {polite}");
    }
}

#[test]
fn garbage_in_the_middle_of_a_connection_is_an_error_and_not_an_end() {
    let (mut platform, mut stream, server) = connected(|mut tls| {
        tls.flush().unwrap();
        tls.sock
            .write_all(&[
                0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0,
            ])
            .unwrap();
        // Until the client has hung up.
        let _ = tls.sock.read_to_end(&mut Vec::new());
    });
    let until = soon(&platform);
    assert_eq!(platform.wait(Some(&mut stream), until), Wake::Readable);
    assert!(stream.read(&mut [0; 8]).is_err());
    assert!(stream.write_all(b"more").is_err() || stream.read(&mut [0; 8]).is_err());
    drop(stream);
    server.join();
}

#[test]
fn a_message_larger_than_any_buffer_arrives_whole() {
    const LENGTH: usize = 1 << 20;
    let (_platform, mut stream, server) = connected(|mut tls| {
        // Slow to start, so that the socket's buffers fill.
        thread::sleep(Duration::from_millis(200));
        let mut received = Vec::new();
        let _ = tls.read_to_end(&mut received);
        received
    });
    let message: Vec<u8> = (0..LENGTH).map(|index| (index % 251) as u8).collect();
    stream.write_all(&message).unwrap();
    stream.flush().unwrap();
    drop(stream);
    assert!(server.join() == message);
}

#[test]
fn dropping_a_connection_says_goodbye() {
    let (_platform, mut stream, server) = connected(|mut tls| {
        let mut received = Vec::new();
        // read_to_end succeeds after close_notify only: without one it says UnexpectedEof.
        tls.read_to_end(&mut received).map(|_| received)
    });
    stream.write_all(b"last words").unwrap();
    drop(stream);
    assert_eq!(server.join().unwrap(), b"last words");
}

#[test]
fn requests_of_other_threads_end_a_wait_and_are_taken_once() {
    let (mut platform, mut stream, server) = connected(|mut tls| {
        let _ = tls.read(&mut [0; 8]);
    });
    let remote = platform.remote();
    let asking = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        remote.send_now();
    });
    let until = soon(&platform);
    assert_eq!(platform.wait(Some(&mut stream), until), Wake::Request);
    let button = Requests {
        send_now: true,
        ..Requests::default()
    };
    assert_eq!(platform.requests(), button);
    assert_eq!(platform.requests(), Requests::default());
    platform.remote().wake_application();
    let woken = Requests {
        woken: true,
        ..Requests::default()
    };
    assert_eq!(platform.requests(), woken);
    asking.join().unwrap();

    platform.remote().stop();
    platform.remote().retry_now();
    let until = soon(&platform);
    assert_eq!(platform.wait(None, until), Wake::Request);
    let asked = platform.requests();
    assert!(asked.stop && asked.retry_now && !asked.send_now);
    drop(stream);
    server.join();
}

#[test]
fn a_request_that_came_before_the_wait_is_not_lost() {
    let mut platform = Client::trusting(&Authority::new("Test Root")).platform();
    platform.remote().stop();
    let until = soon(&platform);
    assert_eq!(platform.wait(None, until), Wake::Request);
    assert!(platform.requests().stop);
}

#[test]
fn a_stop_ends_connecting_at_once() {
    // A server that accepts and says nothing.
    let server = Server::tcp(|mut socket| while socket.read(&mut [0; 512]).unwrap() > 0 {});
    let mut platform = Client::trusting(&Authority::new("Test Root")).platform();
    let remote = platform.remote();
    let stopping = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        remote.stop();
    });
    let start = platform.now();
    let (mut opening, later) = (Default::default(), soon(&platform));
    let stream = platform.connect(localhost(server.port), &mut opening, later);
    assert!(stream.unwrap().is_none(), "not complete, and no failure");
    assert!(platform.now().since(start) < Duration::from_secs(10));
    // The request itself is still to be taken.
    assert!(platform.requests().stop);
    stopping.join().unwrap();
    drop(opening);
    server.join();
}

#[test]
fn a_wait_lasts_until_its_deadline_and_not_before() {
    let mut platform = Client::trusting(&Authority::new("Test Root")).platform();
    let until = platform.now().after(Duration::from_millis(150));
    assert_eq!(platform.wait(None, until), Wake::Deadline);
    assert!(platform.now() >= until);
    assert_eq!(platform.wait(None, Instant::from_millis(0)), Wake::Deadline);
}

#[test]
fn every_address_of_a_name_is_tried() {
    // `localhost` resolves to ::1 first where there is IPv6; nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = thread::spawn(move || listener.accept().is_ok());
    let mut client = Client::trusting(&Authority::new("Test Root"));
    client.timeouts.handshake = Duration::from_millis(100);
    let endpoint = Endpoint {
        address: "localhost",
        ..localhost(port)
    };
    let error = open(&mut client.platform(), endpoint).unwrap_err();
    let stage = matches!(error, ConnectError::Tls(..));
    assert!(stage, "{error:?}");
    assert!(accepting.join().unwrap());
}
