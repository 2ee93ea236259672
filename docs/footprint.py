#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what the firmware costs, and writes the tables of docs/footprint.md.

    docs/footprint.py --write BUILD

builds the image of every board of sample.yaml, and some variants, into BUILD/, reads flash and RAM from what the
linker made, runs the mps2/an385 image in QEMU against local-hub, and asks it for its heap by `azure status`. Needs a
Zephyr workspace, qemu-system-arm, openssl and local-hub (LOCAL_HUB names it).
"""

import argparse
import queue
import re
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/zephyr")]

from console import Console  # noqa: E402 (the path is set above)
from hub import Hub  # noqa: E402

DOCUMENT = ROOT / "docs/footprint.md"
QEMU_BOARD = "mps2/an385"
QEMU = "qemu-system-arm -cpu cortex-m3 -machine mps2-an385 -nographic -vga none -monitor none -serial stdio".split()
CERTIFICATE_SIZES = ("4500", "6k")
COMPACT = "firmware/compact.conf;tests/zephyr/identity.conf"
ENROLMENT = "tests/zephyr/enrolment.conf"
QUIET = "-DCONFIG_AZURE_LOG_LEVEL_OFF=y"
NO_QUEUE = "-DCONFIG_AZURE_QUEUE=n"
# What is built beside each board's image with the defaults: board, configuration, more arguments.
VARIANTS = {
    "disco_l475_iot1, without log": ("disco_l475_iot1", "", QUIET),
    "disco_l475_iot1, without queue in flash": ("disco_l475_iot1", "", NO_QUEUE),
    "disco_l475_iot1, compact": ("disco_l475_iot1", COMPACT),
    "disco_l475_iot1, compact, without log": ("disco_l475_iot1", COMPACT, QUIET),
    "disco_l475_iot1, compact with DPS, without log": ("disco_l475_iot1", ENROLMENT, NO_QUEUE),
}
CREDENTIALS = {"SAS": "sas", "X.509 RSA-2048": "rsa", "X.509 P-256": "ecc"}

# Whose code it is, by the source file that a symbol comes from; the first match counts.
PARTS = (
    ("application and Rust", r"\.rs$|firmware/rust/"),
    ("C under it", r"firmware/shim/"),
    ("mbedTLS", r"mbedtls"),
    ("network", r"subsys/net|drivers/(ethernet|wifi|net)|zephyr/net/"),
    ("C library", r"libc/|libgcc"),
    ("rest of Zephyr", r""),
)
NAMELESS = "texts, and constants without a name"


@dataclass
class Region:
    """A memory region of the linker's map."""

    name: str
    origin: int
    length: int
    writable: bool
    used: int = 0


def regions(text):
    """The regions in the map's memory configuration."""
    table = text.split("Memory Configuration", 1)[1].split("Linker script and memory map", 1)[0]
    found = []
    for name, origin, length, attributes in re.findall(r"^(\w+)\s+0x(\w+)\s+0x(\w+)[ \t]*(\w*)$", table, re.MULTILINE):
        if name != "IDT_LIST":
            found.append(Region(name, int(origin, 16), int(length, 16), "w" in attributes or "RAM" in name))
    return found


def segments(elf):
    """Load segments of a 32-bit little-endian ELF file: virtual and physical address, bytes in file and memory."""
    data = elf.read_bytes()
    assert data[:6] == b"\x7fELF\x01\x01", f"{elf} is no 32-bit little-endian ELF file"
    offset, size, count = struct.unpack_from("<I", data, 28)[0], *struct.unpack_from("<HH", data, 42)
    for index in range(count):
        kind, _, virtual, physical, stored, taken = struct.unpack_from("<6I", data, offset + index * size)
        if kind == 1:
            yield virtual, physical, stored, taken


def entry(elf):
    """Where a 32-bit little-endian ELF file starts to run."""
    return struct.unpack_from("<I", elf.read_bytes(), 24)[0]


def memory(build):
    """The regions of a build with what is used of them: from each region's start to its last byte."""
    found = regions((build / "zephyr/zephyr.map").read_text(errors="replace"))
    for virtual, physical, stored, taken in segments(build / "zephyr/zephyr.elf"):
        for start, size in ((virtual, taken), (physical, stored)):
            region = home(found, start)
            if size and region:
                region.used = max(region.used, start + size - region.origin)
    return found


def home(found, address):
    """The region of an address. Some lie in others, or are named twice: the one that starts last, the first of these."""
    around = [region for region in found if region.origin <= address < region.origin + region.length]
    return max(around, key=lambda region: region.origin, default=None)


def tool(build, name):
    """A program of the toolchain that a build used."""
    return re.search(rf"^CMAKE_{name}:FILEPATH=(.+)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE).group(1)


def parts(build):
    """Bytes of code and constants by whose they are, from the ELF file's symbols and where its line table places them."""
    elf = build / "zephyr/zephyr.elf"
    found = memory(build)
    flash = [region for region in found if not region.writable and region.used]
    # A board without code in flash runs all of it from RAM.
    loaded = list(segments(elf))
    total = sum(region.used for region in flash)
    if home(found, entry(elf)) not in flash:
        flash, total = found, sum(stored for *_, stored, _ in loaded)
    listed = subprocess.run([tool(build, "NM"), "-S", elf], check=True, capture_output=True, text=True).stdout
    symbols = {}
    for address, size in re.findall(r"^(\w+) (\w+) [tTrRvVwW] ", listed, re.MULTILINE):
        start = int(address, 16) & ~1  # Thumb functions have odd addresses
        if home(found, start) in flash:
            symbols[start] = int(size, 16)
    asked = "\n".join(map(hex, symbols))
    command = [tool(build, "ADDR2LINE"), "-e", elf]
    answers = subprocess.run(command, input=asked, check=True, capture_output=True, text=True).stdout.splitlines()
    counted = Counter()
    for size, place in zip(symbols.values(), answers, strict=True):
        path = place.rsplit(":", 1)[0]
        counted[next(name for name, part in PARTS if re.search(part, path))] += size
    counted[NAMELESS] = total - counted.total()
    return counted


class Machine:
    """QEMU with an image, as a Console reads and writes it."""

    def __init__(self, build, more=()):
        network = [*more, "-nic", "user,model=lan9118", "-kernel", str(build / "zephyr/zephyr.elf")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen([*QEMU, *network], **pipes)
        self.lines = queue.Queue()
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self):
        """Takes lines until QEMU ends."""
        for line in self.process.stdout:
            self.lines.put(line.decode(errors="replace").rstrip("\r\n"))

    def read(self, timeout):
        """The next line, or None."""
        try:
            return self.lines.get(timeout=timeout)
        except queue.Empty:
            return None

    def write(self, data):
        """Types."""
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def heap(build, credential, size):
    """Connects once; gives (bytes of the hub's Certificate message, peak, used after, stack at most)."""
    with tempfile.TemporaryDirectory() as folder, Machine(build) as machine:
        hub = Hub(folder, certificate_size=size).start()
        try:
            device = Console(machine.read, machine.write, "10.0.2.2", lasting=False)
            device.ready()
            identity = (hub.create_sas("device"),) if credential == "sas" else hub.create_x509("device", credential)
            device.provision(hub, *identity)
            hub.wait_for_connections("device", 1)
            # The first telemetry message and its acknowledgement are part of connecting.
            hub.events("device", 1)
            device.pump(2)
            status = device.status()
        finally:
            hub.close()
    used, _, peak = re.match(r"(\d+) of (\d+) bytes, peak (\d+)", status["heap"]).groups()
    stack = re.match(r"(\d+) of", status["stack"]).group(1)
    return hub.certificate_message, int(peak), int(used), int(stack)


def heap_table(build):
    """The rows of the heap's table."""
    rows = ["| Credential | Certificate message | Peak while connecting | After | Stack |", "|---|---:|---:|---:|---:|"]
    for name, credential in CREDENTIALS.items():
        for size in CERTIFICATE_SIZES:
            message, peak, used, stack = heap(build, credential, size)
            rows.append(f"| {name} | {message:,} | {peak:,} | {used:,} | {stack:,} |")
            print(rows[-1], flush=True)
    return rows


def size_table(builds):
    """The rows of the boards' table."""
    rows = ["| Board | Flash | RAM | RAM of the board |", "|---|---:|---:|---:|"]
    for board, build in builds.items():
        found = memory(build)
        flash = sum(region.used for region in found if not region.writable)
        ram = [region for region in found if region.writable and region.used]
        rows.append(
            f"| {board} | {flash:,} | {sum(region.used for region in ram):,} "
            f"| {', '.join(f'{region.length // 1024} KB' for region in ram)} |"
        )
    return rows


def parts_table(builds):
    """The rows of the table of parts."""
    counted = {board: parts(build) for board, build in builds.items()}
    rows = [f"| Code and constants | {' | '.join(counted)} |", "|---|" + "---:|" * len(counted)]
    for name in [*(name for name, _ in PARTS), NAMELESS]:
        rows.append(f"| {name} | " + " | ".join(f"{sizes[name]:,}" for sizes in counted.values()) + " |")
    return rows


def boards():
    """The boards of sample.yaml that are no simulators of the host."""
    text = (ROOT / "sample.yaml").read_text(encoding="utf-8")
    named = dict.fromkeys(re.findall(r"^\s+- ([a-z0-9_]+(?:/[a-z0-9_]+)*)$", text, re.MULTILINE))
    return [board for board in named if (ROOT / f"boards/{board.replace('/', '_')}.conf").is_file() and "native" not in board]


def write_table(text, name, rows):
    """Puts rows between the markers of a table."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = text.split(start, 1)
    return f"{before}{start}\n" + "\n".join(rows) + f"\n{end}{rest.split(end, 1)[1]}"


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path, help="directory for the builds, one folder each")
    parser.add_argument("--board", action="append", help="only this board or variant; may be given several times")
    parser.add_argument("--no-build", action="store_true", help="take the builds as they are")
    parser.add_argument("--no-heap", action="store_true", help="measure sizes only")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/footprint.md")
    arguments = parser.parse_args()
    named = arguments.board or [*boards(), *VARIANTS]
    builds = {name: arguments.build / re.sub(r"\W+", "_", name) for name in named}
    if not arguments.no_build:
        for name, build in builds.items():
            board, configuration, *more = VARIANTS.get(name, (name, ""))
            command = ["west", "build", "-b", board, str(ROOT), "-d", str(build), "--"]
            subprocess.run([*command, f"-DEXTRA_CONF_FILE={configuration}", *more], check=True)
    images = {name: build for name, build in builds.items() if name not in VARIANTS}
    tables = {"sizes": size_table(builds), "parts": parts_table(images)}
    for rows in tables.values():
        print("\n".join(rows), end="\n\n", flush=True)
    if QEMU_BOARD in builds and not arguments.no_heap:
        tables["heap"] = heap_table(builds[QEMU_BOARD])
    if arguments.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        for name, rows in tables.items():
            text = write_table(text, name, rows)
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
