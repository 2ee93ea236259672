# SPDX-License-Identifier: Apache-2.0
"""Every fault that local-hub knows, and the device survives it: it is back, and nothing that it sent is missing."""

import time

import pytest
from peers import second_device
from telemetry import assert_nothing_missing

LOST = "connection: the hub closed it without a word|connection: it broke"
NAME = "tested"
LATE_S = 4


@pytest.fixture(name="connection_string")
def fixture_connection_string(device, hub):
    """Of a device that has joined and has nothing left to report; it sends every two seconds."""
    text = hub.create_sas(NAME)
    device.provision(hub, text)
    hub.wait_for_reported(NAME, lambda reported: "firmwareVersion" in reported)
    hub.events(NAME, 1)
    return text


joined = pytest.mark.usefixtures("connection_string")


def assert_recovered(device, hub, connections):
    """The device has joined so often, takes messages, and lost nothing."""
    hub.wait_for_connections(NAME, connections, timeout=180)
    hub.send(NAME, "still there")
    device.wait("cloud-to-device message of 11 bytes: still there", 90)
    assert_nothing_missing(device, hub, NAME)


@joined
def test_a_dropped_connection(device, hub):
    hub.fault("drop-connection", NAME)
    device.wait(LOST)
    assert_recovered(device, hub, 2)


@joined
@pytest.mark.parametrize("code", [3, 5])
def test_refused_connects(device, hub, code):
    hub.fault("refuse-connect", NAME, code=code, times=2)
    hub.fault("drop-connection", NAME)
    for _ in range(2):
        device.wait(f"CONNACK {code}: ", 90)
    assert_recovered(device, hub, 2)


@joined
def test_late_acknowledgements(device, hub):
    hub.fault("delay-puback", NAME, milliseconds=LATE_S * 1000)
    device.pump(3 * LATE_S)
    queued, acknowledged, *_ = device.telemetry()
    assert acknowledged < queued
    assert_recovered(device, hub, 1)
    assert hub.connections(NAME) == 1, "late is not never"


@joined
def test_missing_acknowledgements(device, hub):
    hub.fault("suppress-puback", NAME)
    device.wait("MQTT: the server did not send PUBACK in time", 180)
    hub.fault("clear", NAME)
    hub.wait_for_connections(NAME, 2)
    # The connection may have begun before the fault was cleared; then it ends like the first.
    assert_nothing_missing(device, hub, NAME, timeout=180)


@pytest.mark.parametrize("status", [429, 500])
def test_a_twin_that_fails(device, hub, status):
    text = hub.create_sas(NAME)
    hub.fault("fail-twin", NAME, status=status, times=2)
    version = hub.desire(NAME, telemetryInterval=1)
    device.provision(hub, text)
    for _ in range(2):
        device.wait(f"twin: the hub answered {status}; asking again", 90)
    wanted = {"value": 1, "ac": 200, "av": version}
    hub.wait_for_reported(NAME, lambda reported: reported.get("telemetryInterval") == wanted)
    assert_recovered(device, hub, 1)
    assert hub.connections(NAME) == 1


@joined
@pytest.mark.parametrize("status", [429, 500])
def test_a_report_that_fails(device, hub, status):
    hub.fault("fail-twin", NAME, status=status, times=1)
    version = hub.desire(NAME, telemetryInterval=3)
    device.wait(f"twin: the hub answered {status}; asking again", 90)
    wanted = {"value": 3, "ac": 200, "av": version}
    hub.wait_for_reported(NAME, lambda reported: reported.get("telemetryInterval") == wanted)
    assert hub.connections(NAME) == 1


@joined
def test_a_message_that_comes_twice(device, hub):
    hub.fault("duplicate-c2d", NAME)
    hub.send(NAME, "twice", "--ack", "full", "--message-id", "message-2")
    device.wait("cloud-to-device message of 5 bytes: twice")
    device.wait("cloud-to-device message of 5 bytes, again: twice")
    records = [(record["originalMessageId"], record["statusCode"]) for record in hub.feedback()]
    assert records == [("message-2", "Success")]
    assert_recovered(device, hub, 1)


def test_a_second_device_of_the_same_id(device, hub, connection_string):
    with second_device(hub, connection_string):
        device.wait(LOST)
        # It takes its place back; the two would go on like this, with growing waits.
        assert_recovered(device, hub, 3)


@joined
def test_a_takeover_by_nobody(device, hub):
    hub.fault("take-over", NAME)
    device.wait(LOST)
    assert_recovered(device, hub, 2)


@joined
def test_a_token_that_expires(device, hub):
    # Tokens are dated in seconds, and a newer one is asked for.
    time.sleep(1)
    hub.fault("expire-token", NAME)
    assert_recovered(device, hub, 2)


@joined
def test_a_hub_that_falls_silent(device, hub):
    hub.fault("half-open", NAME)
    device.wait("MQTT: the server did not send (PINGRESP|PUBACK) in time", 180)
    assert_recovered(device, hub, 2)
