# SPDX-License-Identifier: Apache-2.0
"""The device twin: what the device reports, and what an operator changes there."""

import json
import re
import time
from pathlib import Path

import pytest

MODEL = json.loads((Path(__file__).parents[2] / "docs/device.dtdl.json").read_text(encoding="utf-8"))
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
@pytest.mark.parametrize("value", ["often", -1, 86401, 1.5, 0.5, [60]])
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
def test_the_model_is_announced(hub):
    assert json.loads(hub.run("device-twin", "show", "twin"))["modelId"] == MODEL["@id"]


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


def test_a_twin_of_thirty_kilobytes_is_served(device, start_hub):
    # Records that fit CONFIG_AZURE_TLS_IN_CONTENT_LEN; the receive buffer has CONFIG_AZURE_RX_BUFFER_SIZE.
    hub = start_hub(tls_record_size=6144)
    text = hub.create_sas("large")
    ballast = {f"member{index}": "x" * 3_900 for index in range(7)}
    version = hub.desire("large", a=ballast, telemetryInterval=3600)
    device.provision(hub, text)
    wanted = {"value": 3600, "ac": 200, "av": version}
    hub.wait_for_reported("large", lambda reported: reported.get("telemetryInterval") == wanted)
    # A change of the same size.
    version = hub.desire("large", a=None, b=ballast, telemetryInterval=1800)
    wanted = {"value": 1800, "ac": 200, "av": version}
    hub.wait_for_reported("large", lambda reported: reported["telemetryInterval"] == wanted)
    assert hub.connections("large") == 1
    assert device.ignored() == 0


def test_what_was_deleted_while_the_device_was_away_is_undone(device, hub):
    text = hub.create_sas("deleted")
    hub.desire("deleted", telemetryInterval="often", indicator={"__t": "c", "enabled": False})
    device.provision(hub, text)
    hub.wait_for_reported("deleted", lambda reported: "ad" in reported.get("telemetryInterval", {}))
    hub.fault("refuse-connect", "deleted", code=3, times=2)
    hub.fault("drop-connection", "deleted")
    hub.desire("deleted", telemetryInterval=None, indicator=None)
    interval = {"value": 2, "ac": 203, "av": 0}
    reported = hub.wait_for_reported("deleted", lambda reported: reported["telemetryInterval"] == interval)
    assert reported["indicator"]["enabled"] == {"value": True, "ac": 203, "av": 0}


@pytest.mark.usefixtures("joined")
def test_an_unknown_property_is_named_once(device, hub):
    for _ in range(2):
        version = hub.desire("twin", telemetryintervall=5, indicator={"__t": "c", "colour": 7}, telemetryInterval=3600)
        hub.wait_for_reported("twin", lambda reported, v=version: reported["telemetryInterval"]["av"] == v)
    device.pump(1)
    for name in ("telemetryintervall", r"indicator\*colour"):
        named = [line for line in device.lines if re.search(f'has no property "{name}"', line)]
        assert len(named) == 1, named
