//! Every refusal, provoked, with the message that the person in front of the device sees.

use std::net::UdpSocket;

use local_hub::{CertificateFault, Config, Hub, ServerCertificate, Status};

use crate::program::{Access, PATIENCE, Program};
use crate::sntp::server_that_is_off_by;
use crate::support::{access, hub, x509_access};

/// Returns the message of a failed attempt, without the log line's beginning and the time of the next attempt.
#[track_caller]
fn failure(access: &Access<'_>, arguments: &[&str]) -> String {
    let program = Program::device(access, arguments);
    let line = program.wait_for("[attempt 1, next in ");
    assert!(line.contains(" ERROR "), "{line}");
    let message = line.split(" ERROR ").nth(1).unwrap();
    let message = message.split(" [attempt").next().unwrap();
    message.trim_start_matches("device").trim().to_owned()
}

#[track_caller]
fn assert_certificate_refused(fault: CertificateFault, expected: &str) {
    let config = Config {
        certificate: ServerCertificate {
            fault: Some(fault),
            ..ServerCertificate::default()
        },
        ..Config::temporary()
    };
    let hub = Hub::start(config).unwrap();
    let connection_string = hub.create_sas_device("device").unwrap();
    let message = failure(&access(&hub, &connection_string), &[]);
    assert!(message.starts_with(expected), "{message}");
    assert!(
        message.contains("; check ")
            || message.contains("; if ")
            || message.contains("; give ")
            || message.contains("; this device's clock"),
        "no remedy: {message}"
    );
    assert!(!hub.is_connected("device"));
}

#[test]
fn a_server_with_the_certificate_of_another_host_is_refused() {
    assert_certificate_refused(
        CertificateFault::WrongHostName,
        "TLS: the server's certificate is for another host",
    );
}

#[test]
fn a_server_with_an_expired_certificate_is_refused() {
    assert_certificate_refused(
        CertificateFault::Expired,
        "TLS: the server's certificate has expired",
    );
}

#[test]
fn a_server_with_a_certificate_of_tomorrow_is_refused() {
    assert_certificate_refused(
        CertificateFault::NotYetValid,
        "TLS: the server's certificate is not valid yet",
    );
}

#[test]
fn a_server_under_an_unknown_authority_is_refused() {
    assert_certificate_refused(
        CertificateFault::UnknownAuthority,
        "TLS: the hub's certificate leads to no trusted root",
    );
}

#[test]
fn a_server_with_a_self_signed_certificate_is_refused() {
    assert_certificate_refused(
        CertificateFault::SelfSigned,
        "TLS: the server's certificate is self-signed",
    );
}

#[test]
fn a_local_hub_is_not_trusted_without_its_authority() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let endpoint = hub.endpoint().to_string();
    let arguments = [
        "device",
        "--connection-string",
        &connection_string,
        "--endpoint",
        &endpoint,
    ];
    let program = Program::start(&arguments);
    program.wait_for("TLS: the hub's certificate leads to no trusted root");
}

/// A hub tells a device of all these with the same code 5; only its own log tells them apart.
#[track_caller]
fn assert_connect_refused(hub: &Hub, access: &Access<'_>, device_says: &str, hub_says: &str) {
    let message = failure(access, &[]);
    assert!(
        message.starts_with("CONNACK 5: not authorized; "),
        "{message}"
    );
    assert!(message.contains(device_says), "{message}");
    let found = hub.wait_for_close(PATIENCE, |close| close.reason.contains(hub_says));
    assert!(found.is_some(), "{:?}", hub.closes());
}

#[test]
fn a_wrong_key_is_refused_with_advice_about_keys() {
    let hub = hub();
    let own = hub.create_sas_device("device").unwrap();
    let other = hub.create_sas_device("other").unwrap();
    let key = |text: &str| text.split_once("SharedAccessKey=").unwrap().1.to_owned();
    let mixed = own.replace(&key(&own), &key(&other));
    assert_connect_refused(
        &hub,
        &access(&hub, &mixed),
        "the key is one of its two",
        "signature",
    );
}

#[test]
fn an_unknown_device_is_refused_with_advice_about_the_registry() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    hub.delete_device("device").unwrap();
    let access = access(&hub, &connection_string);
    assert_connect_refused(
        &hub,
        &access,
        "check that the device exists",
        "there is no device",
    );
}

#[test]
fn a_disabled_device_is_refused_until_it_is_enabled() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    hub.set_status("device", Status::Disabled).unwrap();
    let access = access(&hub, &connection_string);
    assert_connect_refused(&hub, &access, "is enabled in the hub", "disabled");
    hub.set_status("device", Status::Enabled).unwrap();
    Program::device(&access, &[]).wait_for("joined");
}

#[test]
fn a_certificate_that_is_not_the_registered_one_is_refused_with_advice_about_certificates() {
    let hub = hub();
    let own = hub.create_x509_device("device").unwrap();
    let other = hub.create_x509_device("other").unwrap();
    let mut access = x509_access(&hub, &own);
    access.certificate = Some((&other.certificate_pem, &other.key_pem));
    assert_connect_refused(
        &hub,
        &access,
        "its certificate is registered there",
        "thumbprint",
    );
}

#[test]
fn a_device_without_time_says_so_and_sends_nothing() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    // Somebody who never answers.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    let message = failure(&access(&hub, &connection_string), &["--sntp", &server]);
    assert!(message.starts_with("clock: it is not set"), "{message}");
    assert!(
        message.contains("no time server answered; check the SNTP servers"),
        "{message}"
    );
    assert!(hub.closes().is_empty(), "{:?}", hub.closes());
}

fn hub_with_time_off_by(seconds: i64) -> Hub {
    let config = Config {
        sntp: Some(([127, 0, 0, 1], 0).into()),
        sntp_offset: seconds,
        ..Config::temporary()
    };
    Hub::start(config).unwrap()
}

#[test]
fn a_clock_that_is_an_hour_behind_is_found_out_and_set_right() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let sntp = server_that_is_off_by(&[-3600, 0]);
    // Tokens of half an hour: dead on arrival if the clock is an hour behind.
    let arguments = ["--sntp", &sntp, "--token-life", "1800"];
    let program = Program::device(&access(&hub, &connection_string), &arguments);
    let line = program.wait_for("CONNACK 5: not authorized");
    assert!(line.contains("that this device's clock is right"), "{line}");
    let close = hub.wait_for_close(PATIENCE, |close| close.reason.contains("check the clock"));
    assert!(close.is_some(), "{:?}", hub.closes());
    program.wait_for("it was wrong by 3");
    program.wait_for("joined");
}

#[test]
fn a_clock_from_before_the_certificate_says_that_it_is_behind() {
    // The hub's certificate is of today.
    let hub = hub_with_time_off_by(-200 * 86_400);
    let connection_string = hub.create_sas_device("device").unwrap();
    let sntp = hub.sntp_endpoint().unwrap().to_string();
    let message = failure(&access(&hub, &connection_string), &["--sntp", &sntp]);
    assert!(
        message.starts_with("TLS: the server's certificate is not valid yet"),
        "{message}"
    );
    assert!(message.contains("clock is likely behind"), "{message}");
}

#[test]
fn a_clock_from_after_the_certificate_says_that_it_may_be_ahead() {
    // Nine years, by when the hub's certificate has expired.
    let hub = hub_with_time_off_by(9 * 365 * 86_400);
    let connection_string = hub.create_sas_device("device").unwrap();
    let sntp = hub.sntp_endpoint().unwrap().to_string();
    let message = failure(&access(&hub, &connection_string), &["--sntp", &sntp]);
    assert!(
        message.starts_with("TLS: the server's certificate has expired"),
        "{message}"
    );
    assert!(message.contains("clock is ahead"), "{message}");
}
