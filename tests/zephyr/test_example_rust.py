# SPDX-License-Identifier: Apache-2.0
"""The cold store of examples/rust serves its operator."""

import time

import pytest

SOUNDS_S = 60


@pytest.fixture(name="store")
def fixture_store(device, hub):
    """The store on the hub, as `store`."""
    device.provision(hub, hub.create_sas("store"))
    hub.wait_for_connections("store", 1)
    return device


def test_the_store_sends_its_readings(store, hub):  # pylint: disable=unused-argument
    for event in hub.events("store", 3):
        assert {"temperature", "humidity"} <= set(event["payload"])
        assert event["properties"]["system"]["content_type"] == "application/json"


def test_the_store_takes_a_setpoint_and_refuses_a_wrong_one(store, hub):  # pylint: disable=unused-argument
    version = hub.desire("store", setpoint=-20.5)
    reported = hub.wait_for_reported("store", lambda reported: reported.get("setpoint", {}).get("av") == version)
    assert reported["setpoint"] == {"value": -20.5, "ac": 200, "av": version}
    assert reported["softwareVersion"] == "1.0.0"
    version = hub.desire("store", setpoint=40)
    reported = hub.wait_for_reported("store", lambda reported: reported["setpoint"]["av"] == version)
    assert reported["setpoint"]["ac"] == 400
    assert reported["setpoint"]["value"] == -20.5


def test_the_alarm_sounds_for_a_minute(store, hub):  # pylint: disable=unused-argument
    start = time.monotonic()
    assert hub.call("store", "soundAlarm", timeout=120) == (200, {"silenced": False})
    assert time.monotonic() - start > SOUNDS_S / 2


def test_the_store_takes_a_message_and_rejects_another(store, hub):
    hub.send("store", "silence", "--ack", "full", "--message-id", "first")
    hub.send("store", "louder", "--ack", "full", "--message-id", "second")
    store.wait("the message is none of: silence")
    ids = [record["originalMessageId"] for record in hub.feedback()]
    assert ids == ["first", "second"]


def test_the_provisioning_service_names_the_stores_hub(device, hub):
    key = hub.enroll("single", "--device-id", "assigned-store")
    device.enroll(hub, "single", symmetric_key=key)
    hub.wait_for_connections("assigned-store", 1)
    assert "temperature" in hub.events("assigned-store", 1)[0]["payload"]
