# SPDX-License-Identifier: Apache-2.0
"""The device joins the hub with each kind of credential, sends, and takes what the hub sends."""

import pytest

TELEMETRY = 3


def assert_telemetry(hub, device):
    """The hub has telemetry of the device, whose first messages count up from 1."""
    events = hub.events(device, TELEMETRY)
    assert [event["payload"]["count"] for event in events] == list(range(1, TELEMETRY + 1))
    for event in events:
        assert event["annotations"]["iothub-connection-device-id"] == device


def test_a_shared_access_key_joins_and_sends(device, hub):
    device.provision(hub, hub.create_sas("key-device"))
    assert_telemetry(hub, "key-device")
    assert hub.connections("key-device") == 1
    status = device.status()
    assert status["hub"].startswith("connected")
    assert status["TLS"].startswith("1.2, verified, ECDHE-RSA-AES")


@pytest.mark.parametrize("key", ["rsa", "ecc"])
def test_a_certificate_joins_and_sends(device, hub, key):
    name = f"{key}-device"
    device.provision(hub, *hub.create_x509(name, key))
    assert_telemetry(hub, name)
    assert hub.connections(name) == 1


def test_a_certificate_under_a_registered_ca_joins_and_sends(device, hub):
    device.provision(hub, *hub.create_ca_signed("ca-device"))
    assert_telemetry(hub, "ca-device")


def test_a_hub_with_an_ecc_chain_and_a_large_certificate_message_is_joined(device, start_hub):
    hub = start_hub(chain="ecc", certificate_size=5800)
    device.provision(hub, hub.create_sas("far-device"))
    assert_telemetry(hub, "far-device")


def test_a_cloud_to_device_message_is_printed_and_acknowledged(device, hub):
    device.provision(hub, hub.create_sas("listener"))
    hub.wait_for_connections("listener", 1)
    hub.send("listener", "good morning", "--ack", "full", "--message-id", "message-1")
    device.wait("cloud-to-device message of 12 bytes: good morning")
    feedback = hub.feedback()
    assert [(record["originalMessageId"], record["statusCode"]) for record in feedback] == [("message-1", "Success")]


def test_a_message_that_waited_at_the_hub_arrives_after_the_first_connect(device, hub):
    text = hub.create_sas("sleeper")
    hub.send("sleeper", "while you slept")
    device.provision(hub, text)
    device.wait("cloud-to-device message of 15 bytes: while you slept")


def test_a_message_is_sent_on_request(device, hub):
    device.provision(hub, hub.create_sas("sender"))
    hub.wait_for_connections("sender", 1)
    before = device.telemetry()[0]
    device.type("azure send\n")
    device.type("azure send\n")
    hub.events("sender", before + 2)
