# SPDX-License-Identifier: Apache-2.0
"""Direct methods: each one of the application, and what a caller does wrong."""

import re
import threading
import time

import pytest

BLINK_S = 0.5


@pytest.fixture(name="call")
def fixture_call(device, hub):
    """Calls a method of a device that has joined."""
    device.provision(hub, hub.create_sas("called"))
    hub.wait_for_reported("called", lambda reported: "firmwareVersion" in reported)
    return lambda method, payload=None: hub.call("called", method, payload)


def test_the_status_and_the_interval_are_given_and_set(device, hub, call):
    assert call("setTelemetryInterval", {"seconds": 3600}) == (200, {"seconds": 3600})
    status, answer = call("getStatus")
    assert (status, answer["telemetryInterval"]) == (200, 3600)
    assert answer["uptimeSeconds"] > 0
    assert answer["messages"] == device.telemetry()[0]
    assert call("setTelemetryInterval", 1) == (200, {"seconds": 1})
    hub.events("called", answer["messages"] + 3)


def test_a_blink_takes_its_time_and_the_device_goes_on_meanwhile(hub, call):
    slow = []
    start = time.monotonic()
    blinks = 20

    def blink():
        slow.append(call("blink", {"times": blinks}))

    thread = threading.Thread(target=blink)
    thread.start()
    try:
        time.sleep(2)
        status, answer = call("blink", {"times": 1})
        assert (status, answer) == (400, {"error": "it is blinking already"})
        assert call("getStatus")[0] == 200
        assert not slow, "the others were answered meanwhile"
    finally:
        thread.join()
    assert slow == [(200, {"blinked": True})]
    assert time.monotonic() - start >= blinks * BLINK_S
    assert hub.connections("called") == 1


def test_a_command_of_a_component_is_a_method_too(call):
    assert call("indicator*blink", {"times": 1}) == (200, {"blinked": True})


@pytest.mark.parametrize(
    ("method", "payload", "status", "reason"),
    [
        ("selfDestruct", {}, 404, "unknown method"),
        ("setTelemetryInterval", {"seconds": -1}, 400, "whole number of seconds"),
        ("setTelemetryInterval", None, 400, "pass the seconds"),
        ("blink", {"times": 61}, 400, "from 1 to 60"),
        ("blink", {"times": [[]]}, 400, "from 1 to 60"),
    ],
)
def test_a_wrong_call_is_refused_with_its_reason(call, method, payload, status, reason):
    refused, answer = call(method, payload)
    assert refused == status
    assert reason in answer["error"]


def test_a_payload_that_does_not_fit_is_answered_with_413(device, hub, call):
    status, answer = call("blink", {"times": "x" * 5_000})
    assert status == 413
    assert re.match(r"the call has 5... bytes with its topic, and the device takes \d+ at most", answer["error"])
    device.wait(r'method "blink": its call of 5... bytes does not fit the receive buffer \(CONFIG_AZURE_RX_BUFFER_SIZE')
    assert call("selfDestruct", "x" * 5_000)[0] == 404
    assert device.ignored() == 0
    assert call("getStatus")[0] == 200
    assert hub.connections("called") == 1


def test_a_reboot_is_answered_and_then_happens(device, hub, call, unlaunched_dut):
    device.position = len(device.lines)
    assert call("reboot")[0] == 200
    device.wait("restarting, as an operator asked for")
    device.wait("reset cause: ")
    if device.lasting:
        hub.wait_for_connections("called", 2)
        # QEMU's machine does not tell it.
        cause = "software" if unlaunched_dut.device_config.type == "native" else "unknown"
        hub.wait_for_reported("called", lambda reported: reported["resetCause"] == cause)
    else:
        device.wait("the device has no identity yet")
    assert re.search(r'closed "called" at.*: the client sent DISCONNECT', hub.log.read_text())
