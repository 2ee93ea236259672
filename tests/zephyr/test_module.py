# SPDX-License-Identifier: Apache-2.0
"""A module on a device: it joins as itself, and has telemetry, a twin and methods of its own."""

import hashlib
import ssl
import time

import pytest

DEVICE, MODULE = "gateway", "gps"
TWIN = f"/twins/{DEVICE}/modules/{MODULE}"


def sas_module(hub):
    """Registers a module with keys; gives what it is provisioned with."""
    hub.create_sas(DEVICE)
    return [hub.run("module-identity", "create", DEVICE, MODULE)]


def x509_module(hub):
    """Registers a module by the thumbprint of its certificate; gives what it is provisioned with."""
    hub.create_x509(DEVICE)
    certificate, key = (path.read_text() for path in hub.certify(f"{DEVICE}-{MODULE}"))
    thumbprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    create = ["module-identity", "create", DEVICE, MODULE, "--am", "x509_thumbprint", "--ptp", thumbprint]
    return [hub.run(*create), certificate, key]


def reported(hub, wanted, timeout=90):
    """Waits until what the module reports is as `wanted` says; gives it."""
    end = time.monotonic() + timeout
    while not wanted(properties := hub.rest("GET", TWIN)[1]["properties"]["reported"]):
        assert time.monotonic() < end, f"after {timeout} s the module reports only {properties}"
        time.sleep(0.5)
    return properties


@pytest.mark.parametrize("create", [sas_module, x509_module])
def test_a_module_sends_has_a_twin_and_answers_methods(device, hub, create):
    device.provision(hub, *create(hub))
    device.wait(f"joined localhost as {DEVICE}/{MODULE}")
    reported(hub, lambda properties: "firmwareVersion" in properties)
    for event in hub.events(DEVICE, 2):
        assert event["annotations"]["iothub-connection-device-id"] == DEVICE
        assert event["annotations"]["iothub-connection-module-id"] == MODULE

    _, twin = hub.rest("PATCH", TWIN, {"properties": {"desired": {"telemetryInterval": 1}}})
    version = twin["properties"]["desired"]["$version"]
    told = reported(hub, lambda properties: properties["telemetryInterval"]["av"] == version)
    assert told["telemetryInterval"] == {"value": 1, "ac": 200, "av": version}
    # The device's own twin is another one.
    assert "firmwareVersion" not in hub.twin(DEVICE)["reported"]

    call = {"methodName": "getStatus", "responseTimeoutInSeconds": 30, "payload": None}
    _, answer = hub.rest("POST", f"{TWIN}/methods", call, timeout=60)
    assert (answer["status"], answer["payload"]["telemetryInterval"]) == (200, 1)
    assert hub.connections(f"{DEVICE}/{MODULE}") == 1


def test_a_module_with_the_key_of_another_is_refused(device, hub):
    (text,) = sas_module(hub)
    other = hub.run("module-identity", "create", DEVICE, "camera")
    key = other.split("SharedAccessKey=")[1]
    device.provision(hub, text.split("SharedAccessKey=")[0] + f"SharedAccessKey={key}")
    device.wait("CONNACK 5: not authorized")
    assert hub.connections(f"{DEVICE}/{MODULE}") == 0
