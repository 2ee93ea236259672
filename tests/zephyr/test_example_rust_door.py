# SPDX-License-Identifier: Apache-2.0
"""The door contact of examples/rust. The pin is emulated, and Zephyr's GPIO shell moves it."""

MOST_EVENTS = 30


def test_a_door_that_opens_is_sent_and_reported(device, hub):
    device.provision(hub, hub.create_sas("store"))
    hub.wait_for_reported("store", lambda reported: reported.get("doorOpen") is False)
    device.command("gpio conf gpio0 5 iu", "gpio conf")
    hub.wait_for_reported("store", lambda reported: reported["doorOpen"] is True)
    for count in range(1, MOST_EVENTS):
        event = hub.events("store", count)[-1]
        if event["payload"] == {"doorOpen": True}:
            break
    else:
        raise AssertionError("the door is in no message")
    assert event["properties"]["application"]["alert"] == "true"
