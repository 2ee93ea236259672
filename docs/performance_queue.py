#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what the queue in flash costs, and writes the table of docs/performance.md.

    docs/performance_queue.py --write BUILD

builds the mps2/an385 image without the queue and in each of its modes into BUILD/, and runs it in QEMU with flash in a
file, against local-hub: instructions of a message with its PUBACK, bytes of flash that it fills, and the instructions of a
start with a full queue. Needs what docs/performance.py needs.
"""

import argparse
import statistics
import sys
import tempfile
import threading
from pathlib import Path

import performance  # noqa: I001 (it sets the path of what follows)
from console import Console
from footprint import Machine
from hub import Hub
from instructions import Counts, compile_plugin

OVERLAY = "tests/zephyr/flash/mps2_an385.overlay"
# By mode: what the image is built with.
MODES = {
    "off": ("-DCONFIG_AZURE_QUEUE=n",),
    "spill": (),
    "always": ("-DCONFIG_AZURE_QUEUE_ALWAYS=y",),
}
PSRAM_SIZE = 16 << 20
# The queue's partition, as the overlay has it.
QUEUE = slice(0x140000, 0x180000)
PAGE = 4096
SENT = r"Sent, and|Queued|Asked for|was dropped|nothing was sent"
# Messages that surely fill the queue's partition.
FULL = 900
# Seconds in which a device has certainly read its queue after a start.
STARTED = 8


def flash_arguments(flash):
    """Arguments of QEMU that keep the flash in a file."""
    if not flash.exists():
        flash.write_bytes(b"\xff" * PSRAM_SIZE)
    backend = f"memory-backend-file,id=psram,size=16M,mem-path={flash},share=on"
    return ["-machine", "memory-backend=psram", "-m", "16M", "-object", backend]


def filled(flash):
    """Bytes of the queue's partition that are not erased, but for gaps at the ends of pages."""
    content = flash.read_bytes()[QUEUE]
    pages = (content[start : start + PAGE] for start in range(0, len(content), PAGE))
    return sum(len(page.rstrip(b"\xff")) for page in pages)


class Growth:
    """Watches the queue's partition, and gives the bytes of a message: the usual step in which it grows."""

    def __init__(self, flash):
        self.flash, self.steps, self.ends = flash, [], threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        """Looks more often than messages come."""
        before = filled(self.flash)
        while not self.ends.wait(0.2):
            now = filled(self.flash)
            if now > before:
                self.steps.append(now - before)
            before = now

    def end(self):
        """Ends the watch."""
        self.ends.set()
        self.thread.join()
        return statistics.median(self.steps) if self.steps else 0


def message(build, plugin):
    """Instructions and bytes of flash of one message."""
    with tempfile.TemporaryDirectory() as folder:
        flash, counts = Path(folder) / "flash.bin", Counts(plugin, folder)
        hub = Hub(folder).start()
        try:
            with Machine(build, [*counts.arguments, *flash_arguments(flash)]) as machine:
                performance.provisioned(hub, machine, "sas")
                growth = Growth(flash)
                try:
                    few, _ = performance.messages(hub, counts, 2)
                finally:
                    written = growth.end()
                many, _ = performance.messages(hub, counts, 1)
        finally:
            hub.close()
    return (sum(many.values()) - sum(few.values())) / performance.MESSAGES, written


def start(build, plugin, flash, hub, fill):
    """Instructions of a start without a hub. With `fill`, the queue is filled before."""
    with Machine(build, flash_arguments(flash)) as machine:
        device = Console(machine.read, machine.write, "10.0.2.2", lasting=True)
        device.ready()
        if fill:
            for _ in range(FULL):
                device.command("azure send", SENT, 60)
            print(device.status()["queue"], file=sys.stderr)
        else:
            device.provision(hub, hub.create_sas(performance.DEVICE))
            hub.wait_for_connections(performance.DEVICE, 1)
            performance.set_interval(hub, 3600)
            hub.kill()
    with tempfile.TemporaryDirectory() as folder:
        counts = Counts(plugin, folder)
        with Machine(build, [*counts.arguments, *flash_arguments(flash)]) as machine:
            device = Console(machine.read, machine.write, "10.0.2.2", lasting=True)
            device.wait("reset cause", 60)
            device.pump(STARTED)
            return sum(counts.read().values())


def mount(build, plugin):
    """Instructions that a start takes longer with a full queue than with an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder) / "flash.bin"
        hub = Hub(folder).start()
        try:
            empty = start(build, plugin, flash, hub, fill=False)
            return start(build, plugin, flash, hub, fill=True) - empty
        finally:
            hub.close()


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path, help="directory for the builds, one folder each")
    parser.add_argument("--no-build", action="store_true", help="take the images as they are")
    parser.add_argument("--write", action="store_true", help="write the table of docs/performance.md")
    arguments = parser.parse_args()
    arguments.build.mkdir(parents=True, exist_ok=True)
    plugin = compile_plugin(arguments.build)
    rows = ["| Mode | Instructions of a message | Bytes of flash |", "|---|---:|---:|"]
    for mode, options in MODES.items():
        image = arguments.build / f"queue_{mode}"
        if not arguments.no_build:
            performance.build_image(image, performance.ROOT, f"-DEXTRA_DTC_OVERLAY_FILE={OVERLAY}", *options)
        instructions, written = message(image, plugin)
        rows.append(f"| `{mode}` | {instructions:,.0f} | {written:,.0f} |")
        print(rows[-1], flush=True)
    mounted = mount(arguments.build / "queue_always", plugin)
    rows += ["", f"A start with a full queue of 256 KB takes {mounted / 1e6:,.1f} million instructions more than with an empty one."]
    performance.publish("queue", rows, arguments.write)


if __name__ == "__main__":
    main()
