# SPDX-License-Identifier: Apache-2.0
"""A hub for each test, and the device that twister built, with nothing provisioned."""

import pytest
from console import Console
from hub import Hub
from twister_harness.exceptions import TwisterHarnessTimeoutException


@pytest.fixture(name="start_hub")
def fixture_start_hub(tmp_path):
    """Starts hubs, each in a directory of its own; they end with the test."""
    hubs = []

    def start(**options):
        hubs.append(Hub(tmp_path / f"hub{len(hubs)}", **options))
        return hubs[-1].start()

    yield start
    for hub in hubs:
        hub.close()


@pytest.fixture(name="hub")
def fixture_hub(start_hub):
    """A hub as Azure would be."""
    return start_hub()


@pytest.fixture(name="device")
def fixture_device(unlaunched_dut):
    """The device, freshly flashed."""
    dut = unlaunched_dut
    (dut.device_config.app_build_dir / "flash.bin").unlink(missing_ok=True)

    def read(timeout):
        try:
            return dut.readline(timeout=timeout)
        except TwisterHarnessTimeoutException:
            return None

    # A simulator's sockets are the host's; in QEMU, 10.0.2.2 is the host's loopback interface.
    host = "127.0.0.1" if dut.device_config.type == "native" else "10.0.2.2"
    dut.launch()
    console = Console(read, dut.write, host)
    console.ready()
    return console
