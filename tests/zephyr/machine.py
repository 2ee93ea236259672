# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of this folder on machines of QEMU that Zephyr's own run target does not know.

    west build -b qemu_cortex_a9 -d BUILD . -- -DEXTRA_CONF_FILE=tests/zephyr/test.conf
    harness=$ZEPHYR_BASE/scripts/pylib/pytest-twister-harness/src
    PYTHONPATH=tests/zephyr:$harness pytest -p machine --image BUILD/zephyr/zephyr.elf tests/zephyr/test_join.py

and the same with `-b mps2/an386`, whose image may also have tests/zephyr/fault.conf, and with `-b mps2/an385` and
`-DEXTRA_DTC_OVERLAY_FILE=tests/zephyr/flash/mps2_an385.overlay`, whose flash outlives QEMU. The image's board names the machine.

With MCUboot, tests/zephyr/test_update.py says how to build:

    PYTHONPATH=tests/zephyr:$harness pytest -p machine --image BUILD/APPLICATION/zephyr/zephyr.elf tests/zephyr/test_update.py

A pytest plugin that stands in for twister's: it gives the device that the tests ask for. With twister, conftest.py takes it for
images whose flash is to outlive QEMU.
"""

import queue
import re
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from twister_harness.exceptions import TwisterHarnessTimeoutException

QEMU = "qemu-system-arm -nographic -vga none -monitor none -serial stdio".split()
# By board: the machine, and how it takes the image.
MACHINES = {
    "qemu_cortex_a9": "-machine xilinx-zynq-a9 -nic user -device loader,file={image},cpu-num=0",
    "mps2/an386": "-machine mps2-an386 -nic user,model=lan9118 -kernel {image}",
    # Its PSRAM is in a file, and Zephyr's simulated flash at the start of it.
    "mps2/an385": "-machine mps2-an385,memory-backend=psram -m 16M -nic user,model=lan9118 -kernel {image} "
    "-object memory-backend-file,id=psram,size=16M,mem-path={flash},share=on",
}
PSRAM_SIZE = 16 << 20
WITH_LOADER = "CONFIG_BOOTLOADER_MCUBOOT=y"
# Where sysbuild/boards/mps2_an385.overlay has the first slot.
SLOT_0 = 0x20000


def config_beside(image):
    """The Kconfig values of the image, as text."""
    return (image.parent / ".config").read_text(encoding="utf-8")


class Machine:
    """QEMU with an image, as far as the tests use twister's device adapter."""

    def __init__(self, image):
        self.image = Path(image)
        self.flash = self.image.parent.parent / "flash.bin"
        self.device_config = SimpleNamespace(
            type="qemu", app_build_dir=self.image.parent.parent, lasting=self.board() == "mps2/an385"
        )
        self.process, self.lines = None, None
        # Further arguments of QEMU.
        self.more = []
        # Sysbuild's boot loader: the machine takes its vectors from it, and finds the rest in the flash.
        self.loader = None
        if WITH_LOADER in config_beside(self.image):
            self.loader = self.image.parents[2] / "mcuboot/zephyr/zephyr.bin"

    @staticmethod
    def outlives(image):
        """True if the image's flash is in memory that QEMU can keep in a file."""
        config = config_beside(image)
        devicetree = (image.parent / "zephyr.dts").read_text(encoding="utf-8")
        return 'CONFIG_BOARD="mps2"' in config and (WITH_LOADER in config or 'zephyr,memory-region = "PSRAM"' in devicetree)

    def launch(self):
        """Switches it on."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        if self.device_config.lasting and not self.flash.exists():
            self.flash.write_bytes(self.factory())
        machine = MACHINES[self.board()].format(image=self.loader or self.image, flash=self.flash)
        command = [*QEMU, *machine.split(), *self.more]
        self.process = subprocess.Popen(command, **pipes)
        self.lines = queue.Queue()
        threading.Thread(target=self.collect, args=(self.process, self.lines), daemon=True).start()

    def factory(self):
        """The flash as the factory leaves it."""
        flash = bytearray(b"\xff" * PSRAM_SIZE)
        if self.loader:
            parts = ((0, self.loader), (SLOT_0, self.image.with_name("zephyr.signed.bin")))
            for start, data in ((start, path.read_bytes()) for start, path in parts):
                flash[start : start + len(data)] = data
        return flash

    def board(self):
        """The board that the image was built for."""
        config = config_beside(self.image)
        board = re.search(r'^CONFIG_BOARD="(\w+)"', config, re.MULTILINE).group(1)
        qualifiers = re.search(r'^CONFIG_BOARD_QUALIFIERS="(an\w+)"', config, re.MULTILINE)
        return f"{board}/{qualifiers.group(1)}" if qualifiers else board

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
    parser.addoption("--image", required=True, help="zephyr.elf of a build for qemu_cortex_a9 or mps2/an386")


@pytest.fixture(name="unlaunched_dut")
def fixture_unlaunched_dut(request):
    """The device, switched off."""
    machine = Machine(request.config.getoption("--image"))
    yield machine
    machine.close()
