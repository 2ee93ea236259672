# SPDX-License-Identifier: Apache-2.0
"""Networks with one family of addresses, for a device that has one or both."""

import re
import time

import pytest

# What the first attempt may take on top of a usual one: none waits for a family that is not there.
QUICK_S = 30


def test_the_device_joins_by_the_family_that_is_there_without_waiting_for_the_other(device, hub):
    text = hub.create_sas("family-device")
    start = time.monotonic()
    device.provision(hub, text)
    hub.wait_for_connections("family-device", 1, timeout=QUICK_S)
    hub.events("family-device", 3)
    print(f"joined {time.monotonic() - start:.1f} s after it was provisioned")
    assert "0 failures" in device.status()["connections"]


def test_the_address_is_shown_and_reported(device, hub, ipv6, unlaunched_dut):
    if unlaunched_dut.device_config.type == "native":
        pytest.skip("the simulator has the host's addresses")
    device.provision(hub, hub.create_sas("address-device"))
    hub.wait_for_connections("address-device", 1)
    shown = device.status()["network"]
    assert re.search(r"fec0::[0-9a-f:]+" if ipv6 else r"10\.0\.2\.\d+", shown), shown
    reported = hub.wait_for_reported("address-device", lambda twin: "networkAddress" in str(twin))
    assert ("fec0::" if ipv6 else "10.0.2.") in str(reported)


def test_a_hub_that_was_away_is_joined_again(device, hub):
    device.provision(hub, hub.create_sas("patient-device"))
    hub.wait_for_connections("patient-device", 1)
    hub.kill()
    device.wait("connection: |TCP: ")
    hub.start()
    hub.wait_for_connections("patient-device", 2)


@pytest.mark.parametrize("text", ["[::1", "[host]:1", "host:0"])
def test_a_server_that_is_none_is_refused(device, text):
    device.command(f"azure set sntp {text}", "brackets belong around|a port is a number")
