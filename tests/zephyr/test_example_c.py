# SPDX-License-Identifier: Apache-2.0
"""The cold store of examples/c serves its operator."""

import pytest


@pytest.fixture(name="store")
def fixture_store(device, hub):
    """The store on the hub, as `store`."""
    device.provision(hub, hub.create_sas("store"))
    hub.wait_for_connections("store", 1)
    return device


def climate(events):
    """The messages with a temperature."""
    return [event for event in events if "temperature" in event["payload"]]


def test_a_store_in_c_sends_its_readings_with_a_property(store, hub):  # pylint: disable=unused-argument
    events = climate(hub.events("store", 4))
    assert events
    for event in events:
        assert isinstance(event["payload"]["doorOpen"], bool)
        assert event["properties"]["system"]["content_type"] == "application/json"
        assert event["properties"]["application"]["room"] == "cold"


def test_a_door_of_another_thread_is_sent_and_reported(store, hub):  # pylint: disable=unused-argument
    events = hub.events("store", 12, timeout=120)
    doors = [event for event in events if event["properties"]["application"].get("alert") == "door"]
    assert doors
    assert all(set(event["payload"]) == {"doorOpen"} for event in doors)
    is_open = hub.wait_for_reported("store", lambda reported: "doorOpen" in reported)["doorOpen"]
    hub.wait_for_reported("store", lambda reported: reported["doorOpen"] is not is_open)


def test_a_setpoint_in_c_is_applied_or_refused(store, hub):  # pylint: disable=unused-argument
    version = hub.desire("store", setpoint=-20.5)
    reported = hub.wait_for_reported("store", lambda reported: reported.get("setpoint", {}).get("av") == version)
    assert reported["setpoint"] == {"value": -20.5, "ac": 200, "av": version}
    assert reported["firmwareVersion"] == "1.0.0"
    version = hub.desire("store", setpoint=40)
    reported = hub.wait_for_reported("store", lambda reported: reported["setpoint"]["av"] == version)
    assert reported["setpoint"]["ac"] == 400
    assert reported["setpoint"]["ad"] == "must be a number from -30 to 10 with one decimal at most"
    assert reported["setpoint"]["value"] == -20.5


def test_a_method_in_c_takes_its_time_and_answers(store, hub):  # pylint: disable=unused-argument
    assert hub.call("store", "soundAlarm") == (200, {"silenced": False})
    assert hub.call("store", "getStatus")[0] == 200
    assert hub.call("store", "unknown")[0] == 404


def test_a_store_in_c_takes_a_message_and_rejects_another(store, hub):
    hub.send("store", "silence", "--ack", "full", "--message-id", "first")
    hub.send("store", "louder", "--ack", "full", "--message-id", "second")
    store.wait("the application refused it")
    ids = [record["originalMessageId"] for record in hub.feedback()]
    assert ids == ["first", "second"]


def test_the_provisioning_service_names_the_hub_of_a_store_in_c(device, hub):
    key = hub.enroll("single", "--device-id", "assigned-store")
    device.enroll(hub, "single", symmetric_key=key)
    hub.wait_for_connections("assigned-store", 1)
    assert hub.events("assigned-store", 1)[0]["payload"]
