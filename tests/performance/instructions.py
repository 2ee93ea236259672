# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions that an image executes in QEMU, by the plugin instructions.c, and says whose they are."""

import bisect
import mmap
import re
import struct
import subprocess
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).with_name("instructions.c")
ENTRY = struct.Struct("<IIQ")

# Whose an instruction is, by the source file that the line table names for it; the first match counts.
LAYERS = (
    ("TLS", r"mbedtls|sockets_tls\.c|diagnosis\.c|bignum\.c"),
    ("TCP/IP", r"subsys/net/|zephyr/net/"),
    ("network driver", r"drivers/ethernet"),
    ("texts and numbers: Rust's `core::fmt`", r"core/src/fmt|core/src/str|core/src/num|core/src/char"),
    ("MQTT codec", r"mqttbytes|/bytes-"),
    ("the device's session (`src/mqtt`)", r"/src/mqtt/"),
    ("the device's texts (`src/json`, `src/foundation`, `src/iot_hub`)", r"/src/(json|foundation|iot_hub)/"),
    ("Rust's other libraries", r"/library/|/rustc/|/registry/|compiler_builtins|lang/rust"),
    ("the rest of the device, and Rust over Zephyr", r"\.rs$"),
    ("C under it", r"firmware/shim/"),
    ("C library, and what has no line table", r"libc|libgcc|^\?\?"),
    ("the rest of Zephyr", r""),
)
# A function that was inlined from here belongs to its caller.
INLINED = re.compile(r"library/(core|alloc)/|/rustc/|include/|compiler_builtins")


def compile_plugin(folder):
    """Compiles the plugin into a folder; gives its path."""
    plugin = Path(folder) / "instructions.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", plugin, SOURCE], check=True)
    return plugin


class Counts:
    """The counts of a running QEMU."""

    def __init__(self, plugin, folder):
        self.path = Path(folder) / "counts"
        self.arguments = ["-plugin", f"{plugin},counts={self.path}"]

    def read(self):
        """Instructions so far, by the address of their block."""
        found = Counter()
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as counts:
            for position in range(0, len(counts), ENTRY.size):
                address, instructions, executed = ENTRY.unpack_from(counts, position)
                if instructions == 0:
                    break
                found[address] += instructions * executed
        return found


def difference(later, earlier):
    """What came between two readings."""
    return Counter({address: later[address] - earlier[address] for address in later if later[address] != earlier[address]})


def whose(elf, nm, addr2line, counts):
    """Instructions by layer, and by function."""
    listed = subprocess.run([nm, elf], check=True, capture_output=True, text=True).stdout
    symbols = sorted({(int(at, 16) & ~1, name) for at, name in re.findall(r"^(\w+) [tTwW] ([^$].*)$", listed, re.MULTILINE)})
    starts = [start for start, _ in symbols]
    asked = "".join(f"{address:#x}\n" for address in counts)
    command = [addr2line, "-a", "-i", "-e", elf]
    answers = subprocess.run(command, input=asked, check=True, capture_output=True, text=True).stdout
    layers, functions = Counter(), Counter()
    for (address, count), answer in zip(counts.items(), re.split(r"^0x\w+\n", answers, flags=re.MULTILINE)[1:], strict=True):
        places = [place.rsplit(":", 1)[0] for place in answer.splitlines()]
        # The innermost that is no helper; if there is none, the function itself.
        path = next((place for place in places if not INLINED.search(place)), places[-1])
        layers[next(name for name, part in LAYERS if re.search(part, path))] += count
        functions[symbols[max(0, bisect.bisect_right(starts, address) - 1)][1]] += count
    return layers, functions
