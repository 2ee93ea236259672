# SPDX-License-Identifier: Apache-2.0
"""A press of the button sends a message at once. The pin is emulated, and Zephyr's GPIO shell moves it."""

import time

PIN = "gpio0 4"
PRESSES = 5
PATIENCE_S = 30


def move(device, level):
    """Lets the pin be pulled up (iu), which presses the button, or down (id)."""
    device.command(f"gpio conf {PIN} {level}", "gpio conf")
    # Longer than the firmware waits for a button to stop bouncing, on a simulator that is behind its time too.
    device.pump(0.5)
    assert not device.says("unknown gpio controller")


def test_each_press_of_the_button_publishes(device, hub):
    device.provision(hub, hub.create_sas("pressed"))
    hub.wait_for_connections("pressed", 1)
    # Nothing is sent by itself then.
    assert hub.call("pressed", "setTelemetryInterval", {"seconds": 0})[0] == 200
    before = device.telemetry()[0]
    for press in range(1, PRESSES + 1):
        move(device, "iu")
        end = time.monotonic() + PATIENCE_S
        while device.telemetry()[0] == before + press - 1:
            assert time.monotonic() < end, f"press {press} sent nothing"
        move(device, "id")
    hub.events("pressed", before + PRESSES)
    assert device.telemetry()[0] == before + PRESSES, "one message for each press"
