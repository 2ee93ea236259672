# SPDX-License-Identifier: Apache-2.0
"""What the device must not connect to, it does not, and it says why and what to do."""

import pytest
from peers import PlainHub, TimeServer


def test_a_hub_under_an_unknown_root_is_refused(device, hub, start_hub):
    stranger = start_hub()
    device.provision(hub, hub.create_sas("careful"), ca=stranger.ca)
    device.wait("TLS: the hub's certificate leads to no trusted root.*azure set root-ca")
    assert hub.connections("careful") == 0


def test_the_public_roots_do_not_trust_a_local_hub(device, hub):
    device.command("azure set address " + device.host, "stored")
    device.command(f"azure set port {hub.port}", "stored")
    device.command(f"azure set sntp {device.host}:{hub.sntp}", "stored")
    device.command(f"azure set connection-string {hub.create_sas('public')}", "Connection string stored")
    device.wait("TLS: the hub's certificate leads to no trusted root")
    assert hub.connections("public") == 0


def test_a_hub_of_another_name_is_refused(device, hub):
    text = hub.create_sas("lost").replace("HostName=localhost", "HostName=contoso.azure-devices.net")
    device.provision(hub, text)
    device.wait("TLS: the server's certificate is for another host.*check the host name")
    assert hub.connections("lost") == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("wrong-host-name", "is for another host"),
        ("expired", "has expired"),
        ("not-yet-valid", "is not valid yet"),
        ("unknown-authority", "leads to no trusted root"),
        ("self-signed", "is self-signed|leads to no trusted root"),
    ],
)
def test_a_faulty_certificate_is_refused(device, start_hub, fault, words):
    hub = start_hub()
    text = hub.create_sas("wary")
    hub.kill()
    hub.options["certificate_fault"] = fault
    hub.start()
    device.provision(hub, text)
    device.wait(f"TLS: .*({words})")
    assert hub.connections("wary") == 0


def test_an_unset_clock_is_named_and_nothing_is_connected_to(device, hub):
    text = hub.create_sas("clockless")
    device.command("azure set address " + device.host, "stored")
    device.command(f"azure set port {hub.port}", "stored")
    device.command(f"azure set sntp {device.host}:9", "stored")
    device.command(f"azure set connection-string {text}", "Connection string stored")
    device.wait("clock: it is not set, so no certificate can be checked.*no time server answered", 90)
    assert hub.connections("clockless") == 0


def spoilt(start, value):
    """Writes bytes into the answer of a time server."""

    def spoil(answer):
        answer[start : start + len(value)] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoilt(0, b"\xe4"), "is not believed: it says that it does not know the time itself"),
        (spoilt(1, b"\x10"), "is not believed: it says that it does not know the time itself"),
        (spoilt(1, b"\0"), "is not believed: it refuses to be asked"),
        (spoilt(40, bytes(8)), "is not believed: it has an empty time stamp"),
        (spoilt(40, b"\0\0\0\0\x80\0\0\0"), "is not believed: it has an empty time stamp"),
        (spoilt(32, bytes(8)), "is not believed: it has an empty time stamp"),
        (spoilt(32, b"\xff"), "is not believed: its time stamps contradict each other"),
        (spoilt(32, b"\xd0\0\0\0\0\0\0\0" * 2), "is not believed: it gives a time in the far past or future"),
        (spoilt(0, b"\x25"), "no time from .*NoAnswer|no time server answered"),
        (spoilt(24, b"\xff" * 8), "no time from .*NoAnswer|no time server answered"),
    ],
    ids="leap stratum-16 kiss-of-death unsent fraction-only unreceived contradiction year-2010 broadcast forged".split(),
)
def test_the_time_of_a_server_that_may_be_wrong_is_not_believed(device, hub, spoil, words):
    server = TimeServer(spoil)
    try:
        device.command(f"azure set sntp {device.host}:{server.port}", "stored")
        device.command("azure set address " + device.host, "stored")
        device.command(f"azure set port {hub.port}", "stored")
        device.command(f"azure set connection-string {hub.create_sas('patient')}", "Connection string stored")
        device.wait(words, 90)
        device.wait("clock: it is not set, so no certificate can be checked", 90)
        assert server.asked
        assert hub.connections("patient") == 0
    finally:
        server.close()
    # A good answer afterwards sets the clock.
    device.provision(hub, hub.create_sas("told"))
    hub.wait_for_connections("told", 1)


@pytest.mark.parametrize(
    ("ca", "words"),
    [
        (True, "an intermediate CA must not sign certificates .key usage lacks keyCertSign"),
        (False, "the certificate was signed by one that is no CA's .CA:FALSE"),
    ],
)
def test_a_chain_through_a_certificate_that_must_not_sign_is_refused(device, hub, tmp_path, ca, words):
    root = hub.certify("trusted-root", ca=True)
    usage = ["keyUsage=critical,digitalSignature"]
    middle = hub.certify("middle", issuer=root, ca=ca, extensions=usage)
    leaf = hub.certify("localhost", issuer=middle, extensions=["subjectAltName=DNS:localhost"])
    chain = tmp_path / "chain.pem"
    chain.write_text(leaf[0].read_text() + middle[0].read_text())
    impostor = PlainHub(tmp_path, hub.sntp, (root[0].read_text(), chain, leaf[1]))
    device.provision(impostor, hub.create_sas("strict"))
    device.wait("TLS: " + words)
    assert impostor.joined == 0
    impostor.close()


def test_a_certificate_that_is_not_for_servers_is_refused(device, hub, tmp_path):
    root = hub.certify("trusted-root", ca=True)
    extensions = ["subjectAltName=DNS:localhost", "extendedKeyUsage=clientAuth"]
    certificate, key = hub.certify("localhost", issuer=root, extensions=extensions)
    impostor = PlainHub(tmp_path, hub.sntp, (root[0].read_text(), certificate, key))
    device.provision(impostor, hub.create_sas("exact"))
    device.wait("TLS: the certificate is not for servers .extended key usage lacks serverAuth")
    assert impostor.joined == 0
    impostor.close()


def test_a_wrong_key_is_refused_by_the_hub_and_said_so(device, hub):
    hub.create_sas("mine")
    other = hub.create_sas("other").replace("DeviceId=other", "DeviceId=mine")
    device.provision(hub, other)
    device.wait("CONNACK 5: not authorized; check that the device exists")
    assert hub.connections("mine") == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HostName=localhost;DeviceId=x;SharedAccessKey=!!!", "base64"),
        ("HostName=localhost;SharedAccessKey=AAEC", "DeviceId"),
        ("DeviceId=x;SharedAccessKey=AAEC", "HostName"),
    ],
)
def test_a_bad_connection_string_is_refused_on_the_spot(device, text, words):
    device.command(f"azure set connection-string {text}", words)
    assert not device.says("Connection string stored")
