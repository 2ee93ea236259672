# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of this folder on QEMU's Cortex-A9, for which Zephyr's own run target needs another QEMU.

    west build -b qemu_cortex_a9 -d BUILD . -- -DEXTRA_CONF_FILE=tests/zephyr/test.conf
    harness=$ZEPHYR_BASE/scripts/pylib/pytest-twister-harness/src
    PYTHONPATH=tests/zephyr:$harness pytest -p cortex_a9 --image BUILD/zephyr/zephyr.elf tests/zephyr/test_join.py

A pytest plugin that stands in for twister's: it gives the device that the tests ask for.
"""

import queue
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from twister_harness.exceptions import TwisterHarnessTimeoutException

QEMU = "qemu-system-arm -machine xilinx-zynq-a9 -nographic -vga none -monitor none -serial stdio -nic user".split()


class Machine:
    """QEMU with an image, as far as the tests use twister's device adapter."""

    def __init__(self, image):
        self.image = Path(image)
        self.device_config = SimpleNamespace(type="qemu", app_build_dir=self.image.parent.parent)
        self.process, self.lines = None, None

    def launch(self):
        """Switches it on."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        command = [*QEMU, "-device", f"loader,file={self.image},cpu-num=0"]
        self.process = subprocess.Popen(command, **pipes)
        self.lines = queue.Queue()
        threading.Thread(target=self.collect, args=(self.process, self.lines), daemon=True).start()

    @staticmethod
    def collect(process, lines):
        """Takes lines until QEMU ends."""
        for line in process.stdout:
            lines.put(line.decode(errors="replace").rstrip("\r\n"))

    def readline(self, timeout):
        """The next line."""
        try:
            return self.lines.get(timeout=timeout)
        except queue.Empty:
            raise TwisterHarnessTimeoutException(f"no line within {timeout} s") from None

    def write(self, data):
        """Types."""
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close(self):
        """Switches it off."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def pytest_addoption(parser):
    """The image is named on the command line."""
    parser.addoption("--image", required=True, help="zephyr.elf of a build for qemu_cortex_a9")


@pytest.fixture(name="unlaunched_dut")
def fixture_unlaunched_dut(request):
    """The device, switched off."""
    machine = Machine(request.config.getoption("--image"))
    yield machine
    machine.close()
