# SPDX-License-Identifier: Apache-2.0
"""The device twin: what the device reports, and what an operator changes there."""

import time

import pytest

QUIET_S = 8


@pytest.fixture(name="joined")
def fixture_joined(device, hub):
    """A device that has reported."""
    device.provision(hub, hub.create_sas("twin"))
    hub.wait_for_reported("twin", lambda reported: "firmwareVersion" in reported)


@pytest.mark.usefixtures("joined")
def test_the_device_reports_what_it_is(device, hub):
    reported = hub.twin("twin")["reported"]
    version = device.says(f"Azure IoT Hub device {reported['firmwareVersion']} on Zephyr {reported['zephyrVersion']} ")
    assert version, reported
    assert device.says(f"reset cause: {reported['resetCause']}$")
    assert reported["connections"] == 1
    assert "lastFailure" not in reported
    hub.fault("drop-connection", "twin")
    reported = hub.wait_for_reported("twin", lambda reported: reported["connections"] == 2)
    assert reported["lastFailure"] == "connection"


@pytest.mark.usefixtures("joined")
def test_the_telemetry_interval_follows_the_twin(device, hub):
    def set_interval(seconds):
        version = hub.desire("twin", telemetryInterval=seconds)
        wanted = {"value": seconds, "ac": 200, "av": version}
        hub.wait_for_reported("twin", lambda reported: reported.get("telemetryInterval") == wanted)

    hub.events("twin", 2)
    set_interval(3600)
    before = device.telemetry()[0]
    time.sleep(QUIET_S)
    assert device.telemetry()[0] == before
    set_interval(1)
    start = time.monotonic()
    hub.events("twin", before + QUIET_S)
    assert time.monotonic() - start > 0.8 * (QUIET_S - 1)
    set_interval(0)
    before = device.telemetry()[0]
    time.sleep(QUIET_S)
    assert device.telemetry()[0] == before


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize("value", ["often", -1, 86401, 1.5, [60]])
def test_a_bad_interval_is_refused_with_its_reason_and_changes_nothing(device, hub, value):
    version = hub.desire("twin", telemetryInterval=value, unknown={"a": [1]})
    reported = hub.wait_for_reported("twin", lambda reported: reported["telemetryInterval"]["av"] == version)
    refusal = reported["telemetryInterval"]
    assert (refusal["value"], refusal["ac"]) == (2, 400)
    assert "a whole number of seconds" in refusal["ad"]
    device.wait("twin: telemetryInterval refused: must be a whole number")


@pytest.mark.usefixtures("joined")
def test_what_nobody_desires_is_reported_and_again_when_a_method_changed_it(hub):
    interval = {"value": 2, "ac": 203, "av": 0}
    hub.wait_for_reported("twin", lambda reported: reported["telemetryInterval"] == interval)
    assert hub.call("twin", "setTelemetryInterval", {"seconds": 5})[0] == 200
    hub.wait_for_reported("twin", lambda reported: reported["telemetryInterval"] == {**interval, "value": 5})


@pytest.mark.usefixtures("joined")
def test_a_property_of_a_component_is_acknowledged_in_its_shape(hub):
    for enabled, code in ((False, 200), ("dark", 400), (True, 200)):
        version = hub.desire("twin", indicator={"__t": "c", "enabled": enabled})

        def acknowledged(reported, version=version):
            return reported.get("indicator", {}).get("enabled", {}).get("av") == version

        reported = hub.wait_for_reported("twin", acknowledged)
        assert reported["indicator"]["__t"] == "c"
        enabled_is = reported["indicator"]["enabled"]
        assert (enabled_is["value"], enabled_is["ac"]) == (enabled if code == 200 else False, code)


def test_what_was_desired_while_the_device_was_away_is_applied_when_it_joins(device, hub):
    text = hub.create_sas("away")
    hub.desire("away", telemetryInterval=7)
    version = hub.desire("away", telemetryInterval=3600)
    device.provision(hub, text)
    wanted = {"value": 3600, "ac": 200, "av": version}
    hub.wait_for_reported("away", lambda reported: reported.get("telemetryInterval") == wanted)
