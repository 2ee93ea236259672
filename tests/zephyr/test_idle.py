# SPDX-License-Identifier: Apache-2.0
"""A device that waits uses no processor time. On the simulator only: it is a process whose time can be read."""

import os
import time
from pathlib import Path

import pytest

SECONDS = 5


@pytest.fixture(name="busy")
def fixture_busy(device, unlaunched_dut):
    """Gives the share of a processor that the simulator uses for some seconds."""
    stat = Path(f"/proc/{unlaunched_dut._process.pid}/stat")  # pylint: disable=protected-access

    def used():
        # User and system time, the 14th and 15th field (proc_pid_stat(5)); the name may contain spaces.
        fields = stat.read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def share():
        before = used()
        device.pump(SECONDS)
        return (used() - before) / SECONDS

    return share


def test_a_connected_device_idles(device, hub, busy):
    device.provision(hub, hub.create_sas("idle"))
    hub.wait_for_connections("idle", 1)
    hub.call("idle", "setTelemetryInterval", {"seconds": 3600})
    assert busy() < 0.3


def test_a_device_whose_hub_was_killed_idles(device, hub, busy):
    device.provision(hub, hub.create_sas("orphan"))
    hub.events("orphan", 1)
    hub.kill()
    device.wait("TCP: nobody listens there")
    assert busy() < 0.3


def test_a_device_whose_hub_fell_silent_idles(device, hub, busy):
    device.provision(hub, hub.create_sas("waiting"))
    hub.events("waiting", 1)
    hub.fault("half-open", "waiting")
    assert busy() < 0.3
