# SPDX-License-Identifier: Apache-2.0
"""The readings that a devicetree names are the telemetry: here of Zephyr's driver for voltages, over an emulated ADC."""

# Volts at the pins, as tests/zephyr/sensors/voltages.c sets them. An ADC of 12 bits and 3.3 V is exact to a mV or so.
SUPPLY = 2.5
CELL = 1.25
STEP = 0.002


def test_each_reading_has_its_name_and_its_scale_from_the_devicetree(device, hub):
    device.provision(hub, hub.create_sas("measures"))
    for event in hub.events("measures", 2):
        payload = event["payload"]
        # Two resistors halve the supply's voltage.
        assert abs(payload["supply"] - 2 * SUPPLY) < 2 * STEP, payload
        assert abs(payload["cellMillivolts"] - 1000 * CELL) < 1000 * STEP, payload
        assert abs(payload["halfCell"] - CELL / 2) < STEP, payload
        assert "temperature" not in payload, "nothing is simulated beside real sensors"


def test_a_reading_that_fails_is_named_once_and_the_others_are_sent(device, hub):
    device.provision(hub, hub.create_sas("partly"))
    for event in hub.events("partly", 3):
        assert "current" not in event["payload"]
        assert "supply" in event["payload"]
    lines = [line for line in device.lines if "no reading of" in line]
    assert len(lines) == 1 and "no reading of current (error" in lines[0], lines
