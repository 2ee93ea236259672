# SPDX-License-Identifier: Apache-2.0
"""A press of the button sends a message at once. The pin is emulated, and Zephyr's GPIO shell moves it."""

import time

PIN = "gpio0 4"
# CONFIG_AZURE_TELEMETRY_INTERVAL_S in test.conf
INTERVAL_S = 2
PRESSES = 10


def press(device):
    """Lets the pin be pulled up, and down again."""
    for level in ("iu", "id"):
        device.command(f"gpio conf {PIN} {level}", "gpio conf")
        # Longer than the firmware waits for a button to stop bouncing.
        device.pump(0.1)
        assert not device.says("unknown gpio controller")


def test_each_press_of_the_button_publishes(device, hub):
    device.provision(hub, hub.create_sas("pressed"))
    hub.events("pressed", 1)
    before = device.telemetry()[0]
    start = time.monotonic()
    for _ in range(PRESSES):
        press(device)
    # Besides what the telemetry interval brings by itself.
    regular = int((time.monotonic() - start) / INTERVAL_S) - 1
    hub.events("pressed", before + PRESSES + regular, timeout=INTERVAL_S)
