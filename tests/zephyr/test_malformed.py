# SPDX-License-Identifier: Apache-2.0
"""What no hub should send changes nothing but a counter and a log line, or ends the connection, which comes back."""

import json

import pytest
from peers import PlainHub, packet, publish, string
from telemetry import assert_nothing_missing

DESIRED = "$iothub/twin/PATCH/properties/desired/"
DEVICEBOUND = "devices/tough/messages/devicebound/"
TELEMETRY = "devices/tough/messages/events/"
KEY = "HostName=localhost;DeviceId=tough;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw=="

# Well-formed MQTT, and nothing that a device could act on.
NONSENSE = {
    "depth of a thousand": publish(f"{DESIRED}?$version=9", b'{"telemetryInterval":%s}' % (b"[" * 1000 + b"]" * 1000)),
    "unclosed depth": publish(f"{DESIRED}?$version=9", b"[" * 1000),
    "no JSON": publish(f"{DESIRED}?$version=9", b"{telemetryInterval:1}"),
    "truncated UTF-8 in JSON": publish(f"{DESIRED}?$version=9", b'{"telemetryInterval":"\xe2\x82'),
    "version that is none": publish(f"{DESIRED}?$version=x", b'{"telemetryInterval":1}'),
    "no version": publish(DESIRED, b'{"telemetryInterval":1}'),
    "version of 80 bits": publish(f"{DESIRED}?$version={2**80}", b'{"telemetryInterval":1}'),
    "twin that nobody asked for": publish("$iothub/twin/res/200/?$rid=77", b'{"desired":{"$version":99}}'),
    "patch that nobody sent": publish("$iothub/twin/res/204/?$rid=78&$version=5"),
    "status that is none": publish("$iothub/twin/res/abc/?$rid=1"),
    "method without a name": publish("$iothub/methods/POST//?$rid=1"),
    "method without a request id": publish("$iothub/methods/POST/reboot/"),
    "message to another device": publish("devices/other/messages/devicebound/", b"x"),
    "message to another device that asks for an answer": publish("devices/other/messages/devicebound/", b"x", 7),
    "unknown topic": publish("no/such/topic"),
    "topic of 64 KB in 300 KB": publish("x" * 65_535, b"y" * 234_000),
    "long message": publish(DEVICEBOUND, b"z" * 20_000, 8),
}

# Against MQTT 3.1.1: the client has to close the connection (section 4.8).
VIOLATIONS = {
    "reserved packet type": packet(0, b""),
    "packet of a client": packet(1, b"\0" * 12),
    "second CONNACK": packet(2, b"\0\0"),
    "truncated UTF-8 in a topic": packet(3, string(DEVICEBOUND.encode() + b"\xe2\x82") + b"x"),
    "zero in a topic": publish(DEVICEBOUND + "\0"),
    "wildcard in a topic": publish("devices/tough/messages/devicebound/#"),
    "topic beyond its packet": packet(3, b"\xff\xffabc"),
    "QoS 3": packet(3, string(DEVICEBOUND) + b"\0\1", flags=6),
    "packet identifier 0": packet(3, string(DEVICEBOUND) + b"\0\0", flags=2),
    "SUBACK for nothing": packet(9, b"\x12\x34\1"),
    "remaining length of five bytes": b"\x30\xff\xff\xff\xff\x7f",
    "PINGRESP with a body": packet(13, b"x"),
}


@pytest.fixture(name="plain")
def fixture_plain(device, hub, tmp_path):
    """A hub that sends what a test wants, which the device has joined; the time is the real hub's."""
    plain = PlainHub(tmp_path, hub.sntp)
    device.provision(plain, KEY)
    plain.expect("$iothub/twin/PATCH/properties/reported/")
    plain.expect(TELEMETRY)
    yield plain
    plain.close()


def wait_for_join(device, plain, count):
    """Waits until the device has joined that often, and works."""
    device.wait("joined localhost as tough", 120)
    assert plain.joined == count
    plain.send(publish("$iothub/methods/POST/getStatus/?$rid=a1", b"null"))
    topic, answer = plain.expect("$iothub/methods/res/")
    assert topic == "$iothub/methods/res/200/?$rid=a1"
    assert json.loads(answer)["telemetryInterval"] == 2


def test_nonsense_changes_a_counter_and_nothing_else(device, plain):
    before = device.ignored()
    for count, (name, data) in enumerate(NONSENSE.items(), 1):
        device.position = len(device.lines)
        plain.send(data)
        device.wait("passed over|unknown: |is not JSON|twin: ", 60)
        plain.send(publish(DEVICEBOUND, f"after {count}".encode()))
        device.wait(f"cloud-to-device message of . bytes: after {count}$|of .. bytes?: after {count}$")
        assert device.ignored() - before == count, name
    # The answers to what was nonsense would have come by now; the interval is the old one.
    plain.send(publish("$iothub/methods/POST/getStatus/?$rid=b2"))
    topic, answer = plain.expect("$iothub/methods/res/")
    assert (topic, json.loads(answer)["telemetryInterval"]) == ("$iothub/methods/res/200/?$rid=b2", 2)
    plain.expect(TELEMETRY)
    assert plain.joined == 1
    assert "0 failures" in device.status()["connections"]


def test_a_broken_protocol_ends_the_connection_which_comes_back(device, plain):
    for count, (name, data) in enumerate(VIOLATIONS.items(), 2):
        device.position = len(device.lines)
        plain.send(data)
        # The first ones are told; a failure that repeats is told ever more rarely.
        assert count > 3 or device.wait("MQTT: the server broke the MQTT protocol", 60), name
        wait_for_join(device, plain, count)


def test_bytes_that_are_no_tls_end_the_connection_which_comes_back(device, plain):
    device.position = len(device.lines)
    # Beside the TLS layer, on the TCP connection under it.
    with plain.raw() as raw:
        raw.sendall(b"\x17\x03\x03\x00\x20" + b"\xaa" * 32)
    device.wait("connection: ", 60)
    wait_for_join(device, plain, 2)


def test_a_message_in_one_record_that_does_not_fit_ends_the_connection_which_comes_back(device, plain):
    device.position = len(device.lines)
    plain.stream.sendall(publish(DEVICEBOUND, b"z" * 12_000))
    remedy = "raise CONFIG_AZURE_TLS_IN_CONTENT_LEN, or send smaller messages"
    device.wait(rf"TLS: a record of 12\d\d\d bytes does not fit the input buffer of \d+ .*; {remedy}", 60)
    wait_for_join(device, plain, 2)


def test_a_message_that_never_fits_is_given_up_by_the_hub_and_the_device_goes_on(device, hub):
    device.provision(hub, hub.create_sas("narrow"))
    hub.events("narrow", 1)
    hub.send("narrow", "z" * 12_000, "--ack", "negative", "--message-id", "long")
    records = [(record["originalMessageId"], record["statusCode"]) for record in hub.feedback(timeout=300)]
    assert records == [("long", "DeliveryCountExceeded")]
    hub.send("narrow", "short")
    device.wait("cloud-to-device message of 5 bytes: short", 90)
    # Ten deliveries: the first, the second, the fourth and the eighth are told.
    told = [line for line in device.lines if "does not fit the input buffer" in line]
    assert 3 <= len(told) <= 6 and "times in a row" in told[-1], told
    assert_nothing_missing(device, hub, "narrow")
